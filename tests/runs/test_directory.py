import json
import shutil

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.errors import RunError
from textclf.runs.directory import FILES, RunDirectory
from textclf.runs.result import Result
from textclf.runs.search import find_finished_run, find_runs
from textclf.storage.files import write_whole
from textclf.training.history import Checkpoint, EpochRow

CONFIG = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})


@pytest.fixture
def run(smoke_run, tmp_path):
    """A copy of a finished run, which a test may damage."""
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))


def test_path_is_dataset_model_fingerprint_seed(tmp_path):
    path = RunDirectory.of(CONFIG, tmp_path).path
    assert path == tmp_path / "bbc" / "mlp" / CONFIG.fingerprint / "seed-42"


def test_a_finished_run_has_exactly_the_promised_files(smoke_run):
    found = {path.name for path in smoke_run.iterdir()}
    assert found == set(FILES) - {"checkpoint.npz", "model.skops"} | {".lock"}


def test_evaluation_json_has_the_documented_fields_and_comes_back(run):
    content = json.loads((run.path / "evaluation.json").read_text())
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
        "epochs_run",
        "parameters",
        "train_seconds",
        "examples_per_second",
    }
    assert json.loads(json.dumps(Result.from_json(content).to_json())) == content
    assert content["epochs_run"] == 3
    assert content["n_examples"] == 64
    low, high = content["intervals"]["accuracy"]
    assert low < content["metrics"]["accuracy"] < high


def test_evaluation_json_agrees_with_predictions(run):
    predictions = run.read_predictions()
    accuracy = (predictions.probabilities.argmax(axis=1) == predictions.label).mean()
    result = run.read_result()
    assert result.evaluation.metrics["accuracy"] == pytest.approx(accuracy)
    assert predictions.probabilities.dtype == np.float32
    assert predictions.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert sum(scores.support for scores in result.evaluation.per_class) == 64


