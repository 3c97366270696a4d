import numpy as np
import pytest

import textclf
from textclf.data.loading import load_dataset
from textclf.evaluation.calibration import calibration_error
from textclf.evaluation.metrics import cross_entropy
from textclf.reporting.calibration import plot_calibration, restore_uncalibrated
from textclf.reporting.predictions import LabeledPredictions


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of scikit-learn with a calibration."""
    root = tmp_path_factory.mktemp("runs")
    overrides = {"evaluation.calibration": "temperature-prior"}
    return textclf.train("tfidf-svc", "bbc", overrides=overrides, run_root=root, quiet=True)


@pytest.fixture(scope="module")
def predictions(run):
    return LabeledPredictions.of(run, load_dataset(run.config.dataset))


@pytest.mark.slow
def test_probabilities_before_calibration_are_restored(run, predictions):
    calibration, labels = run.result.calibration, predictions.examples.labels
    before = restore_uncalibrated(predictions, calibration)
    assert calibration.temperature != pytest.approx(1, abs=0.1)
    assert cross_entropy(labels, before) == pytest.approx(calibration.before["loss"], rel=1e-3)
    error = calibration.before["expected_calibration_error"]
    assert calibration_error(labels, before) == pytest.approx(error, rel=1e-3)


def test_plot_has_a_curve_before_and_after(run, predictions):
    (axes,) = plot_calibration(predictions, run.result.calibration).axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["perfectly calibrated", "before calibration", "after calibration"]
    confidences = [points.get_offsets()[:, 0].max() for points in axes.collections]
    assert confidences[1] > confidences[0] + 0.1


def test_plot_of_an_uncalibrated_model_has_one_curve(make_predictions):
    predictions = make_predictions([(0, 0), (0, 1)], [0.75, 0.5])
    (axes,) = plot_calibration(predictions, None).axes
    (points,) = axes.collections
    assert np.asarray(points.get_offsets()) == pytest.approx(np.array([[0.5, 0.0], [0.75, 1.0]]))
