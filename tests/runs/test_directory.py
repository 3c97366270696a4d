"""The run directory: its files, what may be written into it, and damaged files."""

import errno
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from support import PLUGINS

from textclf import registry
from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.errors import RequestError, RunError
from textclf.runs import directory
from textclf.runs.directory import CHECKPOINTS, FILES, RunDirectory
from textclf.storage import files
from textclf.training.history import Checkpoint, EpochRow

CONFIG = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})


def test_path_is_dataset_model_fingerprint_seed(tmp_path):
    path = RunDirectory.of(CONFIG, tmp_path).path
    assert path == tmp_path / "bbc" / "mlp" / CONFIG.fingerprint / "seed-42"


def test_smoke_runs_are_listed_only_in_their_folder(tmp_path):
    real = RunDirectory.of(CONFIG, tmp_path)
    smoke = RunDirectory.of(CONFIG, tmp_path / "_smoke")
    for run in (real, smoke):
        with run.lock():
            run.prepare(CONFIG, force=False)
    for folder, expected in (
        (tmp_path, real),
        (tmp_path / "bbc", real),
        (tmp_path / "_smoke", smoke),
        (tmp_path / "_smoke" / "bbc" / "mlp", smoke),
        (smoke.path, smoke),
    ):
        assert [run.path for run in RunDirectory.list_below(folder)] == [expected.path]


def test_a_finished_run_has_exactly_the_documented_files(smoke_run):
    found = {path.name for path in smoke_run.iterdir()}
    absent = {*CHECKPOINTS, "dataset.py", "model.py", "model.skops"}
    assert found == set(FILES) - absent | {".lock"}


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


CHECKPOINT = Checkpoint([EpochRow(1, 0.1, 0.2, 0.3, 0.4, 0.001, 1.0)], [], [])


def fail_in(run, *, checkpoint=None, error=RunError):
    """Let a run fail after its first files were written."""

    def write_and_fail():
        if not run.is_begun:
            run.prepare(CONFIG, force=False)
        if checkpoint:
            run.write_checkpoint(checkpoint)
        raise error("it fails")

    with pytest.raises(error), run.lock_for_training():
        write_and_fail()


def list_names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_a_new_run_that_fails_leaves_nothing(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / ".hidden").write_text("of the user")
    for path in ("runs/bbc/mlp/seed-1", "mine", "notes"):
        fail_in(RunDirectory(tmp_path / path))
        assert list_names(tmp_path) == {"mine", "notes", "notes/.hidden"}
    fail_in(RunDirectory(tmp_path / "mine" / "runs" / "seed-1"))
    assert list_names(tmp_path) == {"mine", "notes", "notes/.hidden"}


def test_files_of_others_stay_when_a_run_fails(tmp_path):
    others = {"model.py": "of the user", "meta.json": "{}", "runs": ""}
    for name, content in others.items():
        (tmp_path / name).write_text(content)
    run = RunDirectory(tmp_path)
    with pytest.raises(RunError, match="is not a run directory"), run.lock_for_training():
        run.check(CONFIG, force=False)
    assert list_names(tmp_path) == set(others)
    assert (tmp_path / "model.py").read_text() == "of the user"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_run_stays(tmp_path, error):
    run = RunDirectory(tmp_path / "run")
    fail_in(run, error=error)
    assert run.is_begun


def test_a_run_that_is_interrupted_before_it_has_begun_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunDirectory(tmp_path / "a" / "run").lock_for_training():
        raise KeyboardInterrupt
    assert list_names(tmp_path) == set()


def test_a_run_stays_if_it_fails_after_its_first_checkpoint(tmp_path):
    run = RunDirectory(tmp_path / "run")
    fail_in(run, checkpoint=CHECKPOINT)
    assert run.is_begun
    assert run.read_checkpoint().rows == CHECKPOINT.rows


def test_an_earlier_run_stays_when_it_fails_again(tmp_path, run):
    begun = RunDirectory(tmp_path / "begun")
    with begun.lock():
        begun.prepare(CONFIG, force=False)
    before = list_names(run.path)
    for earlier in (begun, run):
        fail_in(earlier)
        assert earlier.is_begun
    assert list_names(run.path) == before


def test_a_run_that_waits_for_one_that_fails_begins_anew(tmp_path):
    run, is_waiting = RunDirectory(tmp_path / "runs" / "run"), threading.Event()

    def wait_and_prepare():
        is_waiting.set()
        with run.lock_for_training(timeout_seconds=60):
            run.prepare(CONFIG, force=False)

    def wait_for_thread_and_fail():
        thread.start()
        is_waiting.wait()
        raise RunError("it fails")

    thread = threading.Thread(target=wait_and_prepare)
    with pytest.raises(RunError, match="it fails"), run.lock_for_training():
        wait_for_thread_and_fail()
    thread.join()
    assert run.read_config() == CONFIG


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


@pytest.mark.slow
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


@pytest.mark.posix
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


@pytest.mark.slow
def test_history_is_read_as_it_was_written(smoke_run, code_runs):
    rows = RunDirectory(smoke_run).read_history()
    lines = (smoke_run / "history.csv").read_text().splitlines()[1:]
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.val_accuracy for row in rows] == [float(line.split(",")[4]) for line in lines]
    assert RunDirectory(code_runs["bayes"]).read_history() == []


