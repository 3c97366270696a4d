"""Formats rows as a table for people, or as Markdown, CSV or JSON."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIN_TEXT_WIDTH = 20
"""Wrapped text is at least this wide."""
GAP = 3
"""Characters between two columns."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

FORMATS = ("table", "markdown", "csv", "json")


@dataclass(frozen=True)
class Column:
    """A column of a table for people.

    Attributes:
        key: Key of the value in each row.
        title: Heading of the column.
        format: Turns a value into text; None becomes an empty cell.
        numeric: Whether the column is aligned to the right.
    """

    key: str
    title: str
    format: Callable[[Any], str] = str
    numeric: bool = False

    def cell(self, row: Mapping[str, Any]) -> str:
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


def format_start(n_characters: int) -> Callable[[str], str]:
    """Return a function that formats the start of a text on one line."""

    def shorten(text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= n_characters else line[: n_characters - 3] + "..."

    return shorten


def format_p_value(value: float) -> str:
    """Format a p-value with three decimals, and never as zero."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], style: str) -> str:
    """Format rows.

    Args:
        rows: Values by key; CSV and JSON contain all of them, unrounded.
        columns: Columns of a table or Markdown, the most important first.
        style: One of `FORMATS`.
    """
    match style:
        case "json":
            return json.dumps(list(rows), indent=2)
        case "csv":
            return _format_csv(rows)
        case "markdown":
            return _format_markdown(rows, _used(rows, columns))
        case _:
            return _format_rich(rows, _used(rows, columns))


def _used(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> list[Column]:
    """Return the columns for which a row has a value."""
    return [column for column in columns if any(column.cell(row) for row in rows)]


def _format_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as CSV; lists and mappings become JSON in their cell."""
    keys = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([_format_csv_cell(row.get(key)) for key in keys])
    return text.getvalue().rstrip("\n")


def _format_csv_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple, dict)):
        return json.dumps(value)
    # A spreadsheet would evaluate such untrusted text as a formula.
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def _format_markdown(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"

    rule = ["---:" if column.numeric else "---" for column in columns]
    head = [line([column.title for column in columns]), line(rule)]
    return "\n".join(head + [line([column.cell(row) for column in columns]) for row in rows])


def _format_rich(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        # A file or a pipe has no width.
        console = Console(width=1_000)
    shown = _fit(rows, columns, console.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        table.add_column(
            column.title,
            justify="right" if column.numeric else "left",
            min_width=_width(column, rows),
        )
    for row in rows:
        table.add_row(*(Text(column.cell(row)) for column in shown))
    with console.capture() as captured:
        console.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines() if line.strip()]
    hidden = [column.title for column in columns if column not in shown]
    if hidden:
        lines.append(f" columns that do not fit: {', '.join(hidden)} (see --format json)")
    return "\n".join(lines)


def _fit(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that fit into a width; numeric ones are left out from the right."""
    shown = list(columns)
    while sum(_width(column, rows) + GAP for column in shown) > width:
        numeric = [column for column in shown if column.numeric]
        if not numeric:
            break
        shown.remove(numeric[-1])
    return shown


def _width(column: Column, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the minimum width of a column; long text can be wrapped."""
    longest = max((len(column.cell(row)) for row in rows), default=0)
    needed = longest if column.numeric else min(longest, MIN_TEXT_WIDTH)
    return max(needed, len(column.title))
