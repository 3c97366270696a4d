"""Rows with all their columns in CSV, JSON lines and Parquet."""

import csv
import datetime
import json

import pytest

from textclf.data.table import ABSENT, TableColumn
from textclf.data.table_output import check_output, format_cell, open_output
from textclf.errors import DataError, RequestError, RunError

NAMES = ["id", "text", " text ", ""]
CELLS = ['007, "x"', "a\r\nb", " c\rd ", "=1+1"]


def write(path, columns, *blocks):
    """Write rows of strings, or of the types that columns have, and return the path."""
    columns = [c if isinstance(c, TableColumn) else TableColumn(c) for c in columns]
    with open_output(path, columns) as write_rows:
        for block in blocks:
            write_rows(block)
    return path


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("A.CSV", ",")])
def test_strings_of_cells_and_names_are_unchanged(tmp_path, name, delimiter):
    path = write(tmp_path / name, NAMES, [CELLS], [["", "\t;", "", "\0"]])
    with path.open(newline="", encoding="utf-8") as file:
        assert [*csv.reader(file, delimiter=delimiter)] == [NAMES, CELLS, ["", "\t;", "", "\0"]]
    assert path.read_bytes().count(b"\r\n") == 1  # That of the cell.


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        (ABSENT, ""),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        (["é", 1], '["é", 1]'),
        ({"a": None}, '{"a": null}'),
        (datetime.date(2024, 1, 2), "2024-01-02"),
        (b"caf\xc3\xa9", "café"),
    ],
)
def test_other_values_become_json_in_cells_of_csv(cell, expected):
    assert format_cell(cell) == expected


def test_json_lines_keep_types_and_absent_keys(tmp_path):
    rows = [["é", 1, [True, None]], [None, 1.5, ABSENT], ["\ud800", 2**70, "x"]]
    lines = write(tmp_path / "a.jsonl", ["a", "b", "c"], rows).read_text("utf-8").splitlines()
    assert lines[0] == '{"a": "é", "b": 1, "c": [true, null]}'
    assert [json.loads(line) for line in lines[1:]] == [
        {"a": None, "b": 1.5},
        {"a": "\ud800", "b": 2**70, "c": "x"},
    ]


def test_parquet_has_the_types_of_the_values(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"s": {str}, "i": {int, type(None)}, "f": {int, float}, "b": {bool}, "m": {int, str}}
    columns = [TableColumn(name, frozenset(types)) for name, types in kinds.items()]
    columns += [
        TableColumn("n", frozenset({type(None)})),
        TableColumn("t", field=pa.field("t", pa.date32())),
    ]
    day = datetime.date(2024, 1, 2)
    rows = [["x", 1, 2, True, 7, None, day], [ABSENT, None, 0.5, False, "y", None, None]]
    table = pq.read_table(write(tmp_path / "a.parquet", columns, rows[:1], rows[1:]))
    types = [str(field.type) for field in table.schema]
    assert types == ["string", "int64", "double", "bool", "string", "string", "date32[day]"]
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["x", 1, 2.0, True, "7", None, day],
        [None, None, 0.5, False, "y", None, None],
    ]


def test_value_that_does_not_fit_into_parquet_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.parquet"
    with pytest.raises(DataError, match=r"cannot write .*a\.parquet: .*; choose .*\.jsonl"):
        write(path, [TableColumn("i", frozenset({int}))], [["x"]])
    assert [path.name for path in tmp_path.iterdir()] == []


def test_name_that_does_not_fit_into_parquet_leaves_nothing_behind(tmp_path):
    with pytest.raises(DataError, match=r"cannot write .*a\.parquet: .*; choose .*\.jsonl"):
        write(tmp_path / "a.parquet", ["\ud800"], [["x"]])
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_equal_names_need_csv(tmp_path, name):
    with pytest.raises(RequestError, match=r"two columns are named 'a'; choose .* \.csv or \.tsv"):
        write(tmp_path / name, ["a", "b", "a"], [["1", "2", "3"]])
    assert [path.name for path in tmp_path.iterdir()] == []


def test_interrupted_file_leaves_the_one_before(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("before")

    def interrupt():
        with open_output(path, [TableColumn("a")]) as write_rows:
            write_rows([["1"]])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert path.read_text() == "before"


def test_file_that_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(RunError, match=r"^cannot write .*gone/a\.csv: "):
        write(tmp_path / "gone" / "a.csv", ["a"])


@pytest.mark.posix
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a.txt", "expected a file that ends in .csv, .tsv, .jsonl or .parquet"),
        ("a", "expected a file that ends in .csv, .tsv, .jsonl or .parquet"),
        ("a.csv.gz", "expected a file that ends in .csv, .tsv, .jsonl or .parquet"),
        ("folder.csv", "it is a folder; choose another file"),
        ("gone/a.csv", "{gone} is not a folder; choose another file"),
        ("in.csv", "it is the file that is read; choose another file"),
        ("link.csv", "it is the file that is read; choose another file"),
    ],
)
def test_output_is_checked_before_any_work(tmp_path, name, problem):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "in.csv").write_text("text\n")
    (tmp_path / "link.csv").symlink_to("in.csv")
    path = tmp_path / name
    with pytest.raises(RequestError) as info:
        check_output(path, tmp_path / "in.csv")
    assert str(info.value) == f"cannot write {path}: {problem.format(gone=tmp_path / 'gone')}"


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.jsonl", "a.parquet"])
def test_output_of_a_known_format_is_allowed(tmp_path, name):
    check_output(tmp_path / name, None)
