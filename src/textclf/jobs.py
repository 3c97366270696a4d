"""Runs many experiments: one after the other in this process, or several at once in others."""

import contextlib
import multiprocessing
import os
import signal
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from textclf import backend
from textclf.config import ExperimentConfig
from textclf.errors import TextclfError
from textclf.experiment import Settings, run_experiment
from textclf.progress import Reporter
from textclf.results import Result
from textclf.runs import RunDirectory

MEMORY_OF_A_RUN = 1_500_000_000
"""Bytes that have to be free before one more run begins beside others."""


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
    configs: Sequence[ExperimentConfig], root: Path, settings: Settings, *, jobs: int | None = 1
) -> tuple[list[tuple[RunDirectory, Result]], list[Failure]]:
    """Run each configuration below ``root`` that is not finished; one that fails stops no other.

    Args:
        configs: what to run.
        root: the run root.
        settings: how.
        jobs: how many runs at once, which share the processors; None chooses.
    """
    missing = [config for config in configs if not RunDirectory.of(config, root).is_finished]
    jobs = min(jobs or choose_jobs(settings.device), len(missing))
    if jobs > 1:
        failures = _run_in_processes(missing, root, settings, jobs)
    else:
        if missing:
            backend.start(settings.device)  # What is wrong for all of them is said once.
        failures = [f for config in configs if (f := _run_here(config, root, settings))]
    failed = {id(failure.config) for failure in failures}
    runs = [RunDirectory.of(config, root) for config in configs if id(config) not in failed]
    return [(run, run.read_result()) for run in runs], failures


def choose_jobs(device: str) -> int:
    """Return as many jobs as there are processors and memory for; on a GPU, one."""
    if device == "gpu" or (device == "auto" and Path("/dev/nvidiactl").exists()):
        return 1
    in_memory = int(psutil.virtual_memory().available // MEMORY_OF_A_RUN)
    return max(1, min(backend.count_processors(), in_memory))


def _run_here(config: ExperimentConfig, root: Path, settings: Settings) -> Failure | None:
    try:
        run_experiment(config, RunDirectory.of(config, root), settings)
    except TextclfError as error:
        return Failure(config, error)
    except Exception as error:
        # A bug, perhaps in a user's own model: its traceback must be seen.
        traceback.print_exc()
        reason = str(error).strip().split("\n")[0]
        return Failure(config, TextclfError(f"{type(error).__name__}: {reason}"))
    return None


class _Worker:
    """A process that runs one experiment after the other, and tells of them."""

    def __init__(self, root: Path, settings: Settings) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        options = {name: value for name, value in vars(settings).items() if name != "reporter"}
        self.process = context.Process(target=_work, args=(theirs, root, options), daemon=True)
        self.process.start()
        theirs.close()
        self.config: ExperimentConfig | None = None

    def begin(self, config: ExperimentConfig) -> None:
        self.config = config
        self.connection.send(config)

    def stop(self, number: int) -> None:
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, number)


def _run_in_processes(
    configs: Sequence[ExperimentConfig], root: Path, settings: Settings, jobs: int
) -> list[Failure]:
    """Run configurations in ``jobs`` processes at once; return those that failed."""
    threads = max(1, backend.count_processors() // jobs)
    reporter, settings = settings.reporter, replace(settings, threads=threads)
    reporter.say(f"{len(configs)} runs, {jobs} at once with {threads} thread(s) each")
    waiting, failures, workers = deque(configs), list[Failure](), list[_Worker]()
    try:
        with reporter.counting(len(configs)) as count:
            while waiting or any(worker.config for worker in workers):
                _hand_out(waiting, workers, jobs, lambda: _Worker(root, settings))
                for worker, failure in _listen(workers, reporter):
                    if failure:
                        failures.append(failure)
                    if not worker.process.is_alive():
                        workers.remove(worker)
                    count()
    finally:
        _end(workers)
    return failures


def _hand_out(
    waiting: deque[ExperimentConfig], workers: list[_Worker], jobs: int, start: Any
) -> None:
    """Give what waits to workers, as far as there is memory; one of them always runs."""
    while waiting:
        busy = [worker for worker in workers if worker.config]
        scarce = psutil.virtual_memory().available < MEMORY_OF_A_RUN
        if len(busy) == jobs or (busy and scarce):
            return
        if len(busy) == len(workers):
            workers.append(start())
        idle = next(worker for worker in workers if not worker.config)
        idle.begin(waiting.popleft())


def _listen(workers: list[_Worker], reporter: Reporter) -> Iterator[tuple[_Worker, Failure | None]]:
    """Repeat what workers say; yield those that have come to the end of a run."""
    by_connection = {worker.connection: worker for worker in workers if worker.config}
    for connection in wait(list(by_connection), timeout=1):
        worker = by_connection[connection]  # type: ignore[index]
        config = worker.config
        assert config is not None  # noqa: S101 - for the type checker
        try:
            word, content = worker.connection.recv()
        except EOFError:
            worker.process.join()
            code = worker.process.exitcode
            word, content = (
                "end",
                TextclfError(
                    f"its process ended with exit code {code}; if memory is short, use fewer --jobs"
                ),
            )
        if word == "say":
            reporter.say(f"{config.model.name} seed {config.seed}: {content}")
        elif word == "unable":
            raise content
        else:
            worker.config = None
            yield worker, Failure(config, content) if content else None


def _end(workers: list[_Worker]) -> None:
    """Let idle workers end; let busy ones finish their step, as after Ctrl-C."""
    try:
        for worker in workers:
            if worker.config:
                worker.stop(signal.SIGINT)
            else:
                worker.connection.close()
        for worker in workers:
            worker.process.join()
    except KeyboardInterrupt:  # A second Ctrl-C.
        for worker in workers:
            worker.process.kill()
        raise


class _Messenger(Reporter):
    """Tells another process what goes on; where that is gone, so is the reason to go on."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(console=Console(quiet=True))
        self.connection = connection

    def say(self, text: str) -> None:
        try:
            self.connection.send(("say", text))
        except OSError as error:
            raise KeyboardInterrupt from error


def _work(connection: Connection, root: Path, options: dict[str, Any]) -> None:
    """Run each configuration that comes, with these `Settings`."""
    if os.name == "posix":
        os.setpgrp()  # Ctrl-C reaches the parent, which passes it on once.
    settings = Settings(_Messenger(connection), **options)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            backend.start(settings.device, threads=settings.threads)
        except TextclfError as error:  # Wrong for all runs, and so said once.
            connection.send(("unable", error))
            return
        while True:
            failure = _run_here(connection.recv(), root, settings)
            connection.send(("end", failure.error if failure else None))
