"""A table of a file or a library: the names of its columns, and how to read its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

from textclf.data.labels import ZERO_WIDTH

NumberedRow = tuple[int, Mapping[str, Any]]
"""The number of a row, and its cells by the names of the columns; the last ones may be missing."""


Cells = Sequence[Any] | Mapping[str, Any]
"""All cells of a row, in the order of the columns; or by their names, if the file repeats these."""


ABSENT: Any = object()
"""The cell of a column that a row does not have, unlike one that is empty."""


class TableColumn(NamedTuple):
    """A column with all its cells.

    Attributes:
        name: Name, as the file has it.
        kinds: Types of its values.
        field: The column in the terms of pyarrow, if the file has its type.
    """

    name: str
    kinds: Set[type] = frozenset({str})
    field: Any = None


class Columns(NamedTuple):
    """The columns that are read: those of the text, which are joined, and that of the label."""

    texts: tuple[str, ...]
    label: str


@dataclass(frozen=True)
class Table:
    """A table whose header is read, and whose rows are not.

    Attributes:
        names: Names of the columns, cleaned.
        read: Yields the rows that are not empty, with at least the given columns.
        unit: What is numbered: ``line``, ``row`` or ``example``.
        sample: First rows after the header, as lists of cells.
        has_header: Whether the names are those of the first row.
        details: How the file is read, for people.
        header: Names of the columns as the file has them; empty if each row has its own.
        read_cells: Yields all cells of all rows except blank lines, as the file has them; given the
            label column, if there is one, by which a quote around rows is found.
        read_text: Turns a cell into the text that is classified.
        n_rows: Number of rows, if it is known.
        schema: Types of the columns in the terms of pyarrow, if the file has them.
    """

    names: Sequence[str]
    read: Callable[[Columns], Iterator[NumberedRow]] = lambda columns: iter(())  # noqa: ARG005
    unit: str = "line"
    sample: Sequence[Sequence[Any]] = ()
    has_header: bool = False
    details: str = ""
    header: Sequence[str] = ()
    read_cells: Callable[[str | None], Iterator[Cells]] = lambda label: iter(())  # noqa: ARG005
    read_text: Callable[[Any], Any] = lambda cell: cell
    n_rows: int | None = None
    schema: Any = None


def clean_name(name: Any) -> str:
    """Return the name of a column without white space and invisible characters around it."""
    return " ".join(str("" if name is None else name).translate(ZERO_WIDTH).split())


def has_content(cells: Iterable[Any]) -> bool:
    """Return whether a row is not blank."""
    return any(cell and not str(cell).isspace() for cell in cells)


def join_texts(texts: Sequence[Any]) -> Any:
    """Join texts with spaces, without those that are missing; or return one that is not a text."""
    given = [text for text in texts if text is not None]
    odd = [text for text in given if not isinstance(text, str)]
    return odd[0] if odd else " ".join(filter(None, given))
