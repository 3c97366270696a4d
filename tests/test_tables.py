import json

import pytest
from rich.console import Console

from textclf.tables import Column, format_number, format_start, format_table

COLUMNS = (
    Column("name", "name"),
    Column("score", "score", format_number(3), numeric=True),
    Column("count", "count", format_number(), numeric=True),
    Column("error", ""),
)
ROWS = [
    {"name": "a|b", "score": 1 / 3, "count": 12_345, "extra": [1, 2]},
    {"name": "long " * 12, "score": None, "count": 7},
]


def test_markdown_escapes_bars_and_leaves_out_empty_columns():
    lines = format_table(ROWS, COLUMNS, "markdown").splitlines()
    assert lines[0] == "| name | score | count |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| a\\|b | 0.333 | 12,345 |"
    assert lines[3].endswith("|  | 7 |")


def test_csv_and_json_contain_all_values_unrounded():
    assert format_table(ROWS, COLUMNS, "csv").splitlines() == [
        "name,score,count,extra",
        f'a|b,{1 / 3},12345,"[1, 2]"',
        f"{'long ' * 12},,7,",
    ]
    assert '"score": 0.3333333333333333' in format_table(ROWS, COLUMNS, "json")
    assert json.loads(format_table(ROWS, COLUMNS, "json")) == ROWS


def test_rows_are_not_wrapped_when_output_is_not_a_terminal():
    lines = format_table(ROWS, COLUMNS, "table").splitlines()
    assert len(lines) == 4
    assert lines[2].split() == ["a|b", "0.333", "12,345"]


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [
        (60, ["name", "score", "count"], []),
        (34, ["name", "score"], ["count"]),
        (10, ["name"], ["score", "count"]),
    ],
)
def test_narrow_terminal_leaves_out_numeric_columns_from_the_right(
    monkeypatch, width, shown, hidden
):
    import rich.console

    terminal = Console(width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **options: terminal)
    lines = format_table(ROWS, COLUMNS, "table").splitlines()
    if hidden:
        note = lines.pop()
        assert note == f" columns that do not fit: {', '.join(hidden)} (see --format json)"
    assert lines[0].split() == shown
    assert all(len(line) <= width for line in lines)


def test_long_text_is_shortened_to_one_line():
    assert format_start(8)("one\n two") == "one two"
    assert format_start(8)("one two three") == "one t..."
