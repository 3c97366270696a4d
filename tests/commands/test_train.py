"""``textclf train``: finished, interrupted, repeated and damaged runs."""

import json
import re
import shutil

import numpy as np
import pytest
from support import skip_if_gpu

from textclf.config.resolve import load_config
from textclf.runs.directory import RunDirectory
from textclf.training.history import Checkpoint, EpochRow


@pytest.mark.slow
def test_finished_run_is_reported_and_repeated_with_force(cli, run_copy):
    before = (run_copy / "evaluation.json").stat().st_mtime_ns
    arguments = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy]
    result = cli(*arguments, "--format", "json")
    assert result.code == 0
    assert "already finished (--force repeats it)" in result.err
    assert (run_copy / "evaluation.json").stat().st_mtime_ns == before
    accuracy = result.json[0]["accuracy"]
    result = cli(*arguments, "--format", "json", "--force")
    assert (run_copy / "evaluation.json").stat().st_mtime_ns > before
    assert result.json[0]["accuracy"] == accuracy


def test_interrupted_run_resumes_and_ends_with_the_same_predictions(
    cli, smoke_run, tmp_path, monkeypatch
):
    write = RunDirectory.write_checkpoint

    def write_and_stop(self, checkpoint):
        write(self, checkpoint)
        if len(checkpoint.rows) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunDirectory, "write_checkpoint", write_and_stop)
    arguments = ["train", "--config", smoke_run / "config.yaml", "--run-dir", "run"]
    result = cli(*arguments)
    assert (result.code, result.error_line) == (130, "interrupted")
    monkeypatch.setattr(RunDirectory, "write_checkpoint", write)
    result = cli(*arguments)
    assert result.code == 0
    assert "epoch 3/3" in result.err
    assert "epoch 2/3" not in result.err
    with (
        np.load(tmp_path / "run" / "predictions.npz") as resumed,
        np.load(smoke_run / "predictions.npz") as uninterrupted,
    ):
        assert resumed["probabilities"].tobytes() == uninterrupted["probabilities"].tobytes()


@pytest.mark.slow
def test_checkpoint_of_another_model_is_refused(cli, smoke_run, tmp_path):
    run = RunDirectory(shutil.copytree(smoke_run, tmp_path / "run"))
    (run.path / "evaluation.json").unlink()
    run.write_checkpoint(Checkpoint([EpochRow(1, 1, 1, 1, 1, 1, 1)], [np.zeros(3)], []))
    arguments = ["train", "--config", run.path / "config.yaml", "--run-dir", run.path]
    result = cli(*arguments)
    assert result.code == 1
    assert "the checkpoint does not fit the model" in result.error_line
    (run.path / "checkpoint.npz").write_bytes(b"PK")
    result = cli(*arguments)
    assert result.code == 1
    assert "checkpoint.npz is damaged" in result.error_line
    assert cli(*arguments, "--force").code == 0


FAILING = {
    "gpu": ["--device", "gpu"],
    "label": ["--set", "training.class_weight={nobody: 2}"],
}


@pytest.mark.parametrize("name", FAILING)
def test_force_keeps_the_earlier_run_if_the_request_fails(cli, run_copy, name):
    if name == "gpu":
        skip_if_gpu()

    def list_times():
        return {path.name: path.stat().st_mtime_ns for path in run_copy.glob("[!.]*")}

    before = list_times()
    arguments = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--force"]
    result = cli(*arguments, *FAILING[name])
    assert result.code == 2
    assert list_times() == before
    assert "evaluation.json" in before


@pytest.mark.slow
@pytest.mark.parametrize("content", ["", "[]", "{", None])
def test_force_repairs_a_run_with_a_damaged_meta_json(cli, run_copy, content):
    path = run_copy / "meta.json"
    path.unlink()
    if content is not None:
        path.write_text(content)
    result = cli("evaluate", run_copy)
    assert result.code == 1
    assert "--force" in result.error_line
    arguments = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--force"]
    assert cli(*arguments).code == 0
    assert json.loads(path.read_text())["test_evaluations"] == 1


def test_unknown_column_is_refused_before_training(cli, tmp_path):
    arguments = ["--model", "mlp", "--dataset", "bbc", "--smoke", "--columns", "acuracy"]
    for command in ("train", "compare"):
        result = cli(command, *arguments)
        assert result.code == 2
        assert "--columns: unknown column 'acuracy'" in result.error_line
    assert not (tmp_path / "runs").exists()


def test_unwritable_run_root_is_one_line(cli, tmp_path):
    (tmp_path / "runs").write_text("a file with the name of the folder")
    result = cli("train", "--model", "mlp", "--dataset", "bbc", "--smoke")
    assert result.code == 1
    assert "cannot write runs/_smoke/bbc/mlp/" in result.error_line
    assert (tmp_path / "runs").read_text() == "a file with the name of the folder"


@pytest.mark.slow
def test_tensorboard_files_are_written(cli, tmp_path):
    pytest.importorskip("tensorboard", reason="TensorBoard is an extra")
    arguments = ["train", "--model", "mlp", "--dataset", "bbc", "--smoke"]
    assert cli(*arguments, "--set", "text.num_words=500", "--tensorboard").code == 0
    assert list(tmp_path.rglob("tensorboard/train/events.out.tfevents*"))
    assert list(tmp_path.rglob("tensorboard/validation/events.out.tfevents*"))