CODE_FILES = {"dataset.py": "words.py", "model.py": "scaled.py"}


@pytest.fixture
def moved(code_runs, tmp_path, forget):
    """A copy of a run whose Python files do not exist, in a process that has not executed them."""
    return RunDirectory(shutil.copytree(code_runs["scaled"], tmp_path / "moved"))


def test_run_has_copies_of_its_python_files_with_their_checksums(moved):
    checksums = moved.read_meta()["checksums"]
    tree = moved.read_config().model_dump()
    for name, original in CODE_FILES.items():
        content = (PLUGINS / original).read_bytes()
        assert (moved.path / name).read_bytes() == content
        assert checksums[name] == registry.hash_code(content)
        assert tree[name.removesuffix(".py")]["code"] == registry.hash_code(content)
    assert not (moved.path / "checkpoint.npz").exists()


def test_moved_run_is_read_without_executing_its_python_files(moved):
    config = moved.read_config()
    assert config.fingerprint == moved.read_result().fingerprint
    assert config.dataset.validation_fraction == 0.25
    assert registry._loaded == {}
    moved.check(config, force=False)
    with pytest.raises(RequestError, match=r"words\.py is Python code, which is executed only if"):
        registry.load_module("datasets", config.dataset.name, config.dataset.code)


def test_copies_are_executed_if_the_run_is_trusted(moved):
    config = moved.read_config(trust_code=True)
    module = registry.load_module("datasets", config.dataset.name, config.dataset.code)
    assert module.__file__ == str(moved.path / "dataset.py")
    assert type(config.dataset) is module.Config
    assert config.fingerprint == moved.read_result().fingerprint
    assert moved.read_model(trust_code=True).label_names == ("fruit", "tool")


@pytest.mark.parametrize("name", CODE_FILES)
def test_copy_with_other_content_is_not_executed(moved, name):
    path = moved.path / name
    path.write_text(f"open({str(moved.path / 'executed')!r}, 'w').close()")
    for _ in ("before", "after its checksum was changed too"):
        with pytest.raises(RunError) as info:
            moved.read_config(trust_code=True)
        assert (
            f"{path} is damaged (ValueError: it is not the file that the run was trained with)"
            in (str(info.value))
        )
        moved.finish(moved.read_result(), moved.read_meta())
    assert not (moved.path / "executed").exists()


@pytest.mark.parametrize("name", CODE_FILES)
def test_run_without_a_copy_needs_the_original(moved, name):
    (moved.path / name).unlink()
    with pytest.raises(RunError, match=rf"cannot read .*{CODE_FILES[name]}: No such file or dir"):
        moved.read_config(trust_code=True)
    assert moved.read_config().fingerprint  # Reading it needs neither.


def test_original_is_used_if_the_copy_is_missing(tmp_path, plugins, forget):
    config = resolve(
        {"dataset": {"name": "bbc"}},
        [Override("model.name", str(plugins / "average.py"), "--model")],
    )
    run = RunDirectory(tmp_path / "run")
    with run.lock():
        run.prepare(config, force=False)
    (run.path / "model.py").unlink()
    forget()
    assert run.read_config(trust_code=True).model.embedding_dim == 8
    forget()
    (plugins / "average.py").write_text("raise SystemExit")
    with pytest.raises(RunError, match=r"average\.py has changed since the configuration was made"):
        run.read_config(trust_code=True)


@pytest.mark.parametrize("killed_in", ["write_text", "read_code"])
def test_killed_process_leaves_a_run_that_resumes(tmp_path, plugins, monkeypatch, killed_in):
    config = resolve(
        {"dataset": {"name": "bbc"}},
        [Override("model.name", str(plugins / "average.py"), "--model")],
    )
    run = RunDirectory(tmp_path / "run")

    def kill(*arguments):
        raise KeyboardInterrupt

    with run.lock():
        monkeypatch.setattr(f"textclf.runs.directory.{killed_in}", kill)
        with pytest.raises(KeyboardInterrupt):
            run.prepare(config, force=False)
        monkeypatch.undo()
        run.check(config, force=False)
        run.prepare(config, force=False)
    assert (run.path / "model.py").read_bytes() == (plugins / "average.py").read_bytes()


def test_force_replaces_the_copies_of_another_run(moved, plugins):
    override = Override("model.name", str(plugins / "average.py"), "--model")
    config = resolve({"dataset": {"name": "bbc"}}, [override])
    with pytest.raises(RunError, match="contains a run of another configuration"):
        moved.check(config, force=False)
    moved.check(config, force=True)
    moved.prepare(config, force=True)
    assert (moved.path / "model.py").read_bytes() == (plugins / "average.py").read_bytes()
    assert not (moved.path / "dataset.py").exists()
    assert moved.read_config().fingerprint == config.fingerprint


def test_predictions_of_different_lengths_are_one_line(run):
    found = run.read_predictions()
    (run.path / "evaluation.json").unlink()  # Otherwise, the checksum would differ.
    run.write_predictions(replace(found, label=found.label[:-1]))
    with pytest.raises(RunError, match=r"predictions\.npz .*arrays of different lengths"):
        run.read_predictions()
