import pytest
from rich.console import Console

from textclf import tables
from textclf.tables import Column, format_table, number, shorten

COLUMNS = (
    Column("name", "name"),
    Column("share", "share", number(3), numeric=True),
    Column("count", "count", number(), numeric=True),
    Column("error", ""),
)
ROWS = [
    {"name": "a|b", "share": 1 / 3, "count": 12_345, "extra": [1, 2]},
    {"name": "long " * 12, "share": None, "count": 7},
]


def test_markdown_escapes_bars_and_leaves_out_unused_columns():
    lines = format_table(ROWS, COLUMNS, "markdown").splitlines()
    assert lines[0] == "| name | share | count |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| a\\|b | 0.333 | 12,345 |"
    assert lines[3].endswith("|  | 7 |")


def test_csv_and_json_hold_everything_unrounded():
    assert format_table(ROWS, COLUMNS, "csv").splitlines() == [
        "name,share,count,extra",
        f'a|b,{1 / 3},12345,"[1, 2]"',
        f"{'long ' * 12},,7,",
    ]
    assert '"share": 0.3333333333333333' in format_table(ROWS, COLUMNS, "json")


def test_a_pipe_gets_one_line_a_row():
    lines = format_table(ROWS, COLUMNS, "table").splitlines()
    assert len(lines) == 4
    assert lines[2].split() == ["a|b", "0.333", "12,345"]


@pytest.mark.parametrize(
    ("width", "shown", "hidden"),
    [(60, ["name", "share", "count"], []), (34, ["name", "share"], ["count"]), (10, ["name"], [])],
)
def test_a_narrow_terminal_leaves_out_numbers_from_the_right(monkeypatch, width, shown, hidden):
    import rich.console

    terminal = Console(width=width, force_terminal=True, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **options: terminal)
    lines = tables.format_table(ROWS, COLUMNS, "table").splitlines()
    assert lines[0].split() == shown
    assert all(len(line) <= width for line in lines if "too narrow" not in line)
    assert ("too narrow for: count (" in lines[-1]) == bool(hidden)


def test_a_long_text_is_shortened_to_one_line():
    assert shorten(8)("one\n two") == "one two"
    assert shorten(8)("one two three") == "one t..."
