"""``textclf compare``: which runs are tabulated, left out, executed and reused."""

import shutil

import pytest
from support import skip_if_gpu, write_csv, write_run

from textclf import api, registry
from textclf.comparison.comparison import Comparison
from textclf.config.resolve import resolve
from textclf.errors import RequestError, RunError
from textclf.experiment import fit
from textclf.runs.result import Failure
from textclf.runtime.progress import Reporter


def test_unfinished_run_that_is_named_is_refused(cli, run_copy):
    (run_copy / "evaluation.json").unlink()
    result = cli("compare", run_copy)
    assert result.code == 1
    assert "is not finished: it has no evaluation.json; run: textclf train" in result.error_line


def test_unfinished_runs_of_a_folder_are_left_out(cli, smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path / "some" / "finished")
    unfinished = shutil.copytree(smoke_run, tmp_path / "some" / "unfinished")
    (unfinished / "evaluation.json").unlink()
    result = cli("compare", "some", "--format", "json")
    assert result.code == 0
    assert [row["n_seeds"] for row in result.json] == [1]
    assert "left out: some/unfinished is not finished" in result.err


def test_damaged_run_of_a_folder_is_left_out(cli, smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path / "some" / "good")
    damaged = shutil.copytree(smoke_run, tmp_path / "some" / "damaged")
    (damaged / "evaluation.json").write_text("{")
    result = cli("compare", "some", "--format", "json")
    assert (result.code, result.json[0]["n_seeds"]) == (0, 1)
    assert "left out: some/damaged/evaluation.json is damaged" in result.err
    assert cli("compare", damaged).code == 1


def test_each_seed_is_counted_once(cli, smoke_run, run_copy):
    result = cli("compare", smoke_run, run_copy, "--format", "json")
    assert result.json[0]["n_seeds"] == 1
    assert "repeats the configuration and seed of another run" in result.err


@pytest.mark.slow
def test_missing_runs_are_executed_and_a_failure_stops_no_other_run(cli, monkeypatch):
    build = fit.build_model

    def build_or_fail(config, **sizes):
        if config.model.name == "cnn":
            raise RuntimeError("no memory left")
        return build(config, **sizes)

    monkeypatch.setattr(fit, "build_model", build_or_fail)
    arguments = ["compare", "--dataset", "bbc", "--smoke", "--set", "text.num_words=500"]
    arguments += ["--model", "cnn", "--model", "mlp", "--seeds", "2", "--format", "json"]
    result = cli(*arguments)
    assert result.code == 1
    by_model = {row["model"]: row for row in result.json}
    assert by_model["mlp"]["seeds"] == [1, 2]
    assert by_model["cnn"]["error"] == "failed: RuntimeError: no memory left"
    assert by_model["tfidf-svc"]["n_seeds"] == by_model["majority"]["n_seeds"] == 2
    monkeypatch.setattr(fit, "build_model", build)
    result = cli(*arguments)
    assert result.code == 0
    assert result.err.count("already finished") == 6
    assert [row["n_seeds"] for row in result.json] == [2, 2, 2, 2]


def test_interrupted_comparison_reuses_finished_runs(cli, tmp_path, monkeypatch):
    build = fit.build_model

    def build_or_stop(config, **sizes):
        if config.model.name == "cnn":
            raise KeyboardInterrupt
        return build(config, **sizes)

    monkeypatch.setattr(fit, "build_model", build_or_stop)
    arguments = ["compare", "--dataset", "bbc", "--smoke", "--model", "mlp", "--model", "cnn"]
    arguments += ["--set", "text.num_words=300", "--format", "json"]
    result = cli(*arguments)
    assert (result.code, result.out) == (130, "")
    [first] = tmp_path.rglob("evaluation.json")
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(fit, "build_model", build)
    result = cli(*arguments)
    assert result.code == 0
    assert len(result.json) == 4
    assert result.err.count("already finished") == 1
    assert first.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("errors", "n_finished", "code"),
    [
        ([RequestError, RequestError], 0, 2),
        ([RequestError, RunError], 0, 1),
        ([RequestError], 1, 1),
        ([RunError], 0, 1),
    ],
)
def test_exit_code_is_2_if_all_runs_are_invalid(
    cli, tmp_path, monkeypatch, errors, n_finished, code
):
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn"}})
    failures = [Failure(config, error("too short")) for error in errors]
    runs = [write_run(tmp_path, "mlp", [True, False, True])] * n_finished
    comparison = Comparison.of(runs, failures, Reporter(), reference=None)
    monkeypatch.setattr(api, "compare", lambda *_, **__: comparison)
    result = cli("compare", "--dataset", "bbc", "--format", "json")
    assert [row["error"] for row in result.json][n_finished:] == ["failed: too short"] * len(errors)
    assert result.code == code


