"""The run directory: its files, what may be written into it, and damaged files."""

import errno
import json

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.errors import RunError
from textclf.runs import directory
from textclf.runs.directory import FILES, RunDirectory
from textclf.storage import files
from textclf.training.history import Checkpoint, EpochRow

CONFIG = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})


def test_path_is_dataset_model_fingerprint_seed(tmp_path):
    path = RunDirectory.of(CONFIG, tmp_path).path
    assert path == tmp_path / "bbc" / "mlp" / CONFIG.fingerprint / "seed-42"


def test_a_finished_run_has_exactly_the_documented_files(smoke_run):
    found = {path.name for path in smoke_run.iterdir()}
    assert found == set(FILES) - {"checkpoint.npz", "model.skops"} | {".lock"}


def test_history_csv_has_one_row_per_epoch(smoke_run):
    lines = (smoke_run / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2", "3"]


def test_meta_json_describes_how_the_run_was_made(smoke_run):
    meta = json.loads((smoke_run / "meta.json").read_text())
    assert meta["device"] == "cpu"
    assert set(meta["versions"]) >= {"python", "textclf", "tensorflow", "keras", "numpy"}
    assert set(meta["seconds"]) >= {"data", "text", "train", "evaluate", "write"}
    assert meta["peak_memory_bytes"] > 50_000_000
    assert len(meta["dataset_digest"]) == 64


def test_checkpoint_is_read_as_it_was_written(tmp_path):
    run = RunDirectory(tmp_path)
    assert run.read_checkpoint() is None
    rows, arrays = [EpochRow(1, 0.1, 0.2, 0.3, 0.4, 0.001, 1.0)], [np.arange(6.0)]
    run.write_checkpoint(Checkpoint(rows, arrays, []))
    found = run.read_checkpoint()
    assert found.rows == rows
    assert np.array_equal(found.variables, arrays)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint.npz", "history.csv"}


def test_what_a_directory_may_contain_before_training(tmp_path, run):
    other = resolve({"dataset": {"name": "bbc"}, "model": {"name": "cnn"}})
    empty = RunDirectory(tmp_path / "new" / "run")
    with empty.lock():
        empty.check(CONFIG, force=False)
        empty.prepare(CONFIG, force=False)
        assert empty.read_config() == CONFIG
        empty.check(CONFIG, force=False)  # The same configuration again.
        problem = r"contains a run of another configuration \(.*, seed 42\); .* --force"
        with pytest.raises(RunError, match=problem):
            empty.check(other, force=False)
        empty.check(other, force=True)
    for name in ("config.yaml", "evaluation.json"):
        (run.path / name).unlink()  # Now it is a folder with other files.
    for force in (False, True):
        with pytest.raises(RunError, match=r"is not a run directory: it contains \S+ but no"):
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
    with run.lock():  # Free again.
        pass


def test_prepare_removes_leftovers_and_with_force_the_earlier_run(run):
    (run.path / "notes.txt").write_text("of the user")
    (run.path / ".123-checkpoint.npz").write_text("of a killed process")
    (run.path / "tensorboard").mkdir()
    config = run.read_config()
    before = {path.name for path in run.path.iterdir()}
    run.prepare(config, force=False)
    assert {path.name for path in run.path.iterdir()} == before - {".123-checkpoint.npz"}
    run.prepare(config, force=True)
    # Killed at any moment, it is still a run, and its test evaluations are counted.
    left = {path.name for path in run.path.iterdir()} - {".lock"}
    assert left == {"config.yaml", "meta.json", "notes.txt"}


def test_another_dataset_is_refused(run):
    digest = run.read_meta()["dataset_digest"]
    run.check_dataset(digest)
    with pytest.raises(RunError, match=f"has changed since .*digest {digest[:10]}, now 0000000000"):
        run.check_dataset("0" * 64)


def test_a_path_below_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    run = RunDirectory(tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"^cannot write [^\n]*: Not a directory"), run.lock():
        pass


@pytest.mark.parametrize(
    "name", ["evaluation.json", "predictions.npz", "model.keras", "config.yaml"]
)
@pytest.mark.parametrize("damage", ["truncated", "empty", "noise", "missing"])
def test_a_damaged_file_is_one_line(run, name, damage):
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


def fill(run):
    """Add everything to a finished run that textclf may leave there, in kilobytes."""
    (run.path / "checkpoint.npz").write_bytes(bytes(1_000))
    (run.path / ".123-model.keras").write_bytes(bytes(2_000))
    (run.path / ".123-config.yaml").mkdir()
    (run.path / "tensorboard" / "train").mkdir(parents=True)
    (run.path / "tensorboard" / "train" / "events").write_bytes(bytes(4_000))


def test_a_removed_run_leaves_nothing(run):
    before = run.n_bytes
    assert before == sum(path.stat().st_size for path in run.path.iterdir())
    fill(run)
    assert run.n_bytes == before + 7_000
    assert run.remove() == []
    assert not run.path.exists()
    assert run.path.parent.exists()


def test_removal_leaves_files_of_others_and_what_links_lead_to(run, tmp_path):
    fill(run)
    others = [tmp_path / name for name in ("weights", "events", "notes.txt", ".notes.txt")]
    weights, events, *notes = others
    weights.write_text("elsewhere")
    events.mkdir()
    (events / "event").write_text("elsewhere")
    (run.path / "model.keras").unlink()
    (run.path / "model.keras").symlink_to(weights)
    files.remove(run.tensorboard_path)
    run.tensorboard_path.symlink_to(events)
    for note in notes:
        (run.path / note.name).write_text("of the user")
    written = [path for path in run.path.rglob("*") if path.name not in {"notes.txt", ".notes.txt"}]
    files_only = [path for path in written if path.is_file() and not path.is_symlink()]
    assert run.n_bytes == sum(path.stat().st_size for path in files_only)
    assert run.remove() == [run.path / ".notes.txt", run.path / "notes.txt"]
    assert {path.name for path in run.path.iterdir()} == {".notes.txt", "notes.txt"}
    assert weights.read_text() == "elsewhere"
    assert (events / "event").read_text() == "elsewhere"


def test_a_run_in_use_is_not_removed(run):
    with run.lock(), pytest.raises(RunError, match="is in use by another process"):
        RunDirectory(run.path).remove()
    assert run.find_damage() == []


def test_a_half_removed_run_is_found_and_does_not_look_finished(run, monkeypatch):
    fill(run)
    removed = []

    def fail_later(path):
        if len(removed) == n_removed:
            raise PermissionError(errno.EACCES, "denied", str(path))
        removed.append(path.name)
        files.remove(path)

    monkeypatch.setattr(directory, "remove", fail_later)
    names = [path.name for path in run.list_written()]
    assert (names[0], names[-1]) == ("evaluation.json", "config.yaml")
    for n_removed in range(len(names)):
        with pytest.raises(RunError, match=rf"^cannot remove {run.path}: denied; check the disk"):
            run.remove()
        assert run.is_finished == (n_removed == 0)
        assert [found.path for found in RunDirectory.list_below(run.path)] == [run.path]
    assert removed == names[:-1]
