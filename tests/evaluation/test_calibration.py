import numpy as np
import pytest

from textclf.evaluation.calibration import calibration_bins, calibration_error


def draw_labels(probabilities, rng):
    return np.array([rng.choice(len(row), p=row) for row in probabilities])


def test_bins_of_a_known_case():
    probabilities = np.array([[0.95, 0.05]] * 4 + [[0.45, 0.55]] * 4)
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 0])
    bins = calibration_bins(labels, probabilities)
    assert bins.confidence == pytest.approx([0.55, 0.95])
    assert list(bins.accuracy) == [0.5, 0.75]
    assert list(bins.count) == [4, 4]
    expected = (4 * 0.05 + 4 * 0.20) / 8
    assert calibration_error(labels, probabilities) == pytest.approx(expected)


def test_certain_predictions_are_in_the_last_bin():
    bins = calibration_bins(np.array([0, 1]), np.array([[1.0, 0.0], [0.96, 0.04]]))
    assert bins.confidence == pytest.approx([0.98])
    assert (list(bins.accuracy), list(bins.count)) == ([0.5], [2])


def test_error_of_calibrated_predictions_is_small():
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet([1, 1, 1, 0.3], size=20_000)
    assert calibration_error(draw_labels(probabilities, rng), probabilities) < 0.015
