"""Rows of texts and labels: which columns are read, and how labels are named and rows split."""

import json
from collections import Counter

import numpy as np
import pytest
from support import ROWS, collect, load, write_csv

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.overlap import Overlap
from textclf.data.rows import sort_labels, split_rows
from textclf.errors import DataError, LimitError, RequestError
from textclf.storage.cache import list_entries


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


def test_single_label_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", [(f"text {i}", "spam") for i in range(9)])
    with pytest.raises(DataError, match=r"a\.csv has only one label, 'spam'; at least two"):
        load(path)


def test_200_labels(tmp_path):
    rows = [(f"text {i} {j}", f"class {i}") for i in range(200) for j in range(5)]
    dataset = load(write_csv(tmp_path / "a.csv", rows))
    assert len(dataset.label_names) == 200
    assert collect(dataset) == sorted(rows)
    for split, each in zip(dataset.splits.values(), (3, 1, 1), strict=True):
        assert set(Counter(split.labels.tolist()).values()) == {each}


def test_column_with_more_than_1000_values_is_not_taken_for_the_label(tmp_path):
    rows = [(f"text {i}", str(i)) for i in range(1_200)]
    with pytest.raises(DataError, match=r"has more than 1,000 labels; --label-column names anoth"):
        load(write_csv(tmp_path / "a.csv", rows))


def test_labels_that_are_numbers_are_sorted_as_numbers(tmp_path):
    rows = [(f"text {i}", ("01", "1", "10", "2")[i % 4]) for i in range(40)]
    dataset = load(write_csv(tmp_path / "a.csv", rows))
    assert dataset.label_names == ("01", "1", "2", "10")
    assert collect(dataset) == sorted(rows)
    lines = [json.dumps({"text": f"t{i}", "label": (True, 3, 2.5)[i % 3]}) for i in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert load(tmp_path / "a.jsonl").label_names == ("2.5", "3", "true")
    rows = [(f"text {i}", ("10.0", "2.5", "-1")[i % 3]) for i in range(30)]
    assert load(write_csv(tmp_path / "b.csv", rows)).label_names == ("-1", "2.5", "10.0")
    assert sort_labels(["b", "10", "9"]) == ["10", "9", "b"]


def test_equal_texts_stay_in_the_same_split(tmp_path):
    rows = [(text, name) for text, name in ROWS for _ in range(3)]
    dataset = load(write_csv(tmp_path / "a.csv", [*rows, (ROWS[0][0].upper(), "bad")]))
    assert sum(map(len, dataset.splits.values())) == 61
    assert not Overlap.of(dataset).leaked.any()
    assert all(len(split) >= 9 for split in dataset.splits.values())


def test_fractions_of_validation_and_test(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    with pytest.raises(
        RequestError,
        match=r"validation_fraction 0\.5 plus dataset\.test_fraction 0\.5 must be below 1",
    ):
        load(path, test_fraction=0.5, validation_fraction=0.5)
    dataset = load(path, test_fraction=0.3, validation_fraction=0.1)
    assert [len(split) for split in dataset.splits.values()] == [12, 2, 6]


CONFIG = SplitConfig(name="/a/mine.py", code="1")


def sizes(dataset):
    return [len(split) for split in dataset.splits.values()]


def generate(rows=ROWS):
    yield from rows


@pytest.mark.parametrize("rows", [ROWS, tuple(ROWS), [list(row) for row in ROWS], generate()])
def test_rows_of_a_python_file_are_split(rows):
    dataset = split_rows(rows, CONFIG)
    assert collect(dataset) == sorted(ROWS)
    assert (dataset.name, dataset.label_names) == ("mine.py", ("bad", "good"))
    assert sizes(dataset) == [12, 4, 4]


def test_rows_of_a_python_file_are_not_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path))
    split_rows(ROWS, CONFIG)
    assert list_entries() == []


