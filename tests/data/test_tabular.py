"""Rows of texts and labels: which columns are read, and how labels are named and rows split."""

import json
from collections import Counter

import pytest
from support import ROWS, collect, load, write_csv

from textclf.data.overlap import Overlap
from textclf.data.tabular import sort_labels
from textclf.errors import DataError, RequestError


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
