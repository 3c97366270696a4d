"""Files of a user: every oddity is read right, or refused in one line that says where."""

import datetime
import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import ROWS, collect, load, load_script, write_csv, write_parquet

from textclf.errors import DataError, LimitError, RequestError


def write_all(folder):
    """Write the same rows in each format; return the files."""
    as_json = "".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS)
    (folder / "a.jsonl").write_text(as_json)
    (folder / "a.tsv").write_text("text\tlabel\n" + "".join(f"{t}\t{n}\n" for t, n in ROWS))
    write_csv(folder / "a.csv")
    write_parquet(folder / "a.parquet")
    for path in sorted(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    for number, (text, name) in enumerate(ROWS):
        (folder / "classes" / name).mkdir(parents=True, exist_ok=True)
        (folder / "classes" / name / f"{number:02}.txt").write_text(text)
    return sorted(folder.iterdir())


def test_every_format_gives_the_same_rows(tmp_path):
    paths = write_all(tmp_path)
    assert len(paths) == 9
    for path in paths:
        dataset = load(path)
        assert collect(dataset) == sorted(ROWS)
        assert dataset.label_names == ("bad", "good")
        assert [len(split) for split in dataset.splits.values()] == [12, 4, 4]
        for split in dataset.splits.values():
            assert set(Counter(split.labels.tolist()).values()) == {len(split) // 2}


def test_official_splits_are_used(tmp_path):
    rows = [ROWS[:8], ROWS[8:12], ROWS[12:]]
    for name, part in zip(("train", "dev", "test"), rows, strict=True):
        write_csv(tmp_path / f"{name}.csv", part)
    dataset = load(tmp_path)
    assert [list(split.texts) for split in dataset.splits.values()] == [
        [text for text, _ in part] for part in rows
    ]
    assert dataset.test.index.tolist() == list(range(8))
    (tmp_path / "dev.csv").unlink()
    dataset = load(tmp_path, validation_share=0.25)
    assert [len(split) for split in dataset.splits.values()] == [6, 2, 8]
    (tmp_path / "test.csv").rename(tmp_path / "testing.csv")
    assert [len(s) for s in load(tmp_path, test_share=0.5).splits.values()] == [2, 2, 4]


def test_folders_in_train_and_test(tmp_path):
    for part, rows in (("train", ROWS[:12]), ("test", ROWS[12:])):
        for number, (text, name) in enumerate(rows):
            (tmp_path / part / name).mkdir(parents=True, exist_ok=True)
            (tmp_path / part / name / f"{number}.txt").write_text(text)
        (tmp_path / part / "urls.txt").write_text("of no label")
    dataset = load(tmp_path)
    assert collect(dataset) == sorted(ROWS)
    assert len(dataset.test) == 8


def test_quoted_newlines(tmp_path):
    rows = [('first\nsecond, "third"\r\nfourth', "a"), *[(f"t{i}", "ab"[i % 2]) for i in range(11)]]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


def test_a_line_is_named_after_quoted_newlines(tmp_path):
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


def test_windows_line_ends(tmp_path):
    assert collect(load(write_csv(tmp_path / "a.csv", end="\r\n"))) == sorted(ROWS)


def test_latin_1_bytes(tmp_path):
    rows = [*ROWS, ("café", "good")]
    path = write_csv(tmp_path / "a.csv", rows, encoding="latin-1")
    with pytest.raises(
        DataError, match=r"a\.csv line 22 is not utf-8: .*dataset\.encoding .*latin-1"
    ):
        load(path)
    assert ("café", "good") in collect(load(path, encoding="latin-1"))
    with pytest.raises(RequestError, match=r"dataset\.encoding: unknown encoding: latin-99"):
        load(path, encoding="latin-99")


@pytest.mark.parametrize("label", ["", "  "])
def test_an_empty_label(tmp_path, label):
    with pytest.raises(DataError, match=r"a\.csv line 22: the label is empty"):
        load(write_csv(tmp_path / "a.csv", [*ROWS, ("text", label)]))
    line = json.dumps({"text": "a", "label": None})
    (tmp_path / "a.jsonl").write_text(f'{{"text": "a", "label": "b"}}\n\n{line}\n')
    with pytest.raises(DataError, match=r"a\.jsonl line 3: the label is empty"):
        load(tmp_path / "a.jsonl")


def test_one_class_only(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(f"text {i}", "spam") for i in range(9)])
    with pytest.raises(DataError, match=r"a\.csv has only one label, 'spam'; at least two"):
        load(path)


def test_two_columns_with_the_same_name(tmp_path):
    rows = [(text, name, text) for text, name in ROWS]
    path = write_csv(tmp_path / "a.csv", rows, header="text,label,text")
    with pytest.raises(DataError, match=r"a\.csv: 2 columns are named 'text'"):
        load(path)
    path = write_csv(tmp_path / "b.csv", [("0", "0", *row) for row in ROWS], "id,id,text,label")
    assert collect(load(path)) == sorted(ROWS)


def test_200_classes(tmp_path):
    rows = [(f"text {i} {j}", f"class {i}") for i in range(200) for j in range(5)]
    dataset = load(write_csv(tmp_path / "a.csv", rows))
    assert len(dataset.label_names) == 200
    assert collect(dataset) == sorted(rows)
    for split, each in zip(dataset.splits.values(), (3, 1, 1), strict=True):
        assert set(Counter(split.labels.tolist()).values()) == {each}


def test_labels_that_look_like_numbers(tmp_path):
    rows = [(f"text {i}", ("01", "1", "10", "2")[i % 4]) for i in range(40)]
    dataset = load(write_csv(tmp_path / "a.csv", rows))
    assert dataset.label_names == ("01", "1", "2", "10")
    assert collect(dataset) == sorted(rows)
    lines = [json.dumps({"text": f"t{i}", "label": (True, 3, 2.5)[i % 3]}) for i in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert load(tmp_path / "a.jsonl").label_names == ("2.5", "3", "true")
    rows = [(f"text {i}", ("10.0", "2.5", "-1")[i % 3]) for i in range(30)]
    assert load(write_csv(tmp_path / "b.csv", rows)).label_names == ("-1", "2.5", "10.0")


def test_nuls(tmp_path):
    rows = [*ROWS, ("before\0after", "good")]
    assert ("before\0after", "good") in collect(load(write_csv(tmp_path / "a.csv", rows)))


def test_a_text_of_10_mb(tmp_path, monkeypatch):
    path = write_csv(tmp_path / "a.csv", [*ROWS, ("word " * 2_000_000, "good")])
    with pytest.raises(LimitError, match=r"a\.csv line 22 .*limit of 1 MB.*TEXTCLF_MAX_TEXT_MB"):
        load(path)
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "11")
    assert max(len(text) for text, _ in collect(load(path))) == 10_000_000


def test_emoji_and_right_to_left(tmp_path):
    rows = [*ROWS, ("😀😀 👩‍👩‍👧", "good"), ("שלום עולם", "bad"), ("مرحبا", "good"), ("", "bad")]
    assert collect(load(write_csv(tmp_path / "a.csv", rows))) == sorted(rows)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text,label\na,b,c\n", r"a\.csv line 2: 3 columns, and 2 in the first line"),
        ("text,label\na,b\nonly\n", r"a\.csv line 3: 1 columns, and 2"),
        ('text,label\n"a" b,c\n', r"a\.csv line 2: .*quotes stand around a whole field"),
        ('text,label\nx,y\n"a,c\nb,d\n', r"a\.csv line 3: unexpected end of data"),
        ("", r"a\.csv line 1: the names of the columns are expected"),
        ("text,label\n", r"a\.csv has no rows; at least two labels"),
        ("one,two,three\n", r"a\.csv: no column has a usual name for the text: give --text-column"),
        ("text,label\na,x\nb,y\n", r"2 texts with 2 labels leave none for its \w+ split"),
    ],
)
def test_what_is_wrong_with_a_csv(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", r"line 2, column \d+: no JSON"),
        ("[" * 100_000, r"line 2: no JSON"),
        ("[1]", r"line 2: expected an object"),
        ('{"text": "a"}', r"line 2: it has no 'label'"),
        ('{"text": 3, "label": "a"}', r"line 2: the text is 3, and not a string"),
        ('{"text": "a", "label": ["b"]}', r"line 2: the label is \['b'\], and no string or number"),
        ('{"text": "a", "label": NaN}', r"line 2: the label is nan, and no string or number"),
        (r'{"text": "\ud800", "label": "a"}', r"line 2: half of a surrogate pair"),
    ],
)
def test_what_is_wrong_with_json_lines(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "b"}\n' + line + "\n")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.jsonl")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.parquet", "a.parquet.gz", "a.jsonl.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"no such format", gzip.compress(b"text,label\na")[:-9]],
    ids=["empty", "other", "cut"],
)
def test_damaged_files(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=name):
        load(tmp_path / name)


