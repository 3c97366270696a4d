"""Formats rows as a table for people, or as Markdown, HTML, CSV or JSON."""

import csv
import html
import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

GAP = "  "
"""Between two columns."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")

FORMATS = ("table", "markdown", "csv", "json")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """A column of a table for people.

    Attributes:
        key: Key of the value in each row.
        title: Heading of the column.
        format: Turns a value into text; None becomes an empty cell.
        numeric: Whether the column is aligned to the right.
        shrinks_to: Width to which a terminal may shorten long values; None if it may not.
    """

    key: str
    title: str
    format: Callable[[Any], str] = str
    numeric: bool = False
    shrinks_to: int | None = None

    def cell(self, row: Row) -> str:
        """Return the text of this column's cell in a row."""
        value = row.get(self.key)
        return "" if value is None else escape_control(" ".join(self.format(value).split("\n")))


def escape_control(text: str) -> str:
    """Replace control characters, which a terminal would obey; texts and labels are untrusted."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def format_number(decimals: int = 0) -> Callable[[float], str]:
    """Return a function that formats a number with the given decimals and thousands separators."""
    return lambda value: f"{value:,.{decimals}f}"


def format_interval(decimals: int) -> Callable[[Sequence[float]], str]:
    """Return a function that formats an interval, such as ``0.816-0.847``."""
    return lambda ends: f"{ends[0]:.{decimals}f}-{ends[1]:.{decimals}f}"


def format_flag(value: bool) -> str:
    """Format a boolean as ``yes`` or ``no``."""
    return "yes" if value else "no"


def format_start(width: int) -> Callable[[str], str]:
    """Return a function that formats the start of a text on one line of at most that width."""
    return lambda text: _shorten(" ".join(text.split()), width)


def format_p_value(value: float) -> str:
    """Format a p-value with three decimals, and never as zero."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def terminal_width() -> int | None:
    """Return the width of the terminal; None if standard output is a file or a pipe."""
    if sys.stdout is None or not sys.stdout.isatty():
        return None
    return shutil.get_terminal_size().columns


def wrap_text(text: str, width: int | None, *, indent: str = "") -> str:
    """Wrap a text at spaces and between characters that are two wide, such as Chinese ones.

    Other words, such as paths, are not broken.

    Args:
        text: One line, which may contain untrusted text.
        width: Width of the terminal; None leaves the text on one line.
        indent: Start of the second and of the following lines.
    """
    from rich.cells import cell_len

    text = escape_control(text)
    if width is None:
        return text
    lines = [""]
    for piece in _split_at_breaks(text.rstrip(" ")):
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines.append(indent + piece.lstrip(" "))
        else:
            lines[-1] += piece
    return "\n".join(lines)


def _split_at_breaks(text: str) -> list[str]:
    """Split a text wherever a line may end; spaces begin the next piece."""
    from rich.cells import split_graphemes

    pieces, start, before = [], 0, 0
    for position, _, width in split_graphemes(text)[0]:
        is_space = text[position] == " " and text[start:position].strip(" ") != ""
        if is_space or width == before == 2:
            pieces.append(text[start:position])
            start = position
        before = width
    return [*pieces, text[start:]]


def format_table(
    rows: Sequence[Row],
    columns: Sequence[Column],
    style: str,
    *,
    width: int | None = None,
    keep_empty: bool = False,
    hint: str = "--format json",
) -> str:
    """Format rows.

    Args:
        rows: Values by key; CSV and JSON contain all of them, unrounded.
        columns: Columns of a table or Markdown, the most telling first.
        style: One of `FORMATS`.
        width: Width of the terminal, into which a table must fit; None if there is none.
        keep_empty: Whether columns for which no row has a value are kept.
        hint: Option that prints the columns that do not fit.
    """
    columns = [replace(column, title=escape_control(column.title)) for column in columns]
    used = columns if keep_empty else _select_used(rows, columns)
    match style:
        case "json":
            return json.dumps(list(rows), indent=2)
        case "csv":
            return _format_csv(rows, columns)
        case "markdown":
            return _format_markdown(rows, used)
        case _:
            shown = used[: _count_fitting(rows, used, width)]
            lines = _format_lines(rows, shown, width)
            if hidden := ", ".join(column.title for column in used[len(shown) :]):
                lines.append(wrap_text(f"hidden: {hidden} (see {hint})", width, indent="  "))
            return "\n".join(lines)


