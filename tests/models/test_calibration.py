"""Calibrated probabilities in NumPy, in a network, and in model files."""

import keras
import numpy as np
import pytest

from textclf.models._calibration import (
    Calibration,
    append_calibration,
    make_calibration_network,
    take_logarithm,
)
from textclf.text.classifier import predict

pytestmark = pytest.mark.usefixtures("tensorflow")

CALIBRATIONS = [
    Calibration(0.3, 0.25, (0.5, 0.5, 0.0)),
    Calibration(7.0, 0.0, (0.2, 0.3, 0.5)),
    Calibration.without_prior(1.7),
]


def draw_probabilities(n):
    rows = np.random.default_rng(1).dirichlet([0.1, 0.1, 0.1], size=n).astype(np.float32)
    return np.concatenate([rows, np.eye(3, dtype=np.float32)])


def test_scores_become_probabilities_by_the_formula():
    found = Calibration(2.0, 0.1, (0.7, 0.3)).apply(np.log([[0.2, 0.8]]))
    scaled = np.array([0.04, 0.64]) / 0.68
    assert found[0] == pytest.approx(0.9 * scaled + 0.1 * np.array([0.7, 0.3]))


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_a_calibration_is_undone(calibration):
    probabilities = np.random.default_rng(2).dirichlet([2, 2, 2], size=50)
    applied = calibration.apply(take_logarithm(probabilities)).astype(np.float32)
    assert calibration.undo(applied) == pytest.approx(probabilities, abs=1e-4)


def test_a_calibration_without_prior_keeps_probabilities():
    probabilities = draw_probabilities(50)
    found = Calibration.without_prior().apply(take_logarithm(probabilities))
    assert found == pytest.approx(probabilities, abs=1e-7)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_layer_gives_the_probabilities_of_numpy(calibration):
    probabilities = draw_probabilities(600)
    network = make_calibration_network(calibration, n_labels=3)
    assert network.count_params() == 0
    expected = calibration.apply(take_logarithm(probabilities))
    assert predict(network, probabilities) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_calibrated_network_gives_the_bits_of_its_calibrated_probabilities(calibration):
    keras.utils.set_random_seed(1)
    inputs = keras.Input((4,))
    outputs = keras.layers.Dense(3, activation="softmax")(inputs)
    network = keras.Model(inputs, outputs, name="network")
    # Not a multiple of the batch.
    rows = np.random.default_rng(0).normal(size=(1_001, 4)).astype(np.float32)
    calibrated = append_calibration(network, calibration)
    assert calibrated.name == "network"
    after = predict(make_calibration_network(calibration, n_labels=3), predict(network, rows))
    assert after.tobytes() == predict(calibrated, rows).tobytes()
    assert np.abs(after - predict(network, rows)).max() > 0.01
