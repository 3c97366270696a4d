"""Rows of texts and labels become splits: missing labels, empty texts, fractions, notes."""

import json
from collections import Counter

import numpy as np
import pytest
from support import ROWS, collect, load, write_csv

from textclf.config.schema import DatasetConfig, SplitConfig
from textclf.data.matched_rows import match_rows
from textclf.data.overlap import Overlap
from textclf.data.row_reader import RowSource
from textclf.data.rows import split_rows
from textclf.errors import DataError, LimitError, RequestError
from textclf.storage.cache import list_entries


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
    with pytest.raises(
        DataError, match=r"has more than 1,000 labels; choose another column with --label-col"
    ):
        load(write_csv(tmp_path / "a.csv", rows))


@pytest.mark.parametrize(
    ("n_examples", "n_labels", "is_refused"),
    [(20, 10, False), (20, 11, True), (19, 10, False), (60, 30, False), (60, 31, True)],
)
def test_more_labels_than_one_for_two_examples_are_refused(n_examples, n_labels, is_refused):
    rows = [(f"text {i}", f"class {i % n_labels}") for i in range(n_examples)]
    official = {"train": rows, "dev": [], "test": []}  # So that only labels are counted.
    with pytest.raises(DataError) as info:
        split_rows(official, CONFIG)
    many = "a label needs several examples; choose another column with --label-column"
    assert str(info.value).endswith(many) == is_refused


def test_labels_that_are_numbers_are_sorted_as_numbers(tmp_path):
    rows = [(f"text {i}", ("01", "1", "10", "2")[i % 4]) for i in range(40)]
    dataset = load(write_csv(tmp_path / "a.csv", rows))
    assert dataset.label_names == ("01", "1", "2", "10")
    assert collect(dataset) == sorted(rows)
    lines = [json.dumps({"text": f"t{i}", "label": (True, 3, 2.5)[i % 3]}) for i in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert load(tmp_path / "a.jsonl").label_names == ("2.5", "3", "true")
    rows = [(f"text {i}", ("10.0", "2.5", "-1")[i % 3]) for i in range(30)]
    assert load(write_csv(tmp_path / "b.csv", rows)).label_names == ("-1", "2.5", "10")


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
        (np.array([0.5, 2.0, 0.5]), ("0.5", "2")),
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
        ([("text", None)], "mine.py: none of its 1 examples has a label; check the column"),
        ([("text", " ")], "mine.py: none of its 1 examples has a label; check the column"),
        ([("text", ["a", "b"])], "mine.py example 1: several labels, ['a', 'b']; textclf expects"),
        ([("text", {1})], "mine.py example 1: the label is {1}, not a string or number"),
        ([*ROWS, ("text", float("nan"))], "mine.py: no label in 1 of 21 examples (example 21); "),
        ([("\ud800", "a")], "mine.py example 1: a lone surrogate is not valid text"),
        ([], "mine.py has no rows; at least two labels are needed"),
        (ROWS[:1], "mine.py has only one label, 'good'; at least two labels are needed"),
        (
            ROWS[:2],
            "mine.py: 2 examples with 2 labels leave the validation split empty; add examples",
        ),
        (ROWS[:4], "mine.py: 4 examples with 2 labels leave the test split empty; add"),
        (
            {"train": ROWS, "tset": ROWS},
            "/a/mine.py: unknown split 'tset': did you mean 'test'? Choose from dev, test, testing",
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


def write_labels(path, labels, **options):
    """Write a file of different texts with labels, each of them ten times."""
    rows = [(f"text {i}", label) for i, label in enumerate(labels * 10)]
    return write_csv(path, rows, **options)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["sea", " sea", "sea ", "\u00a0sea", "se\u200ba", "\ufeffsea", "bake"], ("bake", "sea")),
        (["new york", "new  york", "new\u00a0york", "x"], ("new york", "x")),
        (["café", "cafe\u0301", "x"], ("café", "x")),
        (["1", "1.0", "1.", "0", "0.0"], ("0", "1")),
        (["1", "1.0", "x"], ("1", "1.0", "x")),
        (["None", "some"], ("None", "some")),
        (["a\u200db", "ab"], ("ab", "a\u200db")),
    ],
)
def test_labels_that_are_certainly_equal_are_one(tmp_path, labels, names):
    dataset = load(write_labels(tmp_path / "a.csv", labels))
    assert dataset.label_names == names
    assert sum(map(len, dataset.splits.values())) == len(labels) * 10


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (["Spam", "spam", "ham"], "labels that differ only in spelling: 'Spam' and 'spam'"),
        (["None", "some"], "labels that may stand for a missing label: 'None'"),
        (["2020-01-02", "x"], "labels that look like dates: '2020-01-02'"),
        (["a/b", "a", "b"], "labels that may be several labels in one cell: 'a/b'"),
    ],
)
def test_labels_that_may_be_equal_are_said(cli, tmp_path, labels, note):
    path = write_labels(tmp_path / "a.csv", labels)
    assert note in load(path).notes
    assert f"note: {note}" in cli("datasets", path).out.splitlines()


