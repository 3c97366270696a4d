"""Labels: what is certainly equal becomes one, what may be is reported, several are refused."""

import datetime

import numpy as np
import pytest

from textclf.data.labels import (
    check_single,
    list_label_notes,
    match_labels,
    read_label,
    sort_labels,
    unify_numbers,
)
from textclf.errors import DataError

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sea", "sea"),
        # White space, also within the label.
        ("  sea\t", "sea"),
        ("\u00a0sea\u2003", "sea"),
        ("deep\u00a0 \n sea", "deep sea"),
        # Invisible characters, except those that belong to words.
        ("\ufeffs\u200be\u2060a", "sea"),
        ("\u200b sea \u200b", "sea"),
        (FAMILY, FAMILY),
        ("نمی\u200cشود", "نمی\u200cشود"),
        # Composed and decomposed characters.
        ("cafe\u0301", "café"),
        ("\u212b", "\u00c5"),
        # What differs only to a reader's eye is kept.
        ("Sea", "Sea"),
        ("1.0", "1.0"),
        ("01", "01"),
        # Numbers and booleans, of Python and NumPy.
        (1, "1"),
        (1.0, "1.0"),
        (2.5, "2.5"),
        (True, "true"),
        (np.int64(3), "3"),
        (np.float32(0.5), "0.5"),
        (np.bool_(False), "false"),
        (np.str_("sea "), "sea"),
        (np.array("sea"), "sea"),
        # A list of one label.
        (["sea "], "sea"),
        ((1,), "1"),
        (np.array([1]), "1"),
        ([["sea"]], "sea"),
        # Missing labels.
        *((missing, None) for missing in ("", " ", "\u200b\u00a0", "nan", "NaN", "NULL", "null")),
        *((missing, None) for missing in ("<NA>", "#N/A", None, float("nan"), np.nan, [], [None])),
        *((missing, None) for missing in ("\\N", "#VALUE!", "#ref!", "#NAME?", "#DIV/0!", "#NUM!")),
        (np.float64("nan"), None),
        # Classes that look like missing labels.
        *((name, name) for name in ("None", "NA", "n/a", "-", "?", "nil", "0")),
    ],
)
def test_label_is_normalized(given, name):
    assert read_label(given, "a.csv line 2") == name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["sea", "bake"], "several labels, ['sea', 'bake']; textclf expects one label per example"),
        ((1, 2), "several labels, (1, 2); textclf expects one label per example: keep one, or"),
        (np.array([1, 0]), "several labels, [1, 0]; textclf expects one label per example"),
        ({"a": 1}, "the label is {'a': 1}, not a string or number"),
        (b"sea", "the label is b'sea', not a string or number"),
        (float("inf"), "the label is inf, not a string or number"),
        (datetime.date(2020, 1, 2), "the label is a date, 2020-01-02; choose another --label-col"),
        (
            datetime.datetime(2020, 1, 2, 3, 4),
            "the label is a date, 2020-01-02 03:04:00; choose another --label-column",
        ),
    ],
)
def test_what_is_not_one_label_is_refused(given, message):
    with pytest.raises(DataError) as info:
        read_label(given, "a.csv line 2")
    assert str(info.value).startswith(f"a.csv line 2: {message}")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["1", "1.0", "0", "0.00"], ["1", "1", "0", "0"]),
        (["-1", "-1.", "+2.0"], ["-1", "-1", "+2"]),
        (["1.0", "2.5"], ["1", "2.5"]),
        (["01", "1", "1.0"], ["01", "1", "1"]),
        (["1e3", "1000.0"], ["1e3", "1000"]),
        (["1", "1.0", "one"], ["1", "1.0", "one"]),
        (["v1.0", "v1"], ["v1.0", "v1"]),
    ],
)
def test_whole_numbers_become_equal_only_if_all_labels_are_numbers(names, expected):
    assert unify_numbers(names) == dict(zip(names, expected, strict=True))


def test_labels_are_sorted_as_numbers_if_all_of_them_are():
    assert sort_labels(["10", "9", "-1", "2.5", "01"]) == ["-1", "01", "2.5", "9", "10"]
    assert sort_labels(["10", "2", "1,5"]) == ["1,5", "2", "10"]
    assert sort_labels(["b", "10", "9"]) == ["10", "9", "b"]


@pytest.mark.parametrize(
    ("names", "several"),
    [
        (["sea", "bake", "sea,bake"], "the cell 'sea,bake' contains several labels"),
        (["sea", "bake", "sea; bake"], "the cell 'sea; bake' contains several labels"),
        (["a", "b", "c", "a|b|c"], "the cell 'a|b|c' contains several labels"),
        (["a", "b", "['a', 'b']"], "the cell \"['a', 'b']\" contains several labels"),
        (['["a", "b"]', '["c"]'], 'the cell \'["a", "b"]\' contains several labels'),
    ],
)
def test_several_labels_in_one_cell_are_refused(names, several):
    with pytest.raises(DataError) as info:
        check_single(names, "a.csv")
    assert str(info.value) == (
        f"a.csv: {several}; textclf expects one label per example: keep one, or rename the label"
    )


