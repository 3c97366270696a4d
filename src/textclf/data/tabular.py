"""What collections share: which columns are meant, and rows of any number to a dataset."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from textclf.config.schema import DatasetOptions
from textclf.data.dataset import IntArray, Split, TextDataset, split_stratified
from textclf.data.file_formats import Row
from textclf.data.overlap import hash_texts
from textclf.data.text_store import ArrayWriter, StoredTexts, TextWriter
from textclf.errors import DataError, RequestError
from textclf.storage.cache import Entry, cached

Part = Literal["all", "train", "validation", "test"]
"""Which official split rows are of; ``all`` where there are none."""

PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
}
"""What official splits are called."""

TEXT_COLUMNS = (
    *("text", "sentence", "review", "content", "document", "body", "message", "comment"),
    *("tweet", "article", "description", "question", "headline", "title"),
)
LABEL_COLUMNS = (
    *("label", "class", "category", "sentiment", "target", "topic", "intent", "labels"),
    *("polarity", "rating", "stars", "emotion", "section", "y"),
)
"""Usual names of columns, the more usual first."""

BLOCK = 10_000

MAX_LABELS = 1_000
"""Of a dataset: more are a column of something else, and no picture could show them."""

Share = Annotated[float, Field(gt=0, lt=1)]


class RowOptions(DatasetOptions):
    """Which columns of a table, and how it is split where it has no splits of its own."""

    text_column: str | None = Field(
        default=None, description="which column is the text; found by itself if its name is usual"
    )
    label_column: str | None = Field(
        default=None, description="which column is the label; found by itself if its name is usual"
    )
    validation_share: Share = Field(
        default=0.2,
        description="of the texts for validation, or of those for training, where there is no"
        " such split",
    )
    test_share: Share = Field(
        default=0.2, description="of the texts for the test, where there is no such split"
    )


def is_secret(label: Any) -> bool:
    """Return whether a numbered label is kept from us, as those of a benchmark's test may be."""
    return label is None or int(label) < 0


def find_columns(names: Sequence[str], options: RowOptions, place: str) -> tuple[str, str]:
    """Return which columns are text and label: those asked for, or else those with usual names.

    Raises:
        DataError: there is no such column, or several, or none has a usual name.
    """
    text = _find(names, options.text_column, TEXT_COLUMNS, "text", place)
    label = _find(names, options.label_column, LABEL_COLUMNS, "label", place)
    if len(set(names)) == 2 == len(names):  # Of two columns, one says which is the other.
        other = {names[0]: names[1], names[1]: names[0]}
        text = text or other.get(label or "")
        label = label or other.get(text or "")
    for kind, found in (("text", text), ("label", label)):
        if found is None:
            raise DataError(
                f"{place}: no column has a usual name for the {kind}: give --{kind}-column, one of"
                f" {_list_names(names)}"
            )
    assert text is not None  # noqa: S101 - for the type checker
    assert label is not None  # noqa: S101
    if text == label:
        raise DataError(f"{place}: column '{text}' cannot be both text and label")
    return text, label


def _list_names(names: Sequence[str]) -> str:
    shown = [repr(name if len(name) <= 40 else f"{name[:37]}...") for name in names[:20]]
    return ", ".join(shown) + ", ..." * (len(names) > len(shown))


def _find(
    names: Sequence[str], wanted: str | None, usual: Sequence[str], kind: str, place: str
) -> str | None:
    if wanted is not None and wanted not in names:
        raise DataError(
            f"{place}: there is no column '{wanted}';"
            f" --{kind}-column is one of {_list_names(names)}"
        )
    known_as = {name.strip().lower(): name for name in reversed(names)}
    found = wanted or next((known_as[name] for name in usual if name in known_as), None)
    if found is not None and list(names).count(found) > 1:
        raise DataError(f"{place}: {list(names).count(found)} columns are named '{found}'")
    return found


