"""Progress on standard error: a live bar on a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

from textclf.tables import escape_control

LINE_SECONDS = 10
"""Seconds between two lines about rows that are done."""


@dataclass(frozen=True)
class LogMessage:
    """A line for the user.

    Attributes:
        text: The line.
        is_warning: Whether it is printed even if the user asked for quiet.
        note: Text by which repeated notes are recognized; only the first is printed.
    """

    text: str
    is_warning: bool = False
    note: str | None = None


class Reporter:
    """Prints messages and progress to standard error; with ``quiet``, warnings only."""

    def __init__(self, *, quiet: bool = False, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, quiet=quiet, highlight=False, soft_wrap=True)
        self._noted: set[str] = set()

    def info(self, text: str) -> None:
        """Print a message."""
        self.log(LogMessage(text))

    def note(self, text: str) -> None:
        """Print what was noticed about the data, once."""
        self.log(LogMessage(f"note: {text}", note=text))

    def warning(self, text: str) -> None:
        """Print a message that must be seen."""
        self.log(LogMessage(text, is_warning=True))

    def log(self, message: LogMessage) -> None:
        """Print a message, perhaps from another process."""
        if message.note in self._noted:
            return
        self._noted |= {message.note} if message.note else set()
        quiet = self.console.quiet
        self.console.quiet = quiet and not message.is_warning
        self.console.print(escape_control(message.text), markup=False, emoji=False)
        self.console.quiet = quiet

    @contextlib.contextmanager
    def counting(self, total: int) -> Iterator[Callable[[], None]]:
        """Yield a function to call at the end of each of ``total`` runs; show the time left."""
        started, n_done = time.monotonic(), 0
        with self._bar(
            TextColumn("{task.completed} of {task.total} runs"),
            BarColumn(bar_width=24),
        ) as bar:
            task = bar.add_task("runs", total=total)

            def count() -> None:
                nonlocal n_done
                n_done += 1
                bar.advance(task)
                left = (time.monotonic() - started) / n_done * (total - n_done)
                self.info(f"{n_done} of {total} runs done, {left:.0f} s left")

            yield count

    @contextlib.contextmanager
    def processing(
        self, total: int | None, *, unit: str = "rows"
    ) -> Iterator[Callable[[int], None]]:
        """Yield a function to call with the number of rows that are done; show the time left.

        Args:
            total: Number of all rows; None if it is not known.
            unit: What is counted, if it is not rows.
        """
        started = shown = time.monotonic()
        n_done, of_all = 0, f" of {total:,}" if total is not None else ""
        with self._bar(
            TextColumn(f"{{task.completed:,.0f}}{of_all} {unit}"), BarColumn(bar_width=24)
        ) as bar:
            task = bar.add_task(unit, total=total)

            def advance(n_rows: int) -> None:
                nonlocal n_done, shown
                n_done += n_rows
                bar.advance(task, n_rows)
                now = time.monotonic()
                if bar.disable and now - shown >= LINE_SECONDS and n_done != total:
                    shown = now
                    left = (now - started) / n_done * ((total or n_done) - n_done)
                    remaining = f", {left:,.0f} s left" if total is not None else ""
                    self.info(f"{n_done:,}{of_all} {unit} done{remaining}")

            yield advance

    @contextlib.contextmanager
    def training(self, *, epochs: int, steps: int) -> Iterator[Any]:
        """Yield a Keras callback that shows epochs, steps, loss, accuracy and the time left."""
        import keras

        with self._bar(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TextColumn("step {task.fields[step]}/{task.fields[steps]}  {task.fields[metrics]}"),
        ) as bar:
            display = _TrainingDisplay(self, bar, epochs=epochs, steps=steps)
            live = {"on_train_batch_end": display.end_step} if not bar.disable else {}
            yield keras.callbacks.LambdaCallback(
                on_epoch_begin=display.begin_epoch, on_epoch_end=display.end_epoch, **live
            )

    def _bar(self, *columns: ProgressColumn) -> Progress:
        """Return a bar that ends with the time left and appears on a terminal only."""
        return Progress(
            *columns,
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal or self.console.quiet,
        )


class ForwardingReporter(Reporter):
    """Passes every message to a function, which sends it to the process of the user."""

    def __init__(self, send: Callable[[LogMessage], None]) -> None:
        super().__init__(quiet=True)
        self._send = send

    def log(self, message: LogMessage) -> None:
        """Send a message."""
        self._send(message)


class _TrainingDisplay:
    """Updates the bar after each step, and prints a line after each epoch."""

    def __init__(self, reporter: Reporter, bar: Progress, *, epochs: int, steps: int) -> None:
        self.reporter = reporter
        self.bar = bar
        self.epochs = epochs
        self.steps = steps
        self.n_begun = 0
        self.started = time.monotonic()
        self.task = bar.add_task(
            "training", total=None, epoch=1, epochs=epochs, step=0, steps=steps, metrics=""
        )

    def begin_epoch(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002 - Keras's signature
        if self.n_begun == 0:
            self.started = time.monotonic()
            self.bar.update(self.task, total=(self.epochs - epoch) * self.steps)
        self.n_begun += 1
        self.bar.update(self.task, epoch=epoch + 1)

    def end_step(self, step: int, logs: dict[str, float]) -> None:
        done = (self.n_begun - 1) * self.steps + step + 1
        self.bar.update(self.task, completed=done, step=step + 1, metrics=_format_metrics(logs))

    def end_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        elapsed = time.monotonic() - self.started
        left = (self.epochs - epoch - 1) * elapsed / self.n_begun
        self.reporter.info(
            f"epoch {epoch + 1}/{self.epochs}  {_format_metrics(logs)}  {left:.0f} s left"
        )


def _format_metrics(logs: dict[str, float]) -> str:
    """Format loss and accuracy, with those of the validation split if they are known."""

    def show(name: str) -> str:
        validation = f" (val {logs[f'val_{name}']:.4f})" if f"val_{name}" in logs else ""
        return f"{name} {logs[name]:.4f}{validation}"

    return "  ".join(show(name) for name in ("loss", "accuracy") if name in logs)


class Phases:
    """Reports the phases of a run and measures how many seconds each takes."""

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, name: str, message: str) -> Iterator[None]:
        """Print a message, and add the seconds of the block to those under ``name``."""
        self.reporter.info(message)
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
