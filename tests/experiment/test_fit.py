"""Fitting the model of a configuration: on several devices, and calibrated baseline models."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.data.dataset import Split
from textclf.errors import RequestError
from textclf.experiment.fit import _calibrate, _check_mirrored
from textclf.models._build import BuiltModel
from textclf.models._sklearn import SklearnClassifier
from textclf.runs.directory import RunDirectory

TWO_DEVICES = """
import json, sys
import tensorflow as tf

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from textclf.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
"""
"""Two logical processors act as two GPUs."""

ARGUMENTS = ["--dataset", "bbc", "--set", "text.num_words=500", "--set", "training.epochs=2"]
ARGUMENTS += ["--set", "model.embedding_dim=8", "--set", "training.batch_size=16"]


def read_history(root, model):
    [run] = RunDirectory.list_below(root / "bbc" / model)
    with (run.path / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: float(row[key]) for key in row if key != "seconds"} for row in rows]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_two_devices_give_the_results_of_one(cli, tmp_path):
    even = ["train", *ARGUMENTS, "--model", "lstm", "--set", "dataset.limit=64"]
    even += ["--set", "training.schedule=cosine", "--set", "training.class_weight=balanced"]
    even += ["--set", "training.restore_best_weights=true", "--run-root", "one"]
    # A second model in the same process; one of 65 texts is left out of each epoch.
    odd = ["train", *ARGUMENTS, "--model", "cnn", "--set", "dataset.limit=65"]
    odd += ["--run-root", "one"]
    commands = [
        [*command[:-1], "two", "--set", "training.strategy=mirrored"] for command in (even, odd)
    ]
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, json.dumps(commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("each batch is split over 2 devices") == 2
    assert cli(*even).code == 0
    histories = [read_history(tmp_path / name, "lstm") for name in ("one", "two")]
    for one, two in zip(*histories, strict=True):
        assert one == pytest.approx(two, abs=1e-5)
    [run] = RunDirectory.list_below(tmp_path / "two" / "bbc" / "cnn")
    assert run.find_damage() == []
    assert run.read_meta()["n_devices"] == 2
    assert cli("evaluate", str(run.path)).code == 0  # It needs no second device.


@pytest.mark.parametrize(
    ("batch_size", "n_examples", "takes", "n_devices", "problem"),
    [
        (16, 1336, "token_ids", 1, "there is only one device; leave it out, or, with --executor"),
        (
            *(15, 1336, "token_ids", 2),
            "training.batch_size 15 with 1,336 training examples cannot be split evenly over 2",
        ),
        (
            *(16, 1, "token_ids", 2),
            "training.batch_size 16 with 1 training examples cannot be split evenly over 2",
        ),
        (16, 1336, "text", 2, "mlp takes raw text, which stays on one device"),
    ],
)
def test_what_cannot_be_split_over_devices_is_refused(
    batch_size, n_examples, takes, n_devices, problem
):
    training = {"strategy": "mirrored", "batch_size": batch_size}
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, "training": training})
    model = BuiltModel(takes, encoder=None, network=None)
    with pytest.raises(RequestError, match=f"^training.strategy mirrored: {problem}"):
        _check_mirrored(config, model, n_devices, n_examples=n_examples)


def test_one_run_on_many_machines_is_refused(cli):
    result = cli(
        *("train", *ARGUMENTS, "--model", "mlp"),
        *("--set", "training.strategy=MultiWorkerMirrored"),
    )
    assert result.code == 2
    assert "training.strategy: should be mirrored (Keras 3 fails with" in result.error_line


class FakePipeline:
    """Decides by the number in a text; knows the labels 0 and 2 of three."""

    classes_ = np.array([0, 2])

    def decision_function(self, texts):
        return np.array([float(text) for text in texts])


def test_calibration_uses_validation_examples_with_known_labels_only():
    classifier = SklearnClassifier(FakePipeline(), ["a", "b", "c"])
    # Three of four decisions are correct, so that the best probability is 3/4.
    texts, labels = ["2.0", "2.0", "2.0", "2.0"], [2, 2, 2, 0]
    _calibrate(classifier, Split.from_lists(["-9.0", *texts], [1, *labels]))
    assert classifier.predict_texts(["2.0"])[0] == pytest.approx([0.25, 0, 0.75], abs=1e-3)


def test_probabilities_of_a_model_are_not_calibrated():
    pipeline = FakePipeline()
    pipeline.predict_proba = lambda texts: np.array([[0.25, 0.75]] * len(texts))
    classifier = SklearnClassifier(pipeline, ["a", "b", "c"])
    _calibrate(classifier, Split.from_lists(["2.0"], [0]))
    assert classifier.scale == 1
