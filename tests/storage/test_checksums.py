"""Damaged files of finished runs: each is said, and none gives a wrong figure."""

import shutil

import numpy as np
import pytest

from textclf.errors import RunError
from textclf.runs.directory import FILES, RunDirectory
from textclf.storage.checksums import format_sealed, read_sealed
from textclf.training.history import Checkpoint, EpochRow


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "runs" / "copy"))


def flip(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def damage(content):
    """Yield a name and the content for damages at places that are spread over the file."""
    random = np.random.default_rng(0)
    for bit in random.integers(0, 8 * len(content), 12):
        yield f"bit {bit}", flip(content, bit)
    for length in {0, 1, len(content) // 2, len(content) - 1}:
        yield f"cut to {length}", content[:length]


def test_a_run_as_it_was_written_is_ok(cli, run):
    assert run.find_damage() == []
    answer = cli("runs", "check", run.path, "--format", "json")
    assert answer.code == 0
    assert answer.json == [{"run": str(run.path), "state": "ok", "problem": None}]
    (run.path / "checkpoint.npz").write_bytes(b"of a process that was killed at the very end")
    cli("evaluate", run.path)  # Counts a look at the test set in meta.json.
    assert run.find_damage() == []


FINISHED = [name for name in FILES if name not in {"checkpoint.npz", "model.skops"}]


@pytest.mark.parametrize("name", FINISHED)
def test_every_bit_counts(run, name):
    path = run.path / name
    content = path.read_bytes()
    for what, changed in damage(content):
        path.write_bytes(changed)
        assert any(name in problem for problem in run.find_damage()), what
    path.unlink()
    if name == "evaluation.json":
        assert not run.is_finished
    else:
        assert any(name in problem for problem in run.find_damage())
    path.write_bytes(content)
    assert run.find_damage() == []


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("evaluation.json", RunDirectory.read_result),
        ("predictions.npz", RunDirectory.read_predictions),
        ("model.keras", RunDirectory.read_model),
        ("meta.json", RunDirectory.read_result),
        ("meta.json", RunDirectory.read_model),
    ],
)
def test_what_gives_figures_is_not_read_when_it_has_changed(run, name, read):
    path = run.path / name
    content = path.read_bytes()
    for _, changed in damage(content):
        path.write_bytes(changed)
        with pytest.raises(RunError) as info:
            read(run)
        assert f"{path} is damaged" in str(info.value)
        assert "\n" not in str(info.value)


def test_a_changed_configuration_does_not_give_the_figures_of_another_run(cli, run):
    path = run.path / "config.yaml"
    before = path.read_text()
    words = ["train", "--config", path, "--run-dir", run.path, "--quiet"]
    assert cli(*words).code == 0
    path.write_text(before.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    answer = cli(*words)
    assert answer.code == 1
    assert f"{run.path} holds another configuration ({run.read_result().fingerprint}, seed" in (
        answer.error_line
    )
    answer = cli("evaluate", run.path)
    assert answer.code == 1
    assert f"{path} is damaged (ValueError: it has changed since it was written)" in (
        answer.error_line
    )
    assert f"train it again, with its options, --run-dir {run.path} and --force" in (
        answer.error_line
    )


def test_a_run_without_its_configuration_can_be_replaced(cli, run, smoke_run):
    (run.path / "config.yaml").unlink()
    answer = cli("evaluate", run.path)
    assert answer.code == 1
    assert f"{run.path / 'config.yaml'} is not there; train it again" in answer.error_line
    words = ["train", "--config", smoke_run / "config.yaml", "--run-dir", run.path, "--quiet"]
    assert cli(*words).code == 0  # What was run is known, and it is this.
    assert not (run.path / "config.yaml").exists()
    assert cli(*words, "--force").code == 0
    assert run.find_damage() == []


@pytest.mark.parametrize("name", ["meta.json", "model.keras", "config.yaml", "evaluation.json"])
def test_what_is_no_regular_file_is_not_read(cli, run, name):
    (run.path / name).unlink()
    (run.path / name).symlink_to("/dev/zero")
    answer = cli("runs", "check", run.path, "--format", "json")
    if name == "evaluation.json":
        assert [row["state"] for row in answer.json] == ["unfinished"]
    else:
        assert {row["state"] for row in answer.json} == {"damaged"}
        assert cli("evaluate", run.path).code == 1


def test_a_run_that_cannot_be_written_is_evaluated_all_the_same(cli, run, monkeypatch):
    def refuse(path, text):
        raise RunError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr("textclf.runs.directory.write_text", refuse)
    answer = cli("evaluate", run.path, "--format", "json")
    assert answer.code == 0
    assert answer.json["metrics"] == run.read_result().evaluation.metrics
    assert "this look at the test texts is not noted: cannot write" in answer.err


def test_a_model_that_was_put_there_is_not_loaded(run):
    shutil.copy(run.path / "model.keras", run.path / "model.skops")
    assert run.find_damage() == ["model.skops is of another run"]
    with pytest.raises(RunError, match=r"model.skops is damaged .*it has changed since"):
        run.read_model()


def test_check_names_what_is_broken_and_changes_nothing(cli, run, tmp_path):
    broken = RunDirectory(shutil.copytree(run.path, tmp_path / "runs" / "broken"))
    (broken.path / "history.csv").write_text("epoch,loss\n")
    (broken.path / "confusion.png").unlink()
    lost = RunDirectory(shutil.copytree(run.path, tmp_path / "runs" / "lost"))
    (lost.path / "config.yaml").unlink()
    unfinished = shutil.copytree(run.path, tmp_path / "runs" / "unfinished")
    (unfinished / "evaluation.json").unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    answer = cli("runs", "check", "--run-root", "runs", "--format", "json")
    assert answer.code == 3
    assert [(row["run"], row["state"], row["problem"]) for row in answer.json] == [
        ("runs/broken", "damaged", "confusion.png is missing"),
        ("runs/broken", "damaged", "history.csv has changed since it was written"),
        ("runs/copy", "ok", None),
        ("runs/lost", "damaged", "config.yaml is missing"),
        ("runs/unfinished", "unfinished", None),
    ]
    assert (
        "2 of 4 runs are damaged; train them again, with their options and --force"
        in answer.error_line
    )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_a_record_is_sealed_by_all_that_is_in_it():
    text = format_sealed({"b": [1, 2.5, None], "a": {"text": "é"}})
    record = read_sealed(text)
    assert format_sealed(record) == text
    assert (record["b"], record["a"]) == ([1, 2.5, None], {"text": "é"})
    for changed in (text.replace("2.5", "2.6"), text[:-1], text.replace(": ", ":"), "[]", "null"):
        with pytest.raises(ValueError, match="has changed since it was written"):
            read_sealed(changed)


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    run = RunDirectory(tmp_path)
    rows = [EpochRow(1, 0.1, 0.2, 0.3, 0.4, 0.001, 1.0)]
    run.write_checkpoint(Checkpoint(rows, [np.arange(3.0), np.arange(2)], [np.arange(3.0)]))
    path = tmp_path / "checkpoint.npz"
    content = path.read_bytes()
    whole = run.read_checkpoint()
    for bit in range(0, 8 * len(content), 7):
        path.write_bytes(flip(content, bit))
        try:
            found = run.read_checkpoint()
        except RunError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most flips are damage, some are padding
            continue
        pairs = zip([*found.variables, *found.best], [*whole.variables, *whole.best], strict=True)
        assert found.rows == whole.rows
        assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
