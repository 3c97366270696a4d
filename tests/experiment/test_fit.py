"""Fitting the model of a configuration: on several devices, twice, and in two stages."""

import csv
import json
import math
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.errors import PrunedError, RequestError, RunError
from textclf.experiment import evaluate
from textclf.experiment.fit import _check_mirrored
from textclf.experiment.fitted import FittedNetwork, FittedPipeline
from textclf.experiment.run import RunContext, run_experiment
from textclf.models._build import BuiltModel
from textclf.runs import directory
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter
from textclf.training.callbacks import Prune
from textclf.training.history import History, PruningRule

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


WORDS = {"train": "apple pear", "validation": "plum saw", "test": "fig nail"}
"""Each split has words of its own, and shares others with all splits."""


def make_own_dataset():
    splits = {
        name: Split.from_lists([f"{words} red{i % 2} {i}" for i in range(12)], [0, 1] * 6)
        for name, words in WORDS.items()
    }
    return TextDataset("own", ("a", "b"), **splits)


@pytest.fixture
def fit_twice(tmp_path, tensorflow):
    """Return a function that runs a small model with ``training.refit`` in a run directory."""

    def run(name, model="cnn", training=(), **sections):
        tree = {"dataset": {"name": "bbc"}, "model": {"name": model}, **sections}
        tree["training"] = {"refit": True, "epochs": 3, "batch_size": 4, **dict(training)}
        if model == "cnn":
            tree["model"] |= {"embedding_dim": 4, "filters": 4, "units": 4}
            tree["text"] = {"num_words": 40, "sequence_length": 6}
        found = RunDirectory(tmp_path / name)
        context = RunContext(Reporter(quiet=True), "cpu", load=lambda config: make_own_dataset())
        run_experiment(resolve(tree), found, context)
        return found

    return run


def list_outcome(run):
    """Return everything that a run produced, without measured times."""
    content = json.loads((run.path / "evaluation.json").read_text())
    measured = dict.fromkeys(["train_seconds", "examples_per_second"])
    history = [{**vars(row), "seconds": None} for row in run.read_history()]
    with zipfile.ZipFile(run.path / "model.keras") as archive:
        weights = archive.read("model.weights.h5")
    return {**content, **measured}, history, weights, run.read_predictions().probabilities.tobytes()


OPTIONS = {
    "training": {"restore_best_weights": True, "schedule": "cosine"},
    "evaluation": {"calibration": "temperature"},
}


@pytest.mark.slow
@pytest.mark.parametrize("n_written", [pytest.param(2, marks=pytest.mark.slow), 4])
def test_a_run_that_is_interrupted_in_either_fit_ends_in_the_same_bytes(
    fit_twice, monkeypatch, n_written
):
    monkeypatch.setattr(History, "best_epoch", 2)
    expected, n_left = fit_twice("expected", **OPTIONS), n_written
    assert [fit.n_epochs for fit in expected.read_result().fits] == [3, 2]

    def interrupt(write):
        def write_and_interrupt(self, checkpoint):
            nonlocal n_left
            write(self, checkpoint)
            n_left -= 1
            if not n_left:
                raise KeyboardInterrupt

        return write_and_interrupt

    with monkeypatch.context() as patch:
        for store in (RunDirectory, directory._RefitStore):
            patch.setattr(store, "write_checkpoint", interrupt(store.write_checkpoint))
        with pytest.raises(KeyboardInterrupt):
            fit_twice("run", **OPTIONS)
    interrupted = RunDirectory(expected.path.with_name("run"))
    assert len(interrupted.read_checkpoint().rows) == min(n_written, 3)
    assert (interrupted.refit_store.read_checkpoint() is not None) == (n_written > 3)
    resumed = fit_twice("run", **OPTIONS)
    assert list_outcome(resumed) == list_outcome(expected)
    assert resumed.find_damage() == []
    assert not [path.name for path in resumed.path.iterdir() if "checkpoint" in path.name]


