"""Calibrating a fitted model, from the configuration to the saved model."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import textclf
from textclf.data.dataset import Split, TextDataset
from textclf.experiment.fitted import FittedPipeline, calibrate
from textclf.models._sklearn import SklearnClassifier
from textclf.runs.directory import RunDirectory

PREDICT = """
import sys
import keras
import numpy as np
import textclf.text.classifier

textclf.runtime.backend.start("cpu")
model = keras.models.load_model(sys.argv[1], compile=False)
np.save(sys.argv[2], model.predict_texts(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def run(tensorflow, tmp_path_factory):
    """A calibrated run of ``ngram``, whose layers are those of no other model."""
    root = tmp_path_factory.mktemp("runs")
    return textclf.train("ngram", "bbc", smoke=True, run_root=root, quiet=True)


@pytest.mark.slow
def test_report_has_the_metrics_before_and_after(run):
    result = RunDirectory(run.path).read_result()
    report = result.calibration
    assert report.method == "temperature-prior"
    assert 0 < report.temperature < 1  # Unit rows and small weights give close scores.
    assert 0 <= report.prior_weight < 1
    assert report.n_validation_examples == 64
    metrics = result.evaluation.metrics
    assert report.after == {name: metrics[name] for name in report.after}
    assert set(report.after) == {"loss", "expected_calibration_error"} == set(report.before)
    assert report.before["loss"] != report.after["loss"]
    stored = json.loads((run.path / "evaluation.json").read_text())["calibration"]
    assert stored == vars(report)


@pytest.mark.slow
def test_saved_model_gives_the_stored_probabilities_also_in_a_new_process(run, tmp_path):
    evaluation = textclf.evaluate(run, quiet=True)
    assert evaluation.metrics == run.evaluation.metrics
    texts = ["Shares fell as oil prices rose", "The striker scored twice"]
    moved = shutil.copy(run.path / "model.keras", tmp_path / "moved.keras")
    subprocess.run(
        [sys.executable, "-c", PREDICT, moved, tmp_path / "found.npy", *texts], check=True
    )
    found = np.load(tmp_path / "found.npy")
    assert found.tobytes() == textclf.load_model(run.path).predict_texts(texts).tobytes()


class FakePipeline:
    """Decides by the number in a text; knows the labels 0 and 2 of three."""

    classes_ = np.array([0, 2])

    def decision_function(self, texts):
        return np.array([float(text) for text in texts])


FOUR = (["-9.0", "2.0", "2.0", "2.0", "2.0"] * 400, [1, 2, 2, 2, 0] * 400)
"""Many times four examples, three of them correct, and one with an unknown label."""


def calibrate_pipeline(pipeline, method, validation=FOUR):
    """Return a pipeline that is calibrated by a method, if it is not None."""
    classifier = SklearnClassifier(pipeline, ["a", "b", "c"])
    validation = Split.from_lists(*validation)
    train = Split.from_lists(["2.0"] * 4, [0, 0, 0, 2])
    test = Split.from_lists(["2.0", "-1.0"], [0, 0])
    dataset = TextDataset("own", ("a", "b", "c"), train, validation, test)
    fitted = FittedPipeline(classifier, dataset, 1.0)
    return fitted.predict_test(calibrate(method, fitted, dataset) if method else None)


def test_examples_with_unknown_labels_do_not_matter():
    fitted = calibrate_pipeline(FakePipeline(), "temperature")
    # The best probability of three in four.
    assert fitted.probabilities[0] == pytest.approx([0.25, 0, 0.75], abs=1e-3)
    assert fitted.uncalibrated[0] == pytest.approx([1 / (1 + np.e**2), 0, 1 / (1 + np.e**-2)])
    again = fitted.classifier.predict_texts(["2.0", "-1.0"])
    assert again.tobytes() == fitted.probabilities.tobytes()


def test_prior_is_that_of_the_training_split():
    # As many are correct at 2 as at 20, which a temperature alone cannot fit.
    validation = (["2.0"] * 2_000 + ["20.0"] * 2_000, [2, 2, 2, 2, 0] * 800)
    fitted = calibrate_pipeline(FakePipeline(), "temperature-prior", validation)
    assert fitted.calibration.prior == (0.75, 0.0, 0.25)
    # 1 - e + 0.25 e = 0.8, at both.
    assert fitted.calibration.prior_weight == pytest.approx(0.2 / 0.75, abs=5e-3)
    assert fitted.probabilities[0] == pytest.approx([0.2, 0, 0.8], abs=5e-3)


def test_decisions_without_calibration_are_softmaxed():
    fitted = calibrate_pipeline(FakePipeline(), None)
    assert (fitted.calibration, fitted.uncalibrated) == (None, None)
    assert fitted.probabilities[0] == pytest.approx([1 / (1 + np.e**2), 0, 1 / (1 + np.e**-2)])


def test_probabilities_of_a_pipeline_are_calibrated_if_asked_for():
    pipeline = FakePipeline()
    pipeline.predict_proba = lambda texts: np.array([[0.1, 0.9]] * len(texts))
    expected = np.array([[0.1, 0, 0.9]] * 2, np.float32)
    assert np.array_equal(calibrate_pipeline(pipeline, None).probabilities, expected)
    fitted = calibrate_pipeline(pipeline, "temperature")
    assert fitted.probabilities[0] == pytest.approx([0.25, 0, 0.75], abs=1e-3)
    assert fitted.uncalibrated == pytest.approx(expected, abs=1e-6)
