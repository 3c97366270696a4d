"""Reads comma-separated values and their relatives: delimiter, header and quotes."""

import contextlib
import csv
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from textclf.data.labels import unify_numbers
from textclf.data.table import Columns, NumberedRow, Table, clean_name, has_content
from textclf.errors import DataError
from textclf.storage.encodings import name_codec, read_lines
from textclf.storage.limits import MEGABYTE, longest_row

DELIMITERS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
"""Delimiters and their names in messages."""

N_SAMPLED = 100
"""Lines by which delimiter and header are judged."""

SAMPLED_CHARACTERS = 10_000_000
"""Fewer lines are judged if they are longer than this."""

NO_DELIMITER = "\x1f"
"""Delimiter of a table with one column."""

MAX_SUSPECTED = 1_000
"""Rows of several lines that are kept to find quotes around rows."""

MOST = 0.9
"""Fraction of the lines of such a row that must look like rows."""

MAX_KNOWN = 10_000
"""Labels that are kept to find quotes around rows."""

RawRow = tuple[int, list[str], list[str]]
"""The number of the first line of a row, its cells and its lines."""

IF_TEXT = "or, if quotes are part of the texts, add --set dataset.quoting=none"
"""What to do about a quote besides removing it."""


class Dialect(NamedTuple):
    """How the lines of a file are separated into cells.

    Attributes:
        quoting: ``minimal`` if quotes enclose cells; ``none`` if they are ordinary characters.
        column_names: Names of the columns, if the file has no header.
        needs_label: Whether a table with one column is refused.
        delimiter: Character between two cells.
    """

    quoting: str
    column_names: Sequence[str] | None
    needs_label: bool = True
    delimiter: str = ","

    def parse(self, lines: Iterable[str], *, strict: bool = True, skip_spaces: bool = True) -> Any:
        """Return a reader of rows, which skips spaces between a delimiter and a quote."""
        csv.field_size_limit(2**31 - 1)  # Lines are limited where they are read.
        return csv.reader(
            lines,
            delimiter=self.delimiter,
            quoting=csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
            strict=strict,
            skipinitialspace=skip_spaces,
        )

    def parse_sample(self, lines: Iterable[str]) -> list[list[str]]:
        """Return the rows of the first lines, of which the last may be cut off."""
        with contextlib.suppress(csv.Error):  # Reported when the file is read.
            return [row for row in self.parse(lines, strict=False) if has_content(row)]
        return []


def open_csv(path: Path, text: TextIOWrapper, likely: Dialect) -> Table:
    """Return the table of a file, whose delimiter is detected in its first lines.

    Args:
        path: Path for messages.
        text: The file, with its line ends.
        likely: How it is separated, except for the delimiter.

    Raises:
        DataError: The file is empty, its delimiter is not clear, or its columns have not as many
            names as are given.
    """
    lines = read_lines(path, text)
    sample = list(islice(take_sample(lines), N_SAMPLED))
    n_skipped = next((i for i, line in enumerate(sample) if line.strip()), len(sample))
    declared = _read_separator(sample[n_skipped : n_skipped + 1])
    n_skipped += declared is not None
    if not (sample := sample[n_skipped:]):
        raise DataError(f"{path}: it is empty; expected the names of the columns in the first line")
    found = likely._replace(delimiter=declared or _find_delimiter(path, sample, likely))
    first, *others = found.parse_sample(sample) or [[]]
    _check_first(path, first, likely)
    if len(first) == 1:
        found = found._replace(delimiter=NO_DELIMITER)
        first, *others = found.parse_sample(sample)
    rows = _read_rows(path, found, chain(sample, lines), n_skipped)
    header = found.column_names or next(
        _keep_spaces(found, row, raw) for _, row, raw in rows if has_content(row)
    )
    names = [clean_name(name) for name in header]
    shown = f"delimiter {DELIMITERS.get(found.delimiter, repr(found.delimiter))}; "
    shown = shown if found.delimiter != NO_DELIMITER else ""

    def read(columns: Columns) -> Iterator[NumberedRow]:
        full = (row for row in rows if has_content(row[1]))
        for start, row, _ in _check_rows(path, found, full, names, columns.label):
            yield start, dict(zip(names, row, strict=False))

    return Table(
        names,
        read,
        sample=[first, *others] if found.column_names else others,
        has_header=not found.column_names,
        details=f"{shown}encoding {name_codec(text.encoding)}",
        header=header,
        read_cells=lambda label: _read_cells(path, found, rows, names, label),
    )


def _read_cells(
    path: Path, found: Dialect, rows: Iterable[RawRow], names: Sequence[str], label: str | None
) -> Iterator[list[str]]:
    """Yield all cells of all rows except blank lines, as the file has them."""
    # A row may have only delimiters; without one, it is a blank line.
    full = (row for row in rows if len(row[1]) > 1 or any(map(str.strip, row[2])))
    for _, row, raw in _check_rows(path, found, full, names, label):
        cells = _keep_spaces(found, row, raw)[: len(names)]
        yield cells + [""] * (len(names) - len(cells))


def _check_first(path: Path, first: Sequence[str], likely: Dialect) -> None:
    """Raise DataError if the first row has another number of cells than is expected."""
    if len(likely.column_names or first) != len(first):
        raise DataError(
            f"{path} has {len(first)} columns in its first line, but --column-names has"
            f" {len(likely.column_names or ())}"
        )
    if len(first) == 1 and likely.needs_label:
        raise DataError(
            f"{path}: only one column, {first[0][:40]!r}; a text and a label are expected, with one"
            f" of {', '.join(DELIMITERS.values())} between them"
        )