def test_labels_with_decimal_commas_are_read(tmp_path):
    names = ("1", "1,5", "2", "2,5", "5")
    assert load(write_labels(tmp_path / "a.csv", list(names))).label_names == names


@pytest.mark.parametrize("label", ["sea,bake", "sea; bake", "['sea', 'bake']"])
def test_several_labels_in_one_cell_are_refused(tmp_path, label):
    path = write_labels(tmp_path / "a.csv", ["sea", "bake", label])
    with pytest.raises(DataError, match=r"a\.csv: .* contains several labels; textclf expe"):
        load(path)


def test_missing_labels_are_refused_with_their_number_and_first_lines(tmp_path):
    labels = ["a", "b", "", "NaN", "null", "a", " "]
    path = write_csv(tmp_path / "a.csv", [(f"text {i}", n) for i, n in enumerate(labels * 3)])
    lines = [i + 2 for i, label in enumerate(labels * 3) if label not in {"a", "b"}]
    shown = ", ".join(f"line {line}" for line in lines[:5])
    with pytest.raises(DataError) as info:
        load(path)
    assert str(info.value) == (
        f"{path}: no label in 12 of 21 examples ({shown}, ...); add the labels, or leave these"
        " examples out with --set dataset.missing_labels=drop"
    )


@pytest.mark.parametrize("missing", ["refuse", "drop"])
def test_split_without_any_label_is_refused(tmp_path, missing):
    write_csv(tmp_path / "train.csv")
    path = write_csv(tmp_path / "test.csv", [(f"test {i}", "") for i in range(6)])
    with pytest.raises(DataError) as info:
        load(tmp_path, missing_labels=missing)
    assert str(info.value) == (
        f"{path}: none of its 6 examples has a label; check the column of the label"
    )


def test_missing_labels_may_be_left_out(tmp_path):
    rows = [*ROWS[:5], ("unlabeled", ""), *ROWS[5:], ("another\ntext", "NaN")]
    dataset = load(write_csv(tmp_path / "a.csv", rows), missing_labels="drop")
    assert collect(dataset) == sorted(ROWS)
    # Positions in the file, also of examples after those that are left out.
    found = {
        text: index
        for split in dataset.splits.values()
        for text, index in zip(split.texts, split.index.tolist(), strict=True)
    }
    assert found == {text: i + (i >= 5) for i, (text, _) in enumerate(ROWS)}
    note = "no label in 2 of 22 examples (line 7, line 23), which are left out"
    assert note in dataset.notes


def test_notes_of_all_splits_are_said_once(tmp_path):
    for part, rows in (("train", ROWS), ("test", [*ROWS[:4], ("", "good")])):
        write_csv(tmp_path / f"{part}.csv", rows)
    assert load(tmp_path).notes == (
        "text from 'text', label from 'label'; delimiter ','; encoding utf-8",
        "test: empty texts: 1 of 5",
        "splits of the training split: train 80%, validation 20%",
    )


