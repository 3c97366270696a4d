"""File formats: unusual files are read, and errors name the file and the line."""

import bz2
import datetime
import gzip
import json
import sys
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import ROWS, collect, load, load_script, read, write_csv, write_parquet, write_xlsx

from textclf.data.file_formats import find_format
from textclf.errors import DataError, LimitError, RequestError

CSV = b"text,label\none,a\n"
JSON = b'{"text": "one", "label": "a"}\n'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", CSV, ".csv"),
        ("a.CSV", CSV, ".csv"),
        ("a.TSV.gz", CSV, ".csv"),
        ("a.tab", CSV, ".csv"),
        ("a.csv.txt", CSV, ".csv"),
        ("a.csv.xz", CSV, ".csv"),
        ("csv", CSV, None),
        ("a.gz", CSV, None),
        ("a.pdf", b"%PDF-1.7", None),
        # The content decides if it is certain.
        ("a.b.jsonl", JSON, ".json"),
        ("a.txt", JSON, ".json"),
        ("a.csv", b"\xef\xbb\xbf\n [\n" + JSON + b"]", ".json"),
        ("a", JSON.decode().encode("utf-16"), ".json"),
        ("a.csv", b"[1, 2],a\n", ".csv"),
        ("a.csv", b"{1},a\n", ".csv"),
        ("a.csv", b'{"" and more,a\n', ".csv"),
        ("a.ft.txt", b"__label__a one\n", ".fasttext"),
        ("a", b"\n__label__a one\n", ".fasttext"),
        ("a.csv", b"PAR1...", ".parquet"),
        ("a", b"\xd0\xcf\x11\xe0...", ".xlsx"),
        ("a.json", b"", ".json"),
        ("a.ndjson", b"oops", ".json"),
        ("a.parquet", b"oops", ".csv"),
        ("a.xlsx", b"oops", ".csv"),
        ("a.ods", b"oops", ".csv"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_format_is_known_from_the_content_or_the_name(tmp_path, name, content, expected, pack):
    (tmp_path / name).write_bytes(pack(content))
    assert find_format(tmp_path / name) == expected


def test_format_of_a_file_in_an_archive_is_that_of_its_own_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("data/b.tsv", "text\tlabel\n")
    assert find_format(tmp_path / "a.zip") == ".csv"
    assert find_format(write_xlsx(tmp_path / "b.csv", {"one": [["text"]]})) == ".xlsx"


def test_missing_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match=r"^cannot read .*/a\.csv: No such file or directory$"):
        find_format(tmp_path / "a.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_mark_decides_the_encoding(tmp_path, encoding):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("café", "good")], encoding=encoding)
    assert collect(load(path)) == sorted([*ROWS, ("café", "good")])
    assert read(path)[1][0].endswith(f"; encoding {encoding.removesuffix('-sig')}")
    lines = "".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS)
    (tmp_path / "a.jsonl").write_bytes(lines.encode(encoding))
    assert collect(load(tmp_path / "a.jsonl")) == sorted(ROWS)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_other_encoding_is_suggested_and_read(tmp_path, pack):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("“café”", "good")], encoding="cp1252")
    path.write_bytes(pack(path.read_bytes()))
    with pytest.raises(
        DataError,
        match=r"a\.csv line 22 is not utf-8; if it should contain '“café”,good', add --set"
        r" dataset\.encoding=cp1252",
    ):
        load(path)
    assert ("“café”", "good") in collect(load(path, encoding="cp1252"))
    assert read(path, encoding="cp1252")[1][0].endswith("; encoding cp1252")
    with pytest.raises(RequestError, match=r"dataset\.encoding: unknown encoding 'latin-99'; use"):
        load(path, encoding="latin-99")


def test_utf_16_that_is_cut_off_is_one_line(tmp_path):
    path = write_csv(tmp_path / "a.csv", encoding="utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"a\.csv is not utf-16; give another dataset\.encoding, such"
    ):
        load(path)


def test_columns_that_are_left_out_are_reported(tmp_path):
    header = ["a", "", "Text", "b", "c", "d", "e", "label", "title"]
    path = write_csv(tmp_path / "a.csv", [list("123456789")], header=",".join(header))
    rows, [note] = read(path)
    assert rows == [("3", "8", "line 2")]
    assert note == (
        "text from 'Text', label from 'label'; not read: 'a', a column without a name, 'b', 'c',"
        " 'd', ...; delimiter ','; encoding utf-8"
    )
    rows, [note] = read(path, text_column=["title", "Text"], label_column="b")
    assert rows == [("9 3", "4", "line 2")]
    assert note.startswith("text from 'title' and 'Text', label from 'b'; not read: 'a', ")


