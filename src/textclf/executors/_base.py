"""Runs many configurations with an executor; contains what the executors share."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from textclf.config.schema import DatasetConfig, ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.errors import (
    DataError,
    DataRequestError,
    RequestError,
    TextclfError,
    format_error,
)
from textclf.experiment.run import RunContext, run_experiment
from textclf.registry import load_module
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure, Result
from textclf.runtime.progress import Reporter
from textclf.storage.files import list_absent_folders, remove_empty_folders

STEP_TIMEOUT_SECONDS = 60
"""How long to wait for interrupted runs to complete their step."""

T = TypeVar("T")


@dataclass(frozen=True)
class ExecutorConfig:
    """Where runs are executed, and how many at once.

    Attributes:
        name: Name of the executor.
        jobs: Runs at once; ``auto`` for as many as there is room for, None for the default of the
            executor.
        ray_address: Address of a Ray cluster; None for the one in Ray's environment variable, or
            else a Ray on this machine alone.

    Raises:
        RequestError: An address is empty, or given for an executor that does not use it.
    """

    name: str = "local"
    jobs: int | Literal["auto"] | None = None
    ray_address: str | None = None

    def __post_init__(self) -> None:
        if self.ray_address is not None and self.name != "ray":
            raise RequestError("--ray-address needs --executor ray")
        if self.ray_address == "":
            raise RequestError("--ray-address is empty: give ray://HOST:10001, or auto")


class Executor(Protocol):
    """Runs many configurations, several at once."""

    def allocate(self, configs: Sequence[ExperimentConfig], context: RunContext) -> tuple[int, int]:
        """Return how many of the configurations run at once, and the threads of each."""

    def execute(self, configs: Sequence[ExperimentConfig], context: RunContext) -> list[Failure]:
        """Run configurations with the same dataset, and return the failures."""


def name_runs(configs: Sequence[ExperimentConfig]) -> list[str]:
    """Return the names of runs in messages, with fingerprints if a model has several."""
    fingerprints: dict[str, set[str]] = {}
    for config in configs:
        fingerprints.setdefault(config.run_name, set()).add(config.fingerprint)
    return [
        f"{config.run_name} ({config.fingerprint})"
        if len(fingerprints[config.run_name]) > 1
        else config.run_name
        for config in configs
    ]


def make_failure(config: ExperimentConfig, error: TextclfError) -> Failure:
    """Return the failure of a run; raise a DataError, which every other run would repeat."""
    if isinstance(error, DataError):
        raise error
    return Failure(config, error)


def run_all(
    configs: Sequence[ExperimentConfig], root: Path, context: RunContext, executor: ExecutorConfig
) -> tuple[list[tuple[RunDirectory, Result]], list[Failure]]:
    """Run the configurations that are not finished below ``root``; a failure stops no other run.

    Args:
        configs: Configurations to run, all with the same dataset.
        root: Root of the run directories.
        context: How each run is executed.
        executor: Where runs are executed, and how many at once.

    Returns:
        Finished runs with their results, and failures.

    Raises:
        DataError: The dataset cannot be loaded.
    """
    root.absolute()  # An OSError here, not one per run, if the current folder was removed.
    by_path = {RunDirectory.of(config, root).path: config for config in configs}
    for path in by_path:
        if RunDirectory(path).is_finished:
            context.reporter.info(f"already finished: {path}")
    missing = [config for path, config in by_path.items() if not RunDirectory(path).is_finished]
    failures: list[Failure] = []
    if missing:
        absent = list_absent_folders(root)
        try:
            with load_module("executors", executor.name).opened(root, executor) as opened:
                failures += opened.execute(missing, context)
        finally:  # Runs that fail at the same time leave the folders that they share.
            for path in by_path:
                folders = (path, *path.parents)
                remove_empty_folders(folder for folder in folders if root in folder.parents)
            remove_empty_folders(absent)
    failed = {RunDirectory.of(failure.config, root).path for failure in failures}
    finished = []
    for path, config in by_path.items():
        if path not in failed:
            try:
                finished.append((RunDirectory(path), RunDirectory(path).read_result()))
            except TextclfError as error:  # Finished earlier, and damaged since.
                failures.append(Failure(config, error))
    return finished, failures


def run_here(config: ExperimentConfig, root: Path, context: RunContext) -> TextclfError | None:
    """Run one configuration in this process; return the error with which it failed.

    It is a DataError if the dataset cannot be loaded for any expected reason.
    """

    def load(dataset: DatasetConfig) -> TextDataset:
        try:
            return context.load(dataset)
        except RequestError as error:  # Keeps its exit code, which `train` has as well.
            raise DataRequestError(str(error)) from error
        except TextclfError as error:
            raise DataError(str(error)) from error

    run, own_context = RunDirectory.of(config, root), replace(context, load=load)
    outcome = attempt(lambda: run_experiment(config, run, own_context), context.reporter)
    return outcome if isinstance(outcome, TextclfError) else None


def attempt(action: Callable[[], T], reporter: Reporter) -> T | TextclfError:
    """Return the result of an action, or its error.

    A bug, perhaps in a user's own model, becomes a TextclfError after its traceback is printed.
    """
    try:
        return action()
    except TextclfError as error:
        return error
    except Exception as error:
        reporter.warning(traceback.format_exc())
        return TextclfError(format_error(error))