@pytest.mark.slow
def test_second_fit_uses_training_and_validation_texts_for_as_many_epochs(fit_twice):
    run = fit_twice("all")
    result = run.read_result()
    assert [vars(fit) for fit in result.fits] == [
        {"splits": ("train",), "n_examples": 12, "n_epochs": 3},
        {"splits": ("train", "validation"), "n_examples": 24, "n_epochs": 3},
    ]
    assert (result.n_epochs, len(run.read_history())) == (3, 3)
    seconds = sum(row.seconds for row in run.read_history())
    assert result.train_seconds > seconds
    assert result.examples_per_second == pytest.approx((3 * 12 + 3 * 24) / result.train_seconds)
    vocabulary = set(run.read_model().encoder.vocabulary)
    assert vocabulary >= {"apple", "pear", "plum", "saw"}
    assert not vocabulary & {"fig", "nail"}


@pytest.mark.slow
def test_second_fit_of_a_pipeline_keeps_the_calibration_of_the_first(fit_twice):
    twice = fit_twice("twice", "tfidf-svc")
    once = fit_twice("once", "tfidf-svc", training={"refit": False})
    assert [fit.n_epochs for fit in twice.read_result().fits] == [None, None]
    assert once.read_result().fits is None
    models = [run.read_model() for run in (twice, once)]
    assert models[0].calibration == models[1].calibration is not None
    words = [set(model.pipeline[0].vocabulary_) for model in models]
    assert words[0] - words[1] >= {"plum", "saw"}
    assert "fig" not in words[0]


def test_an_evaluation_on_examples_of_the_second_fit_says_so(fit_twice, capsys, monkeypatch):
    run = fit_twice("run", "majority")
    monkeypatch.setattr(evaluate, "load_dataset", lambda config: make_own_dataset())
    note = "note: the model was fitted on these examples too, because of training.refit"
    for split in ("validation", "test"):
        evaluate.evaluate_run(run, split, evaluate.EvaluationContext(Reporter()))
        assert (note in capsys.readouterr().err) == (split == "validation")


@pytest.fixture
def stages(tmp_path, tensorflow, monkeypatch):
    """Return a function that runs a small model, only to its validation if asked to."""

    def run(name, model="cnn", *, training=(), **context):
        tree = {"dataset": {"name": "bbc"}, "model": {"name": model}}
        tree["training"] = {"epochs": 3, "batch_size": 4, **dict(training)}
        tree["evaluation"] = {"calibration": "temperature"}
        if model == "cnn":
            tree["model"] |= {"embedding_dim": 4, "filters": 4, "units": 4}
            tree["text"] = {"num_words": 40, "sequence_length": 6}
        found = RunDirectory(tmp_path / name)
        context = {"load": lambda config: make_own_dataset(), **context}
        result = run_experiment(
            resolve(tree), found, RunContext(Reporter(quiet=True), "cpu", **context)
        )
        return found, result

    return run


def refuse(*arguments, **options):
    raise AssertionError("a trial must not do this")


TWO_STAGES = [
    pytest.param("cnn", {"restore_best_weights": True, "schedule": "cosine"}, id="cnn"),
    pytest.param("cnn", {"refit": True}, id="refit"),
    pytest.param("tfidf-svc", {}, id="tfidf-svc"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "training"), TWO_STAGES)
