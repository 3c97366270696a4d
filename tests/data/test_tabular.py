"""Columns of tables: which of them are text and label; tables of libraries."""

import json

import pytest
from support import ROWS, collect, load, read, write_csv

from textclf.data.table import Columns, Table
from textclf.data.tabular import TableConfig, find_columns, load_library_dataset
from textclf.errors import DataError, RequestError


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))


def test_columns_are_found_by_usual_names_or_as_the_other_one(tmp_path):
    rows = [("1", *row) for row in ROWS]
    for header, options in (
        ("id,Review,Sentiment", {}),
        ("id,a,b", {"text_column": "a", "label_column": "b"}),
    ):
        path = write_csv(tmp_path / "a.csv", rows, header)
        assert collect(load(path, **options)) == sorted(ROWS)
    assert collect(load(write_csv(tmp_path / "b.csv", header="x,label"))) == sorted(ROWS)
    with pytest.raises(
        DataError, match="no column is named 'c'; --text-column is one of 'id', 'a', 'b'"
    ):
        load(path, text_column="c")
    with pytest.raises(DataError, match="column 'a' cannot be both text and label"):
        load(path, text_column="a", label_column="a")


def test_columns_with_the_same_name(tmp_path):
    rows = [(text, name, text) for text, name in ROWS]
    path = write_csv(tmp_path / "a.csv", rows, header="text,label,text")
    with pytest.raises(DataError, match=r"a\.csv: 2 columns are named 'text'"):
        load(path)
    path = write_csv(tmp_path / "b.csv", [("0", "0", *row) for row in ROWS], "id,id,text,label")
    assert collect(load(path)) == sorted(ROWS)


def find(names, **options):
    table = Table(names.split(","))
    texts, label = find_columns(table, TableConfig(name="a.csv", **options), "a.csv")
    return *texts, label


SPACED = "my  words,the  kind"
"""Names as the keys of JSON have them."""


@pytest.mark.parametrize(
    ("names", "options", "expected"),
    [
        ("text,label", {}, "text,label"),
        ("LABEL,id,Review", {}, "Review,LABEL"),
        # The most usual name.
        ("title,body,label,class", {}, "body,label"),
        ("comment,text,sentiment,target", {}, "text,sentiment"),
        # The other one of two columns.
        ("x,label", {}, "x,label"),
        ("text,x", {}, "text,x"),
        # An index without a name.
        (",text,label", {}, "text,label"),
        ("Unnamed: 0,label,text", {}, "text,label"),
        ("text,Unnamed: 1,label,Unnamed: 3", {}, "text,label"),
        ("Unnamed: 0.1,Unnamed: 0,text,label", {}, "text,label"),
        ("text,label,__index_level_0__", {}, "text,label"),
        # What is asked for.
        ("title,body,label", {"text_column": "title"}, "title,label"),
        ("title,body,label", {"text_column": ["title", "body"]}, "title,body,label"),
        ("a,b,c", {"text_column": " b", "label_column": "c "}, "b,c"),
        ("x,y", {"text_column": "y", "label_column": "x"}, "y,x"),
        ("x,text", {"label_column": "x"}, "text,x"),
        ("id,text", {"label_column": "id"}, "text,id"),
        (SPACED, {"text_column": "my words", "label_column": "the  kind"}, SPACED),
    ],
)
def test_columns_are_chosen(names, options, expected):
    assert ",".join(find(names, **options)) == expected


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        # A column without a name is never chosen, also if it is the only other one.
        (",review", {}, "no column has a usual name for the label; its columns are 'review'"),
        ("Unnamed: 0,review", {}, "no column has a usual name for the label; its columns are"),
        ("text,Unnamed: 0.1", {}, "no column has a usual name for the label; its columns are"),
        ("review,__index_level_0__", {}, "no column has a usual name for the label; its columns"),
        # Nor is a number of the rows.
        ("id,text", {}, "no column has a usual name for the label; its columns are 'id', 'text'"),
        ("text,Index", {}, "no column has a usual name for the label; its columns are 'text', 'I"),
        ("UUID,review", {}, "no column has a usual name for the label; its columns are 'UUID', "),
        (",x,label", {}, "no column has a usual name for the text; give --text-column, one of 'x'"),
        ("a,b", {}, "no column has a usual name for the text; give --text-column, one of 'a', 'b'"),
        ("text,a,b", {}, "no column has a usual name for the label; give --label-column, one of"),
        ("text,text,label", {}, "2 columns are named 'text'"),
        ("a,b", {"text_column": "c"}, "no column is named 'c'; --text-column is one of 'a', 'b'"),
        ("a,b", {"label_column": "c"}, "no column is named 'c'; --label-column is one of 'a', 'b'"),
        (",text,x", {"label_column": ""}, "no column is named ''; --label-column is one of 'text'"),
        ("text,label", {"text_column": "label"}, "column 'label' cannot be both text and label"),
        (
            "text,title,label",
            {"text_column": ["text", "title"], "label_column": "title"},
            "column 'title' cannot be both text and label",
        ),
    ],
)
def test_columns_that_are_not_known_are_refused(names, options, message):
    with pytest.raises(DataError) as info:
        find(names, **options)
    assert str(info.value).startswith(f"a.csv: {message}")


def test_list_of_no_text_columns_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    with pytest.raises(RequestError, match=r"text_column: .*at least 1 item"):
        load(path, text_column=[])