OBJECTS = [{"text": "one", "label": "a"}, {"label": 2, "text": "two\nlines"}, {"text": "three"}]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "a.csv"])
@pytest.mark.parametrize(
    ("content", "positions"),
    [
        (json.dumps(OBJECTS), ["example 1", "example 2", "example 3"]),
        (f"\n {json.dumps(OBJECTS, indent=2)}\n", ["example 1", "example 2", "example 3"]),
        ("\n".join(map(json.dumps, OBJECTS)), ["line 1", "line 2", "line 3"]),
        ("\n\n".join(map(json.dumps, OBJECTS)) + "\n\n", ["line 1", "line 3", "line 5"]),
        ("\r\n".join(map(json.dumps, OBJECTS)), ["line 1", "line 2", "line 3"]),
    ],
)
def test_json_is_read_as_an_array_or_line_by_line(tmp_path, name, content, positions):
    (tmp_path / name).write_bytes(content.encode())
    rows, [note] = read(tmp_path / name)
    values = [("one", "a"), ("two\nlines", 2), ("three", None)]
    assert rows == [(*pair, where) for pair, where in zip(values, positions, strict=True)]
    kind = "array" if positions[0].startswith("example") else "lines"
    assert note == f"text from 'text', label from 'label'; JSON {kind}; encoding utf-8"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_columns_of_json_are_those_of_the_first_100_objects(tmp_path, name):
    def write(n_missing):
        objects = [{"text": f"text {i}", "label": "a"} for i in range(102)]
        for row in objects[:n_missing]:
            del row["label"]
        lines = "\n".join(map(json.dumps, objects))
        (tmp_path / name).write_text(lines if name == "a.jsonl" else json.dumps(objects))
        return tmp_path / name

    for n_missing in (1, 99):
        labels = [label for _, label, _ in read(write(n_missing))[0]]
        assert labels == [None] * n_missing + ["a"] * (102 - n_missing)
    with pytest.raises(DataError, match="no column has a usual name for the label; its columns"):
        read(write(100))


@pytest.mark.parametrize(
    "repeated", ["text,label", "TEXT,Label", "\ufefftext,label", " Text ,LABEL "]
)
def test_repeated_header_is_refused(tmp_path, repeated):
    (tmp_path / "a.csv").write_text(f"text,label\none,a\n{repeated}\ntwo,b\n", "utf-8")
    with pytest.raises(
        DataError, match=r"a\.csv line 3: it repeats the names of the columns; remove it$"
    ):
        read(tmp_path / "a.csv")


@pytest.mark.parametrize("row", ["text,other", "a label,label"])
def test_text_or_label_that_is_the_name_of_its_column_is_read(tmp_path, row):
    (tmp_path / "a.csv").write_text(f"text,label\none,a\n{row}\n")
    assert read(tmp_path / "a.csv")[0][1] == (*row.split(","), "line 3")


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods", "a.parquet"])
def test_csv_with_the_name_of_another_format_is_read(tmp_path, name):
    rows, [note] = read(write_csv(tmp_path / name))
    assert [(text, label) for text, label, _ in rows] == ROWS
    assert note == "text from 'text', label from 'label'; delimiter ','; encoding utf-8"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.parquet", "a.ft.txt"])
def test_names_of_columns_are_refused_for_a_format_that_names_them(tmp_path, name):
    if name == "a.parquet":
        write_parquet(tmp_path / name)
    else:
        content = "__label__a one\n" if name == "a.ft.txt" else JSON.decode()
        (tmp_path / name).write_text(content)
    with pytest.raises(RequestError) as info:
        read(tmp_path / name, column_names="text,label")
    assert str(info.value) == (
        f"--column-names is for files without a header, and {tmp_path / name} names them"
    )


