"""On this machine: one run after the other in this process, or several at once in others."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from textclf.config.resolve import ExperimentConfig
from textclf.errors import TextclfError
from textclf.executors._base import STEP_SECONDS, ExecutorOptions, Failure, name_run, run_here
from textclf.experiment.run import Settings
from textclf.runtime import backend
from textclf.runtime.machine import count_processors, measure_free_memory
from textclf.runtime.progress import Messenger, Reporter


def execute(
    configs: Sequence[ExperimentConfig], root: Path, settings: Settings, options: ExecutorOptions
) -> list[Failure]:
    """Run configurations one after the other in this process, or several at once in others."""
    jobs = choose_jobs(settings.device, configs) if options.jobs == "auto" else options.jobs or 1
    if jobs > 1:
        return _run_in_processes(configs, root, settings, jobs)
    # What is wrong for all of them is said once.
    backend.start(settings.device, threads=settings.threads or configs[0].resources.cpus)
    errors = ((config, run_here(config, root, settings)) for config in configs)
    return [Failure(config, error) for config, error in errors if error]


def choose_jobs(device: str, configs: Sequence[ExperimentConfig]) -> int:
    """Return as many jobs as there are processors and memory for; on a GPU, one."""
    if device == "gpu" or (device == "auto" and Path("/dev/nvidiactl").exists()):
        return 1
    memory = max(config.resources.n_bytes for config in configs)
    cpus = max(config.resources.cpus or 1 for config in configs)
    return max(1, min(count_processors() // cpus, measure_free_memory() // memory))


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
    threads = configs[0].resources.cpus or max(1, count_processors() // jobs)
    memory = max(config.resources.n_bytes for config in configs)
    reporter, settings = settings.reporter, replace(settings, threads=threads)
    reporter.say(f"{len(configs)} runs, {jobs} at once with {threads} thread(s) each")
    waiting, failures, workers = deque(configs), list[Failure](), list[_Worker]()
    try:
        with reporter.counting(len(configs)) as count:
            while waiting or any(worker.config for worker in workers):
                _hand_out(waiting, workers, jobs, memory, lambda: _Worker(root, settings))
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
    waiting: deque[ExperimentConfig], workers: list[_Worker], jobs: int, memory: int, start: Any
) -> None:
    """Give what waits to workers, as far as there are bytes of memory; one of them always runs."""
    while waiting:
        busy = [worker for worker in workers if worker.config]
        idle = [worker for worker in workers if not worker.config and worker.process.is_alive()]
        reserved = sum(worker.is_silent for worker in busy) * memory
        scarce = measure_free_memory() - reserved < memory
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
        if word in {"say", "warn"}:
            getattr(reporter, word)(f"{name_run(config)}: {content}")
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


def _work(connection: Connection, root: Path, options: dict[str, Any]) -> None:
    """Run each configuration that comes, with these `Settings`."""
    if parent := multiprocessing.parent_process():
        if os.name == "posix":
            os.setpgrp()  # Ctrl-C reaches the parent, which passes it on once.
        signal.signal(signal.SIGINT, signal.default_int_handler)  # It may have been ignored.
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()

    def tell(word: str, text: str) -> None:
        try:
            connection.send((word, text))
        except OSError as error:  # Who asked for it is gone.
            raise KeyboardInterrupt from error

    settings = Settings(Messenger(tell), **options)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            backend.start(settings.device, threads=settings.threads)
        except TextclfError as error:  # Wrong for all runs, and so said once.
            connection.send(("unable", error))
            return
        while True:
            connection.send(("end", run_here(connection.recv(), root, settings)))
