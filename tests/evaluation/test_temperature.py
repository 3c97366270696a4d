"""Fitting a calibration on validation examples."""

import numpy as np
import pytest
from scipy.special import softmax

from textclf.evaluation.calibration import calibration_error
from textclf.evaluation.metrics import cross_entropy
from textclf.evaluation.temperature import fit_calibration
from textclf.models._calibration import Calibration, take_logarithm

PRIOR = np.array([0.7, 0.2, 0.1])


def draw_labels(probabilities, rng):
    return np.array([rng.choice(len(row), p=row) for row in probabilities])


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_temperature_makes_predictions_calibrated(factor):
    """Labels are drawn from softmax(factor * scores), so that the best factor is known."""
    rng = np.random.default_rng(5)
    scores = rng.normal(size=(20_000, 3))
    labels = draw_labels(softmax(factor * scores, axis=1), rng)
    fitted = fit_calibration(scores, labels)
    assert fitted.inverse_temperature == pytest.approx(factor, rel=0.1)
    assert fitted.temperature == 1 / fitted.inverse_temperature
    assert fitted.prior_weight == 0
    assert calibration_error(labels, fitted.apply(scores)) < 0.02


@pytest.mark.parametrize(("factor", "weight"), [(2.0, 0.2), (0.5, 0.1), (3.0, 0.0)])
def test_temperature_and_weight_of_the_prior_are_recovered(factor, weight):
    rng = np.random.default_rng(5)
    scores = 3 * rng.normal(size=(20_000, 3))
    labels = draw_labels(Calibration(factor, weight, tuple(PRIOR)).apply(scores), rng)
    fitted = fit_calibration(scores, labels, PRIOR)
    assert fitted.inverse_temperature == pytest.approx(factor, rel=0.1)
    assert fitted.prior_weight == pytest.approx(weight, abs=0.03)
    if weight:
        assert fitted.prior == (0.7, 0.2, 0.1)


UNUSUAL = {
    "every prediction is correct": (np.eye(3), np.arange(3)),
    "every prediction is incorrect": (np.eye(3), np.array([1, 2, 0])),
    "one example": (np.array([[0.2, 0.5, 0.3]]), np.array([0])),
    "labels that do not occur": (np.full((4, 3), 1 / 3), np.zeros(4, np.int64)),
    "probability zero": (np.eye(3), np.array([0, 1, 1])),
    "no example": (np.empty((0, 3)), np.empty(0, np.int64)),
}


@pytest.mark.parametrize("prior", [None, PRIOR], ids=["temperature", "temperature-prior"])
@pytest.mark.parametrize(("probabilities", "labels"), UNUSUAL.values(), ids=UNUSUAL)
def test_calibration_is_finite_and_never_worse_than_none(probabilities, labels, prior):
    scores = take_logarithm(probabilities)
    assert np.isfinite(scores).all()
    fitted = fit_calibration(scores, labels, prior)
    assert 0.006 < fitted.inverse_temperature < 150
    assert 0 <= fitted.prior_weight < 1
    calibrated = fitted.apply(scores)
    assert calibrated.sum(axis=1) == pytest.approx(np.ones(len(labels)))
    if len(labels):
        assert cross_entropy(labels, calibrated) <= cross_entropy(labels, probabilities)


def test_calibrated_probabilities_are_kept_if_nothing_is_better():
    """The only label that the model does not know is the only one that occurs."""
    scores = np.array([[-np.inf, 0.0, 1.0]] * 5)
    fitted = fit_calibration(scores, np.zeros(5, np.int64), np.array([0.0, 0.5, 0.5]))
    assert fitted == Calibration.without_prior()
    assert fitted.apply(scores)[0] == pytest.approx(softmax([-np.inf, 0, 1]))


def test_few_correct_predictions_do_not_make_probabilities_certain():
    labels = np.arange(40) % 2
    scores = np.where(labels[:, None] == np.arange(2), 1.0, -1.0)
    calibration = fit_calibration(scores, labels)
    # Without the prior distribution, the inverse temperature would be at its bound, exp(5).
    assert 1 < calibration.inverse_temperature < 5
    many = np.tile(labels, 1_000)
    assert fit_calibration(np.tile(scores, (1_000, 1)), many).inverse_temperature > 5


def test_the_prior_of_a_weak_model_has_at_most_half_the_weight():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    prior = np.bincount(labels) / 300
    calibration = fit_calibration(rng.normal(size=(300, 3)), labels, prior)
    assert calibration.prior_weight <= 0.5


def test_examples_of_one_label_change_nothing():
    calibration = fit_calibration(np.eye(2)[[0, 0, 1]], np.zeros(3, int), np.full(2, 0.5))
    assert (calibration.inverse_temperature, calibration.prior_weight) == (1, 0)
