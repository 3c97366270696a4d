"""Classifies any number of texts with the saved model of a finished run, and writes the result."""

import math
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textclf.data.row_reader import INVISIBLE
from textclf.data.table import TableColumn
from textclf.data.table_output import open_output
from textclf.data.text_source import Row, TextSource
from textclf.errors import RequestError, format_count
from textclf.experiment.device import start_device
from textclf.runs.run import Run
from textclf.runtime.backend import BATCH_SIZE, BLOCK_SIZE
from textclf.runtime.progress import Reporter
from textclf.storage.limits import MEGABYTE, TEXT

BLOCK_CHARACTERS = 20_000_000
"""Characters of a block with which it ends after fewer batches."""

MAX_BLOCK_CHARACTERS = 10 * BLOCK_CHARACTERS
"""Characters of a block with which it ends also within a batch."""

PREDICTION, PROBABILITY = "prediction", "probability"


@dataclass(frozen=True)
class PredictionOptions:
    """What is written for each text.

    Attributes:
        probabilities: Whether the probability of each label is written.
        threshold: Lowest probability of a prediction; None accepts all.
        unknown: What is written for a lower one; None leaves it empty.
    """

    probabilities: bool = False
    threshold: float | None = None
    unknown: str | None = None

    def check(self, label_names: Sequence[str]) -> None:
        """Raise RequestError if the options are not valid for a model with these labels."""
        is_number = isinstance(self.threshold, int | float)
        if self.threshold is not None and not (is_number and 0 <= self.threshold <= 1):
            raise RequestError(f"threshold {self.threshold!r}: expected a probability, 0 to 1")
        if self.unknown is not None and self.threshold is None:
            raise RequestError(
                f"unknown '{self.unknown}' needs a threshold, below which it is written"
            )
        if self.unknown in label_names:
            raise RequestError(f"unknown '{self.unknown}' is a label of the model; choose another")


@dataclass
class TextPredictions:
    """The predictions for texts, some of which may not be classified.

    Attributes:
        label_names: Name of each label.
        n_texts: Number of texts.
        n_below_threshold: Number of texts whose prediction is left out, or is ``unknown``.
        not_classified: Number of texts that cannot be classified, by the reason.
        texts: The texts; empty if they are written to a file, like the following.
        predictions: Name of the most probable label of each text; None without a prediction.
        probabilities: Probabilities, <float32>[texts, labels]; NaN without a prediction.
    """

    label_names: tuple[str, ...]
    n_texts: int = 0
    n_below_threshold: int = 0
    not_classified: Counter[str] = field(default_factory=Counter)
    texts: list[Any] = field(default_factory=list)
    predictions: list[str | None] = field(default_factory=list)
    probabilities: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.empty((0, 0), np.float32)
    )


class _Block(NamedTuple):
    """Rows that are classified at once: their cells, their texts, and why a text is not."""

    rows: list[Sequence[Any]]
    texts: list[Any]
    problems: list[str | None]


def predict_source(
    run: Run,
    source: TextSource,
    output: Path | None,
    options: PredictionOptions,
    *,
    reporter: Reporter,
    device: str = "auto",
) -> TextPredictions:
    """Classify all texts of a source, and write them to a file or keep them.

    Args:
        run: Finished run.
        source: The texts.
        output: File that `check_output` allows; None to return the predictions.
        options: What is written; checked.
        reporter: Prints progress and what is not classified.
        device: ``auto``, ``cpu`` or ``gpu``.

    Raises:
        RequestError: No text is given, or the file would have two equal columns.
        DataError: The source cannot be read.
        RunError: The model is damaged, or the file cannot be written.
    """
    predictor = _Predictor(run, options, reporter, device)
    if output is None:
        predictor.keep(source)
    else:
        predictor.write(source, output)
    predictor.report()
    return predictor.result