def test_quiet_prints_only_the_result(cli, run_copy):
    result = cli("train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--quiet")
    assert (result.code, result.err) == (0, "")
    assert "accuracy" in result.out


@pytest.mark.slow
def test_each_epoch_is_a_line_without_a_terminal(cli, smoke_run):
    result = cli("train", "--config", smoke_run / "config.yaml", "--run-dir", "run")
    epochs = [line for line in result.err.splitlines() if line.startswith("epoch ")]
    assert [line.split("  ")[0] for line in epochs] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert all(
        re.search(r"accuracy [01]\.\d+ \(val [01]\.\d+\)  \d+ s left$", line) for line in epochs
    )
    assert epochs[2].endswith(" 0 s left")
    assert "\x1b" not in result.err


def list_files(folder):
    """Return each file with the time at which it was written, except locks."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.parametrize("model", ["mlp", "plugins/average.py"])
@pytest.mark.usefixtures("tensorflow")
def test_dry_run_prints_the_configuration_and_writes_nothing(cli, tmp_path, plugins, model):
    before = list_files(tmp_path)
    arguments = ["train", "--model", model, "--dataset", "bbc", "--smoke", "--seed", "3"]
    result = cli(*arguments, "--set", "text.num_words=500", "--dry-run")
    assert result.code == 0
    assert list_files(tmp_path) == before
    assert not (tmp_path / "runs").exists()
    (tmp_path / "my.yaml").write_text(result.out)
    config = load_config(tmp_path / "my.yaml", trust_code=True)
    assert (config.seed, config.dataset.limit, config.text.num_words) == (3, 64, 500)
    path = f"runs/_smoke/bbc/{model.split('/')[-1]}/{config.fingerprint}/seed-3"
    assert result.err == f"run directory: {path} (new)\n"


def test_dry_run_says_what_would_happen_to_a_run(cli, run_copy):
    before = list_files(run_copy)
    command = ["train", "--config", run_copy / "config.yaml", "--run-dir", run_copy, "--dry-run"]
    finished = f"run directory: {run_copy} (finished; nothing would be trained)\n"
    assert cli(*command).err == finished
    assert cli(*command, "--force").err == f"run directory: {run_copy} (would be replaced)\n"
    (run_copy / "evaluation.json").unlink()
    assert cli(*command).err == f"run directory: {run_copy} (unfinished; training would resume)\n"
    other = cli(*command, "--seed", "7")
    assert (other.code, other.out) == (1, "")
    assert other.error_line.startswith(f"{run_copy} contains a run of another configuration (")
    del before[run_copy / "evaluation.json"]
    assert list_files(run_copy) == before


@pytest.mark.slow
def test_model_and_dataset_may_be_files_by_option_or_by_set(cli, tmp_path, plugins, tensorflow):
    sets = ["dataset.name=plugins/words.py", "model.name=plugins/bayes.py", "model.alpha=0.5"]
    result = cli("train", *(part for key in sets for part in ("--set", key)), "--format", "json")
    assert result.code == 0, result.err
    [row] = result.json
    assert (row["dataset"], row["model"]) == ("words.py", "bayes.py")
    options = ["--dataset", "plugins/words.py", "--model", "plugins/bayes.py"]
    again = cli("train", *options, "--set", "model.alpha=0.5", "--format", "json")
    assert "already finished" in again.err
    assert again.json == result.json
    run = tmp_path / "runs" / "words.py" / "bayes.py" / row["fingerprint"] / "seed-42"
    for name, original in (("model.py", "bayes.py"), ("dataset.py", "words.py")):
        assert (run / name).read_bytes() == (plugins / original).read_bytes()
    with (plugins / "bayes.py").open("a") as file:
        file.write("# A comment.\n")
    changed = cli("train", *options, "--set", "model.alpha=0.5", "--format", "json")
    assert changed.json[0]["fingerprint"] != row["fingerprint"]
    assert changed.json[0]["accuracy"] == row["accuracy"]


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("model", ["mlp", "tfidf-svc"])
def test_wrong_column_leaves_no_run(cli, tmp_path, model):
    (tmp_path / "a.csv").write_text("text,label\n" + "good text,a\nbad text,b\n" * 9)
    result = cli("train", "--model", model, "--dataset", "a.csv", "--text-column", "body")
    assert (result.code, result.out) == (1, "")
    assert "body" in result.error_line
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_characters_are_used_and_said_if_no_word_is_frequent(cli, tmp_path):
    rows = "".join(f"{'ab'[i % 2]}{i:03},{'ab'[i % 2]}\n" for i in range(100))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    result = cli("train", "--model", "tfidf-svc", "--dataset", "a.csv", "--format", "json")
    assert result.json[0]["accuracy"] == 1
    notes = [line for line in result.err.splitlines() if "n-grams of 1 to 3 characters" in line]
    assert len(notes) == 1
    predicted = cli("predict", "runs", "b999", "--format", "json").json
    assert predicted[0]["label"] == "b"
    assert notes[0] in cli("audit", "a.csv").err.splitlines()
