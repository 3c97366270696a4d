"""Reads labeled rows for a model that is trained, which knows some of their labels."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from textclf.data.dataset import Split
from textclf.data.labels import list_label_notes, match_labels
from textclf.data.row_reader import Row, RowSource, SplitReader, check_empty
from textclf.errors import DataError, format_list
from textclf.tables import format_start

N_NAMED = 5
"""Labels that a message names."""

LABEL_WIDTH = 40
"""Width to which a message shortens a label, which may be a text."""


class MatchedRows(NamedTuple):
    """The rows of a source whose labels a model knows.

    Attributes:
        examples: These rows; their labels are positions in the label names of the model.
        positions: Where each row of the source is, such as ``line 3``; ``examples.index`` are
            positions in it.
        unknown_labels: Number of rows with each other label, the most frequent first.
        notes: What was noticed while reading.
    """

    examples: Split
    positions: Sequence[str]
    unknown_labels: Mapping[str, int]
    notes: Sequence[str]


def match_rows(source: RowSource, label_names: Sequence[str], *, drop: bool) -> MatchedRows:
    """Read rows, and leave out those whose labels a model does not know.

    Args:
        source: The rows.
        label_names: Label names of the model.
        drop: Whether rows without a label are left out.

    Raises:
        DataError: The rows cannot be read or lack labels, or the model knows none of their labels.
    """
    positions: list[str] = []

    def read() -> Iterator[Row]:
        for row in source.read():
            positions.append(row[2])
            yield row

    numbers: dict[str, int] = {}
    reader = SplitReader(source._replace(read=read), numbers, source.origin, None)
    split = reader.read()
    notes = reader.list_notes(drop)
    check_empty(source.origin, reader.n_empty, len(split))
    matches = match_labels(numbers, label_names)
    counts = np.bincount(split.labels, minlength=len(numbers)).tolist()
    unknown = {name: counts[numbers[name]] for name in numbers if matches[name] is None}
    if len(unknown) == len(numbers):
        raise DataError(_describe_unmatched(source.origin, list(unknown), label_names))
    order = np.array([-1 if i is None else i for i in matches.values()])
    matched = Split(split.texts, order[split.labels], split.index)
    if unknown:
        notes += list_label_notes([*label_names, *unknown])
    return MatchedRows(
        matched.take(np.flatnonzero(matched.labels >= 0)),
        positions,
        dict(sorted(unknown.items(), key=lambda item: -item[1])),
        notes,
    )


def _describe_unmatched(origin: str, names: Sequence[str], known: Sequence[str]) -> str:
    """Return the message for rows without a label that the model knows."""
    if not names:
        return f"{origin} has no rows"
    shorten = format_start(LABEL_WIDTH)
    shown, expected = (
        format_list([repr(shorten(name)) for name in listed], N_NAMED) for listed in (names, known)
    )
    return (
        f"{origin}: the model knows none of its labels, which are {shown}; the model's are"
        f" {expected}; check the column of the label, or rename the labels"
    )
