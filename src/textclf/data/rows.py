"""Turns rows of a text and a label, from any source, into a dataset with three splits."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.labels import (
    GARBLED,
    MISSING,
    ZERO_WIDTH,
    check_single,
    list_label_notes,
    match_labels,
    read_label,
    sort_labels,
    unify_numbers,
)
from textclf.data.packing import Arrays, pack_split, unpack_split
from textclf.data.splitting import PARTS, Part, cut_missing_splits
from textclf.data.text_store import StoredTexts
from textclf.errors import DataError, format_list, format_unknown
from textclf.storage.cache import CacheEntry, cached
from textclf.storage.limits import TEXT
from textclf.tables import format_start

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


MAX_LABELS = 1_000
"""A column with more values is probably not the label."""

FEW_LABELS = 10
"""With more labels, there have to be more than two examples per label."""

N_NAMED = 5
"""Labels that a message names."""

LABEL_WIDTH = 40
"""Width to which a message shortens a label, which may be a text."""

N_POSITIONS = 5
"""Examples without a label that a message names."""

LONGEST_MARK = max(map(len, MISSING))
"""Characters of the longest text that stands for a missing one."""

INVISIBLE = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "".join(map(chr, ZERO_WIDTH))
"""Characters that do not make a text: white space, and those without a width."""


def load_rows(
    name: str,
    key: Mapping[str, Any],
    parts: Mapping[Part, RowSource],
    config: SplitConfig,
    *,
    label_names: Sequence[str] | None = None,
    notes: Sequence[str] = (),
) -> TextDataset:
    """Read rows once, cache their texts on disk, and split them.

    Args:
        name: Name of the dataset, also for messages.
        key: Everything that decides the rows; JSON.
        parts: Reads the rows of each official split, or of ``all``.
        config: Fractions of the splits that do not exist, and what to do without a label.
        label_names: Label names in order, if it is known; rows without a label are then left out.
            Otherwise names are sorted, as numbers if all of them are.
        notes: What was noticed before.

    Raises:
        DataError: The rows cannot be read, are too few, have fewer than two labels, or lack labels.
    """
    drop = label_names is not None or config.missing_labels == "drop"
    key = {**key, "parts": list(parts), "drop": drop, "limit": TEXT.n_bytes}
    entry = cached("texts", key, lambda: _pack(name, parts, label_names, drop=drop))
    return _unpack(name, entry, parts, config, notes)


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
    reader = _SplitReader(source._replace(read=read), numbers, source.origin, None)
    split = reader.read()
    notes = reader.list_notes(drop)
    _check_empty(source.origin, reader.n_empty, len(split))
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


def split_rows(loaded: Any, config: DatasetConfig) -> TextDataset:
    """Turn what a dataset that is not built in returned into a dataset, without caching it.

    Args:
        loaded: Rows of a text and a label, or a mapping from official splits to rows.
        config: Its section; a `SplitConfig` has the fractions of the splits that do not exist.

    Raises:
        DataError: The rows are not pairs of a text and a label, or too few, or a split has an
            unknown name.
    """
    settings = config if isinstance(config, SplitConfig) else SplitConfig(name=config.name)
    name, parts = config.short_name, dict[Part, RowSource]()
    for split, rows in (loaded if isinstance(loaded, Mapping) else {"all": loaded}).items():
        if split not in PARTS and isinstance(loaded, Mapping):
            raise DataError(f"{config.name}: {format_unknown('split', str(split), PARTS)}")
        part = PARTS.get(split, "all")
        if part in parts:
            raise DataError(f"{config.name}: two of {', '.join(loaded)} name the same split")
        origin = name if part == "all" else f"{name}: {split}"
        parts[part] = RowSource(origin, partial(_check_pairs, rows, origin))
    if not {"train", "all"} & {*parts}:
        raise DataError(f"{config.name}: no split named 'train' among {', '.join(loaded)}")
    entry = _pack(name, parts, None, drop=settings.missing_labels == "drop")
    return _unpack(name, entry, parts, settings)


def _unpack(
    name: str,
    entry: CacheEntry,
    parts: Iterable[Part],
    config: SplitConfig,
    notes: Sequence[str] = (),
) -> TextDataset:
    """Return the dataset of packed rows.

    Raises:
        DataError: There are too few rows, or fewer than two labels.
    """
    names = tuple(entry.facts["label_names"])
    if len(names) < 2:
        given = f"only one label, {names[0]!r}" if names else "no rows"
        raise DataError(f"{name} has {given}; at least two labels are needed")
    splits, cut_notes = cut_missing_splits(
        {part: unpack_split(part, entry.arrays) for part in parts}, config
    )
    n_examples = sum(map(len, splits.values()))
    few = f"{name}: {n_examples:,} examples with {len(names):,} labels"
    if len(names) > max(n_examples / 2, FEW_LABELS):
        raise DataError(
            f"{few}: a label needs several examples; choose another column with --label-column"
        )
    for split_name, split in splits.items():
        if not len(split):
            raise DataError(
                f"{few} leave the {split_name} split empty; add examples (by default, each label"
                " needs at least four different texts), or set dataset.validation_fraction and"
                " dataset.test_fraction"
            )
    noticed = (*notes, *entry.facts["notes"], *cut_notes)
    train, validation, test = splits.values()
    return TextDataset(name, names, train, validation, test, notes=noticed)


def _check_pairs(rows: Any, origin: str) -> Iterator[Row]:
    """Yield rows after checking that they are pairs."""
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes):
        raise DataError(f"{origin}: expected rows of a text and a label, got {type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        position = f"example {number}"
        if not isinstance(row, tuple | list) or len(row) != 2:
            shown = repr(row)[:60]
            raise DataError(f"{origin} {position}: expected a text and a label, got {shown}")
        yield row[0], row[1], position


def _pack(
    name: str,
    parts: Mapping[Part, RowSource],
    label_names: Sequence[str] | None,
    *,
    drop: bool,
) -> CacheEntry:
    """Read all rows into files, and number their labels."""
    numbers: dict[str, int] = {}
    readers = {
        part: _SplitReader(source, numbers, name, label_names) for part, source in parts.items()
    }
    splits = {part: reader.read() for part, reader in readers.items()}
    notes = _merge_notes({part: reader.list_notes(drop) for part, reader in readers.items()})
    n_empty, n_texts = sum(r.n_empty for r in readers.values()), sum(map(len, splits.values()))
    _check_empty(name, n_empty, n_texts)
    names, order = [name.strip() for name in label_names or ()], np.arange(len(label_names or ()))
    if label_names is not None and len(set(names)) < len(names):
        names = list(label_names)
    if label_names is None:
        unified = unify_numbers(numbers)
        names = sort_labels(set(unified.values()))
        check_single(names, name)
        notes += list_label_notes(names)
        # Until here labels were numbered in the order in which they appeared.
        order = np.array([names.index(unified[label]) for label in numbers], np.int64)
    arrays: Arrays = {}
    for part, split in splits.items():
        renumbered = Split(split.texts, order[split.labels], split.index)
        arrays |= pack_split(part, renumbered)
    return CacheEntry(arrays, {"label_names": names, "notes": notes})


def _check_empty(name: str, n_empty: int, n_texts: int) -> None:
    """Raise DataError if most texts are empty."""
    if n_empty > n_texts / 2:
        raise DataError(
            f"{name}: {n_empty:,} of {n_texts:,} texts are empty; check the column of the text"
        )


def _merge_notes(notes: Mapping[Part, Sequence[str]]) -> list[str]:
    """Return the notes of all parts; one that applies to all of them is returned once."""
    common = [note for note in next(iter(notes.values())) if all(note in n for n in notes.values())]
    named = [f"{part}: {note}" for part in notes for note in notes[part] if note not in common]
    return [*common, *named]


class _SplitReader:
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
