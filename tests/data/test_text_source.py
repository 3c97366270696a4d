"""Texts to classify: tables of every format, lines, and what is refused."""

import bz2
import gzip
import io
import json

import pytest
from support import write_xlsx

from textclf.data.tabular import FileConfig
from textclf.data.text_source import open_file, open_stream
from textclf.errors import DataError, DataRequestError, LimitError, RequestError


def read(path, *, known=(), **options):
    """Return the names of the columns, the cells and the texts of a file."""
    source = open_file(path, FileConfig(name="x", **options), known)
    rows = [*source.read()]
    assert len(rows) == source.n_rows
    return (
        [column.name for column in source.columns],
        [[*cells] for cells, _ in rows],
        [t for _, t in rows],
    )


def save(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_cells_of_csv_are_unchanged(tmp_path):
    content = '\ufeffid, Text ,,id\n007, "a, b"\n008,  c , d,\n009,"e\r\nf ""g""",,1\n\n,,,\n'
    names, rows, texts = read(save(tmp_path / "a.csv", content))
    assert names == ["id", " Text ", "", "id"]
    assert rows == [
        ["007", "a, b", "", ""],
        ["008", "  c ", " d", ""],
        ["009", 'e\r\nf "g"', "", "1"],
        ["", "", "", ""],
    ]
    assert texts == [row[1] for row in rows]


def test_spaces_are_kept_beside_a_cell_in_quotes(tmp_path):
    path = save(tmp_path / "a.csv", 'text,id,n\n a , "x", 1\n b , "y, z", 2\n')
    # A delimiter within quotes hides where the cells begin.
    assert read(path)[1] == [[" a ", "x", " 1"], ["b ", "y, z", "2"]]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_row_of_delimiters_is_a_row_and_a_blank_line_is_not(tmp_path, delimiter):
    lines = ["id,text", "1,a", "", "   ", ",", "2,b"]
    path = save(tmp_path / "a.csv", "\n".join(lines).replace(",", delimiter))
    assert read(path)[1] == [["1", "a"], ["", ""], ["2", "b"]]


@pytest.mark.parametrize("header", ["text", "opinion"])
def test_single_column_may_contain_all_delimiters(tmp_path, header):
    content = f'{header}\na, b; c\n"d|e\nf"\n\n""\ng\th\n'
    names, rows, texts = read(save(tmp_path / "a.csv", content))
    assert (names, texts) == ([header], ["a, b; c", "d|e\nf", "", "g\th"])
    assert rows == [[text] for text in texts]


def test_single_column_without_a_header_is_named(tmp_path):
    path = save(tmp_path / "a.csv", "a, b\nc\n")
    assert read(path, column_names="review") == (["review"], [["a, b"], ["c"]], ["a, b", "c"])
    path = save(tmp_path / "b.csv", "this is a whole first text\nc\n")
    with pytest.raises(
        DataError, match=r"looks like data; .*--column-names text; .* give --text-column"
    ):
        read(path)


@pytest.mark.parametrize(
    ("header", "options", "text"),
    [
        ("id,review,body", {}, "r"),
        ("id,review,body", {"known": ("body",)}, "b"),
        ("id,review,body", {"known": ("body", "gone")}, "r"),
        ("id,review,body", {"known": ("body",), "text_column": "review\nbody"}, "r b"),
        ("id,x,label", {"text_column": "x"}, "r"),
    ],
)
def test_columns_of_the_text_in_their_precedence(tmp_path, header, options, text):
    assert read(save(tmp_path / "a.csv", f"{header}\n1,r,b\n"), **options)[2] == [text]


def test_only_column_besides_the_label_is_the_text(tmp_path):
    assert read(save(tmp_path / "a.csv", "label,x\n1,r\n"))[2] == ["r"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("id,x,y\n1,a,b\n", {}, "for the text; give --text-column, one of 'x', 'y'"),
        ("id,x\n1,a\n", {"text_column": "z"}, "no column is named 'z'; --text-column is one"),
        ("text,text\n1,a\n", {}, "2 columns are named 'text'"),
        ("text,id\na,1\n", {"column_names": "a,b", "text_column": "a"}, "names of columns"),
        ("id,text\n1,a,b\n", {}, "line 2: expected 2 columns, got 3"),
        ("text,label\n" + '"a,x\n' + "b,x\n" * 9 + 'c,x"\n' + "d,x\n", {}, "a quote opens here"),
        ("", {}, "it is empty"),
    ],
)  # fmt: skip
def test_table_that_is_not_clear_is_refused(tmp_path, content, options, message):
    with pytest.raises((DataError, RequestError)) as info:
        read(save(tmp_path / "a.csv", content), **options)
    assert message in str(info.value)


