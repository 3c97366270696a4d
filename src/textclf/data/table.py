"""A table of a file or a library: the names of its columns, and how to read its rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from textclf.data.labels import ZERO_WIDTH

NumberedRow = tuple[int, Mapping[str, Any]]
"""The number of a row, and its cells by the names of the columns; the last ones may be missing."""


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
    """

    names: Sequence[str]
    read: Callable[[Columns], Iterator[NumberedRow]] = lambda columns: iter(())  # noqa: ARG005
    unit: str = "line"
    sample: Sequence[Sequence[Any]] = ()
    has_header: bool = False
    details: str = ""


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