def test_names_with_two_spaces_are_columns_of_json(tmp_path):
    path = tmp_path / "a.jsonl"
    objects = [{"my  words": text, "the  kind": label, "id": 1} for text, label in ROWS]
    path.write_text("\n".join(map(json.dumps, objects)))
    assert collect(load(path, text_column="my  words", label_column="the kind")) == sorted(ROWS)


def test_texts_of_several_columns_are_joined_with_a_space(tmp_path):
    rows = [("Title", "the body", "a"), ("", "only", "b"), ("Alone", "", "a"), ("", "", "b")]
    path = write_csv(tmp_path / "a.csv", rows, header="title,body,label")
    texts = [text for text, _, _ in read(path, text_column=["title", "body"])[0]]
    assert texts == ["Title the body", "only", "Alone", ""]
    texts = [text for text, _, _ in read(path, text_column=["body", "title"])[0]]
    assert texts == ["the body Title", "only", "Alone", ""]
    assert read(path)[1][0].startswith("text from 'body', label from 'label'; not read: 'title'; ")


NAMES = ("bad", "good")
NUMBERED = [(text, NAMES.index(name)) for text, name in ROWS]


def load_splits(splits, label_names=NAMES, **options):
    config = TableConfig(name="hf:reviews", **options)

    def serve(rows):
        def values(names):
            assert names in (["text", "label"], ["label"])
            yield from (row[-len(names) :] for row in rows)

        return values

    return load_library_dataset(
        config,
        Columns(("text",), "label"),
        {name: serve(rows) for name, rows in splits.items()},
        label_names=label_names,
        key={"key": repr(splits)},
    )


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["c", "a  b"], ("c", "a  b")),  # In their order, not sorted.
        (["null", "-1"], ("null", "-1")),
        (["2", "1.0", "1"], ("2", "1.0", "1")),
        ([" b", "a "], ("b", "a")),
        (["a", "a ", "b"], ("a", "a ", "b")),
        (["a", "b", "a,b"], ("a", "b", "a,b")),
    ],
)
def test_names_of_numbered_labels_are_kept(given, names):
    rows = [(f"text {i}", i % len(given)) for i in range(30)]
    dataset = load_splits({"train": rows}, given)
    assert dataset.label_names == names
    assert collect(dataset) == sorted((text, names[number]) for text, number in rows)


def test_number_without_a_name_is_refused():
    rows = [*NUMBERED[:3], ("text", 2), *NUMBERED[3:]]
    with pytest.raises(DataError) as info:
        load_splits({"train": rows})
    assert str(info.value) == (
        "--dataset hf:reviews: train example 4: label 2, but only 2 have names"
    )


@pytest.mark.parametrize("hidden", [-1, -2, None])
def test_hidden_labels_are_left_out_and_counted(hidden):
    rows = [("hidden", hidden), *NUMBERED, ("hidden, too", hidden)]
    dataset = load_splits({"train": rows, "unsupervised": [("more", hidden)]})
    assert collect(dataset) == sorted(ROWS)
    assert dataset.notes[0] == (
        "no label in 2 of 22 examples (example 1, example 22), which are left out"
    )


@pytest.mark.parametrize(
    ("rows", "hidden", "names"),
    [(NUMBERED, -1, NAMES), (NUMBERED, None, NAMES), (ROWS, None, None)],
)
def test_validation_split_takes_the_place_of_a_test_split_without_labels(rows, hidden, names):
    splits = {"train": rows[:12], "validation": rows[12:], "test": [("hidden", hidden)] * 2}
    dataset = load_splits(splits, names)
    assert sorted(dataset.test.texts) == sorted(text for text, _ in ROWS[12:])
    assert [len(split) for split in dataset.splits.values()] == [10, 2, 8]
    assert dataset.notes[0] == (
        "the test split has no labels, and is left out; the validation split is the test split"
        " instead"
    )
    del splits["validation"]
    dataset = load_splits(splits, names)
    assert sum(map(len, dataset.splits.values())) == 12
    assert dataset.notes[0] == "the test split has no labels, and is left out"


def test_official_test_split_with_labels_is_kept():
    splits = {"train": NUMBERED[:12], "validation": NUMBERED[12:16], "test": NUMBERED[16:]}
    dataset = load_splits(splits)
    assert [len(split) for split in dataset.splits.values()] == [12, 4, 4]
    assert dataset.notes == ()


def test_training_split_has_to_have_labels():
    for splits in ({"train": [("hidden", -1)], "test": NUMBERED}, {"test": NUMBERED, "extra": []}):
        with pytest.raises(
            DataError, match=r"^--dataset hf:reviews: no labeled split named 'train'"
        ):
            load_splits(splits)


def test_labels_that_are_not_numbered_are_read_like_those_of_a_file():
    rows = [(text.encode(), f"{name}\u200b ".encode()) for text, name in ROWS]
    dataset = load_splits({"train": rows}, label_names=None)
    assert dataset.label_names == NAMES
    assert collect(dataset) == sorted(ROWS)
    rows[3] = (rows[3][0], None)
    with pytest.raises(
        DataError, match=r"^--dataset hf:reviews: train: no label in 1 of 20 examples \(example 4\)"
    ):
        load_splits({"train": rows}, label_names=None)
    with pytest.raises(
        DataError, match=r": train example 1 is not UTF-8; choose another --text-co"
    ):
        load_splits({"train": [(b"\xff", b"a")]}, label_names=None)
