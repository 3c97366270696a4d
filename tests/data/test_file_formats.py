"""File formats: unusual files are read, and errors name the file and the line."""

import datetime
import errno
import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import ROWS, collect, load, load_script, write_csv, write_parquet

from textclf.data.file_formats import find_format
from textclf.errors import DataError, LimitError, RequestError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.csv", ".csv"),
        ("a.TSV.gz", ".tsv"),
        ("a.b.jsonl", ".jsonl"),
        ("a.parquet.gz", ".parquet"),
        ("csv", None),
        ("a.csv.txt", None),
        ("a.gz", None),
    ],
)
def test_format_is_known_from_the_name(tmp_path, name, expected):
    assert find_format(tmp_path / name) == expected


def test_quoted_line_breaks(tmp_path):
    rows = [('first\nsecond, "third"\r\nfourth', "a"), *[(f"t{i}", "ab"[i % 2]) for i in range(11)]]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


def test_error_after_quoted_line_breaks_names_the_line(tmp_path):
    path = write_csv(tmp_path / "a.csv", [("one\ntwo\nthree", "a"), ("four", "")])
    with pytest.raises(DataError, match=r"a\.csv line 5: the label is empty"):
        load(path)


def test_byte_order_mark(tmp_path):
    assert collect(load(write_csv(tmp_path / "a.csv", encoding="utf-8-sig"))) == sorted(ROWS)
    (tmp_path / "a.jsonl").write_bytes(
        b"\xef\xbb\xbf"
        + "".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS).encode()
    )
    assert collect(load(tmp_path / "a.jsonl")) == sorted(ROWS)


def test_windows_line_breaks(tmp_path):
    assert collect(load(write_csv(tmp_path / "a.csv", end="\r\n"))) == sorted(ROWS)


def test_semicolons(tmp_path):
    content = "text;label\n" + "".join(f"{text}, and more;{name}\n" for text, name in ROWS)
    (tmp_path / "a.csv").write_text(content)
    assert collect(load(tmp_path / "a.csv")) == sorted((f"{t}, and more", n) for t, n in ROWS)


def test_nul_characters(tmp_path):
    rows = [*ROWS, ("before\0after", "good")]
    assert ("before\0after", "good") in collect(load(write_csv(tmp_path / "a.csv", rows)))


def test_emoji_and_right_to_left(tmp_path):
    rows = [*ROWS, ("😀😀 👩‍👩‍👧", "good"), ("שלום עולם", "bad"), ("مرحبا", "good"), ("", "bad")]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


def test_latin_1(tmp_path):
    rows = [*ROWS, ("café", "good")]
    path = write_csv(tmp_path / "a.csv", rows, encoding="latin-1")
    with pytest.raises(
        DataError, match=r"a\.csv line 22 is not utf-8: .*; try --set dataset\.encoding=latin-1"
    ):
        load(path)
    assert ("café", "good") in collect(load(path, encoding="latin-1"))
    with pytest.raises(
        RequestError, match=r"dataset\.encoding: .*latin-99.*; use a name such as utf-8 or latin-1"
    ):
        load(path, encoding="latin-99")


def test_utf_16(tmp_path):
    path = write_csv(tmp_path / "a.csv", encoding="utf-16")
    assert collect(load(path, encoding="utf-16")) == sorted(ROWS)
    with pytest.raises(DataError, match=r"is not utf-8: .*; try --set dataset\.encoding=utf-16"):
        load(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.csv is not utf-16: "):
        load(path, encoding="utf-16")


@pytest.mark.parametrize("label", ["", "  "])
def test_empty_label(tmp_path, label):
    with pytest.raises(DataError, match=r"a\.csv line 22: the label is empty"):
        load(write_csv(tmp_path / "a.csv", [*ROWS, ("text", label)]))
    line = json.dumps({"text": "a", "label": None})
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "label": "b"}}\n\n{line}\n')
    with pytest.raises(DataError, match=r"a\.jsonl line 3: the label is empty"):
        load(tmp_path / "a.jsonl")


def test_text_of_10_megabytes_is_read_if_the_limit_is_raised(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("word " * 2_000_000, "good")])
    with pytest.raises(LimitError, match=r"a\.csv line 22 .*limit of 1 MB.*TEXTCLF_MAX_TEXT_MB"):
        load(path)
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "11")
    assert max(len(text) for text, _ in collect(load(path))) == 10_000_000