def take_sample(lines: Iterable[str]) -> Iterator[str]:
    """Yield the first lines, up to one with which they would take much memory."""
    n_characters = 0
    for line in lines:
        yield line
        n_characters += len(line)
        if n_characters > SAMPLED_CHARACTERS:
            return


def _keep_spaces(found: Dialect, row: list[str], raw: Sequence[str]) -> list[str]:
    """Return the cells of a row with the spaces after delimiters, unless a quote follows them."""
    line = "".join(raw)
    if not line.startswith(" ") and f"{found.delimiter} " not in line:
        return row
    exact: list[str] = next(found.parse(raw, strict=False, skip_spaces=False))
    if len(exact) != len(row):  # A cell in quotes contains the delimiter.
        return row
    cells = zip(exact, row, strict=True)
    return [kept if kept.lstrip(" ") == cell.lstrip(" ") else cell for kept, cell in cells]


def _read_separator(line: Sequence[str]) -> str | None:
    """Return the delimiter that a line such as ``sep=;`` declares to Excel."""
    declared = line[0].strip("\r\n").strip('"') if line else ""
    is_declared = declared.lower().startswith("sep=") and len(declared) == len("sep=;")
    return declared[-1] if is_declared else None


def _find_delimiter(path: Path, lines: Sequence[str], likely: Dialect) -> str:
    """Return the delimiter that gives most rows the number of columns of the first.

    Raises:
        DataError: Two delimiters do, as in ``the tide, low|sea``.
    """

    def rate(delimiter: str) -> tuple[bool, float]:
        rows = likely._replace(delimiter=delimiter).parse_sample(lines)
        n_columns = len(rows[0]) if rows else 0
        expected = len(likely.column_names or ()) or n_columns
        matching = sum(len(row) == expected for row in rows) / max(1, len(rows))
        return 1 < expected <= n_columns, matching

    rates = {delimiter: rate(delimiter) for delimiter in DELIMITERS}
    separates, matching = max(rates.values())
    best = [delimiter for delimiter in rates if rates[delimiter] == (separates, matching)]
    if separates and len(best) > 1:
        shown = " or by ".join(DELIMITERS[delimiter] for delimiter in best)
        raise DataError(
            f"{path}: its columns may be separated by {shown}; declare one of them in a new first"
            f" line, such as sep={max(best)}"
        )
    return best[0]


def _read_rows(
    path: Path, found: Dialect, lines: Iterable[str], n_skipped: int
) -> Iterator[RawRow]:
    """Yield the rows; the lines of one are valid until the next."""
    raw: list[str] = []
    start, longest = n_skipped + 1, longest_row()

    def remember() -> Iterator[str]:
        n_characters = 0
        for line in lines:
            n_characters = n_characters + len(line) if raw else len(line)
            raw.append(line)
            if n_characters > longest:
                raise DataError(
                    f"{path} line {start}: a quote opens here and is not closed within"
                    f" {longest / MEGABYTE:g} MB; close or remove it, {IF_TEXT}"
                )
            yield line

    try:
        for row in found.parse(remember()):
            yield start, row, raw
            start += len(raw)
            raw.clear()
    except csv.Error as error:
        is_one = len(raw) == 1
        where = f"line {start}" if is_one else f"lines {start} to {start + len(raw) - 1}"
        raise DataError(
            f"{path} {where}: a quote is not closed at the end of its cell; double the quotes"
            f" within a cell, {IF_TEXT}"
        ) from error


def _check_rows(
    path: Path,
    found: Dialect,
    rows: Iterable[RawRow],
    names: Sequence[str],
    label: str | None,
) -> Iterator[RawRow]:
    """Yield the rows; without a label column, quotes that enclose rows are not found.

    Raises:
        DataError: A row has too many cells, or a quote encloses rows.
    """
    labels: set[str] = set()
    suspected: list[tuple[int, int, list[str]]] = []
    n_rows = 0
    position = None if label is None else len(names) - 1 - list(reversed(names)).index(label)
    for start, row, raw in rows:
        if has_content(row[len(names) :]):
            raise DataError(
                f"{path} line {start}: expected {len(names)} columns, got {len(row)}; remove"
                " delimiters from the texts, or enclose these in quotes"
            )
        n_rows += 1
        if position is not None and len(labels) < MAX_KNOWN:
            labels.add(row[position] if position < len(row) else "")
        if position is not None and len(raw) > 1 and len(suspected) < MAX_SUSPECTED:
            enclosed = _split_lines(raw, found.delimiter, names, position)
            if sum(map(bool, enclosed)) >= MOST * len(enclosed):
                suspected.append((start, start + len(raw) - 1, enclosed))
        yield start, row, raw
    read = {*map(clean_name, labels)}
    unified = unify_numbers(read.union(*(enclosed for _, _, enclosed in suspected)) - {""})
    known = {unified[label] for label in read if label}
    swallowed = [
        (start, end)
        for start, end, enclosed in suspected
        if sum(unified.get(label) in known for label in enclosed) >= MOST * len(enclosed)
    ]
    # If most texts look like several rows, as tables in a text do, they are what they seem.
    if swallowed and len(swallowed) <= max(3, n_rows / 2):
        start, end = swallowed[0]
        raise DataError(
            f"{path} line {start}: a quote opens here and closes in line {end}, around what look"
            f" like rows; remove it, {IF_TEXT}"
        )


def _split_lines(
    raw: Sequence[str], delimiter: str, names: Sequence[str], position: int
) -> list[str]:
    """Return the labels that the lines of a row would have as rows; empty if a line is not one."""
    # A text before the last cell may contain delimiters.
    position = -1 if position == len(names) - 1 else position
    rows = [line.rstrip("\r\n").split(delimiter) for line in raw if line.strip()]
    cells = [row[position] if len(row) >= len(names) else "" for row in rows]
    return [clean_name(cell.strip(' "')) for cell in cells]