def load_rows(
    name: str,
    key: Mapping[str, Any],
    parts: Mapping[Part, Callable[[], Iterable[Row]]],
    options: RowOptions,
    *,
    label_names: Sequence[str] | None = None,
) -> TextDataset:
    """Read rows once, keep their texts on the disk, and split them.

    Args:
        name: of the dataset, for messages too.
        key: all that decides what the rows are; JSON.
        parts: what reads the rows of each official split, or of ``all``.
        options: shares of the splits that are not there.
        label_names: all labels in their order, where that is known; sorted where it is None, as
            numbers where all are numbers.

    Raises:
        DataError: the rows cannot be read, or have fewer than two labels, or are too few.
    """
    entry = cached("texts", {**key, "parts": list(parts)}, lambda: _store(name, parts, label_names))
    names = tuple(entry.facts["labels"])
    if len(names) < 2:
        given = f"only one label, {names[0]!r}" if names else "no rows"
        raise DataError(f"{name} has {given}; at least two labels are needed")
    splits = _split({part: _restore(entry, part) for part in parts}, options)
    for split_name, split in splits.items():
        if not len(split):
            n_texts = sum(map(len, splits.values()))
            raise DataError(
                f"{name}: {n_texts:,} texts with {len(names):,} labels leave none for its"
                f" {split_name} split; three different texts of a label are the least"
            )
    return TextDataset(name, names, splits["train"], splits["validation"], splits["test"])


def sort_labels(names: Iterable[str]) -> list[str]:
    """Sort the names of labels, as numbers where all of them are; ``01`` stays ``01``."""
    listed = sorted(names)
    try:
        numbers = {name: float(name) for name in listed}
    except ValueError:
        return listed
    return sorted(listed, key=numbers.__getitem__)


def _store(
    name: str,
    parts: Mapping[Part, Callable[[], Iterable[Row]]],
    label_names: Sequence[str] | None,
) -> Entry:
    """Read all rows; return their texts and numbered labels, and the names of the labels."""
    arrays: dict[str, Any] = {}
    numbers = {label.strip(): number for number, label in enumerate(label_names or ())}
    for part, read in parts.items():
        content, ends, labels = _write(read(), numbers)
        if len(numbers) > MAX_LABELS:
            raise DataError(
                f"{name} has {len(numbers):,} labels, and {MAX_LABELS:,} are allowed;"
                " --label-column names another column"
            )
        arrays |= {f"{part}_content": content, f"{part}_ends": ends, f"{part}_labels": labels}
    names = list(numbers) if label_names is not None else sort_labels(numbers)
    # Until here they were numbered as they came.
    order = np.array([names.index(label) for label in numbers], np.int64)
    for part in parts:
        arrays[f"{part}_labels"] = order[arrays[f"{part}_labels"]]
    return Entry(arrays, {"labels": names})


def _restore(entry: Entry, part: str) -> Split:
    """Return the rows of a part, whose texts stay in their file."""
    content, ends, labels = (
        entry.arrays[f"{part}_{name}"] for name in ("content", "ends", "labels")
    )
    texts = StoredTexts(content, np.array(ends), np.arange(len(ends)))
    return Split.from_lists(texts, np.array(labels))


def _write(
    rows: Iterable[Row], numbers: dict[str, int]
) -> tuple[npt.NDArray[np.uint8], IntArray, IntArray]:
    """Write rows to the disk, and number labels as they come; stop where these are too many."""
    with TextWriter() as texts, ArrayWriter(np.int64) as labels:
        for block in _batched(rows):
            texts.append([text for text, _ in block])
            labels.append([numbers.setdefault(label, len(numbers)) for _, label in block])
            if len(numbers) > MAX_LABELS:
                break
        return *texts.finish(), labels.finish()


def _batched(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while block := list(islice(iterator, BLOCK)):
        yield block


def _split(parts: Mapping[Part, Split], options: RowOptions) -> dict[str, Split]:
    """Return three splits: official ones as they are, and the others cut off class by class."""
    validation = 0.0 if "validation" in parts else options.validation_share
    test = 0.0 if "test" in parts else options.test_share
    if validation + test >= 1:
        raise RequestError(
            f"dataset.validation_share {validation:g} and dataset.test_share {test:g}: together"
            " they have to be below 1"
        )
    whole = parts["all" if "all" in parts else "train"]
    if not validation + test:
        return {name: parts[name] for name in ("train", "validation", "test")}
    # Equal texts stay together: the same one in training and test would tell nothing.
    cut = split_stratified(
        whole,
        train=1 - validation - test,
        validation=validation,
        groups=hash_texts(whole.texts),
    )
    splits = dict(zip(("train", "validation", "test"), cut, strict=True))
    return {**splits, **{name: parts[name] for name in ("validation", "test") if name in parts}}