def test_fractions_of_a_python_file():
    config = SplitConfig(name="mine.py", validation_fraction=0.1, test_fraction=0.3)
    assert sizes(split_rows(ROWS, config)) == [12, 2, 6]
    assert sizes(split_rows(ROWS, DatasetConfig(name="mine.py"))) == [12, 4, 4]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train", "validation", "test"), [20, 4, 6]),
        (("training", "val", "test"), [20, 4, 6]),
        (("train", "dev", "test"), [20, 4, 6]),
        (("train", "validation"), [16, 4, 4]),
        (("train", None, "test"), [16, 4, 6]),
        (("train",), [12, 4, 4]),
    ],
)
def test_splits_of_a_python_file(names, expected):
    held_out = [(f"held out {i}", ("good", "bad")[i % 2]) for i in range(10)]
    parts = (generate(), held_out[:4], held_out[4:])
    dataset = split_rows({n: p for n, p in zip(names, parts, strict=False) if n}, CONFIG)
    assert sizes(dataset) == expected
    if len(names) == 3:
        assert list(dataset.test.texts) == [text for text, _ in held_out[4:]]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (np.array([1, 0, 10]), ("0", "1", "10")),
        (np.array([1, 0, 1], np.int8), ("0", "1")),
        (np.array([True, False, True]), ("false", "true")),
        (np.array([0.5, 2.0, 0.5]), ("0.5", "2.0")),
        (np.array(["b", "a", "b"]), ("a", "b")),
        ([3, 1, 2], ("1", "2", "3")),
        ([" a ", "b", "a"], ("a", "b")),
    ],
)
def test_labels_of_a_python_file_may_be_numbers_also_of_numpy(labels, names):
    rows = [(f"text {i}", labels[i % 3]) for i in range(30)]
    dataset = split_rows(rows, CONFIG)
    assert dataset.label_names == names
    named = {
        text: dataset.label_names[label]
        for split in dataset.splits.values()
        for text, label in zip(split.texts, split.labels, strict=True)
    }
    assert named["text 0"] == {"1": "1", "True": "true"}.get(str(labels[0]), str(labels[0]).strip())


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (None, "mine.py: expected rows of a text and a label, got NoneType"),
        (5, "mine.py: expected rows of a text and a label, got int"),
        ("text", "mine.py: expected rows of a text and a label, got str"),
        ({"train": None}, "mine.py: train: expected rows of a text and a label, got NoneType"),
        (["text"], "mine.py example 1: expected a text and a label, got 'text'"),
        (
            [ROWS[0], ("text", "good", 3)],
            "mine.py example 2: expected a text and a label, got ('text', 'good', 3)",
        ),
        ([{"text": "a"}], "mine.py example 1: expected a text and a label, got {'text': 'a'}"),
        ([(3, "good")], "mine.py example 1: the text is 3, not a string"),
        ([("text", None)], "mine.py example 1: the label is empty"),
        ([("text", " ")], "mine.py example 1: the label is empty"),
        (
            [("text", ["a", "b"])],
            "mine.py example 1: the label is ['a', 'b'], not a string or number",
        ),
        ([("text", float("nan"))], "mine.py example 1: the label is nan, not a string or"),
        ([("\ud800", "a")], "mine.py example 1: a lone surrogate is not valid text"),
        ([], "mine.py has no rows; at least two labels are needed"),
        (ROWS[:1], "mine.py has only one label, 'good'; at least two labels are needed"),
        (ROWS[:2], "mine.py: 2 examples with 2 labels leave the validation split empty; add"),
        (
            {"train": ROWS, "tset": ROWS},
            "/a/mine.py: unknown split 'tset': did you mean 'test'? Choose from dev, test, train",
        ),
        ({3: ROWS}, "/a/mine.py: unknown split '3': choose from dev"),
        ({"train": ROWS, "all": ROWS}, "/a/mine.py: unknown split 'all': "),
        ({"test": ROWS, "dev": ROWS}, "/a/mine.py: no split named 'train' among test, dev"),
        (
            {"train": ROWS, "val": ROWS, "dev": ROWS},
            "/a/mine.py: two of train, val, dev name the same split",
        ),
        (
            [(f"text {i}", i) for i in range(1_001)],
            "mine.py has more than 1,000 labels",
        ),
    ],
)
def test_what_a_python_file_returns_is_checked(loaded, message):
    with pytest.raises(DataError) as info:
        split_rows(loaded, CONFIG)
    assert str(info.value).startswith(message)
    assert "\n" not in str(info.value)


def test_text_of_a_python_file_has_the_usual_limit(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.001")
    with pytest.raises(LimitError, match=r"^mine\.py example 2: the text is larger than"):
        split_rows([ROWS[0], ("x" * 1001, "good")], CONFIG)
