"""Gates on runs that the tests write themselves, without training."""

from dataclasses import replace

import numpy as np
import pytest
from support import draw_correct, write_folds, write_run, write_runs

from textclf.comparison.gate import Gate
from textclf.comparison.model_results import ModelResults, group_by_configuration
from textclf.errors import GateError, RequestError, RunError
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import ForwardingReporter, Reporter

QUIET = Reporter(quiet=True)


@pytest.fixture
def reference(tmp_path):
    """Three seeds of a model with an accuracy of about 0.9."""
    [model] = group_by_configuration(write_runs(tmp_path / "reference", {"cnn": 0.9}))
    return model


def check(reference, runs, *, max_drop, alpha=0.05, named=()):
    models = group_by_configuration(runs)
    Gate(reference, max_drop=max_drop, alpha=alpha).check(models, QUIET, named=named)


@pytest.mark.parametrize(("accuracy", "max_drop"), [(0.95, 0.0), (0.89, 0.0), (0.7, 0.3)])
def test_gate_passes_without_a_significant_drop_above_the_allowed_one(
    tmp_path, reference, accuracy, max_drop
):
    check(reference, write_runs(tmp_path / "new", {"mlp": accuracy}), max_drop=max_drop)


def test_gate_fails_at_a_significant_drop_above_the_allowed_one(tmp_path, reference):
    message = (
        r"significantly less accurate than cnn by more than 0\.05:"
        r" mlp dropped by 0\.[12]\d+ \(p = "
    )
    with pytest.raises(GateError, match=message):
        check(reference, write_runs(tmp_path / "new", {"mlp": 0.7}), max_drop=0.05)


def test_runs_of_the_reference_are_not_checked(tmp_path, reference):
    own_runs = replace(reference, correct=~reference.correct)
    [good] = group_by_configuration(write_runs(tmp_path / "new", {"mlp": 0.95}))
    Gate(reference, max_drop=0, alpha=0.99).check([own_runs, good], QUIET)


def test_gate_without_a_model_to_check_is_refused(tmp_path, reference):
    gate = Gate(reference, max_drop=0, alpha=0.05)
    with pytest.raises(RequestError, match="no model is left to check"):
        gate.check([reference], QUIET)
    baseline_models = group_by_configuration(write_runs(tmp_path / "new", {"majority": 0.9}))
    with pytest.raises(RequestError, match="no model is left to check"):
        gate.check(baseline_models, QUIET)
    gate.check(baseline_models, QUIET, named=["majority"])


def test_baseline_models_are_checked_only_if_they_are_named(tmp_path, reference):
    runs = write_runs(tmp_path / "new", {"cnn": 0.92, "tfidf-svc": 0.5, "nb-svm": 0.5})
    check(reference, runs, max_drop=0)
    for name in ("tfidf-svc", "nb-svm"):
        with pytest.raises(GateError, match=f"accurate than cnn: {name} dropped by 0"):
            check(reference, runs, max_drop=0, named=[name])


def test_gate_is_read_from_the_runs_of_one_configuration(tmp_path):
    write_runs(tmp_path / "one", {"cnn": 0.9}, n_seeds=2)
    gate = Gate.read(tmp_path / "one", QUIET, max_drop=0.1, alpha=0.01)
    assert [result.seed for result in gate.reference.results] == [1, 2]
    assert (gate.max_drop, gate.alpha) == (0.1, 0.01)
    write_runs(tmp_path / "one", {"mlp": 0.9}, n_seeds=1)
    with pytest.raises(RequestError, match="expected runs of one configuration, got 2: bbc/cnn"):
        Gate.read(tmp_path / "one", QUIET, max_drop=0, alpha=0.05)
    [(_, first)] = write_runs(tmp_path / "two", {"mlp": 0.9}, n_seeds=1)
    settings = {"model.units": 8}
    [(_, second)] = write_runs(tmp_path / "two", {"mlp": 0.9}, n_seeds=1, settings=settings)
    with pytest.raises(RequestError, match="got 2: ") as info:
        Gate.read(tmp_path / "two", QUIET, max_drop=0, alpha=0.05)
    for result in (first, second):
        assert f"bbc/mlp {result.fingerprint}" in str(info.value)


def test_gate_on_the_command_line_exits_with_3(cli, tmp_path):
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "new", {"mlp": 0.6}, n_seeds=1)
    command = ["compare", "new", "--gate", "base", "--format", "json"]
    answer = cli(*command)
    assert answer.code == 3
    assert "significantly less accurate than cnn: mlp dropped by 0." in (answer.error_line)
    assert answer.json[0]["model"] == "mlp"
    assert cli(*command, "--max-drop", "0.5").code == 0


def test_same_configuration_trained_by_other_code_is_checked(cli, tmp_path):
    """Its fingerprint equals that of the reference, but its runs are other directories."""
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "worse", {"cnn": 0.6}, n_seeds=3)
    answer = cli("compare", "worse", "--gate", "base")
    assert answer.code == 3
    assert "cnn dropped by 0." in answer.error_line