def format_html(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Format rows as an HTML table, for a notebook."""
    used = _select_used(rows, columns)

    def line(tag: str, cells: Sequence[str]) -> str:
        aligned = [
            f'<{tag} style="text-align: {"right" if column.numeric else "left"}">'
            f"{html.escape(cell)}</{tag}>"
            for column, cell in zip(used, cells, strict=True)
        ]
        return f"<tr>{''.join(aligned)}</tr>"

    head = line("th", [column.title for column in used])
    body = [line("td", [column.cell(row) for column in used]) for row in rows]
    lines = ["<table>", f"<thead>{head}</thead>", "<tbody>", *body, "</tbody>", "</table>"]
    return "\n".join(lines)


def _select_used(rows: Sequence[Row], columns: Sequence[Column]) -> list[Column]:
    """Return the columns for which a row has a value."""
    return [column for column in columns if any(column.cell(row) for row in rows)]


def _count_fitting(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> int:
    """Return how many of the first columns fit into the width of a terminal, at least one."""
    n_fitting, total = 0, -len(GAP)
    for column in columns:
        total += len(GAP) + _min_width(rows, column)
        if width is not None and total > width:
            return max(1, n_fitting)
        n_fitting += 1
    return n_fitting


def _format_csv(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Format rows as CSV; lists and mappings become JSON in their cell."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys = keys or [column.key for column in columns]  # Without rows, the header alone.
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(_format_csv_cell, keys))
    for row in rows:
        writer.writerow([_format_csv_cell(row.get(key)) for key in keys])
    return text.getvalue().rstrip("\n")


def _format_csv_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value)
    # A spreadsheet would evaluate such untrusted text as a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _format_markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---:" if column.numeric else "---" for column in columns]
    head = [line([column.title for column in columns]), line(rule)]
    return "\n".join(head + [line([column.cell(row) for column in columns]) for row in rows])


def _format_lines(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> list[str]:
    """Return the lines of a table: the headings, a rule and the rows."""
    if not columns:
        return []
    widths = _distribute(rows, columns, width)

    def line(cells: Sequence[str]) -> str:
        padded = [
            _fit_cell(cell, n, numeric=column.numeric)
            for cell, n, column in zip(cells, widths, columns, strict=True)
        ]
        return GAP.join(padded).rstrip()

    head = [line([column.title for column in columns]), GAP.join("-" * n for n in widths)]
    return head + [line([column.cell(row) for column in columns]) for row in rows]


def _distribute(rows: Sequence[Row], columns: Sequence[Column], width: int | None) -> list[int]:
    """Return the width of each column; those that shrink share the room that remains."""
    needed = [_width(rows, column) for column in columns]
    if width is None:
        return needed
    widths = [_min_width(rows, column) for column in columns]
    room = max(0, width - sum(widths) - len(GAP) * (len(columns) - 1))
    for i, full in enumerate(needed):
        added = min(full - widths[i], room)
        widths[i] += added
        room -= added
    # A first column that does not fit by itself is shortened, too.
    return [min(n, width) for n in widths]


def _width(rows: Sequence[Row], column: Column) -> int:
    """Return the width of a column with all its cells."""
    from rich.cells import cell_len

    return max([cell_len(column.title), *(cell_len(column.cell(row)) for row in rows)])


def _min_width(rows: Sequence[Row], column: Column) -> int:
    """Return the width of a column whose values are shortened as far as it allows."""
    full = _width(rows, column)
    if column.shrinks_to is None:
        return full
    return min(full, max(len(column.title), column.shrinks_to))


def _fit_cell(text: str, width: int, *, numeric: bool) -> str:
    """Pad or shorten a text to a width."""
    from rich.cells import cell_len

    text = _shorten(text, width)
    padding = " " * (width - cell_len(text))
    return padding + text if numeric else text + padding


def _shorten(text: str, width: int) -> str:
    """Return a text, or its start, in a width on the screen, where some characters are two wide."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(text) <= width:
        return text
    # A character of which only one half fits is replaced by a space.
    return set_cell_size(text, max(0, width - 3)).rstrip(" ") + "..."