def test_json_array_without_line_breaks_may_be_longer_than_one_text(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.001")
    rows = [{"text": f"text {i}", "label": i % 2} for i in range(200)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    assert len(read(tmp_path / "a.json")[0]) == 200
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x" * 50_001, "label": "a"}))
    with pytest.raises(LimitError, match=r"a\.jsonl line 1 is larger than the limit"):
        read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2, column \d+: not JSON"),
        ("[" * 100_000, r"line 2: not JSON"),
        ("[1]", r"line 2: expected an object, such as"),
        ('{"label": "a"}', r"line 2: it has no 'text'"),
        ('{"text": 3, "label": "a"}', r"line 2: the text is 3, not a string"),
        ('{"text": ["a"], "label": "a"}', r"line 2: the text is \['a'\], not a string"),
        (
            '{"text": "a", "label": ["b", "c"]}',
            r"line 2: several labels, \['b', 'c'\]; textclf exp",
        ),
        (
            '{"text": "a", "label": {"b": 1}}',
            r"line 2: the label is \{'b': 1\}, not a string or num",
        ),
        ('{"text": "a", "label": NaN}', r"no label in 1 of 2 examples \(line 2\); add the labels"),
        ('{"text": "a", "label": null}', r"no label in 1 of 2 examples \(line 2\); add the labels"),
        ('{"text": "a", "label": []}', r"no label in 1 of 2 examples \(line 2\); add the labels"),
        ('{"text": "a"}', r"no label in 1 of 2 examples \(line 2\); add the labels"),
        (r'{"text": "\ud800", "label": "a"}', r"line 2: a lone surrogate is not valid text"),
    ],
)
def test_invalid_json_lines_are_refused(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "b"}\n' + line + "\n")
    with pytest.raises(DataError, match=rf"a\.jsonl:? {message}") as info:
        load(tmp_path / "a.jsonl")
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"a\.json: it is empty"),
        ("", r"a\.json: it is empty"),
        ("[1]", r"a\.json example 1: expected an object, such as"),
        ('[{"text": "a", "label": "b"}, ["c"]]', r"a\.json example 2: expected an object"),
        ('[{"text": "a"', r"a\.json, column 14: not JSON"),
        ('[{"text": "a", "label": "b"}]\n[1]', r"a\.json, column 1: not JSON: Extra data"),
        ('{"data": []}', r"a\.json: no column has a usual name for the text; .* 'data'"),
    ],
)
def test_invalid_json_array_is_refused(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.json")


@pytest.mark.parametrize("name", ["a.txt", "train.ft", "a.csv", "a"])
def test_lines_of_fasttext_are_read(tmp_path, name):
    content = "__label__sea the  harbour ,\n\n__label__bake\tdough\nno label\n __label__a-b \n"
    (tmp_path / name).write_text(content)
    rows, [note] = read(tmp_path / name)
    assert rows == [
        ("the harbour ,", "sea", "line 1"),
        ("dough", "bake", "line 3"),
        ("no label", None, "line 4"),
        ("", "a-b", "line 5"),
    ]
    assert note == "text from 'text', label from 'label'; fastText's format; encoding utf-8"
    for line in ("__label__sea __label__bake the dough", "__label__sea the __label__bake dough"):
        (tmp_path / name).write_text(f"{content}{line}\n")
        with pytest.raises(
            DataError,
            match=r" line 6: several labels, __label__sea __label__bake; textclf expects one",
        ):
            read(tmp_path / name)


SHEET = [
    ["id", "Text", "label", "when"],
    [1, "one & two", "a", datetime.date(2020, 3, 4)],
    [None, None, None, None],
    [2, " <é> ", 1, None],
    [3, 4.5, 2.5, None],
    [4, 5, True, None],
    [5, None, "b", None],
    [None, "last", None, None],
]


@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.csv", "a"])
def test_first_sheet_with_content_is_read(tmp_path, name):
    path = write_xlsx(tmp_path / name, {"Notes": [], "Blank": [[None, " "]], "Data": SHEET})
    rows, [note] = read(path)
    assert rows == [
        ("one & two", "a", "row 2"),
        (" <é> ", "1", "row 4"),
        ("4.5", "2.5", "row 5"),
        ("5", True, "row 6"),
        ("", "b", "row 7"),
        ("last", "", "row 8"),
    ]
    assert (
        note
        == "text from 'Text', label from 'label'; not read: 'id', 'when'; sheet 'Data' (not read:"
        " 'Notes', 'Blank')"
    )
    path = write_xlsx(tmp_path / name, {"Data": SHEET, "Notes": [["x"]], "More": SHEET})
    assert read(path)[1][0].endswith("; sheet 'Data' (not read: 'Notes', 'More')")


def test_whole_numbers_of_a_spreadsheet_are_labels_without_a_fraction(tmp_path):
    rows = [[text, ["bad", "good"].index(label)] for text, label in ROWS]
    path = write_xlsx(tmp_path / "a.xlsx", {"one": [["text", "label"], *rows]})
    assert load(path).label_names == ("0", "1")
    assert collect(load(path)) == sorted((text, str(label)) for text, label in rows)


def test_spreadsheet_without_a_header_is_read_with_names(tmp_path):
    rows = [[label, f"{text}, and more of it"] for text, label in ROWS]
    path = write_xlsx(tmp_path / "a.xlsx", {"one": rows})
    with pytest.raises(
        DataError, match=r"a\.xlsx: the first line looks like data; .* --column-names label,text;"
    ):
        read(path)
    found = read(path, column_names="label,text")[0]
    assert found[0] == ("good number 0, and more of it", "good", "row 1")
    assert len(found) == 20


@pytest.mark.parametrize(
    ("sheets", "message"),
    [
        ({"one": []}, r"a\.xlsx: it is empty"),
        ({"one": [[None, " "]], "two": []}, r"a\.xlsx: it is empty"),
        ({"one": [["text", "x", "z"]]}, r"a\.xlsx: no column has a usual name for the label"),
        (
            {"one": [["text", "label"], ["x", datetime.date(2020, 3, 4)]]},
            r"a\.xlsx row 2: the label is a date, 2020-03-04; choose another --label-column",
        ),
        (
            {"one": [["text", "label"], [datetime.date(2020, 3, 4), "x"]]},
            r"a\.xlsx row 2: the text is datetime\.date\(2020, 3, 4\), not a string",
        ),
    ],
)
def test_invalid_spreadsheet_is_refused(tmp_path, sheets, message):
    with pytest.raises(DataError, match=message):
        load(write_xlsx(tmp_path / "a.xlsx", sheets))


@pytest.mark.parametrize(
    ("write", "module", "message"),
    [
        (write_parquet, "pyarrow", r"a\.csv: Parquet needs pip install 'textclf-keras\[parquet\]'"),
        (
            lambda path: write_xlsx(path, {"one": SHEET}),
            "python_calamine",
            r"a\.csv: spreadsheets need pip install 'textclf-keras\[excel\]'",
        ),
    ],
)
def test_format_that_needs_an_extra_is_one_line(tmp_path, monkeypatch, write, module, message):
    path = write(tmp_path / "a.csv")
    monkeypatch.setitem(sys.modules, module, None)  # Importing it fails.
    with pytest.raises(RequestError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": [b"x", b"y"], "label": ["a", "b"]}, "row 1: the text is b'x', not a string"),
        (
            {"text": ["x", "y"], "label": [datetime.date(2020, 1, 1)] * 2},
            r"row 1: the label is a date, 2020-01-01; choose another --label-column",
        ),
        ({"text": ["x", "y"], "label": ["a", None]}, r"no label in 1 of 2 examples \(row 2\); add"),
        (
            {"text": ["x", "y"], "label": [["a"], ["b", "c"]]},
            r"row 2: several labels, \['b', 'c'\]",
        ),
    ],
)
def test_invalid_parquet_is_refused(tmp_path, values, message):
    pq.write_table(pa.table(values), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.parquet")


def test_parquet_keeps_the_names_of_numbered_labels(tmp_path):
    names = ["bad", "good"]
    features = {"label": {"names": names, "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = [(text, names.index(name)) for text, name in ROWS]
    assert collect(load(write_parquet(tmp_path / "a.parquet", rows, metadata))) == sorted(ROWS)
    assert load(write_parquet(tmp_path / "b.parquet", rows)).label_names == ("0", "1")
    rows[3], rows[4] = (None, 1), ("hidden", -1)
    path = write_parquet(tmp_path / "c.parquet", rows, metadata)
    with pytest.raises(DataError, match=r"no label in 1 of 20 examples \(row 5\); add the labels"):
        load(path)
    expected = sorted([("", "good"), *ROWS[:3], *ROWS[5:]])
    assert collect(load(path, missing_labels="drop")) == expected


@pytest.mark.parametrize(
    "name", ["a.csv.gz", "a.parquet", "a.parquet.gz", "a.jsonl.gz", "a.xlsx", "a.zip.csv", "a.json"]
)
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"another format", gzip.compress(CSV)[:-9]),
        *(b"PAR1 damaged", b"PK\x03\x04 damaged", b"\xd0\xcf\x11\xe0 damaged"),
    ],
    ids=["empty", "other", "cut", "parquet", "zip", "xls"],
)
def test_damaged_file_is_one_line_with_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name) as info:
        load(tmp_path / name)
    assert "\n" not in str(info.value)


def test_generated_files_are_read(tmp_path):
    n_rows = load_script("benchmarks/large_files").write_csv(tmp_path / "a.csv", 1)
    dataset = load(tmp_path / "a.csv")
    assert dataset.label_names == ("arts", "business", "science", "sports")
    assert sum(map(len, dataset.splits.values())) == n_rows
    assert (tmp_path / "a.csv").stat().st_size > 1_000_000


@pytest.mark.parametrize("title", ["About", "What this file contains, in a long line of words"])
def test_sheet_with_one_column_is_refused_with_the_others(tmp_path, title):
    path = write_xlsx(tmp_path / "a.xlsx", {"Read me": [[title], ["text"]], "Data": SHEET})
    with pytest.raises(DataError) as info:
        read(path)
    assert str(info.value) == (
        f"{path}: only one column, '{title}'; a text and a label are expected (sheet 'Read me' (not"
        " read: 'Data'))"
    )