@pytest.mark.parametrize("empty", ["", "  ", "\u200b", "\u00a0\n", "NaN", " null ", "\\N"])
def test_empty_texts_are_counted(tmp_path, empty):
    rows = [*ROWS, *[(empty, "good")] * 3]
    assert "empty texts: 3 of 23" in load(write_csv(tmp_path / "a.csv", rows)).notes
    path = write_csv(tmp_path / "b.csv", [*ROWS, *[(empty, "good")] * 20])
    assert "empty texts: 20 of 40" in load(path).notes
    path = write_csv(tmp_path / "c.csv", [*ROWS, *[(empty, "good")] * 21])
    with pytest.raises(DataError, match=r"c\.csv: 21 of 41 texts are empty; check the column of"):
        load(path)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("schÃ¶n", "Ã¶"),
        ("Ã\x9cber", "\x9c"),
        ("donâ€™t and â€œquotedâ€\x9d", "â€"),
        ("5Â\xa0km", "Â\xa0"),
        ("don\x92t", "\x92"),
    ],
)
def test_texts_in_another_encoding_are_counted(tmp_path, text, shown):
    rows = [*ROWS, *[(f"{text} {i}", "good") for i in range(3)]]
    note = f"texts with {shown!r}, as if in another encoding: 3 of 23"
    assert note in load(write_csv(tmp_path / "a.csv", rows)).notes


@pytest.mark.parametrize(
    "text",
    [
        "schön über naïve CAFÉ Ærø",
        "São João, Ângela, AÇÃO, MÃE e NÃO",
        "don\u2019t “quoted” — 5 € 20 °C",
        "Â a 5\xa0km",
        "next\x85line",
        "кот מים 中文 😀",
    ],
)
def test_accented_texts_are_not_in_another_encoding(tmp_path, text):
    rows = [*ROWS, (text, "good")]
    assert "encoding:" not in " ".join(load(write_csv(tmp_path / "a.csv", rows)).notes)


def make_rows(n, *, frequent=(), labels=("sea", "bake")):
    """Return different texts of alternating labels, and frequent ones."""
    rows = [(f"text {i}", labels[i % len(labels)]) for i in range(n)]
    return rows + [(text, label) for text, label, count in frequent for _ in range(count)]


@pytest.mark.parametrize(
    "frequent",
    [
        [("n/a", "sea", 250)],
        [("", "sea", 170)],
        [("n/a", "sea", 100), ("n/a", "bake", 100)],
        [(f"frequent {i}", "sea", 30) for i in range(10)],
        [(f"twice {i}", "bake", 2) for i in range(200)],
    ],
)
@pytest.mark.parametrize("fractions", [(0.2, 0.2), (0.1, 0.3)])
def test_frequent_texts_do_not_change_the_size_of_splits(frequent, fractions):
    config = SplitConfig(
        name="mine.py", validation_fraction=fractions[0], test_fraction=fractions[1]
    )
    rows = make_rows(1_000, frequent=frequent)
    dataset = split_rows(rows, config)
    assert not Overlap.of(dataset).leaked.any()
    asked = (1 - sum(fractions), *fractions)
    for split, fraction in zip(dataset.splits.values(), asked, strict=True):
        assert len(split) / len(rows) == pytest.approx(fraction, rel=0.1)
    for split in (dataset.validation, dataset.test):  # And their labels are those of the whole.
        expected = sum(label == "sea" for _, label in rows) / len(rows)
        n_sea = np.count_nonzero(split.labels == dataset.label_names.index("sea"))
        if all(count < 100 for _, _, count in frequent):
            assert n_sea / len(split) == pytest.approx(expected, rel=0.1)
    assert "asked for" not in dataset.notes[-1]