def test_a_validated_run_gets_only_the_test_evaluation(stages, monkeypatch, model, training):
    expected, _ = stages("expected", model, training=training)
    with monkeypatch.context() as patch:
        for kind in (FittedNetwork, FittedPipeline):
            patch.setattr(kind, "predict_test", refuse)
        run, validation = stages("run", model, training=training, validate_only=True)
    assert (run.is_validated, run.is_finished) == (True, False)
    assert (validation.split, validation.evaluation.n_examples) == ("validation", 12)
    assert run.read_meta()["test_evaluations"] == 0
    again, same = stages("run", model, training=training, validate_only=True, load=refuse)
    assert same == validation == again.read_validation()

    with monkeypatch.context() as patch:  # Nothing is fitted on the training split again.
        if not training.get("refit"):
            patch.setattr("keras.Model.fit", refuse)
            patch.setattr("textclf.experiment.fit.fit_model", refuse)
        finished, result = stages("run", model, training=training)
    assert result.split == "test"
    assert finished.read_meta()["test_evaluations"] == 1
    assert finished.find_damage() == []
    predictions = [(found.path / "predictions.npz").read_bytes() for found in (finished, expected)]
    assert predictions[0] == predictions[1]
    metrics = [found.read_validation().evaluation.metrics for found in (finished, expected)]
    assert metrics[0] == metrics[1]
    assert not [path.name for path in finished.path.iterdir() if "checkpoint" in path.name]


@pytest.mark.slow
def test_a_model_of_the_second_fit_does_not_replace_that_of_the_first(stages, monkeypatch):
    training = {"refit": True}
    expected, _ = stages("expected", "tfidf-svc", training=training)
    stages("run", "tfidf-svc", training=training, validate_only=True)
    with monkeypatch.context() as patch:
        patch.setattr(RunDirectory, "finish", interrupt)  # After model.skops is written.
        with pytest.raises(KeyboardInterrupt):
            stages("run", "tfidf-svc", training=training)
    run, _ = stages("run", "tfidf-svc", training=training)
    predictions = [(found.path / "predictions.npz").read_bytes() for found in (run, expected)]
    assert predictions[0] == predictions[1]
    metrics = [found.read_validation().evaluation.metrics for found in (run, expected)]
    assert metrics[0] == metrics[1]


def interrupt(*arguments, **options):
    raise KeyboardInterrupt


def test_a_validated_model_is_not_evaluated_on_another_dataset(stages):
    stages("run", "tfidf-svc", validate_only=True)
    with pytest.raises(RunError, match=r"the dataset has changed since .* was made"):
        stages(
            "run",
            "tfidf-svc",
            load=lambda config: replace(make_own_dataset(), label_names=("a", "c")),
        )


def test_a_finished_run_has_its_validation_too(stages):
    run, _ = stages("run", "tfidf-svc")
    _, validation = stages("run", "tfidf-svc", validate_only=True, load=refuse)
    assert validation.split == "validation"
    (run.path / "validation.json").unlink()  # As in a run of an earlier version.
    with pytest.raises(RunError, match=r"has no validation\.json; run: textclf train .* --force$"):
        stages("run", "tfidf-svc", validate_only=True, load=refuse)


def test_the_checkpoint_of_a_validated_run_has_no_optimizer_state(stages):
    run, _ = stages("run", validate_only=True)
    checkpoint = run.read_checkpoint()
    assert len(checkpoint.rows) == 3
    # Embedding, convolution and two dense layers, and the state of two dropout layers.
    assert len(checkpoint.variables) == 9
    assert checkpoint.best_weights == []


@pytest.mark.slow
@pytest.mark.parametrize("is_killed", [False, True], ids=["at once", "killed after its epoch"])
def test_a_run_is_pruned_after_the_first_epoch_below_the_threshold(
    stages, monkeypatch, tmp_path, is_killed
):
    rule = PruningRule("val_loss", (math.nan, 0.0, 9.0))
    options = {"validate_only": True, "pruning": rule}
    if is_killed:
        with monkeypatch.context() as patch:
            patch.setattr(Prune, "on_epoch_end", interrupt_in_second_epoch)
            with pytest.raises(KeyboardInterrupt):
                stages("run", **options)
    with pytest.raises(PrunedError, match=r"^pruned after epoch 2: the best val_loss is 0\.\d+,"):
        stages("run", **options)
    run = RunDirectory(tmp_path / "run")
    assert (run.is_validated, run.read_checkpoint()) == (False, None)
    assert [row.epoch for row in run.read_history()] == [1, 2]


def interrupt_in_second_epoch(self, epoch, logs):
    if epoch == 1:
        raise KeyboardInterrupt
