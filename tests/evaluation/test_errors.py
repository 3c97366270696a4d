"""The most confident incorrect predictions."""

import numpy as np

from textclf.data.dataset import Split
from textclf.evaluation.errors import IncorrectPrediction, list_errors

NAMES = ["a", "b", "c"]
EXAMPLES = Split(
    [f"text {i}" for i in range(5)], np.array([0, 1, 2, 0, 1]), np.array([10, 11, 12, 13, 14])
)
PROBABILITIES = np.array(
    [
        [0.25, 0.5, 0.25],
        [0.125, 0.75, 0.125],  # Correct.
        [0.875, 0.125, 0.0],
        [0.25, 0.25, 0.5],
        [0.0, 0.0, 1.0],
    ],
    np.float32,
)


def test_errors_are_sorted_by_falling_probability_and_then_by_position():
    errors = list_errors(EXAMPLES, PROBABILITIES, NAMES, 10)
    assert [error.index for error in errors] == [14, 12, 10, 13]
    assert errors[1] == IncorrectPrediction(12, None, "a", 0.875, "c", 0.0, "text 2")
    assert list_errors(EXAMPLES, PROBABILITIES, NAMES, 2) == errors[:2]
    assert list_errors(EXAMPLES, PROBABILITIES, NAMES, 0) == []


def test_position_is_that_of_the_row_in_the_file():
    positions = [f"line {i + 2}" for i in range(15)]
    errors = list_errors(EXAMPLES, PROBABILITIES, NAMES, 2, positions=positions)
    assert [error.position for error in errors] == ["line 16", "line 14"]


def test_correct_predictions_are_not_listed():
    assert list_errors(EXAMPLES.take(np.array([1])), PROBABILITIES[[1]], NAMES, 3) == []