@pytest.mark.parametrize(
    "names",
    [
        ["sea", "bake", "sea, wind"],
        ["Portland, Maine", "Portland, Oregon"],
        ["a", "a/b", "b"],
        ["['a']", "['b']"],
        ["sea", "sea bake", "bake"],
        # Decimal commas.
        ["1", "1,5", "2", "2,5", "5"],
        [",", ";"],
    ],
)
def test_labels_with_delimiters_may_be_one_label(names):
    check_single(names, "a.csv")


@pytest.mark.parametrize(
    ("names", "notes"),
    [
        (["sea", "bake"], []),
        (["Spam", "ham", "spam"], ["labels that differ only in spelling: 'Spam' and 'spam'"]),
        (
            ["new york", "New-York", "new_york", "x"],
            ["labels that differ only in spelling: 'new york' and 'New-York' and 'new_york'"],
        ),
        (["ﬁne", "fine"], ["labels that differ only in spelling: 'ﬁne' and 'fine'"]),
        (["а", "a"], ["labels that differ only in spelling: 'а' and 'a'"]),  # noqa: RUF001 - Cyrillic
        (["1", "1.0", "x"], ["labels that differ only in spelling: '1' and '1.0'"]),
        (["01", "1"], ["labels that differ only in spelling: '01' and '1'"]),
        (
            [*"abcd", *"ABCD"],
            [
                "labels that differ only in spelling: 'a' and 'A', 'b' and 'B', 'c' and 'C', ...",
            ],
        ),
        (["None", "some"], ["labels that may stand for a missing label: 'None'"]),
        (
            ["NA", "n/a", "?", "-", "x"],
            ["labels that may stand for a missing label: 'NA', 'n/a', '?', ..."],
        ),
        (
            ["2020-01-02", "3.4.2021", "x"],
            ["labels that look like dates: '2020-01-02', '3.4.2021'"],
        ),
        (["bad", "bad\u200e"], ["labels that differ only in spelling: 'bad' and 'bad\\u200e'"]),
        (
            ["\u2764", "\u2764\ufe0f"],
            ["labels that differ only in spelling: '\u2764' and '\u2764\ufe0f'"],
        ),
        (["R&B", "R&amp;B"], ["labels that differ only in spelling: 'R&B' and 'R&amp;B'"]),
        (
            ["schön", "schÃ¶n", "sch\ufffdn"],
            ["labels as if in another encoding: 'schÃ¶n', 'sch\ufffdn'"],
        ),
        (["2-Jan", "1/2/20"], ["labels that look like dates: '2-Jan', '1/2/20'"]),
        (
            ["sea,wind", "sea,sand", "wind,sand"],
            ["labels that may be several labels in one cell: 'sea,wind', 'sea,sand', 'wind,sand'"],
        ),
        (["a/b", "a", "b"], ["labels that may be several labels in one cell: 'a/b'"]),
        (["Portland, Maine", "Portland, Oregon"], []),
        (["1.5", "2.5", "3"], []),
        (["-1", "0", "1"], []),
        (["-1", "1"], []),
        (["-1", "0,5", "1"], []),
        (["-1", "0", "2"], ["labels that may stand for a missing label: '-1'"]),
        (["-1", "1", "x"], ["labels that may stand for a missing label: '-1'"]),
        (["-", "--"], ["labels that may stand for a missing label: '-', '--'"]),
        ([], []),
    ],
)
def test_labels_that_may_be_mistakes_are_noted(names, notes):
    assert list_label_notes(names) == notes


def test_labels_are_matched_with_those_of_a_model():
    assert match_labels(["sea", "Sea", "bake"], ["bake", "sea"]) == {
        "sea": 1,
        "Sea": None,
        "bake": 0,
    }
    # A library may have names that are not normalized.
    assert match_labels(["caf\u00e9 au lait"], ["tea", "cafe\u0301  au lait"]) == {
        "caf\u00e9 au lait": 1
    }


def test_numbers_are_matched_if_all_labels_of_the_model_are_numbers():
    found = match_labels(["1.0", "1", "2.", "2.5", "x"], ["1", "2"])
    assert found == {"1.0": 0, "1": 0, "2.": 1, "2.5": None, "x": None}
    assert match_labels(["1"], ["0.0", "1.0"]) == {"1": 1}
    assert match_labels(["1.0", "1"], ["1", "good"]) == {"1.0": None, "1": 0}
    assert match_labels(["1.0", "1"], ["1", "1.0"]) == {"1.0": 1, "1": 0}
