"""One run on a machine of a cluster: what Ray calls there."""

import contextlib
import os
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf import __version__
from textclf.config.resolve import ExperimentConfig
from textclf.config.schema import DatasetOptions
from textclf.data.dataset import TextDataset
from textclf.data.text_store import spool_folder
from textclf.errors import DataError, RequestError, TextclfError
from textclf.executors._base import name_run, run_here
from textclf.experiment.run import Settings
from textclf.runs.directory import RunDirectory
from textclf.runs.transfer import pack_run, unpack_run
from textclf.runtime.progress import Messenger

LOCK_SECONDS = 120
"""How long a run that was lost may be held by a process that has not noticed it."""


@dataclass(frozen=True)
class Parcel:
    """What a machine needs that does not see the disk of the one that asks.

    Attributes:
        dataset: the place in Ray's object store of what `datasets.pack_dataset` returned.
        files: of an interrupted run.
    """

    dataset: Any
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Order:
    """A run that is asked for.

    Attributes:
        config: what to run.
        root: the run root, on the disk of the machine that asks.
        mark: a file in the run root; who sees it shares the disk.
        settings: the words of `experiment.Settings`.
        environment: variables that name places on a shared disk.
        parcel: None until a machine has asked for it.
        again: whether the run was begun before and lost.
        version: of textclf.
    """

    config: ExperimentConfig
    root: Path
    mark: Path
    settings: Mapping[str, Any]
    environment: Mapping[str, str]
    parcel: Parcel | None
    again: bool
    version: str = __version__


@dataclass(frozen=True)
class Answer:
    """How a run has ended.

    Attributes:
        error: what kept it from its end; None where it is finished, or was interrupted.
        files: of the run directory, where the disk is not shared.
        needs_parcel: whether it has to be ordered again, with a `Parcel`.
    """

    error: TextclfError | None = None
    files: Mapping[str, bytes] | None = None
    needs_parcel: bool = False


class Board:
    """Keeps what runs have said until it is taken; an actor."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, str]] = []

    def put(self, word: str, text: str) -> None:
        """Add what a `Messenger` tells."""
        self._messages.append((word, text))

    def take(self) -> list[tuple[str, str]]:
        """Return what was said since the last time."""
        messages, self._messages = self._messages, []
        return messages


def carry_out(order: Order, board: Any) -> Answer:
    """Carry out one run: in the run root where this machine sees it, or else in its own folder.

    Ray interrupts it as Ctrl-C would: after its step it answers, with what it has got to.
    """
    if order.version != __version__:
        return Answer(
            RequestError(
                f"a machine of the cluster has textclf {__version__}, and this one"
                f" {order.version}; install the same on all of them"
            )
        )
    is_shared = order.mark.is_file()
    if not (is_shared or order.parcel):
        return Answer(needs_parcel=True)
    if is_shared:
        os.environ.update(order.environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # It may have been ignored.

    def tell(word: str, text: str) -> None:
        told = board.put.remote(word, f"{name_run(order.config)}: {text}")
        if word == "warn":  # It must be there when the run has ended.
            import ray

            ray.get(told)

    settings = Settings(
        Messenger(tell),
        **order.settings,
        load=_find_loader(order),
        lock_seconds=LOCK_SECONDS if order.again else 0,
    )
    with contextlib.ExitStack() as stack:
        root = order.root
        if not is_shared:
            own = tempfile.TemporaryDirectory(dir=spool_folder(), ignore_cleanup_errors=True)
            root = Path(stack.enter_context(own))
        return _answer(order, root, settings, is_shared=is_shared)


def _answer(order: Order, root: Path, settings: Settings, *, is_shared: bool) -> Answer:
    run, error = RunDirectory.of(order.config, root), None
    try:
        if order.parcel and not is_shared:
            with run.lock():
                unpack_run(run, order.parcel.files)
    except KeyboardInterrupt:
        return Answer()  # Who asks has more than was unpacked.
    # Else what there is, is the answer.
    with contextlib.suppress(KeyboardInterrupt):
        error = run_here(order.config, root, settings)
    if isinstance(error, DataError) and not order.parcel:
        return Answer(needs_parcel=True)  # The machine that asks may have it.
    return Answer(error, None if is_shared else pack_run(run))


def _find_loader(order: Order) -> Callable[[DatasetOptions], TextDataset]:
    """Return what loads the dataset: out of the parcel, where there is one."""
    from textclf.data.loading import load_dataset, unpack_dataset

    if order.parcel is None:
        return load_dataset
    place = order.parcel.dataset

    def load(options: DatasetOptions) -> TextDataset:  # noqa: ARG001 - it is that of the order
        import ray

        return unpack_dataset(ray.get(place))

    return load
