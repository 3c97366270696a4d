"""Turns rows of a text and a label, from any source, into a dataset with three splits."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.labels import check_single, list_label_notes, sort_labels, unify_numbers
from textclf.data.packing import Arrays, pack_split, unpack_split
from textclf.data.row_reader import Row, RowSource, SplitReader, check_empty
from textclf.data.splitting import PARTS, Part, cut_missing_splits
from textclf.errors import DataError, format_unknown
from textclf.storage.cache import CacheEntry, cached
from textclf.storage.limits import TEXT

FEW_LABELS = 10
"""With more labels, there have to be more than two examples per label."""


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
        part: SplitReader(source, numbers, name, label_names) for part, source in parts.items()
    }
    splits = {part: reader.read() for part, reader in readers.items()}
    notes = _merge_notes({part: reader.list_notes(drop) for part, reader in readers.items()})
    n_empty, n_texts = sum(r.n_empty for r in readers.values()), sum(map(len, splits.values()))
    check_empty(name, n_empty, n_texts)
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


def _merge_notes(notes: Mapping[Part, Sequence[str]]) -> list[str]:
    """Return the notes of all parts; one that applies to all of them is returned once."""
    common = [note for note in next(iter(notes.values())) if all(note in n for n in notes.values())]
    named = [f"{part}: {note}" for part in notes for note in notes[part] if note not in common]
    return [*common, *named]
