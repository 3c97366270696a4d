"""A process of this machine that runs one experiment after the other."""

import _thread
import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from textclf.config.resolve import PackedConfig
from textclf.config.schema import ExperimentConfig
from textclf.errors import TextclfError
from textclf.executors._base import attempt, run_here
from textclf.experiment.run import RunContext
from textclf.runtime import backend
from textclf.runtime.progress import ForwardingReporter, LogMessage

STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class RunEnded:
    """Message of a worker: a run has ended, with its error if it failed."""

    error: TextclfError | None


@dataclass(frozen=True)
class StartFailed:
    """Message of a worker: TensorFlow cannot start as asked for, so no run can begin."""

    error: TextclfError


Device = tuple[str, int | None]
"""Device and number of threads that TensorFlow starts with."""


class Worker:
    """A process that runs one experiment after the other.

    Args:
        root: Root of the run directories.
        device: What TensorFlow starts with before the first run; None if it does not start.

    Attributes:
        config: Configuration that is running; None if the worker is idle.
        name: Name of the run in messages.
        is_silent: Whether it has sent no message, and so has probably not allocated its memory.
    """

    def __init__(self, root: Path, device: Device | None) -> None:
        processes = multiprocessing.get_context("spawn")
        self.connection, child_connection = processes.Pipe()
        self.process = processes.Process(
            target=work, args=(child_connection, root, device), daemon=True
        )
        self.process.start()
        child_connection.close()
        self.config: ExperimentConfig | None = None
        self.name = ""
        self.is_silent = True

    def begin(self, config: ExperimentConfig, context: RunContext, name: str) -> None:
        """Send a configuration to run; OSError if the process has died."""
        # A reporter cannot be sent to another process.
        fields = {name: value for name, value in vars(context).items() if name != "reporter"}
        self.connection.send((PackedConfig.of(config), fields))
        self.config, self.name = config, name

    def receive(self) -> LogMessage | RunEnded | StartFailed:
        """Receive a message; the death of the process is the end of its run."""
        try:
            message: LogMessage | RunEnded | StartFailed = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            message = RunEnded(_explain_exit(self.process.exitcode))
        self.is_silent = False
        return message

    def interrupt(self) -> None:
        """Interrupt the run like Ctrl-C; on Windows, end it."""
        if self.process.pid and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGINT)


def _explain_exit(code: int | None) -> TextclfError:
    is_killed = sys.platform != "win32" and code == -signal.SIGKILL
    hint = "; it may have run out of memory: try fewer --jobs" if is_killed else ""
    return TextclfError(f"its process exited with code {code}{hint}")


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """Hold back Ctrl-C and SIGTERM, also in a process that is started, until it calls `_obey`."""
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # Python starts it with a process, and lets them in again.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _obey(parent: BaseProcess) -> None:
    """Leave Ctrl-C and SIGTERM to the parent, which passes on one interrupt; end when it ends."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, _interrupt_once)
    threading.Thread(target=_interrupt_when_orphaned, args=(parent.sentinel,), daemon=True).start()
    if sys.platform != "win32":
        os.setpgrp()  # Ctrl-C reaches the group of the parent only.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _interrupt_once(number: int, frame: Any) -> None:  # noqa: ARG001 - Python's signature
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The process is about to end.
    raise KeyboardInterrupt


def _interrupt_when_orphaned(parent_sentinel: int) -> None:
    """Interrupt this process after its step when its parent has ended."""
    wait([parent_sentinel])
    if sys.platform == "win32":
        _thread.interrupt_main()  # There, os.kill would end the process at once.
    else:
        os.kill(os.getpid(), signal.SIGINT)


def work(connection: Connection, root: Path, device: Device | None) -> None:
    """Run every configuration that is received, with fields of a `RunContext`.

    Args:
        connection: Connection to the parent.
        root: Root of the run directories.
        device: What TensorFlow starts with before a configuration is received; None without it.
    """

    def send(message: LogMessage) -> None:
        try:
            connection.send(message)
        except OSError as error:  # The parent is gone.
            raise KeyboardInterrupt from error

    reporter = ForwardingReporter(send)
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            if device:
                backend.start(device[0], threads=device[1])
        except TextclfError as error:
            connection.send(StartFailed(error))
            return
        # Not earlier: TensorFlow may swallow an interrupt while it is imported.
        if parent := multiprocessing.parent_process():
            _obey(parent)
        while True:
            packed, fields = connection.recv()
            config = attempt(packed.unpack, reporter)
            if isinstance(config, ExperimentConfig):
                context = RunContext(reporter, **fields)
                connection.send(RunEnded(run_here(config, root, context)))
            else:
                connection.send(RunEnded(config))