def test_compressed_line_does_not_fill_the_memory(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(b"text,label\n")
        for _ in range(30):
            file.write(b"a" * 1_000_000)
    with pytest.raises(LimitError, match=r"a\.csv\.gz line 2 is larger than the limit of 1 MB"):
        load(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "text,label\na,b,c\n",
            r"a\.csv line 2: expected 2 columns as in the first line, got 3; quote texts",
        ),
        (
            "text,label\na,b\nonly\n",
            r"a\.csv line 3: expected 2 columns as in the first line, got 1",
        ),
        ('text,label\n"a" b,c\n', r"a\.csv line 2: .*; quotes must enclose a whole field"),
        ('text,label\nx,y\n"a,c\nb,d\n', r"a\.csv line 3: .*; quotes must enclose a whole field"),
        ("", r"a\.csv line 1: expected the names of the columns"),
        ("text,label\n", r"a\.csv has no rows; at least two labels are needed"),
        ("one,two,three\n", r"a\.csv: no column has a usual name for the text: give --text-column"),
        ("text,label\na,x\nb,y\n", r"2 examples with 2 labels leave the \w+ split empty"),
    ],
)
def test_invalid_csv_is_refused(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message) as info:
        load(tmp_path / "a.csv")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2, column \d+: not JSON"),
        ("[" * 100_000, r"line 2: not JSON"),
        ("[1]", r"line 2: expected an object"),
        ('{"text": "a"}', r"line 2: it has no 'label'"),
        ('{"text": 3, "label": "a"}', r"line 2: the text is 3, not a string"),
        ('{"text": "a", "label": ["b"]}', r"line 2: the label is \['b'\], not a string or number"),
        ('{"text": "a", "label": NaN}', r"line 2: the label is nan, not a string or number"),
        (r'{"text": "\ud800", "label": "a"}', r"line 2: a lone surrogate is not valid text"),
    ],
)
def test_invalid_json_lines_are_refused(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "b"}\n' + line + "\n")
    with pytest.raises(DataError, match=message) as info:
        load(tmp_path / "a.jsonl")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": [b"x", b"y"], "label": ["a", "b"]}, "row 1: the text is b'x', not a string"),
        (
            {"text": ["x", "y"], "label": [datetime.date(2020, 1, 1)] * 2},
            r"row 1: the label is datetime\.date\(2020, 1, 1\), not a string or number",
        ),
    ],
)
def test_invalid_parquet_is_refused(tmp_path, values, message):
    pq.write_table(pa.table(values), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.parquet")


def test_parquet_needs_its_extra(tmp_path, monkeypatch):
    import sys

    path = write_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # Importing it fails.
    with pytest.raises(RequestError, match=r"a\.parquet: Parquet needs pip install 'textclf\[par"):
        load(path)


def test_parquet_keeps_the_names_of_numbered_labels(tmp_path):
    names = ["bad", "good"]
    features = {"label": {"names": names, "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = [(text, names.index(name)) for text, name in ROWS]
    assert collect(load(write_parquet(tmp_path / "a.parquet", rows, metadata))) == sorted(ROWS)
    assert load(write_parquet(tmp_path / "b.parquet", rows)).label_names == ("0", "1")
    rows[3] = (None, 1)
    with pytest.raises(DataError, match=r"c\.parquet row 4: the text is None, not a string"):
        load(write_parquet(tmp_path / "c.parquet", rows))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet", "a.parquet.gz", "a.jsonl.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"another format", gzip.compress(b"text,label\na")[:-9]],
    ids=["empty", "other", "cut"],
)
def test_damaged_file_is_one_line_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as info:
        load(tmp_path / name)
    assert "\n" not in str(info.value)


def test_file_that_cannot_be_read_is_one_line(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("not in the cache", "good")])

    def refuse(path):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("textclf.data.file_formats._open", refuse)
    with pytest.raises(DataError) as info:
        load(path)
    assert str(info.value) == f"cannot read {path}: {os.strerror(errno.EACCES)}"


def test_generated_files_are_read(tmp_path):
    n_rows = load_script("benchmarks/large_files").write_csv(tmp_path / "a.csv", 1)
    dataset = load(tmp_path / "a.csv")
    assert dataset.label_names == ("arts", "business", "science", "sports")
    assert sum(map(len, dataset.splits.values())) == n_rows
    assert (tmp_path / "a.csv").stat().st_size > 1_000_000