def test_bad_baseline_models_beside_a_good_model_do_not_fail_the_gate(cli, tmp_path):
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "good", {"cnn": 0.92, "majority": 0.3, "tfidf-svc": 0.5}, n_seeds=3)
    answer = cli("compare", "good", "--gate", "base")
    assert answer.code == 0
    assert "gate passed" in answer.err
    assert "with fewer than 3 seeds on one side, the variance over seeds is poorly" in answer.err


def test_invalid_gates_are_usage_errors(cli, tmp_path):
    write_runs(tmp_path / "base", {"cnn": 0.9}, n_seeds=1)
    write_runs(tmp_path / "new", {"cnn": 0.9, "mlp": 0.6}, n_seeds=1)
    for options in (["--gate", "new"], ["--gate", "base", "--max-drop", "nan"]):
        answer = cli("compare", "new", *options)
        assert answer.code == 2
        assert answer.error_line
    assert "need --gate" in cli("compare", "new", "--alpha", "0.1").error_line
    assert cli("compare", "new", "--alpha", "0.1").code == 2
    write_runs(tmp_path / "far", {"mlp": 0.6}, n_seeds=1, dataset="imdb", digest="e")
    answer = cli("compare", "far", "--gate", "base")
    assert answer.code == 1
    assert "different datasets: imdb and bbc" in answer.error_line


@pytest.mark.slow
def test_rate_of_false_alarms_is_alpha(tmp_path):
    rng = np.random.default_rng(8)
    _, result = write_run(tmp_path, "cnn", draw_correct(0.8))
    results = (result,) * 3
    runs, other_runs = ((RunDirectory(tmp_path / name),) * 3 for name in ("a", "b"))

    def predict(easiness):
        """Simulate three seeds of a model of average quality that finds other texts easy."""
        model, seeds = rng.normal(0, 0.8, 600), rng.normal(0, 0.04, (3, 1))
        return easiness + model + seeds + rng.normal(0, 0.6, (3, 600)) > 0

    n_alarms = 0
    for _ in range(1_000):
        easiness = rng.normal(0.9, 1.2, 600)
        model, reference = (ModelResults(r, results, predict(easiness)) for r in (runs, other_runs))
        try:
            Gate(reference, max_drop=0, alpha=0.05).check([model], QUIET)
        except GateError:
            n_alarms += 1
    assert 0.03 <= n_alarms / 1_000 <= 0.07


def test_message_of_a_passed_gate_claims_no_more_than_was_tested(tmp_path, reference):
    messages = []
    reporter = ForwardingReporter(lambda message: messages.append(message.text))
    models = group_by_configuration(write_runs(tmp_path / "new", {"mlp": 0.7}))
    Gate(reference, max_drop=0.9, alpha=0.05).check(models, reporter)
    assert messages == [
        "gate passed: no model is significantly less accurate than cnn by more than 0.9"
    ]


def test_gate_compares_folds_by_the_corrected_test(tmp_path):
    [reference] = group_by_configuration(write_folds(tmp_path / "a", "cnn", [90, 92, 91, 89, 93]))
    worse = write_folds(tmp_path / "b", "mlp", [81, 82, 80, 81, 82])
    with pytest.raises(GateError, match=r"mlp dropped by 0\.0980 \(p = "):
        check(reference, worse, max_drop=0.05)
    check(reference, write_folds(tmp_path / "c", "mlp", [90, 91, 92, 88, 93]), max_drop=0)
    with pytest.raises(RunError, match="cannot be compared: only one of them has all folds"):
        check(reference, worse[:1], max_drop=0)


def test_gate_with_other_folds_is_refused_before_anything_is_trained(cli, tmp_path):
    five = write_folds(tmp_path / "five", "cnn", [90, 92, 91, 89, 93])
    write_runs(tmp_path / "none", {"cnn": 0.9}, n_seeds=1)
    messages = {
        ("five", "--folds", "4"): "the gate has 5 folds, the comparison 4; give --folds 5, or",
        ("five",): "the gate has 5 folds, the comparison none; give --folds 5, or",
        ("none", "--folds", "4"): "the gate has no folds, the comparison 4; leave out --folds, or",
    }
    for (path, *folds), message in messages.items():
        command = ["compare", "--dataset", "bbc", "--model", "majority", *folds, "--gate", path]
        answer = cli(*command)
        assert answer.code == 2
        assert answer.error_line == f"--gate: {message} name another gate"
        assert not (tmp_path / "runs").exists()
    [reference] = group_by_configuration(five)
    four = [
        (run, replace(result, split_digest=f"{result.fold} of 4"))
        for run, result in write_folds(tmp_path / "four", "cnn", [90, 92, 91, 89])
    ]
    with pytest.raises(RunError, match="different test sets: 4 folds and 5 folds"):
        check(reference, four, max_drop=0)


def test_models_with_another_training_size_are_not_checked(tmp_path, reference):
    settings = {"dataset.train_fraction": 0.1}
    parts = write_runs(tmp_path / "new", {"mlp": 0.5}, settings=settings)
    with pytest.raises(RequestError, match="models with another training size"):
        check(reference, parts, max_drop=0)
    check(reference, [*parts, *write_runs(tmp_path / "new", {"mlp": 0.95})], max_drop=0)
    with pytest.raises(GateError, match="mlp dropped"):
        check(reference, write_runs(tmp_path / "whole", {"mlp": 0.5}), max_drop=0)
