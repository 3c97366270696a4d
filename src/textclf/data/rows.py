"""Turns rows of a text and a label, from any source, into a dataset with three splits."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.file_formats import Row, check_row
from textclf.data.overlap import hash_texts
from textclf.data.packing import Arrays, pack_split, unpack_split
from textclf.data.splitting import split_stratified
from textclf.data.text_store import StoredTexts
from textclf.errors import DataError, RequestError, format_unknown
from textclf.storage.cache import CacheEntry, cached

Part = Literal["all", "train", "validation", "test"]
"""Official split of the source; ``all`` if it has no splits."""

ReadRows = Callable[[], Iterable[Row]]

PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""Usual names of splits."""

MAX_LABELS = 1_000
"""A column with more values is probably not the label."""


def load_rows(
    name: str,
    key: Mapping[str, Any],
    parts: Mapping[Part, ReadRows],
    config: SplitConfig,
    *,
    label_names: Sequence[str] | None = None,
) -> TextDataset:
    """Read rows once, cache their texts on disk, and split them.

    Args:
        name: Name of the dataset, also for messages.
        key: Everything that decides the rows; JSON.
        parts: Reads the rows of each official split, or of ``all``.
        config: Fractions of the splits that do not exist.
        label_names: Label names in order, if it is known. Otherwise they are sorted, as numbers if
            all of them are.

    Raises:
        DataError: The rows cannot be read, are too few, or have fewer than two labels.
    """
    entry = cached("texts", {**key, "parts": list(parts)}, lambda: _pack(name, parts, label_names))
    return _unpack(name, entry, parts, config)


def split_rows(loaded: Any, config: DatasetConfig) -> TextDataset:
    """Turn what a dataset that is not built in returned into a dataset, without caching it.

    Args:
        loaded: Rows of a text and a label, or a mapping from official splits to rows.
        config: Its section; a `SplitConfig` has the fractions of the splits that do not exist.

    Raises:
        DataError: The rows are not pairs of a text and a label, or too few, or a split has an
            unknown name.
    """
    fractions = config if isinstance(config, SplitConfig) else SplitConfig(name=config.name)
    is_split = isinstance(loaded, Mapping)
    splits = loaded if is_split else {"all": loaded}
    if unknown := [name for name in splits if is_split and name not in PARTS]:
        raise DataError(f"{config.name}: {format_unknown('split', str(unknown[0]), PARTS)}")
    if not {"train", "all"} & {PARTS.get(name, "all") for name in splits}:
        raise DataError(f"{config.name}: no split named 'train' among {', '.join(splits)}")
    parts: dict[Part, ReadRows] = {
        PARTS.get(split, "all"): partial(
            _check_rows, rows, f"{config.short_name}: {split}" if is_split else config.short_name
        )
        for split, rows in splits.items()
    }
    if len(parts) < len(splits):
        raise DataError(f"{config.name}: two of {', '.join(splits)} name the same split")
    return _unpack(config.short_name, _pack(config.short_name, parts, None), parts, fractions)


def _unpack(
    name: str, entry: CacheEntry, parts: Iterable[Part], config: SplitConfig
) -> TextDataset:
    """Return the dataset of packed rows.

    Raises:
        DataError: There are too few rows, or fewer than two labels.
    """
    names = tuple(entry.facts["label_names"])
    if len(names) < 2:
        given = f"only one label, {names[0]!r}" if names else "no rows"
        raise DataError(f"{name} has {given}; at least two labels are needed")
    splits = _split({part: unpack_split(part, entry.arrays) for part in parts}, config)
    for split_name, split in splits.items():
        if not len(split):
            n_examples = sum(map(len, splits.values()))
            raise DataError(
                f"{name}: {n_examples:,} examples with {len(names):,} labels leave the {split_name}"
                " split empty; add examples (by default, each label needs at least four different"
                " texts), or set dataset.validation_fraction and dataset.test_fraction"
            )
    return TextDataset(name, names, splits["train"], splits["validation"], splits["test"])


def _check_rows(rows: Any, origin: str) -> Iterator[Row]:
    """Yield rows after checking them."""
    if not isinstance(rows, Iterable) or isinstance(rows, str | bytes):
        raise DataError(f"{origin}: expected rows of a text and a label, got {type(rows).__name__}")
    for number, row in enumerate(rows, start=1):
        position = f"{origin} example {number}"
        if not isinstance(row, tuple | list) or len(row) != 2:
            raise DataError(f"{position}: expected a text and a label, got {repr(row)[:60]}")
        text, label = row
        # A number of NumPy or pandas.
        yield check_row(text, label.item() if hasattr(label, "item") else label, position)


def sort_labels(names: Iterable[str]) -> list[str]:
    """Sort label names, as numbers if all of them are numbers; ``01`` stays ``01``."""
    listed = sorted(names)
    try:
        numbers = {name: float(name) for name in listed}
    except ValueError:
        return listed
    return sorted(listed, key=numbers.__getitem__)


def _pack(
    name: str, parts: Mapping[Part, ReadRows], label_names: Sequence[str] | None
) -> CacheEntry:
    """Read all rows into files, and number their labels."""
    numbers = {label.strip(): number for number, label in enumerate(label_names or ())}
    splits = {part: _read_split(read(), numbers, name) for part, read in parts.items()}
    names = list(numbers) if label_names is not None else sort_labels(numbers)
    # Until here labels were numbered in the order in which they appeared.
    order = np.array([names.index(label) for label in numbers], np.int64)
    arrays: Arrays = {}
    for part, split in splits.items():
        renumbered = Split(split.texts, order[split.labels], split.index)
        arrays |= pack_split(part, renumbered, with_texts=True)
    return CacheEntry(arrays, {"label_names": names})


def _read_split(rows: Iterable[Row], numbers: dict[str, int], name: str) -> Split:
    """Write texts to a file, and add new labels to ``numbers``."""
    labels = array("q")

    def read_texts() -> Iterator[str]:
        for text, label in rows:
            labels.append(numbers.setdefault(label, len(numbers)))
            if len(numbers) > MAX_LABELS:
                raise DataError(
                    f"{name} has more than {MAX_LABELS:,} labels; --label-column names another"
                    " column"
                )
            yield text

    return Split.from_lists(StoredTexts.write(read_texts()), labels)


def _split(parts: Mapping[Part, Split], config: SplitConfig) -> dict[str, Split]:
    """Return three splits: official ones, and stratified fractions for those that are missing."""
    validation = 0.0 if "validation" in parts else config.validation_fraction
    test = 0.0 if "test" in parts else config.test_fraction
    if validation + test >= 1:
        raise RequestError(
            f"dataset.validation_fraction {validation:g} plus dataset.test_fraction {test:g} must"
            " be below 1"
        )
    if not validation + test:
        return {name: parts[name] for name in ("train", "validation", "test")}
    whole = parts["all" if "all" in parts else "train"]
    # The same text in training and test would measure nothing.
    cut = split_stratified(
        whole,
        train=1 - validation - test,
        validation=validation,
        groups=hash_texts(whole.texts),
    )
    splits = dict(zip(("train", "validation", "test"), cut, strict=True))
    return {**splits, **{name: parts[name] for name in ("validation", "test") if name in parts}}
