import json

import pytest
from rich.cells import cell_len

from textclf.tables import (
    Column,
    format_html,
    format_number,
    format_start,
    format_table,
    terminal_width,
    wrap_text,
)

HAN = "\u65e5\u672c\u8a9e"

COLUMNS = (
    Column("name", "name", shrinks_to=12),
    Column("score", "score", format_number(3), numeric=True),
    Column("count", "count", format_number(), numeric=True),
    Column("error", "error"),
)
ROWS = [
    {"name": "a|b", "score": 1 / 3, "count": 12_345, "extra": [1, 2]},
    {"name": "long " * 12, "score": None, "count": 7},
]


def test_headings_are_as_harmless_as_cells():
    rows = [{"=1+1": 2}]
    assert format_table(rows, (), "csv") == "'=1+1\n2"
    columns = [Column("=1+1", "a\x1b[2J")]
    for style in ("table", "markdown"):
        assert "\x1b" not in format_table(rows, columns, style)


def test_markdown_escapes_bars_and_leaves_out_empty_columns():
    lines = format_table(ROWS, COLUMNS, "markdown").splitlines()
    assert lines[0] == "| name | score | count |"
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| a\\|b | 0.333 | 12,345 |"
    assert lines[3].endswith("|  | 7 |")


def test_csv_without_rows_has_a_header():
    columns = [Column("a", "A"), Column("b", "B")]
    assert format_table([], columns, "csv") == "a,b"


def test_csv_and_json_contain_all_values_unrounded():
    assert format_table(ROWS, COLUMNS, "csv").splitlines() == [
        "name,score,count,extra",
        f'a|b,{1 / 3},12345,"[1, 2]"',
        f"{'long ' * 12},,7,",
    ]
    assert '"score": 0.3333333333333333' in format_table(ROWS, COLUMNS, "json")
    assert json.loads(format_table(ROWS, COLUMNS, "json")) == ROWS


def test_nothing_is_shortened_when_output_is_not_a_terminal():
    lines = format_table(ROWS, COLUMNS, "table").splitlines()
    assert len(lines) == 4
    assert lines[2].split() == ["a|b", "0.333", "12,345"]
    assert lines[3].startswith("long " * 12)


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            31,
            [
                "name              score   count",
                "----------------  -----  ------",
                "a|b               0.333  12,345",
                "long long lon...              7",
            ],
        ),
        (
            26,
            [
                "name                 score",
                "-------------------  -----",
                "a|b                  0.333",
                "long long long l...",
                "hidden: count (see",
                "  --format json)",
            ],
        ),
        (
            10,
            [
                "name",
                "----------",
                "a|b",
                "long lo...",
                "hidden:",
                "  score,",
                "  count",
                "  (see",
                "  --format",
                "  json)",
            ],
        ),
    ],
)
def test_terminal_shortens_text_and_then_leaves_out_the_last_columns(width, lines):
    found = format_table(ROWS, COLUMNS, "table", width=width).splitlines()
    assert [line.rstrip() for line in found] == lines


def test_column_that_may_not_shrink_is_left_out_instead():
    columns = [Column("label", "label"), Column("id", "id"), Column("text", "text", shrinks_to=9)]
    row = {"label": "politics", "id": "a name of 21 letters", "text": "0123456789"}
    assert format_table([row], columns, "table", width=41).splitlines() == [
        "label     id                    text",
        "--------  --------------------  ---------",
        "politics  a name of 21 letters  012345...",
    ]
    assert format_table([row], columns, "table", width=40).splitlines()[2:] == [
        "politics  a name of 21 letters",
        "hidden: text (see --format json)",
    ]


def test_characters_that_are_two_columns_wide_are_aligned():
    rows = [{"name": "\u65e5\u672c\u8a9e" * 5, "score": 1.0}, {"name": "short", "score": 0.5}]
    lines = format_table(rows, COLUMNS, "table", width=24).splitlines()
    assert {cell_len(line) for line in lines} == {24}
    assert lines[2] == "\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e\u65e5...  1.000"


def test_columns_without_a_value_can_be_kept():
    for style in ("table", "markdown"):
        assert "error" not in format_table(ROWS, COLUMNS, style)
        assert "error" in format_table(ROWS, COLUMNS, style, keep_empty=True).splitlines()[0]


def test_table_without_rows_is_empty():
    assert format_table([], COLUMNS, "table", width=80) == ""


def test_html_is_escaped_and_numbers_are_aligned_to_the_right():
    columns = [Column("name", "<name>"), *COLUMNS[1:]]
    assert format_html([{"name": "a & <b>", "score": 0.5}], columns) == (
        "<table>\n"
        '<thead><tr><th style="text-align: left">&lt;name&gt;</th>'
        '<th style="text-align: right">score</th></tr></thead>\n'
        "<tbody>\n"
        '<tr><td style="text-align: left">a &amp; &lt;b&gt;</td>'
        '<td style="text-align: right">0.500</td></tr>\n'
        "</tbody>\n"
        "</table>"
    )


def test_text_is_wrapped_between_words_only():
    text = "see runs/bbc/cnn-lstm for more of it"
    assert wrap_text(text, 15, indent="  ").splitlines() == [
        "see",
        "  runs/bbc/cnn-lstm",
        "  for more of",
        "  it",
    ]
    assert wrap_text(text, None) == text
    assert wrap_text("a\x1b[2Jb", None) == "a\N{REPLACEMENT CHARACTER}[2Jb"


def test_wide_characters_are_wrapped_by_their_width():
    assert wrap_text(f"{HAN}: " + HAN * 4 + " abc", 20, indent="  ").splitlines() == [
        f"{HAN}: {HAN * 2}",
        f"  {HAN * 2} abc",
    ]
    assert wrap_text(HAN * 3, 7, indent=" ").splitlines() == [HAN, f" {HAN}", f" {HAN}"]


def test_paths_and_quotes_between_wide_characters_are_not_broken():
    text = f"{HAN}'{HAN[:1]}'{HAN}/data/reviews-2024.csv {HAN}"
    assert wrap_text(text, 8).splitlines() == [
        HAN[:2],
        f"{HAN[2]}'{HAN[0]}'{HAN[0]}",
        HAN[1],
        f"{HAN[2]}/data/reviews-2024.csv",
        HAN,
    ]


def test_emoji_and_combining_marks_are_not_torn_apart():
    family, accented, conjunct = (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "e\u0301",
        "\u0928\u093f",
    )
    assert wrap_text(family * 5, 4).splitlines() == [family * 2, family * 2, family]
    assert format_start(8)(family * 5) == family * 2 + "..."
    assert format_start(5)(accented * 6) == accented * 2 + "..."
    assert format_start(5)(conjunct * 6) == conjunct * 2 + "..."
    assert format_start(6)(accented * 6) == accented * 6


def test_joiners_of_words_and_emoji_are_kept():
    persian = "\u0645\u06cc\u200c\u0634\u0648\u062f"
    assert wrap_text(f"{persian} \u200d", None) == f"{persian} \u200d"
    assert format_table([{"name": persian}], COLUMNS[:1], "table", width=80).endswith(persian)


def test_file_or_pipe_has_no_width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert terminal_width() is None
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert terminal_width() == 80


def test_wide_text_is_shortened_to_its_width():
    assert format_start(12)(HAN * 2) == HAN * 2
    assert format_start(11)(HAN * 2) == f"{HAN}{HAN[0]}..."
    assert format_start(10)(HAN * 2) == f"{HAN}..."


def test_long_text_is_shortened_to_one_line():
    assert format_start(8)("one\n two") == "one two"
    assert format_start(8)("one two three") == "one t..."