def test_history_csv_has_a_row_an_epoch(run):
    lines = (run.path / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_meta_json_says_what_it_was_made_with(run):
    meta = json.loads((run.path / "meta.json").read_text())
    assert meta["device"] == "cpu"
    assert set(meta["versions"]) >= {"python", "textclf", "tensorflow", "keras", "numpy"}
    assert set(meta["seconds"]) >= {"data", "text", "train", "evaluate", "write"}
    assert meta["peak_memory_bytes"] > 50_000_000
    assert len(meta["dataset_digest"]) == 64


def test_checkpoint_comes_back(tmp_path):
    run = RunDirectory(tmp_path)
    assert run.read_checkpoint() is None
    rows = [EpochRow(1, 0.1, 0.2, 0.3, 0.4, 0.001, 1 / 3)]
    arrays = [np.arange(6.0).reshape(2, 3), np.array(7, np.int64), np.array([1, 2], np.uint32)]
    for best in ([], arrays[:2]):
        run.write_checkpoint(Checkpoint(rows, arrays, best))
        back = run.read_checkpoint()
        assert back.rows == rows
        assert [array.dtype for array in back.variables] == [array.dtype for array in arrays]
        assert all(np.array_equal(a, b) for a, b in zip(back.variables, arrays, strict=True))
        assert len(back.best) == len(best)


def test_what_a_directory_may_hold_before_training(tmp_path, run):
    other = resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn"}})
    empty = RunDirectory(tmp_path / "new" / "run")
    with empty.lock():
        empty.check(CONFIG, force=False)
        empty.prepare(CONFIG, force=False)
        assert empty.read_config() == CONFIG
        empty.check(CONFIG, force=False)  # the same configuration again
        with pytest.raises(
            RunError, match=r"holds another configuration \(.*, seed 42\); .* --force"
        ):
            empty.check(other, force=False)
        empty.check(other, force=True)
    for name in ("config.yaml", "evaluation.json"):
        (run.path / name).unlink()  # now it is some folder with files
    for force in (False, True):
        with pytest.raises(RunError, match=r"is no run directory: it has no config.yaml, but"):
            run.check(CONFIG, force=force)
    assert (run.path / "model.keras").exists()


def test_a_directory_in_use_is_refused(tmp_path):
    run = RunDirectory(tmp_path)
    with (
        run.lock(),
        pytest.raises(RunError, match="is in use by another process"),
        RunDirectory(tmp_path).lock(),
    ):
        pass
    with run.lock():  # free again
        pass


def test_prepare_removes_leftovers_and_with_force_the_run(run):
    (run.path / "notes.txt").write_text("mine")
    (run.path / ".123-checkpoint.npz").write_text("of a killed process")
    (run.path / "tensorboard").mkdir()
    config = run.read_config()
    before = {path.name for path in run.path.iterdir()}
    run.prepare(config, force=False)
    assert {path.name for path in run.path.iterdir()} == before - {".123-checkpoint.npz"}
    run.prepare(config, force=True)
    # Killed at any moment, it is still a run, and the looks at its test set are counted.
    left = {path.name for path in run.path.iterdir()} - {".lock"}
    assert left == {"config.yaml", "meta.json", "notes.txt"}


def test_history_is_whole_when_the_last_checkpoint_was_not_written(tmp_path, monkeypatch):
    import textclf.training.checkpoint

    run = RunDirectory(tmp_path)
    rows = [EpochRow(i, 0.1, 0.2, 0.3, 0.4, 0.001, 1.0) for i in (1, 2)]
    run.write_checkpoint(Checkpoint(rows[:1], [], []))
    monkeypatch.setattr(textclf.checkpoints, "write_arrays", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.write_checkpoint(Checkpoint(rows, [], []))
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3
    assert run.read_checkpoint().rows == rows[:1]


def test_another_dataset_is_refused(run):
    digest = run.read_meta()["dataset_digest"]
    run.check_dataset(digest)
    with pytest.raises(RunError, match=f"has changed since .*digest {digest[:10]}, now 0000000000"):
        run.check_dataset("0" * 64)


def test_a_path_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    run = RunDirectory(tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"cannot write .*: Not a directory"), run.lock():
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def write_half():
        with write_whole(path) as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["evaluation.json", "predictions.npz", "model.keras", "config.yaml"]
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "missing"])
def test_damaged_files_are_one_line(run, name, damage):
    path = run.path / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        noise = bytes(byte ^ 0x5A for byte in content)
        path.write_bytes(
            {"truncated": content[: len(content) // 2], "empty": b"", "noise": noise}[damage]
        )
    readers = {
        "evaluation.json": run.read_result,
        "predictions.npz": run.read_predictions,
        "model.keras": run.read_model,
        "config.yaml": run.read_config,
    }
    with pytest.raises(RunError) as info:
        readers[name]()
    assert str(run.path) in str(info.value)
    assert "\n" not in str(info.value)


def test_another_schema_version_is_refused(run, monkeypatch):
    result = run.read_result()
    monkeypatch.setattr("textclf.runs.result.SCHEMA_VERSION", 99)
    run.finish(result, run.read_meta())
    monkeypatch.undo()
    with pytest.raises(RunError, match="has schema_version 99, but this textclf reads 1"):
        run.read_result()


def test_finding_runs(run, tmp_path):
    assert [found.path for found in find_runs([tmp_path])] == [run.path]
    assert len(find_runs([tmp_path, run.path])) == 1
    assert find_finished_run(tmp_path).path == find_finished_run(run.path).path == run.path
    (tmp_path / "none").mkdir()
    with pytest.raises(RunError, match="no run below"):
        find_runs([tmp_path / "none"])
    with pytest.raises(RunError, match="is no folder"):
        find_runs([tmp_path / "absent"])
    shutil.copytree(run.path, tmp_path / "second")
    with pytest.raises(RunError, match=r"2 runs below .*; name one"):
        find_finished_run(tmp_path)
    (run.path / "evaluation.json").unlink()
    with pytest.raises(RunError, match=r"is not finished: it has no evaluation.json"):
        find_finished_run(run.path)
