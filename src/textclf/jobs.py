"""Runs many experiments: one after the other in this process, or several at once in others."""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from rich.console import Console

from textclf import backend
from textclf.config import ExperimentConfig
from textclf.environment import count_processors, measure_free_memory
from textclf.errors import TextclfError
from textclf.experiment import Settings, run_experiment
from textclf.progress import Reporter
from textclf.results import Result
from textclf.runs import RunDirectory

MEMORY_OF_A_RUN = 1_500_000_000
"""Bytes that have to be free before one more run begins beside others."""

STEP_SECONDS = 60
"""How long a run may take to finish its step, after which it is not waited for."""


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
    places = {RunDirectory.of(config, root).path: config for config in configs}
    missing = [config for path, config in places.items() if not RunDirectory(path).is_finished]
    jobs = jobs or choose_jobs(settings.device)
    if missing and jobs > 1:
        failures = _run_in_processes(missing, root, settings, jobs)
    else:
        if missing:
            backend.start(settings.device)  # What is wrong for all of them is said once.
        failures = [f for config in places.values() if (f := _run_here(config, root, settings))]
    failed = {RunDirectory.of(failure.config, root).path for failure in failures}
    finished = []
    for path, config in places.items():
        if path not in failed:
            try:
                finished.append((RunDirectory(path), RunDirectory(path).read_result()))
            except TextclfError as error:  # Finished before, and damaged since.
                failures.append(Failure(config, error))
    return finished, failures


def choose_jobs(device: str) -> int:
    """Return as many jobs as there are processors and memory for; on a GPU, one."""
    if device == "gpu" or (device == "auto" and Path("/dev/nvidiactl").exists()):
        return 1
    in_memory = measure_free_memory() // MEMORY_OF_A_RUN
    return max(1, min(count_processors(), in_memory))


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
        self.is_silent = True  # And has not taken its memory yet.

    def begin(self, config: ExperimentConfig) -> None:
        self.connection.send(config)
        self.config = config

    def interrupt(self) -> None:
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)


def _run_in_processes(
    configs: Sequence[ExperimentConfig], root: Path, settings: Settings, jobs: int
) -> list[Failure]:
    """Run configurations in ``jobs`` processes at once; return those that failed."""
    # Of the jobs that were asked for: also the last run alone, and one that goes on, has so many.
    threads = max(1, count_processors() // jobs)
    reporter, settings = settings.reporter, replace(settings, threads=threads)
    reporter.say(f"{len(configs)} runs, {jobs} at once with {threads} thread(s) each")
    waiting, failures, workers = deque(configs), list[Failure](), list[_Worker]()
    try:
        with reporter.counting(len(configs)) as count:
            while waiting or any(worker.config for worker in workers):
                _hand_out(waiting, workers, jobs, lambda: _Worker(root, settings))
                for failure in _listen(workers, reporter):
                    if failure:
                        failures.append(failure)
                    count()
    except KeyboardInterrupt:
        reporter.say("the same command goes on after the last whole epoch of each run")
        raise
    finally:
        _end(workers)
    return failures


def _hand_out(
    waiting: deque[ExperimentConfig], workers: list[_Worker], jobs: int, start: Any
) -> None:
    """Give what waits to workers, as far as there is memory; one of them always runs."""
    while waiting:
        busy = [worker for worker in workers if worker.config]
        idle = [worker for worker in workers if not worker.config and worker.process.is_alive()]
        reserved = sum(worker.is_silent for worker in busy) * MEMORY_OF_A_RUN
        scarce = measure_free_memory() - reserved < MEMORY_OF_A_RUN
        if busy and scarce:
            for worker in idle:  # What it holds is needed elsewhere.
                worker.connection.close()
            idle = []
        workers[:] = [*busy, *idle]
        if len(busy) == jobs or (busy and scarce):
            return
        if not idle:
            workers.append(start())
        try:
            workers[-1].begin(waiting[0])
        except OSError:  # It has just died.
            workers.pop()
        else:
            waiting.popleft()


def _listen(workers: list[_Worker], reporter: Reporter) -> Iterator[Failure | None]:
    """Repeat what workers say; yield at the end of each run, with the failure that it was."""
    by_connection = {worker.connection: worker for worker in workers if worker.config}
    for connection in wait(list(by_connection), timeout=1):
        worker = by_connection[connection]  # type: ignore[index]
        config = worker.config
        assert config is not None  # noqa: S101 - for the type checker
        try:
            word, content = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join()
            word, content = "end", _explain(worker.process.exitcode)
        worker.is_silent = False
        if word == "say":
            reporter.say(f"{config.model.name} seed {config.seed}: {content}")
        elif word == "unable":
            raise content
        else:
            worker.config = None
            yield Failure(config, content) if content else None


def _explain(code: int | None) -> TextclfError:
    """Say why a process is gone."""
    remedy = "; perhaps memory was short: try fewer --jobs" if code == -signal.SIGKILL else ""
    return TextclfError(f"its process ended with exit code {code}{remedy}")


def _end(workers: list[_Worker]) -> None:
    """Let idle workers end; let busy ones finish their step, as after Ctrl-C."""
    try:
        for worker in workers:
            if worker.config:
                worker.interrupt()
            else:
                worker.connection.close()
        for worker in workers:
            worker.process.join(STEP_SECONDS)
            worker.connection.close()  # If all else fails, it ends when it has something to say.
            worker.process.join()
    except KeyboardInterrupt:  # A second Ctrl-C.
        for worker in workers:
            worker.process.kill()
        raise


def _follow(sentinel: int) -> None:
    """End this process, after its step, when the one that began it has ended."""
    wait([sentinel])
    os.kill(os.getpid(), signal.SIGINT)


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
    if parent := multiprocessing.parent_process():
        if os.name == "posix":
            os.setpgrp()  # Ctrl-C reaches the parent, which passes it on once.
        signal.signal(signal.SIGINT, signal.default_int_handler)  # It may have been ignored.
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
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