def test_splits_of_another_size_are_said_with_the_most_frequent_text():
    rows = make_rows(20, frequent=[("n/a  or\nnone", "sea", 80)])
    assert split_rows(rows, CONFIG).notes == (
        "splits of the examples: train 86%, validation 7%, test 7%; 60%, 20%, 20% were asked for,"
        " but equal texts stay together, and 'n/a or none' occurs 80 times",
    )


@pytest.mark.parametrize(
    ("rows", "note"),
    [
        (ROWS, "splits of the examples: train 60%, validation 20%, test 20%"),
        ({"train": ROWS}, "splits of the training split: train 60%, validation 20%, test 20%"),
        (
            {"train": ROWS, "test": ROWS[:2]},
            "splits of the training split: train 80%, validation 20%",
        ),
        ({"train": ROWS, "dev": ROWS[:2]}, "splits of the training split: train 80%, test 20%"),
        (
            make_rows(14),
            "splits of the examples: train 57%, validation 29%, test 14%; 60%, 20%, 20% were asked"
            " for, but labels have few examples",
        ),
        # The frequent text is not the reason.
        (
            make_rows(12, frequent=[("twice", "sea", 2)]),
            "splits of the examples: train 64%, validation 14%, test 21%; 60%, 20%, 20% were asked"
            " for, but labels have few examples",
        ),
    ],
)
def test_sizes_of_splits_that_are_cut_are_said(rows, note):
    assert split_rows(rows, CONFIG).notes == (note,)


def test_official_splits_are_not_said(tmp_path):
    assert split_rows({"train": ROWS, "dev": ROWS[:2], "test": ROWS[2:4]}, CONFIG).notes == ()


def match(rows, names=("bake", "sea"), *, drop=False):
    """Match rows of a text and a label with label names."""
    read = [(text, label, f"line {i}") for i, (text, label) in enumerate(rows, start=2)]
    return match_rows(RowSource("a.csv", lambda: read), names, drop=drop)


def test_rows_with_labels_of_a_model_are_matched():
    rows = [
        ("one", "film"),
        ("two", "sea"),
        ("three", "photo"),
        ("four", "bake"),
        ("five", "photo"),
    ]
    found = match(rows)
    assert list(found.examples.texts) == ["two", "four"]
    assert found.examples.labels.tolist() == [1, 0]
    assert [found.positions[i] for i in found.examples.index] == ["line 3", "line 5"]
    assert list(found.unknown_labels.items()) == [("photo", 2), ("film", 1)]
    assert found.notes == []


def test_labels_that_look_like_those_of_the_model_are_noted():
    found = match([("one", "Sea"), ("two", "sea")])
    assert found.unknown_labels == {"Sea": 1}
    assert found.notes == ["labels that differ only in spelling: 'sea' and 'Sea'"]


def test_rows_without_a_label_are_refused_or_left_out():
    rows = [("one", ""), ("two", "sea"), ("", "bake")]
    with pytest.raises(DataError, match=r"a\.csv: no label in 1 of 3 examples \(line 2\)"):
        match(rows)
    found = match(rows, drop=True)
    assert found.examples.labels.tolist() == [1, 0]
    assert found.examples.index.tolist() == [1, 2]
    assert found.notes == [
        "no label in 1 of 3 examples (line 2), which are left out",
        "empty texts: 1 of 2",
    ]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([], r"^a\.csv has no rows$"),
        ([("", "sea"), ("", "sea"), ("one", "sea")], r"2 of 3 texts are empty; check the column"),
        (
            [("one", f"class {i}") for i in range(9)],
            r"knows none of its labels, which are 'class 0', .*, 'class 4', \.\.\.; the model's are"
            r" 'bake', 'sea'; check the column",
        ),
        ([("sea", "a long text " * 9)], r"which are '.{37}\.\.\.'; the model's are"),
    ],
)
def test_rows_that_cannot_be_matched_are_refused(rows, problem):
    with pytest.raises(DataError, match=problem):
        match(rows)
