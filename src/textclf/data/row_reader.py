"""Reads the rows of one split into a file, and counts what is missing in them."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from textclf.data.dataset import Split
from textclf.data.labels import GARBLED, MISSING, ZERO_WIDTH, read_label
from textclf.data.text_store import StoredTexts
from textclf.errors import DataError
from textclf.storage.limits import TEXT

Row = tuple[Any, Any, str]
"""A text, its label, and where it is, such as ``line 3``; not yet checked."""


class RowSource(NamedTuple):
    """Rows that are not read yet.

    Attributes:
        origin: Where the rows are, for messages.
        read: Yields the rows.
        notes: What `read` noticed.
    """

    origin: str
    read: Callable[[], Iterable[Row]]
    notes: Sequence[str] = ()


MAX_LABELS = 1_000
"""A column with more values is probably not the label."""

N_POSITIONS = 5
"""Examples without a label that a message names."""

LONGEST_MARK = max(map(len, MISSING))
"""Characters of the longest text that stands for a missing one."""

INVISIBLE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "".join(map(chr, ZERO_WIDTH))
"""Characters that do not make a text: white space, and those without a width."""


class SplitReader:
    """Reads the rows of one split into a file, and counts what is missing.

    Args:
        source: The rows.
        numbers: Number of each label, to which new labels are added.
        name: Name of the dataset, for messages.
        label_names: Names of the labels, if the rows contain their numbers.
    """

    def __init__(
        self,
        source: RowSource,
        numbers: dict[str, int],
        name: str,
        label_names: Sequence[str] | None,
    ) -> None:
        self._source, self._numbers, self._name = source, numbers, name
        self._n_names = len(label_names) if label_names is not None else None
        self._labels, self._index = array("q"), array("q")
        self._unlabeled: list[str] = []
        self._n_unlabeled = 0
        self._n_garbled, self._garbled = 0, ""
        self.n_empty = 0

    def read(self) -> Split:
        """Write the texts to a file, and return the split."""
        texts = StoredTexts.write(self._read_texts())
        return Split(texts, np.array(self._labels, np.int64), np.array(self._index, np.int64))

    def list_notes(self, drop: bool) -> list[str]:
        """Return what was noticed; raises DataError if labels are missing and must not be."""
        notes, n_missing = list(self._source.notes), self._n_unlabeled
        if n_missing and not self._labels:
            raise DataError(
                f"{self._source.origin}: none of its {n_missing:,} examples has a label; check the"
                " column of the label"
            )
        if n_missing:
            shown = ", ".join(self._unlabeled) + ", ..." * (n_missing > N_POSITIONS)
            n_rows = n_missing + len(self._labels)
            missing = f"no label in {n_missing:,} of {n_rows:,} examples ({shown})"
            if not drop:
                raise DataError(
                    f"{self._source.origin}: {missing}; add the labels, or leave these examples"
                    " out with --set dataset.missing_labels=drop"
                )
            notes.append(f"{missing}, which are left out")
        if self._n_garbled:
            notes.append(
                f"texts with {self._garbled!r}, as if in another encoding: {self._n_garbled:,} of"
                f" {len(self._labels):,}"
            )
        if self.n_empty:
            notes.append(f"empty texts: {self.n_empty:,} of {len(self._labels):,}")
        return notes

    def _read_texts(self) -> Iterator[str]:
        for index, (text, label, position) in enumerate(self._source.read()):
            where = f"{self._source.origin} {position}"
            number = self._find_number(label, where)
            if number is None:
                self._n_unlabeled += 1
                self._unlabeled += [position] * (self._n_unlabeled <= N_POSITIONS)
                continue
            checked = _check_text(text, where)
            visible = checked.strip(INVISIBLE)
            self.n_empty += len(visible) <= LONGEST_MARK and visible.lower() in MISSING
            if not checked.isascii() and (found := GARBLED.search(checked)):
                self._n_garbled += 1
                self._garbled = self._garbled or found[0]
            self._index.append(index)
            self._labels.append(number)
            yield checked

    def _find_number(self, label: Any, where: str) -> int | None:
        """Return the number of a label; None if it is missing."""
        if self._n_names is not None:
            if label is None or int(label) < 0:
                return None
            if label >= self._n_names:
                raise DataError(f"{where}: label {label}, but only {self._n_names} have names")
            return int(label)
        name = read_label(label, where)
        if name is None:
            return None
        number = self._numbers.setdefault(name, len(self._numbers))
        if number >= MAX_LABELS:
            raise DataError(
                f"{self._name} has more than {MAX_LABELS:,} labels; choose another column with"
                " --label-column"
            )
        return number


def _check_text(text: Any, position: str) -> str:
    """Return a text; one that is missing is empty.

    Raises:
        DataError: It is not a string.
        LimitError: It is too long.
    """
    if text is None:
        return ""
    if not isinstance(text, str):
        raise DataError(f"{position}: the text is {repr(text)[:40]}, not a string")
    try:
        TEXT.check(len(text) if text.isascii() else len(text.encode()), f"{position}: the text")
    except UnicodeEncodeError as error:
        raise DataError(f"{position}: a lone surrogate is not valid text") from error
    return text


def check_empty(name: str, n_empty: int, n_texts: int) -> None:
    """Raise DataError if most texts are empty."""
    if n_empty > n_texts / 2:
        raise DataError(
            f"{name}: {n_empty:,} of {n_texts:,} texts are empty; check the column of the text"
        )
