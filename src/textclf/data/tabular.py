"""Finds the text and the label among the columns of a table, and reads tables of libraries."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field

from textclf.config.schema import SplitConfig
from textclf.data.dataset import TextDataset
from textclf.data.labels import is_number
from textclf.data.row_reader import Row, RowSource
from textclf.data.rows import load_rows
from textclf.data.splitting import PARTS, Part
from textclf.data.table import Columns, Table, clean_name, join_texts
from textclf.errors import DataError, RequestError, format_list
from textclf.storage.cache import CacheEntry, cached

ReadColumns = Callable[[Sequence[str]], Iterable[Sequence[Any]]]
"""The names of columns to their values, example by example."""

TEXT_COLUMNS = (
    *("text", "sentence", "review", "content", "document", "body", "message", "comment"),
    *("tweet", "article", "description", "question", "headline", "title"),
)
LABEL_COLUMNS = (
    *("label", "class", "category", "sentiment", "target", "topic", "intent", "labels"),
    *("polarity", "rating", "stars", "emotion", "section", "y"),
)
"""Usual names of columns, the most usual first."""

UNNAMED = re.compile(r"(Unnamed: \d+([._].*)?|__index_level_\d+__)?")
"""Names that a table gives to an index without a name."""

IDENTIFIERS = {"id", "idx", "index", "uuid", "guid", "row", "no", "nr", "number", "#"}
"""Names of columns that number the rows."""

HIDDEN = (None, -1)
"""Placeholders for a label number, as in the test split of a benchmark."""

LONG_NAME = 60
"""Characters of a column name that is probably a text."""

LONG_NAME_WORDS = 3
"""Words of a column name that is probably a text."""


Names = tuple[str, ...] | None


def _split(separator: str) -> BeforeValidator:
    """Return the validator of names that may also be a string with a separator."""

    def split(value: Any) -> Any:
        return value.split(separator) if isinstance(value, str) else value

    return BeforeValidator(split, json_schema_input_type=str | Names)


class TableConfig(SplitConfig):
    """Which columns of a table are read, and how it is split if it has no splits."""

    text_column: Annotated[Names, _split("\n")] = Field(
        default=None,
        min_length=1,
        description="column that contains the text, or a list of columns, which are joined with a"
        " space; by default found by its usual names",
    )
    label_column: str | None = Field(
        default=None,
        description="column that contains the label; by default found by its usual names",
    )


class FileConfig(TableConfig):
    """How a file is read."""

    encoding: str = Field(
        default="utf-8",
        description="encoding of text files, such as cp1252; a byte-order mark has precedence",
    )
    quoting: Literal["minimal", "none"] = Field(
        default="minimal",
        description="`none` if quotes in a CSV file are part of the texts, and enclose nothing",
    )
    column_names: Annotated[Names, _split(",")] = Field(
        default=None,
        min_length=1,
        description="names of all columns, in their order, if a file has no header",
    )


def find_columns(table: Table, config: TableConfig, origin: str) -> Columns:
    """Return the text and label columns: those asked for, or else those with the usual names.

    Args:
        table: The table; columns without a name are not considered.
        config: Which columns are asked for.
        origin: Where the columns are, for messages.

    Raises:
        RequestError: Names of columns are given for a table that has some.
        DataError: A column does not exist or is ambiguous, no column has a usual name, or the
            first row is probably not a header.
    """
    if table.has_header and len(table.names) == 1:
        raise DataError(
            f"{origin}: only one column, {_format_names(table.names)}; a text and a label are"
            f" expected ({table.details})"
        )
    names = [name for name in table.names if not UNNAMED.fullmatch(name)]
    find = partial(_find_column, names, origin=origin)
    texts = [find(name, (), "text") for name in config.text_column or ()]
    texts = texts or [find(None, TEXT_COLUMNS, "text")]
    label = find(config.label_column, LABEL_COLUMNS, "label")
    if not (texts[0] and label):
        _check_header(table, origin, "give --text-column and --label-column")
    if len(set(names)) == 2 == len(table.names):  # With two columns, one determines the other.
        other = {names[0]: names[1], names[1]: names[0]}
        texts = [texts[0] or other.get(label or ""), *texts[1:]]
        if not label and texts[0] and other[texts[0]].lower() not in IDENTIFIERS:
            label = other[texts[0]]
    found = tuple(name for name in texts if name)
    if not found or not label:
        kind = "label" if found else "text"
        others = [n for n in names if n not in found and n.lower() not in IDENTIFIERS]
        choice = f"give --{kind}-column, one of {_format_names(others)}"
        raise DataError(
            f"{origin}: no column has a usual name for the {kind}; "
            + (choice if others else f"its columns are {_format_names(names)}")
        )
    if label in found:
        raise DataError(f"{origin}: column '{label}' cannot be both text and label")
    if table.sample and not table.has_header:
        _refuse_header(table.sample[0], origin, (TEXT_COLUMNS, LABEL_COLUMNS))
    return Columns(found, label)


def find_text_columns(
    table: Table, config: TableConfig, known: Sequence[str], origin: str
) -> tuple[str, ...]:
    """Return the text columns of a table that needs no label.

    They are those asked for; or else known ones, if the table has all of them; or else the one with
    the most usual name; or else the only one that is not the label.

    Args:
        table: The table; a column without a name is considered only if it is the only one.
        config: Which columns are asked for.
        known: Columns that contained the text in another file; may be empty.
        origin: Where the columns are, for messages.

    Raises:
        RequestError: Names of columns are given for a table that has some.
        DataError: A column does not exist or is ambiguous, no column has a usual name, or the
            first row is probably not a header.
    """
    names = [name for name in table.names if not UNNAMED.fullmatch(name)]
    find = partial(_find_column, names, origin=origin)
    asked = config.text_column or (known if has_columns(table, known) else ())
    texts = [find(name, (), "text") for name in asked] or [find(None, TEXT_COLUMNS, "text")]
    if table.sample and not table.has_header:
        _refuse_header(table.sample[0], origin, (TEXT_COLUMNS,))
    if texts[0]:
        return tuple(name for name in texts if name)
    _check_header(table, origin, "give --text-column")
    if len(table.names) == 1:
        return tuple(table.names)
    label = find_label_column(table)
    others = [name for name in names if name.lower() not in IDENTIFIERS]
    if len({*names}) == 2 == len(table.names) and label in names:
        return tuple(name for name in names if name != label)
    raise DataError(
        f"{origin}: no column has a usual name for the text; give --text-column, one of"
        f" {_format_names(others or table.names)}"
    )


def has_columns(table: Table, names: Sequence[str] | None) -> bool:
    """Return whether names of columns are given, and a table has all of them."""
    return bool(names) and {*map(clean_name, names or ())} <= {*map(clean_name, table.names)}


def find_label_column(table: Table) -> str | None:
    """Return the column with the most usual name of a label; None if no column has one."""
    in_lower_case = {name.lower(): name for name in reversed(table.names)}
    return next((in_lower_case[name] for name in LABEL_COLUMNS if name in in_lower_case), None)


def has_usual_text(table: Table) -> bool:
    """Return whether a column has a usual name of a text."""
    return not {name.lower() for name in table.names}.isdisjoint(TEXT_COLUMNS)


def _check_header(table: Table, origin: str, remedy: str) -> None:
    """Raise DataError if the names of columns are probably a row of a table without names.

    Either a column contains its own name, or names are long, or numbers other than positions.
    """
    names = table.names
    if not table.has_header:
        return
    named = [name for name in names if name]
    is_numbered = named in [[str(start + i) for i in range(len(named))] for start in (0, 1)]
    is_text = [
        len(name) > LONG_NAME or len(name.split()) > LONG_NAME_WORDS
        for name in names
        if not name.endswith("?")
    ]
    if (
        any(
            name and clean_name(cell) == name
            for row in table.sample
            for name, cell in zip(names, row, strict=False)
        )
        or (any(map(is_number, names)) and not is_numbered)
        or any(is_text)
    ):
        raise DataError(
            f"{origin}: the first line looks like data; if it is, name all columns in their order,"
            f" such as --column-names {','.join(_suggest_names(table))}; if not, remove what is"
            f" above the header, or {remedy}"
        )


def _suggest_names(table: Table) -> list[str]:
    """Return names: the longest column is the text, and that with the fewest values the label."""
    rows, n = [table.names, *table.sample], len(table.names)
    columns = [[str(row[i]) for row in rows if i < len(row)] for i in range(n)]
    text = max(range(n), key=lambda i: sum(map(len, columns[i])))
    others = sorted(set(range(n)) - {text}, key=lambda i: len(set(columns[i])))
    label = next((i for i in others if len(set(columns[i])) > 1), next(iter(others), text))
    return [{label: "label", text: "text"}.get(i, f"column{i + 1}") for i in range(n)]


def _refuse_header(row: Sequence[Any], origin: str, usual: Sequence[Sequence[str]]) -> None:
    """Raise RequestError if the first row of a table whose names are given has usual names."""
    cells = {clean_name(cell).lower() for cell in row}
    if all(cells.intersection(names) for names in usual):
        raise RequestError(
            f"{origin}: its first line contains names of columns; leave out --column-names"
        )


def _format_names(names: Sequence[str]) -> str:
    return format_list([repr(n if len(n) <= 80 else f"{n[:77]}...") for n in names], 20)


def _find_column(
    names: Sequence[str], wanted: str | None, usual: Sequence[str], kind: str, *, origin: str
) -> str | None:
    """Return the column that is asked for, or the one with the most usual name, or None."""
    known_as = {clean_name(name): name for name in reversed(names)}
    if wanted is not None and clean_name(wanted) not in known_as:
        raise DataError(
            f"{origin}: no column is named '{wanted}';"
            f" --{kind}-column is one of {_format_names(names)}"
        )
    in_lower_case = {name.lower(): name for name in reversed(names)}
    found = next((in_lower_case[name] for name in usual if name in in_lower_case), None)
    found = found if wanted is None else known_as[clean_name(wanted)]
    if found is not None and list(names).count(found) > 1:
        raise DataError(f"{origin}: {list(names).count(found)} columns are named '{found}'")
    return found


def load_library_dataset(
    config: TableConfig,
    columns: Columns,
    splits: Mapping[str, ReadColumns],
    *,
    label_names: Sequence[str] | None,
    key: Mapping[str, Any],
) -> TextDataset:
    """Load a dataset that a library opened, such as tensorflow-datasets.

    Examples whose label is hidden (-1 or null), as in the test split of some benchmarks, are left
    out; the validation split takes the place of a test split without labels.

    Args:
        config: Name of the dataset, and fractions of the splits that do not exist.
        columns: Names of the text and label columns.
        splits: For each split, reads the values of columns: str or UTF-8, and for a label also
            its number.
        label_names: Names of numbered labels; None if labels are not numbered.
        key: Everything that decides the content; JSON.

    Raises:
        DataError: The training split is missing, or the rows cannot be used.
    """
    names = [*columns.texts, columns.label]
    key = {**key, "columns": names}
    unlabeled = _find_unlabeled(splits, columns.label, key)
    parts: dict[Part, RowSource] = {}
    notes = []
    for split, read in splits.items():
        if split not in PARTS:
            continue
        if split in unlabeled:
            notes.append(f"the {split} split has no labels, and is left out")
            continue
        origin = f"--dataset {config.name}: {split}"
        parts[PARTS[split]] = RowSource(origin, partial(_read_rows, partial(read, names), origin))
    if "train" not in parts:
        listed = ", ".join(splits)
        raise DataError(f"--dataset {config.name}: no labeled split named 'train' among {listed}")
    if notes and "test" not in parts and "validation" in parts:
        parts["test"] = parts.pop("validation")
        notes[-1] += "; the validation split is the test split instead"
    return load_rows(config.name, key, parts, config, label_names=label_names, notes=notes)


def _find_unlabeled(
    splits: Mapping[str, ReadColumns], label: str, key: Mapping[str, Any]
) -> list[str]:
    """Return the splits whose labels are all hidden, from the cache if they are there."""

    def find() -> CacheEntry:
        found = [
            split
            for split, read in splits.items()
            if split in PARTS and all(row[0] in HIDDEN for row in read([label]))
        ]
        return CacheEntry({}, {"splits": found})

    return cast("list[str]", cached("unlabeled", key, find).facts["splits"])


def _read_rows(read: Callable[[], Iterable[Sequence[Any]]], origin: str) -> Iterator[Row]:
    """Yield rows of texts and of names or numbers of labels, which may be UTF-8."""
    for number, (*texts, given) in enumerate(read(), start=1):
        position = f"example {number}"
        label = given.decode("utf-8", "replace") if isinstance(given, bytes) else given
        try:
            decoded = [t.decode("utf-8") if isinstance(t, bytes) else t for t in texts]
        except UnicodeDecodeError as error:
            raise DataError(
                f"{origin} {position} is not UTF-8; choose another --text-column"
            ) from error
        yield join_texts(decoded), label, position