def test_json_has_the_columns_of_all_rows(tmp_path):
    objects = [{"text": "a", "n": 1}] * 150 + [{"n": [2], "late": None}, {"text": 5}]
    path = save(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, objects)))
    names, rows, texts = read(path)
    assert names == ["text", "n", "late"]
    assert rows[0][:2] == ["a", 1]
    assert rows[150][1:] == [[2], None]
    assert texts[149:] == ["a", "", 5]
    source = open_file(path, FileConfig(name="x"), ())
    assert [column.kinds for column in source.columns] == [{str, int}, {int, list}, {type(None)}]
    save(tmp_path / "b.json", json.dumps(objects))
    assert read(tmp_path / "b.json") == (names, rows, texts)


def test_integers_that_are_too_large_for_a_column_are_not_integers(tmp_path):
    path = save(tmp_path / "a.jsonl", f'{{"text": "a", "n": {2**63}, "m": {-(2**63)}}}\n')
    columns = open_file(path, FileConfig(name="x"), ()).columns
    assert [column.kinds for column in columns] == [{str}, {object}, {int}]


def test_parquet_keeps_its_types(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"n": pa.array([1, None], pa.int8()), "text": ["a", None]})
    pq.write_table(table, tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == (["n", "text"], [[1, "a"], [None, None]], ["a", ""])
    columns = open_file(tmp_path / "a.parquet", FileConfig(name="x"), ()).columns
    assert [str(column.field.type) for column in columns] == ["int8", "string"]


def test_time_that_python_cannot_represent_is_one_line(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": ["a"], "time": pa.array([2**60], pa.timestamp("us"))})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"^cannot read .*a\.parquet: date value out of range$"):
        read(tmp_path / "a.parquet")


def test_spreadsheet_and_fasttext(tmp_path):
    path = write_xlsx(tmp_path / "a.xlsx", {"one": [["id", "text"], [1, "a"], [1.5, 2], [3, None]]})
    assert read(path) == (["id", "text"], [[1, "a"], [1.5, 2], [3, None]], ["a", "2", ""])
    assert read(write_xlsx(tmp_path / "c.xlsx", {"one": [["a", 1]]}), column_names="text")[1] == [
        ["a"]
    ]
    path = save(tmp_path / "b.txt", "__label__x a b\n\nc\n__label__x __label__y d\n")
    rows = [["a b", "x"], ["c", ""], ["d", "x y"]]
    assert read(path) == (["text", "label"], rows, ["a b", "c", "d"])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_packed_and_encoded_files(tmp_path, pack, encoding):
    table = save(tmp_path / "a.csv", pack("id,text\n1,é\n".encode(encoding)))
    assert read(table) == (["id", "text"], [["1", "é"]], ["é"])
    lines = save(tmp_path / "a.txt", pack("é\r\n\nb".encode(encoding)))
    assert read(lines)[2] == ["é", "", "b"]
    assert read(save(tmp_path / "c.csv", "text\né\n".encode("cp1252")), encoding="cp1252")[2] == [
        "é"
    ]


LINES = "\ufeffa\rb\x0b\x0c\x85\u2028c\r\n\n\r\n  d\n\ufeffe"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("kind", ["a.txt", "a.log", "a", "stream"])
def test_lines_end_in_a_line_feed_only(tmp_path, encoding, kind):
    content = (LINES if encoding == "utf-8" else LINES[1:]).encode(encoding)
    expected = ["a\rb\x0b\x0c\x85\u2028c", "", "", "  d", "\ufeffe"]
    if kind == "stream":
        assert [text for _, text in open_stream(io.BytesIO(content), "utf-8").read()] == expected
        return
    names, rows, texts = read(save(tmp_path / kind, content))
    assert (names, texts) == (["text"], expected)
    assert rows == [[text] for text in texts]


@pytest.mark.parametrize("chunk", [4, 5, 7])
def test_lines_do_not_depend_on_how_much_is_read_at_once(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("textclf.storage.encodings.CHUNK_BYTES", chunk)
    lines = ["one", "", "été 😀", "x" * 20]
    for encoding in ("utf-8", "utf-16"):
        content = "\r\n".join(lines).encode(encoding)
        assert [text for _, text in open_stream(io.BytesIO(content), "utf-8").read()] == lines


def test_plain_text_with_a_usual_column_is_a_table(tmp_path):
    assert read(save(tmp_path / "a.txt", "id\ttext\n1\ta, b\n"))[2] == ["a, b"]
    assert read(save(tmp_path / "b.txt", "id\tx\n1\ta\n"), known=("x",))[2] == ["a"]
    assert read(save(tmp_path / "c.txt", "id\tx\n1\ta\n"))[2] == ["id\tx", "1\ta"]
    assert read(save(tmp_path / "d.txt", "1\ta\n"), column_names="n,x", text_column="x")[2] == ["a"]


def test_how_a_file_is_read_is_described(tmp_path):
    config = FileConfig(name="x")
    path = save(tmp_path / "a.csv", "review;n\na;1\n".encode("utf-16"))
    details = "text from 'review'; delimiter ';'; encoding utf-16"
    assert open_file(path, config, ()).details == details
    path = save(tmp_path / "b.csv", "opinion\na\n")
    assert open_file(path, config, ()).details == "text from 'opinion'; encoding utf-8"
    path = save(tmp_path / "c.txt", "a\n")
    assert open_file(path, config, ()).details == "one text per line; encoding utf-8"


@pytest.mark.parametrize(("good", "number"), [("a\n", 2), ("é\n" * 3, 4)])
def test_line_that_cannot_be_decoded_is_refused_with_its_number(
    tmp_path, monkeypatch, good, number
):
    content = good.encode() + b"caf\xe9\nb\n"
    for chunk in (4, 1_000_000):
        monkeypatch.setattr("textclf.storage.encodings.CHUNK_BYTES", chunk)
        with pytest.raises(DataRequestError, match=rf"^line {number} of .*a\.txt is not UTF-8; "):
            read(save(tmp_path / "a.txt", content))
    with pytest.raises(DataRequestError, match=rf"^line {number} of standard input is not UTF-8; "):
        [*open_stream(io.BytesIO(content), "utf-8").read()]
    assert read(tmp_path / "a.txt", encoding="cp1252")[2][-2:] == ["café", "b"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_missing_byte_order_mark_is_one_line(tmp_path, encoding):
    path = save(tmp_path / "a.log", "one\n".encode(f"{encoding}-le"))
    message = f"^line 1 of .*a\\.log is not {encoding.upper()}; .* such as cp1252 or utf-16-le$"
    with pytest.raises(DataRequestError, match=message):
        read(path, encoding=encoding)


def test_utf_16_without_a_mark_is_not_read_as_utf_8(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.encoding=utf-16-le$"):
        read(save(tmp_path / "a.txt", "one\n".encode("utf-16-le")))


def test_line_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.001")
    content = b"a\n" + b"x" * 60_000
    path = save(tmp_path / "a.txt", gzip.compress(content))
    with pytest.raises(LimitError, match=r"a\.txt line 2 is larger than the limit of 0\.001 MB"):
        read(path)
    with pytest.raises(LimitError, match=r"^line 2 of standard input is larger than the limit"):
        [*open_stream(io.BytesIO(content), "utf-8").read()]
    assert len(read(save(tmp_path / "b.txt", "x" * 40_000))[2][0]) == 40_000


def test_file_that_vanishes_or_is_a_folder_is_one_line(tmp_path):
    path = save(tmp_path / "a.csv", "text\na\n")
    source = open_file(path, FileConfig(name="x"), ())
    path.unlink()
    with pytest.raises(DataError, match=r"^cannot read .*a\.csv: No such file"):
        [*source.read()]
    with pytest.raises(RequestError, match="is a folder; give a file"):
        read(tmp_path)
    with pytest.raises(RequestError, match="is not a file; give a file"):
        read(tmp_path / "gone.csv")