def test_columns_are_found_by_usual_names_or_by_what_is_left(tmp_path):
    rows = [("1", *row) for row in ROWS]
    for header, options in (
        ("id,Review,Sentiment", {}),
        ("id,a,b", {"text_column": "a", "label_column": "b"}),
    ):
        path = write_csv(tmp_path / "a.csv", rows, header)
        assert collect(load(path, **options)) == sorted(ROWS)
    assert collect(load(write_csv(tmp_path / "b.csv", header="x,label"))) == sorted(ROWS)
    with pytest.raises(DataError, match="no column 'c'; --text-column is one of 'id', 'a', 'b'"):
        load(path, text_column="c")
    with pytest.raises(DataError, match="cannot be both text and label"):
        load(path, text_column="a", label_column="a")


def test_a_packed_line_does_not_fill_the_memory(tmp_path):
    with gzip.open(tmp_path / "a.csv.gz", "wb") as file:
        file.write(b"text,label\n")
        for _ in range(30):
            file.write(b"a" * 1_000_000)
    with pytest.raises(LimitError, match=r"a\.csv\.gz line 2 is larger than the limit of 1 MB"):
        load(tmp_path / "a.csv.gz")


def test_utf_16(tmp_path):
    path = write_csv(tmp_path / "a.csv", encoding="utf-16")
    assert collect(load(path, encoding="utf-16")) == sorted(ROWS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.csv is not utf-16: truncated data"):
        load(path, encoding="utf-16")


def test_a_column_of_something_else_is_no_label(tmp_path):
    rows = [(f"text {i}", str(i)) for i in range(1_200)]
    with pytest.raises(DataError, match=r"1,\d\d\d labels, and 1,000 are allowed; --label-column"):
        load(write_csv(tmp_path / "a.csv", rows))


def test_the_same_bytes_in_another_format_are_another_dataset(tmp_path):
    content = "text\tlabel\n" + "".join(f"{text}\t{name}\n" for text, name in ROWS)
    for name in ("a.tsv", "a.csv"):
        (tmp_path / name).write_text(content)
    assert collect(load(tmp_path / "a.tsv")) == sorted(ROWS)
    with pytest.raises(DataError, match="no column has a usual name"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": [b"x", b"y"], "label": ["a", "b"]}, "row 1: the text is b'x', and not a string"),
        (
            {"text": ["x", "y"], "label": [datetime.date(2020, 1, 1)] * 2},
            r"row 1: the label is datetime\.date\(2020, 1, 1\), and no string or number",
        ),
    ],
)
def test_what_is_wrong_with_parquet(tmp_path, values, message):
    pq.write_table(pa.table(values), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.parquet")


def test_generated_files_are_read(tmp_path):
    n_rows = load_script("benchmarks/large_files").write_csv(tmp_path / "a.csv", 1)
    dataset = load(tmp_path / "a.csv")
    assert dataset.label_names == ("arts", "business", "science", "sports")
    assert sum(map(len, dataset.splits.values())) == n_rows
    assert (tmp_path / "a.csv").stat().st_size > 1_000_000


def test_semicolons(tmp_path):
    content = "text;label\n" + "".join(f"{text}, and more;{name}\n" for text, name in ROWS)
    (tmp_path / "a.csv").write_text(content)
    assert collect(load(tmp_path / "a.csv")) == sorted((f"{t}, and more", n) for t, n in ROWS)


def test_parquet_keeps_the_names_of_numbered_labels(tmp_path):
    names = ["bad", "good"]
    features = {"label": {"names": names, "_type": "ClassLabel"}, "text": {"_type": "Value"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = [(text, names.index(name)) for text, name in ROWS]
    assert collect(load(write_parquet(tmp_path / "a.parquet", rows, metadata))) == sorted(ROWS)
    assert load(write_parquet(tmp_path / "b.parquet", rows)).label_names == ("0", "1")
    rows[3] = (None, 1)
    with pytest.raises(DataError, match=r"c\.parquet row 4: the text is None, and not a string"):
        load(write_parquet(tmp_path / "c.parquet", rows))
