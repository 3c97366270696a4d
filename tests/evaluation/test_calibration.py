import numpy as np
import pytest
from scipy.special import softmax

from textclf.evaluation.calibration import calibration_bins, calibration_error, fit_scale


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


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_temperature_makes_predictions_calibrated(factor):
    """Labels are drawn from softmax(factor * decisions), so that the best factor is known."""
    rng = np.random.default_rng(5)
    decisions = rng.normal(size=(20_000, 3))
    labels = draw_labels(softmax(factor * decisions, axis=1), rng)
    fitted = fit_scale(decisions, labels)
    assert fitted == pytest.approx(factor, rel=0.1)
    assert calibration_error(labels, softmax(fitted * decisions, axis=1)) < 0.02


def test_temperature_is_finite_and_positive_if_every_prediction_is_correct():
    fitted = fit_scale(np.eye(3), np.arange(3))
    assert np.isfinite(fitted)
    assert fitted > 1
