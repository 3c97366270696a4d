import numpy as np
import pytest

from textclf.evaluation.metrics import evaluate
from textclf.reporting.mistakes import WeakLabel, grade_cells, list_confusions, list_weakest


@pytest.fixture
def evaluation():
    """The evaluation of three labels and one that does not occur."""
    matrix = np.array([[12, 3, 1, 0], [5, 11, 0, 0], [0, 1, 4, 0], [0, 0, 0, 0]])
    true, predicted = (np.repeat(side.ravel(), matrix.ravel()) for side in np.indices((4, 4)))
    return evaluate(true, np.eye(4)[predicted], ("a", "b", "c", "d"), majority_label=0)


def test_frequent_confusions_come_first(evaluation):
    rows = [tuple(row.values()) for row in list_confusions(evaluation)]
    assert rows == [(1, 0, 5, 5 / 16), (0, 1, 3, 3 / 16), (0, 2, 1, 1 / 16), (2, 1, 1, 1 / 5)]


def test_weak_labels_have_examples(evaluation):
    assert list_weakest(evaluation) == [
        WeakLabel(1, 0, is_small=False),
        WeakLabel(0, 1, is_small=False),
        WeakLabel(2, 1, is_small=True),
    ]


def test_a_label_without_mistakes_is_not_confused():
    labels = np.array([0, 1])
    perfect = evaluate(labels, np.eye(2), ("a", "b"), majority_label=0)
    assert [weak.confused_with for weak in list_weakest(perfect)] == [None, None]
    assert list_confusions(perfect) == []


def test_cells_are_graded_by_the_fraction_of_their_row():
    grades = grade_cells([[10, 0], [1, 3], [0, 0]])
    assert grades == [["h9", "h0"], ["h2", "h7"], ["h0", "h0"]]
