"""``textclf compare``: which runs are tabulated, left out, executed and reused."""

import shutil

import pytest
from support import load, skip_if_gpu, write_csv, write_run

from textclf import api, registry
from textclf.comparison.comparison import Comparison
from textclf.config.resolve import resolve
from textclf.errors import RequestError, RunError
from textclf.experiment import fit
from textclf.runs.directory import RunDirectory
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


WEATHER = [
    (f"{word} {word} and {other} number {i}", word)
    for i in range(30)
    for word, other in (("rain", "sun"), ("sun", "rain"), ("snow", "rain"))
]


@pytest.mark.slow
def test_folds_are_trained_compared_and_reused(cli, tmp_path):
    path = write_csv(tmp_path / "weather.csv", [*WEATHER, *WEATHER[:9]])
    arguments = ["compare", "--dataset", path, "--model", "majority", "--folds", "3"]
    result = cli(*arguments, "--format", "json")
    assert result.code == 0, result.err
    best, other = result.json
    assert [best["model"], other["model"]] == ["tfidf-svc", "majority"]
    for row in (best, other):
        assert (row["folds"], row["fold"], row["n_seeds"]) == (3, None, 1)
        assert row["n_examples"] == 78  # The test split of 21 examples is in no fold.
    assert best["accuracy"] == 1
    assert (other["verdict"], other["p_value"] < 0.01) == ("worse", True)
    folds = sorted((tmp_path / "runs").rglob("fold-*"))
    assert [fold.name for fold in folds] == ["fold-1", "fold-2", "fold-3"] * 2
    again = cli(*arguments)
    assert again.err.count("already finished") == 6
    assert "weather.csv: 78 examples in 3 folds, 1 seed\n" in again.out
    assert "textclf diff" in again.err
    assert cli("compare", "runs", "--format", "json").json == result.json
    of_all = cli(*arguments, "--folds-of", "all", "--format", "json").json
    assert {row["n_examples"] for row in of_all} == {len(WEATHER) + 9}


@pytest.mark.slow
def test_official_test_examples_are_not_predicted_in_folds(cli, tmp_path):
    path = write_csv(tmp_path / "weather.csv", WEATHER)
    assert cli("compare", "--dataset", path, "--model", "majority", "--folds", "2").code == 0
    test = set(load(path).test.index.tolist())
    for run in (tmp_path / "runs").rglob("seed-42"):
        predicted = set(RunDirectory(run).read_predictions().index.tolist())
        assert predicted
        assert not predicted & test
        assert RunDirectory(run).read_meta()["test_evaluations"] == 1


@pytest.mark.slow
def test_gate_and_single_fold_of_a_cross_validation(cli, tmp_path):
    path = write_csv(tmp_path / "weather.csv", WEATHER)
    options = ["--dataset", path, "--model", "majority"]
    assert cli("compare", *options, "--folds", "2").code == 0
    [gate] = (tmp_path / "runs").glob("*/tfidf-svc")
    result = cli("compare", *options, "--folds", "2", "--gate", gate)
    assert result.code == 3
    assert "significantly less accurate than tfidf-svc: majority dropped by 0." in result.error_line
    fold = ["--set", "dataset.folds=2", "--set", "dataset.fold=2"]
    result = cli("train", *options, *fold, "--report", "fold.html")
    assert result.code == 0
    assert "already finished" in result.err
    assert "/weather.csv, fold 2 of 2, seed 42</title>" in (tmp_path / "fold.html").read_text(
        encoding="utf-8"
    )
    assert "weather.csv, fold 2 of 2: 36 test examples, 1 seed\n" in result.out


@pytest.mark.slow
def test_learning_curve_is_trained_plotted_and_described(cli, tmp_path):
    path = write_csv(tmp_path / "weather.csv", WEATHER)
    options = ["--dataset", path, "--model", "tfidf-svc"]
    assert cli("train", *options).code == 0
    arguments = ["compare", *options, "--train-fractions", "0.1,0.5,1"]
    result = cli(*arguments, "--format", "json")
    assert result.code == 0, result.err
    assert result.err.count("already finished") == 1
    sizes = [(row["n_train_examples"], row["train_fraction"]) for row in result.json]
    assert [size for size, _ in sizes] == sorted(size for size, _ in sizes)
    assert [fraction for _, fraction in sizes] == [0.1, 0.1, 0.5, 0.5, None, None]
    assert "no guess what more training examples would bring for tfidf-svc" in result.err
    [plot] = (tmp_path / "runs").rglob("learning-curve.png")
    assert plot.parent.parent == tmp_path / "runs"
    assert f"see {plot.relative_to(tmp_path)}" in result.err
    table = cli(*arguments).out
    for size in {size for size, _ in sizes}:
        assert f"weather.csv: 18 test examples, {size} training examples, 1 seed\n" in table
    by_label = cli("compare", *options, "--train-per-label", "2,all", "--format", "json")
    assert f"see {plot.relative_to(tmp_path).parent}/learning-curve-per-label.png" in by_label.err
    assert plot.exists()
    per_label = by_label.json
    assert [row["train_per_label"] for row in per_label] == [2, 2, None, None]
    assert per_label[0]["n_train_examples"] == 6


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--folds", "1"], "Invalid value for '--folds': 1 is not in the range x>=2."),
        (["--folds-of", "all"], "--folds-of needs --folds, the number of folds"),
        (["--folds", "3", "--train-fractions", "0.1"], "give either --folds or --train-fractions"),
        (["--train-fractions", "0.1,x"], "'0.1,x' is not a list of fractions above 0 and up to 1"),
        (["--train-fractions", "nan"], "'nan' is not a list of fractions above 0 and up to 1"),
        (["--train-per-label", "8,some"], "'8,some' is not a list of positive numbers or all"),
        (["--train-per-label", "0"], "'0' is not a list of positive numbers or all"),
        (["--folds", "3", "--set", "dataset.fold=1"], "give either --folds or --set dataset.fold"),
        (["--folds", "3", "--report", "a.html"], "give either --folds or --report, which is about"),
    ],
)
def test_protocols_that_cannot_be_run_are_one_line(cli, tmp_path, arguments, problem):
    path = write_csv(tmp_path / "weather.csv", WEATHER)
    result = cli("compare", "--dataset", path, "--model", "majority", *arguments)
    assert result.code == 2
    assert problem in result.error_line


def test_protocols_need_a_dataset(cli):
    for option, value in (("--folds", "3"), ("--train-fractions", "0.1")):
        result = cli("compare", option, value)
        assert result.code == 2
        assert f"{option} needs --dataset or --config" in result.error_line
    with pytest.raises(RequestError, match=r"^train_per_label needs a dataset"):
        api.compare(train_per_label=[8])