class _Predictor:
    """Classifies the texts of one source."""

    def __init__(
        self, run: Run, options: PredictionOptions, reporter: Reporter, device: str
    ) -> None:
        self._run, self._options, self._reporter = run, options, reporter
        self._device = device
        self._started = 0.0
        self.result = TextPredictions(run.label_names)

    def keep(self, source: TextSource) -> None:
        """Classify all texts, and keep them."""
        kept = []
        with closing(self._classify(source)) as classified:
            for block, probabilities, predictions in classified:
                self.result.texts += block.texts
                self.result.predictions += predictions
                kept.append(probabilities)
        self.result.probabilities = np.concatenate(kept)

    def write(self, source: TextSource, output: Path) -> None:
        """Classify all texts, and write their rows to a file."""
        columns = [*source.columns, *self._list_added(source)]
        with open_output(output, columns) as write, closing(self._classify(source)) as classified:
            for block, probabilities, predictions in classified:
                added: list[list[Any]] = [[*predictions], _list_floats(probabilities.max(axis=1))]
                if self._options.probabilities:
                    added += map(_list_floats, probabilities.T)
                rows = zip(block.rows, zip(*added, strict=True), strict=True)
                write([[*row, *cells] for row, cells in rows])
        rate = self.result.n_texts / max(time.monotonic() - self._started, 1e-9)
        self._reporter.info(
            f"wrote {format_count(self.result.n_texts, 'row')} to {output} ({rate:,.0f} rows per"
            " second)"
        )

    def report(self) -> None:
        """Report the texts without a prediction."""
        result, options = self.result, self._options
        n_texts = format_count(result.n_texts, "text")
        if options.threshold is not None:
            left_out = "" if options.unknown is None else f": '{options.unknown}'"
            verb = "has" if result.n_below_threshold == 1 else "have"
            self._reporter.info(
                f"{result.n_below_threshold:,} of {n_texts} {verb} no label with a probability of"
                f" {options.threshold:g} or more{left_out}"
            )
        report_problems(result.not_classified, result.n_texts, "classified", self._reporter)

    def _list_added(self, source: TextSource) -> list[TableColumn]:
        """Return the columns of the predictions, after checking that they are new."""
        labels = self.result.label_names if self._options.probabilities else ()
        if used := next((name for name in labels if name in {PREDICTION, PROBABILITY}), None):
            raise RequestError(f"the model has a label '{used}': leave out --probabilities")
        names = [PREDICTION, PROBABILITY, *labels]
        for column in source.columns:
            if column.name.strip() in names:
                remedy = ", or leave out --probabilities" if column.name in labels else ""
                raise RequestError(
                    f"{source.origin} already has a column '{column.name}': rename it{remedy}"
                )
        floats = frozenset({float})
        return [TableColumn(PREDICTION), *(TableColumn(name, floats) for name in names[1:])]

    def _classify(
        self, source: TextSource
    ) -> Generator[tuple[_Block, npt.NDArray[np.float32], list[str | None]], None, None]:
        """Yield blocks with their probabilities, which may be NaN, and their predictions."""
        blocks = _cut_blocks(source.read())
        if (first := next(blocks, None)) is None:
            raise RequestError(f"no text given: {source.origin} is empty")
        is_network = self._run.directory.has_network
        start_device(self._device, is_network=is_network, reporter=self._reporter)
        classifier, result = self._run.model, self.result
        blocks = chain([first], blocks)
        del first  # So that it does not stay in memory.
        self._started = time.monotonic()
        with self._reporter.processing(source.n_rows) as advance:
            for block in blocks:
                valid = [i for i, problem in enumerate(block.problems) if problem is None]
                shape = len(block.rows), len(result.label_names)
                probabilities = np.full(shape, np.nan, np.float32)
                if valid:
                    texts = [block.texts[i] for i in valid]
                    probabilities[valid] = classifier.predict_texts(texts)
                result.n_texts += len(block.rows)
                result.not_classified.update(filter(None, block.problems))
                yield block, probabilities, self._choose(probabilities)
                advance(len(block.rows))

    def _choose(self, probabilities: npt.NDArray[np.float32]) -> list[str | None]:
        """Return the prediction for each text, None without one, and count those left out."""
        names, best = self.result.label_names, probabilities.max(axis=1)
        chosen = [
            None if missing else names[label]
            for label, missing in zip(probabilities.argmax(axis=1), np.isnan(best), strict=True)
        ]
        if self._options.threshold is not None:
            # Both in the precision of the probabilities, so that an equal one is accepted.
            below = np.flatnonzero(best < np.float32(self._options.threshold))
            self.result.n_below_threshold += len(below)
            for i in below:
                chosen[i] = self._options.unknown
        return chosen


def find_problem(text: Any) -> str | None:
    """Return why a text cannot be classified, to be read after a number; None if it can."""
    if text is None:
        return "empty"
    if not isinstance(text, str):
        return "not a text"
    if not text.strip(INVISIBLE):
        return "empty"
    try:
        n_bytes = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return "not Unicode"
    return f"longer than {TEXT.n_bytes / MEGABYTE:,g} MB" if n_bytes > TEXT.n_bytes else None


def report_problems(problems: Counter[str], n_texts: int, done: str, reporter: Reporter) -> None:
    """Report the texts that have a problem, if there are any.

    Args:
        problems: Number of such texts, by what `find_problem` returned.
        n_texts: Number of all texts.
        done: What is not done with them, such as ``classified``.
        reporter: Prints the warning.
    """
    if n_problems := problems.total():
        reasons = ", ".join(f"{n:,} {why}" for why, n in sorted(problems.items()))
        verb = "is" if n_problems == 1 else "are"
        texts = format_count(n_texts, "text")
        reporter.warning(f"{n_problems:,} of {texts} {verb} not {done}: {reasons}")


def _cut_blocks(rows: Iterable[Row]) -> Iterator[_Block]:
    """Yield rows in blocks of limited numbers of texts and characters."""
    block, n_valid, n_characters = _Block([], [], []), 0, 0
    for cells, text in rows:
        problem = find_problem(text)
        block.rows.append(cells)
        block.texts.append(text)
        block.problems.append(problem)
        n_valid += problem is None
        n_characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if (
            (n_valid % BATCH_SIZE == 0 and n_characters > BLOCK_CHARACTERS)
            or BLOCK_SIZE in {n_valid, len(block.rows) - n_valid}
            or n_characters > MAX_BLOCK_CHARACTERS
        ):
            yield block
            block, n_valid, n_characters = _Block([], [], []), 0, 0
    if block.rows:
        yield block


def _list_floats(values: npt.NDArray[np.float32]) -> list[float | None]:
    """Return numbers with the few digits that determine a float32; None for NaN."""
    floats = values.astype(str).astype(float).tolist()
    return [None if math.isnan(value) else value for value in floats]
