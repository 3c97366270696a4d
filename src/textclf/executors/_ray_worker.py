"""Executes one run on a machine of a Ray cluster."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from textclf import __version__
from textclf.config.resolve import PackedConfig
from textclf.config.schema import DatasetConfig, ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.data.loading import load_dataset
from textclf.data.packing import unpack_dataset
from textclf.errors import DataError, RequestError, TextclfError
from textclf.executors._base import run_here
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.transfer import pack_run, unpack_run
from textclf.runtime.progress import ForwardingReporter, LogMessage
from textclf.storage.arrays import spool_folder

LOCK_TIMEOUT_SECONDS = 120
"""How long a lost run may be locked by a process that has not noticed the loss."""


@dataclass(frozen=True)
class JobInputs:
    """What a machine needs that does not share the driver's disk.

    Attributes:
        dataset: Reference in Ray's object store to what `pack_dataset` returned.
        files: Files of an interrupted run.
    """

    dataset: Any
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Job:
    """A run to execute.

    Attributes:
        name: Name of the run in messages.
        packed: Configuration to run.
        root: Root of the run directories on the driver's disk.
        marker: File in the root; a machine that sees it shares the driver's disk.
        context: Fields of `RunContext` other than the reporter and the loader.
        environment: Environment variables that name folders on a shared disk.
        inputs: None until a machine has asked for them.
        version: Version of textclf on the driver.
    """

    name: str
    packed: PackedConfig
    root: Path
    marker: Path
    context: Mapping[str, Any]
    environment: Mapping[str, str]
    inputs: JobInputs | None
    version: str = __version__


@dataclass(frozen=True)
class JobResult:
    """The end of a job.

    Attributes:
        error: Why it failed; None if the run is finished or was interrupted.
        files: Files of the run directory, if the disk is not shared.
        needs_inputs: Whether the job must be submitted again with `JobInputs`.
    """

    error: TextclfError | None = None
    files: Mapping[str, bytes] | None = None
    needs_inputs: bool = False


class LogQueue:
    """Actor that keeps the messages of all jobs until the driver takes them."""

    def __init__(self) -> None:
        self._messages: list[LogMessage] = []

    def put(self, message: LogMessage) -> None:
        """Add a message."""
        self._messages.append(message)

    def take(self) -> list[LogMessage]:
        """Return and remove all messages."""
        messages, self._messages = self._messages, []
        return messages


def run_job(job: Job, log_queue: Any) -> JobResult:
    """Execute one run: in the driver's run root if its disk is shared, or else in a local folder.

    Ray interrupts it like Ctrl-C: after its step, it returns what there is so far.
    """
    if job.version != __version__:
        return JobResult(
            RequestError(
                f"a machine of the cluster has textclf {__version__}, but the driver has"
                f" {job.version}; install the same version on all machines"
            )
        )
    config, is_shared = job.packed.unpack(), job.marker.is_file()
    if not (is_shared or job.inputs):
        return JobResult(needs_inputs=True)
    if is_shared:
        os.environ.update(job.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # It may have been ignored.
    context = RunContext(
        ForwardingReporter(_make_sender(job.name, log_queue)),
        **job.context,
        load=_find_loader(job),
    )
    with contextlib.ExitStack() as stack:
        root = job.root
        if not is_shared:
            folder = tempfile.TemporaryDirectory(dir=spool_folder(), ignore_cleanup_errors=True)
            root = Path(stack.enter_context(folder))
        return _run(job, config, root, context, is_shared=is_shared)


def _make_sender(name: str, log_queue: Any) -> Callable[[LogMessage], None]:
    def send(message: LogMessage) -> None:
        text = f"{name}: {message.text}"
        sent = log_queue.put.remote(replace(message, text=text))
        if message.is_warning:  # It must have arrived when the job ends.
            import ray

            ray.get(sent)

    return send


def _run(
    job: Job, config: ExperimentConfig, root: Path, context: RunContext, *, is_shared: bool
) -> JobResult:
    run, error = RunDirectory.of(config, root), None
    try:
        if job.inputs and not is_shared:
            with run.lock():
                unpack_run(run, job.inputs.files)
    except KeyboardInterrupt:
        return JobResult()  # The driver has more than was unpacked.
    # After an interrupt, the files so far are returned.
    with contextlib.suppress(KeyboardInterrupt):
        error = run_here(config, root, context)
    if isinstance(error, DataError) and not job.inputs:
        return JobResult(needs_inputs=True)  # The driver may have the dataset.
    return JobResult(error, None if is_shared else pack_run(run))


def _find_loader(job: Job) -> Callable[[DatasetConfig], TextDataset]:
    """Return a function that loads the dataset, from the job's inputs if it has some."""
    if job.inputs is None:
        return load_dataset
    reference = job.inputs.dataset

    def load(config: DatasetConfig) -> TextDataset:  # noqa: ARG001 - it is the job's dataset
        import ray

        return unpack_dataset(ray.get(reference))

    return load
