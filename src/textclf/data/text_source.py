"""Reads texts to classify, with everything beside them: rows of a table, lines, or a list."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from textclf.data.file_formats import find_format, open_table
from textclf.data.table import ABSENT, Cells, Table, TableColumn, join_texts
from textclf.data.tabular import (
    FileConfig,
    find_label_column,
    find_text_columns,
    has_columns,
    has_usual_text,
)
from textclf.errors import DataError, RequestError
from textclf.storage.containers import open_content
from textclf.storage.encodings import find_codec, name_codec, split_lines

Row = tuple[Sequence[Any], Any]
"""The cells of a row, and what should be its text; it is not checked."""

MAX_INTEGER = 2**63
"""Larger integers do not fit into a column of integers."""


@dataclass(frozen=True)
class TextSource:
    """Texts to classify, which are read when they are needed.

    Attributes:
        columns: The columns of the rows.
        read: Yields the rows; standard input can be read once.
        origin: What the texts are read from, for messages.
        n_rows: Number of rows; None if it is not known.
        details: How a file is read, for people; empty if it is not a file.
    """

    columns: Sequence[TableColumn]
    read: Callable[[], Iterator[Row]]
    origin: str
    n_rows: int | None = None
    details: str = ""


LINES = (TableColumn("text"),)
"""The columns of texts that are not in a table."""


def list_texts(texts: Sequence[str]) -> TextSource:
    """Return texts as a source."""
    return TextSource(
        LINES, lambda: (([text], text) for text in texts), "the list of texts", len(texts)
    )


def open_stream(stream: IO[bytes], encoding: str) -> TextSource:
    """Return the lines of standard input as a source."""
    origin = "standard input"
    return TextSource(LINES, lambda: _read_lines(stream, encoding, origin), origin)


def open_file(path: Path, config: FileConfig, known: Sequence[str]) -> TextSource:
    """Return the rows of a table, or the lines of a file of another kind, as a source.

    All rows are read once to check them, so that no error interrupts the classification.

    Args:
        path: File.
        config: How it is read, and which columns contain the text.
        known: Columns that contained the text in the file that the model was trained on.

    Raises:
        RequestError: An option does not apply to the file.
        DataError: The file, or a row, cannot be read, or the column of the text is not clear.
        LimitError: A row would fill the memory.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a file"
        raise RequestError(f"{path} is {kind}; give a file, or - to read standard input")
    if _is_table(path, config, known):
        return _open_rows(path, config, known)
    with open_content(path) as (file, _):
        codec = find_codec(config.encoding, file.read(4))

    def read() -> Iterator[Row]:
        with open_content(path) as (file, _):
            yield from _read_lines(file, config.encoding, str(path))

    details = f"one text per line; encoding {name_codec(codec)}"
    return TextSource(LINES, read, str(path), sum(1 for _ in read()), details)


def _read_lines(stream: IO[bytes], encoding: str, origin: str) -> Iterator[Row]:
    for line in split_lines(stream, encoding, origin):
        yield [line], line


def _is_table(path: Path, config: FileConfig, known: Sequence[str]) -> bool:
    """Return whether a file is a table; plain text is if a column is known to be the text."""
    with open_content(path) as (_, name):
        is_plain = Path(name.lower()).suffix == ".txt"
    kind = find_format(path)
    if config.text_column or config.column_names or (kind and not (is_plain and kind == ".csv")):
        return True
    try:
        with open_table(path, config, needs_label=False) as table:
            return has_usual_text(table) or has_columns(table, known)
    except DataError:  # Lines need neither the same delimiters nor a header.
        return False


def _open_rows(path: Path, config: FileConfig, known: Sequence[str]) -> TextSource:
    """Return the rows of a table as a source."""
    with open_table(path, config, needs_label=False) as table:
        texts = find_text_columns(table, config, known, str(path))
        label = find_label_column(table)
        label = None if label in texts else label
        columns, n_rows = _scan(table, label)
        names = table.names if table.header else [column.name for column in columns]
        positions = [names.index(text) for text in texts]
        shown = " and ".join(map(repr, texts))
        details = f"text from {shown}; {table.details}"
    align = partial(_align, names=[column.name for column in columns])

    def read() -> Iterator[Row]:
        with open_table(path, config, needs_label=False) as table:
            for cells in map(align, table.read_cells(label)):
                given = [None if cells[i] is ABSENT else cells[i] for i in positions]
                yield cells, join_texts([table.read_text(cell) for cell in given])

    return TextSource(columns, read, str(path), n_rows, details)


def _align(cells: Cells, names: Sequence[str]) -> Sequence[Any]:
    """Return the cells of a row in the order of all columns."""
    return [cells.get(n, ABSENT) for n in names] if isinstance(cells, Mapping) else cells


def _scan(table: Table, label: str | None) -> tuple[list[TableColumn], int]:
    """Read all rows; return the columns, with the types of their values, and the number of rows."""
    if table.schema is not None and table.n_rows is not None:
        return [TableColumn(field.name, field=field) for field in table.schema], table.n_rows
    n_rows, kinds = 0, defaultdict[str, set[type]](set)
    for cells in table.read_cells(label):
        n_rows += 1
        if isinstance(cells, Mapping) or table.n_rows is not None:  # Others have strings only.
            named = cells.items() if isinstance(cells, Mapping) else zip(table.header, cells)  # noqa: B905
            for name, cell in named:
                kinds[name].add(_find_kind(cell))
    names = table.header or list(kinds)
    return [TableColumn(name, frozenset(kinds.get(name, {str}))) for name in names], n_rows


def _find_kind(cell: Any) -> type:
    """Return the type of a cell; ``object`` for an integer that does not fit into a column."""
    is_huge = isinstance(cell, int) and not -MAX_INTEGER <= cell < MAX_INTEGER
    return object if is_huge else type(cell)
