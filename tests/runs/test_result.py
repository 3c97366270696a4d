"""The result of a run: ``evaluation.json``, its fields and its versions."""

import json

import numpy as np
import pytest

from textclf.errors import RunError
from textclf.runs.result import SCHEMA_VERSION, Result


def test_evaluation_json_has_the_documented_fields_and_is_read_as_it_was_written(smoke_run):
    content = json.loads((smoke_run / "evaluation.json").read_text())
    assert set(content) == {
        "schema_version",
        "dataset",
        "model",
        "fingerprint",
        "seed",
        "split",
        "split_digest",
        "n_examples",
        "metrics",
        "intervals",
        "per_class",
        "confusion_matrix",
        "majority_accuracy",
        "best_epoch",
        "n_epochs",
        "n_parameters",
        "train_seconds",
        "examples_per_second",
        "n_train_examples",
    }
    assert json.loads(json.dumps(Result.from_json(content).to_json())) == content
    assert content["n_epochs"] == 3
    assert content["n_examples"] == 64
    low, high = content["intervals"]["accuracy"]
    assert low < content["metrics"]["accuracy"] < high


def test_training_sizes_and_folds_that_cannot_be_are_damage(smoke_run):
    content = json.loads((smoke_run / "evaluation.json").read_text())
    for key in ("n_train_examples", "train_fraction", "train_per_label", "folds", "fold"):
        for value in (0, -1):
            with pytest.raises(ValueError, match=key):
                Result.from_json({**content, key: value})


def test_evaluation_json_agrees_with_the_predictions(run):
    predictions = run.read_predictions()
    accuracy = (predictions.probabilities.argmax(axis=1) == predictions.label).mean()
    result = run.read_result()
    assert result.evaluation.metrics["accuracy"] == pytest.approx(accuracy)
    assert predictions.probabilities.dtype == np.float32
    assert predictions.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert sum(scores.support for scores in result.evaluation.per_class) == 64


def test_a_newer_schema_version_is_refused(run, monkeypatch):
    result = run.read_result()
    monkeypatch.setattr("textclf.runs.result.SCHEMA_VERSION", 99)
    run.finish(result, run.read_meta())
    monkeypatch.undo()
    problem = rf"has schema_version 99, but this version of textclf reads {SCHEMA_VERSION};"
    with pytest.raises(RunError, match=problem):
        run.read_result()


def write_as_version_1(run):
    """Change a run into one that the first version of the schema describes."""
    path = run.path / "evaluation.json"
    content = json.loads(path.read_text())
    content = {
        "parameters" if key == "n_parameters" else key: value for key, value in content.items()
    }
    path.write_text(json.dumps({**content, "schema_version": 1}, indent=2) + "\n")
    meta = json.loads((run.path / "meta.json").read_text())
    del meta["checksum"]
    meta["digests"] = meta.pop("checksums")
    (run.path / "meta.json").write_text(json.dumps({**meta, "seal": "0" * 64}, indent=2) + "\n")


@pytest.mark.parametrize(
    "arguments", [["evaluate"], ["predict"], ["compare"]], ids=lambda arguments: arguments[0]
)
def test_a_run_of_the_first_schema_version_is_refused_in_one_line(cli, run, arguments):
    write_as_version_1(run)
    texts = ["some text"] if arguments == ["predict"] else []
    result = cli(*arguments, run.path, *texts)
    assert (result.code, result.out) == (1, "")
    assert result.error_line.startswith(
        f"{run.path / 'evaluation.json'} has schema_version 1, but this version of textclf reads"
    )
    assert "train the run again" in result.error_line


def test_a_run_of_the_first_schema_version_is_checked_and_left_out_of_a_folder(cli, run, tmp_path):
    write_as_version_1(run)
    result = cli("runs", "check", tmp_path, "--format", "json")
    assert result.code == 0
    [row] = result.json
    assert (row["run"], row["state"]) == (str(run.path), "other version")
    assert "evaluation.json has schema_version 1, but this version of textclf" in row["problem"]
    result = cli("compare", tmp_path)
    assert result.code == 1
    assert "evaluation.json has schema_version 1" in result.err
    assert result.error_line.startswith("no finished run among 1")


def test_an_edited_schema_version_is_damage(cli, run, tmp_path):
    path = run.path / "evaluation.json"
    path.write_text(path.read_text().replace('"schema_version": 2', '"schema_version": 3'))
    result = cli("runs", "check", tmp_path, "--format", "json")
    assert result.code == 3
    [row] = result.json
    assert (row["state"], row["problem"]) == (
        "damaged",
        "evaluation.json has changed since it was written",
    )