def test_missing_gpu_is_reported_once(cli, tmp_path):
    skip_if_gpu()
    result = cli("compare", "--dataset", "bbc", "--smoke", "--device", "gpu")
    assert result.code == 2
    assert "TensorFlow finds no GPU" in result.error_line
    assert not (tmp_path / "runs").exists()


def test_hyperparameters_of_a_network_do_not_change_baseline_models(cli):
    arguments = ["compare", "--dataset", "bbc", "--smoke", "--model", "mlp", "--format", "json"]
    arguments += ["--set", "text.num_words=300"]
    result = cli(*arguments, "--set", "model.units=8")
    assert result.code == 0
    baselines = {r["model"]: r["fingerprint"] for r in result.json if r["model"] != "mlp"}
    again = {row["model"]: row["fingerprint"] for row in cli(*arguments).json}
    assert set(baselines) == {"majority", "tfidf-svc"}
    assert baselines.items() <= again.items()


def test_runs_whose_python_files_do_not_exist_are_compared(cli, code_runs, forget):
    result = cli("compare", *code_runs.values(), "--format", "json")
    assert result.code == 0
    assert {row["model"] for row in result.json} == {"average.py", "scaled.py", "bayes.py"}
    assert {row["dataset"] for row in result.json} == {"words.py"}
    named = ["--model", "anywhere/bayes.py", "--model", "average.py"]
    rows = cli("compare", *code_runs.values(), *named, "--format", "json").json
    assert {row["model"] for row in rows} == {"average.py", "bayes.py"}
    reference = ["--reference", "anywhere/average.py", "--format", "json"]
    rows = cli("compare", *code_runs.values(), *reference).json
    assert [row["model"] for row in rows if row["verdict"] == "reference"] == ["average.py"]
    assert registry._loaded == {}


@pytest.mark.usefixtures("tensorflow")
def test_a_baseline_model_that_cannot_be_fitted_is_left_out(cli, tmp_path):
    (tmp_path / "own").mkdir()
    write_csv(tmp_path / "own" / "train.csv", [(f"one text {i}", "a") for i in range(20)])
    test = [(f"other text {i}", "ab"[i % 2]) for i in range(20)]
    write_csv(tmp_path / "own" / "test.csv", test)
    options = ["--dataset", "own", "--set", "training.epochs=1", "--set", "text.num_words=50"]
    result = cli("compare", *options, "--model", "mlp", "--seeds", "2", "--format", "json")
    assert result.code == 0, result.err
    assert {row["model"] for row in result.json} == {"mlp", "majority"}
    reason = "tfidf-svc cannot be fitted: all training examples have the label 'a'"
    assert result.err.count(f"left out: tfidf-svc: {reason}") == 1
    assert not list(tmp_path.rglob("tfidf-svc"))
    named = cli("compare", *options, "--model", "tfidf-svc", "--format", "json")
    assert named.code == 1
    [row] = [row for row in named.json if row["model"] == "tfidf-svc"]
    assert row["error"].startswith(f"failed: {reason}")


def test_smoke_runs_are_compared_only_if_they_are_named(cli, tmp_path):
    result = cli(
        "compare", "--dataset", "bbc", "--smoke", "--model", "majority", "--format", "json"
    )
    assert [row["model"] for row in result.json] == ["tfidf-svc", "majority"]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"_smoke"}
    assert cli("compare").error_line == (
        "no run below runs; name runs/_smoke for the runs of --smoke, or train one: textclf train"
        " --model mlp --dataset bbc"
    )
    assert cli("train", "--model", "majority", "--dataset", "bbc").code == 0
    assert [row["n_examples"] for row in cli("compare", "--format", "json").json] == [444]
    rows = cli("compare", "runs/_smoke", "--format", "json").json
    assert [row["n_examples"] for row in rows] == [64, 64]
    assert cli("predict", "runs/bbc/majority", "a text").code == 0
    assert len(cli("runs", "list", "--format", "json").json) == 1
    assert len(cli("runs", "list", "runs/_smoke/bbc", "--format", "json").json) == 2
