"""Finds the text and the label among the columns of a table, and reads tables of libraries."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import Field

from textclf.config.schema import SplitConfig
from textclf.data.dataset import TextDataset
from textclf.data.file_formats import Row, check_row
from textclf.data.rows import PARTS, Part, ReadRows, load_rows
from textclf.errors import DataError

ReadColumns = Callable[[str, str], Iterable[tuple[Any, Any]]]
"""The names of the text and label columns to the values of both, example by example."""

TEXT_COLUMNS = (
    *("text", "sentence", "review", "content", "document", "body", "message", "comment"),
    *("tweet", "article", "description", "question", "headline", "title"),
)
LABEL_COLUMNS = (
    *("label", "class", "category", "sentiment", "target", "topic", "intent", "labels"),
    *("polarity", "rating", "stars", "emotion", "section", "y"),
)
"""Usual names of columns, the most usual first."""


class TableConfig(SplitConfig):
    """Which columns of a table are read, and how it is split if it has no splits."""

    text_column: str | None = Field(
        default=None,
        description="column that contains the text; by default found by its usual names",
    )
    label_column: str | None = Field(
        default=None,
        description="column that contains the label; by default found by its usual names",
    )


def find_columns(names: Sequence[str], config: TableConfig, origin: str) -> tuple[str, str]:
    """Return the names of the text and label columns: those asked for, or else the usual ones.

    Args:
        names: Names of all columns.
        config: Which columns are asked for.
        origin: Where the columns are, for messages.

    Raises:
        DataError: A column does not exist, is ambiguous, or no column has a usual name.
    """
    text = _find_column(names, config.text_column, TEXT_COLUMNS, "text", origin)
    label = _find_column(names, config.label_column, LABEL_COLUMNS, "label", origin)
    if len(set(names)) == 2 == len(names):  # With two columns, one determines the other.
        other = {names[0]: names[1], names[1]: names[0]}
        text = text or other.get(label or "")
        label = label or other.get(text or "")
    if text is None or label is None:
        kind = "text" if text is None else "label"
        raise DataError(
            f"{origin}: no column has a usual name for the {kind}: give --{kind}-column, one of"
            f" {_format_names(names)}"
        )
    if text == label:
        raise DataError(f"{origin}: column '{text}' cannot be both text and label")
    return text, label


def _format_names(names: Sequence[str]) -> str:
    shown = [repr(name if len(name) <= 40 else f"{name[:37]}...") for name in names[:20]]
    return ", ".join(shown) + ", ..." * (len(names) > len(shown))


def _find_column(
    names: Sequence[str], wanted: str | None, usual: Sequence[str], kind: str, origin: str
) -> str | None:
    if wanted is not None and wanted not in names:
        raise DataError(
            f"{origin}: no column is named '{wanted}';"
            f" --{kind}-column is one of {_format_names(names)}"
        )
    known_as = {name.strip().lower(): name for name in reversed(names)}
    found = wanted or next((known_as[name] for name in usual if name in known_as), None)
    if found is not None and list(names).count(found) > 1:
        raise DataError(f"{origin}: {list(names).count(found)} columns are named '{found}'")
    return found


def load_library_dataset(
    config: TableConfig,
    columns: tuple[str, str],
    splits: Mapping[str, ReadColumns],
    *,
    label_names: Sequence[str] | None,
    key: Mapping[str, Any],
) -> TextDataset:
    """Load a dataset that a library opened, such as tensorflow-datasets.

    A split whose labels are hidden, as in the test split of some benchmarks, is left out.

    Args:
        config: Name of the dataset, and fractions of the splits that do not exist.
        columns: Names of the text and label columns.
        splits: For each split, reads a text (str or UTF-8) and a label (its name or number).
        label_names: Names of numbered labels; None if labels are not numbered.
        key: Everything that decides the content; JSON.

    Raises:
        DataError: The training split is missing, or the rows cannot be used.
    """
    origin, names = f"--dataset {config.name}", label_names
    parts: dict[Part, ReadRows] = {
        PARTS[split]: partial(_name_labels, partial(read, *columns), names, f"{origin}: {split}")
        for split, read in splits.items()
        if split in PARTS and not (names and _is_hidden(next(iter(read(*columns)), (None, 0))[1]))
    }
    if "train" not in parts:
        raise DataError(f"{origin}: no split named 'train' among {', '.join(splits)}")
    key = {**key, "columns": list(columns)}
    return load_rows(config.name, key, parts, config, label_names=names)


def _name_labels(
    read: Callable[[], Iterable[tuple[Any, Any]]], names: Sequence[str] | None, origin: str
) -> Iterator[Row]:
    """Yield rows with the names of their labels, from texts with names or numbers."""
    for number, (text, given) in enumerate(read(), start=1):
        position = f"{origin} example {number}"
        label = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
        if names is not None:
            label = None if _is_hidden(given) else names[int(given)]
        try:
            decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        except UnicodeDecodeError as error:
            raise DataError(f"{position} is not UTF-8; choose another --text-column") from error
        yield check_row(decoded, label, position)


def _is_hidden(number: Any) -> bool:
    """Return whether a label number is a placeholder, as in the test split of a benchmark."""
    return number is None or int(number) < 0
