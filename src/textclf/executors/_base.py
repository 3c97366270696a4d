"""Executors: each file is one way to carry out many experiments, found by its name.

An executor module has a docstring whose first line is its summary, and ``execute(configs, root,
settings, options)``, which runs each configuration below ``root`` and returns the failures.
Whichever it is, the run directories are the same.
"""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from textclf.config.resolve import ExperimentConfig
from textclf.errors import RequestError, TextclfError
from textclf.experiment.run import Settings, run_experiment
from textclf.registry import load_module
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.runtime.progress import Reporter

STEP_SECONDS = 60
"""How long a run may take to finish its step, after which it is not waited for."""

T = TypeVar("T")


@dataclass(frozen=True)
class ExecutorOptions:
    """Where and how many experiments are carried out.

    Attributes:
        executor: which one.
        jobs: how many runs at once; ``auto`` for as many as there is room for, None for what is
            usual for the executor.
        ray_address: of a Ray cluster; None for what Ray's environment variable says, or else a Ray
            on this machine alone.

    Raises:
        RequestError: an address was given that is empty, or that the executor has no use for.
    """

    executor: str = "local"
    jobs: int | Literal["auto"] | None = None
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.ray_address is not None and self.executor != "ray":
            raise RequestError("--ray-address needs --executor ray")
        if self.ray_address == "":
            raise RequestError("--ray-address is empty: give ray://HOST:10001, or auto")


@dataclass(frozen=True)
class Failure:
    """A configuration that could not be run, and why.

    Attributes:
        config: what could not be run.
        error: why, in one line.
    """

    config: ExperimentConfig
    error: TextclfError


def run_all(
    configs: Sequence[ExperimentConfig], root: Path, settings: Settings, options: ExecutorOptions
) -> tuple[list[tuple[RunDirectory, Result]], list[Failure]]:
    """Run each configuration below ``root`` that is not finished; one that fails stops no other.

    Args:
        configs: what to run.
        root: the run root.
        settings: how.
        options: where, and how many at once.
    """
    places = {RunDirectory.of(config, root).path: config for config in configs}
    for path in places:
        if RunDirectory(path).is_finished:
            settings.reporter.say(f"finished before: {path}")
    missing = [config for path, config in places.items() if not RunDirectory(path).is_finished]
    failures: list[Failure] = []
    if missing:
        executor = load_module("executors", options.executor)
        failures += executor.execute(missing, root, settings, options)
    failed = {RunDirectory.of(failure.config, root).path for failure in failures}
    finished = []
    for path, config in places.items():
        if path not in failed:
            try:
                finished.append((RunDirectory(path), RunDirectory(path).read_result()))
            except TextclfError as error:  # Finished before, and damaged since.
                failures.append(Failure(config, error))
    return finished, failures


def name_run(config: ExperimentConfig) -> str:
    """Return what a run is called beside others of the same comparison."""
    return f"{config.model.name} seed {config.seed}"


def run_here(config: ExperimentConfig, root: Path, settings: Settings) -> TextclfError | None:
    """Run one configuration in this process; return what kept it from its end."""
    run = RunDirectory.of(config, root)
    answer = attempt(lambda: run_experiment(config, run, settings), settings.reporter)
    return answer if isinstance(answer, TextclfError) else None


def attempt(action: Callable[[], T], reporter: Reporter) -> T | TextclfError:
    """Return what an action returns, or the error that it ends with; a bug becomes one too.

    The traceback of a bug, perhaps in a user's own model, is told to the reporter.
    """
    try:
        return action()
    except TextclfError as error:
        return error
    except Exception as error:
        reporter.warn(traceback.format_exc())
        reason = str(error).strip().split("\n")[0]
        return TextclfError(f"{type(error).__name__}: {reason}")
