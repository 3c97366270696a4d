"""Prints rows as a table for people, or as Markdown, CSV or JSON for programs."""

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MIN_TEXT_WIDTH = 20
"""Text is wrapped to no fewer characters."""
GAP = 3
"""Characters between two columns."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

FORMATS = ("table", "markdown", "csv", "json")


@dataclass(frozen=True)
class Column:
    """A column of a table for people.

    Attributes:
        key: of the value in each row.
        title: above the column.
        show: makes text of a value; None is shown as an empty cell.
        numeric: whether to align to the right.
    """

    key: str
    title: str
    show: Callable[[Any], str] = str
    numeric: bool = False

    def cell(self, row: Mapping[str, Any]) -> str:
        """Return the text of this column's cell."""
        value = row.get(self.key)
        return "" if value is None else printable(" ".join(self.show(value).split("\n")))


def printable(text: str) -> str:
    """Replace what a terminal would obey: texts and labels may be of strangers."""
    return CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def number(decimals: int = 0) -> Callable[[float], str]:
    """Return what shows a number with so many decimals and thousands apart."""
    return lambda value: f"{value:,.{decimals}f}"


def shorten(n_characters: int) -> Callable[[str], str]:
    """Return what shows the beginning of a text on one line of at most so many characters."""

    def show(text: str) -> str:
        line = " ".join(text.split())
        return line if len(line) <= n_characters else line[: n_characters - 3] + "..."

    return show


def show_p_value(value: float) -> str:
    """Show a p-value with three decimals, and none as zero."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], style: str) -> str:
    """Format rows.

    Args:
        rows: values by key; CSV and JSON hold all of them unrounded, the others what columns show.
        columns: what people see.
        style: one of `FORMATS`.
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
    """Leave out the columns that no row has a value for."""
    return [column for column in columns if any(column.cell(row) for row in rows)]


def _format_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format scalars as CSV; lists and mappings become JSON in their cell."""
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
    # A spreadsheet would take such text, which may come from a stranger, for a formula.
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
        # A file or a pipe has no width to fit into.
        console = Console(width=1_000)
    shown = _fitting(rows, columns, console.width)
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
        lines.append(f" too narrow for: {', '.join(hidden)} (--format json has them)")
    return "\n".join(lines)


def _fitting(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], width: int
) -> list[Column]:
    """Leave out numbers from the right until the rest fits; columns are in order of importance."""
    shown = list(columns)
    while sum(_width(column, rows) + GAP for column in shown) > width:
        numeric = [column for column in shown if column.numeric]
        if not numeric:
            break
        shown.remove(numeric[-1])
    return shown


def _width(column: Column, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the fewest characters that a column needs; long text can be wrapped."""
    longest = max((len(column.cell(row)) for row in rows), default=0)
    needed = longest if column.numeric else min(longest, MIN_TEXT_WIDTH)
    return max(needed, len(column.title))
