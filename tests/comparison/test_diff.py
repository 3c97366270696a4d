import shutil
from dataclasses import replace

import numpy as np
import pytest

from textclf.evaluation.metrics import evaluate
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Predictions


@pytest.fixture
def run(smoke_run):
    return RunDirectory(smoke_run)


def write_variant(run, path, probabilities, order=None):
    """Write a copy of a run with other predictions, and its labels in another order."""
    variant = RunDirectory(shutil.copytree(run.path, path))
    found, result = run.read_predictions(), run.read_result()
    names = [scores.name for scores in result.evaluation.per_class]
    order = range(len(names)) if order is None else order
    labels = np.argsort(order)[found.label]
    variant.write_predictions(Predictions(found.index, labels, probabilities))
    names = [names[position] for position in order]
    evaluation = evaluate(labels, probabilities, names, majority_label=0)
    variant.finish(replace(result, evaluation=evaluation), run.read_meta())
    return variant


def test_diff_lists_examples_that_only_one_run_predicts_correctly(cli, run, tmp_path):
    ours = run.read_predictions()
    rolled = np.roll(ours.probabilities, 1, axis=1)
    other = write_variant(run, tmp_path / "other", rolled)
    document = cli("diff", run.path, other.path, "--top", "3", "--format", "json").json
    correct_a, correct_b = (p.argmax(axis=1) == ours.label for p in (ours.probabilities, rolled))
    assert (document["a"], document["b"]) == (str(run.path), str(other.path))
    counts = document["mcnemar"]
    assert counts["only_a"] == (correct_a & ~correct_b).sum() > 0
    assert counts["only_b"] == (correct_b & ~correct_a).sum() > 0
    assert sum(counts[kind] for kind in ("both", "only_a", "only_b", "neither")) == 64
    assert sum(row["only_a"] for row in document["labels"]) == counts["only_a"]
    shown = document["only_a"]
    confidences = [example["confidence"] for example in shown]
    assert confidences == sorted(confidences, reverse=True)
    position = ours.index.tolist().index(shown[0]["index"])
    assert correct_a[position]
    assert not correct_b[position]
    assert shown[0]["incorrect_label"] != shown[0]["label"]
    assert len(shown) == min(3, counts["only_a"])


def test_diff_of_a_run_with_itself_is_empty(cli, run):
    counts = cli("diff", run.path, run.path, "--format", "json").json["mcnemar"]
    assert (counts["only_a"], counts["only_b"], counts["p_value"]) == (0, 0, 1)


def test_diff_accepts_labels_in_another_order(cli, run, tmp_path):
    order = [3, 0, 4, 2, 1]
    probabilities = run.read_predictions().probabilities
    other = write_variant(run, tmp_path / "other", probabilities[:, order], order)
    counts = cli("diff", run.path, other.path, "--format", "json").json["mcnemar"]
    assert (counts["only_a"], counts["only_b"]) == (0, 0)
    assert counts["both"] > 0


def test_diff_prints_a_table_or_csv(cli, run, tmp_path):
    probabilities = run.read_predictions().probabilities
    other = write_variant(run, tmp_path / "other", np.roll(probabilities, 1, axis=1))
    assert "all labels" in cli("diff", run.path, other.path).out
    csv = cli("diff", run.path, other.path, "--format", "csv").out
    assert csv.startswith("label,both,only_a")


def test_runs_on_a_python_file_are_compared_with_permission(cli, code_runs, forget):
    paths = [code_runs["average"], code_runs["bayes"]]
    refused = cli("diff", *paths)
    assert refused.code == 2
    assert "words.py is Python code, which is executed only if you name it" in refused.error_line
    document = cli("diff", *paths, "--trust-code", "--format", "json").json
    ours, other = (RunDirectory(path).read_predictions() for path in paths)
    correct = [p.probabilities.argmax(axis=1) == p.label for p in (ours, other)]
    counts = document["mcnemar"]
    assert counts["only_b"] == (correct[1] & ~correct[0]).sum() > 0
    assert sum(counts[kind] for kind in ("both", "only_a", "only_b", "neither")) == 16
