"""Damaged files of finished runs: each is reported, and none gives incorrect metrics."""

import json
import shutil

import numpy as np
import pytest

from textclf.errors import RunError
from textclf.runs.directory import CHECKPOINTS, FILES, RunDirectory
from textclf.training.history import Checkpoint, EpochRow


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "runs" / "copy"))


def flip_bit(content, bit):
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def damage(name, content):
    """Yield descriptions and contents of a file with single flipped bits, or cut off."""
    random = np.random.default_rng(0)
    for bit in random.integers(0, 8 * len(content), 12):
        yield f"bit {bit}", flip_bit(content, bit)
    # The last line break of meta.json is white space, which its checksum leaves out.
    last = len(content) - (2 if name == "meta.json" else 1)
    for length in {0, 1, len(content) // 2, last}:
        yield f"cut to {length}", content[:length]


def test_unchanged_run_is_ok(cli, run):
    assert run.find_damage() == []
    result = cli("runs", "check", run.path, "--format", "json")
    assert result.code == 0
    assert result.json == [{"run": str(run.path), "state": "ok", "problem": None}]
    (run.path / "checkpoint.npz").write_bytes(b"of a process that was killed at the very end")
    cli("evaluate", run.path)  # Counts a test evaluation in meta.json.
    assert run.find_damage() == []


def test_reformatted_meta_json_is_not_damage(run):
    path = run.path / "meta.json"
    meta = run.read_meta()
    reformatted = json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True)
    assert reformatted != path.read_text()
    path.write_text(reformatted)
    assert run.find_damage() == []
    assert run.read_meta() == meta
    path.write_text(reformatted.replace('"n_devices": 1', '"n_devices": 2'))
    assert "it has changed since it was written" in run.find_damage()[0]


ABSENT = {*CHECKPOINTS, "dataset.py", "model.py", "model.skops"}
FINISHED = [name for name in FILES if name not in ABSENT]


@pytest.mark.parametrize("name", FINISHED)
def test_damage_to_any_file_is_found(run, name):
    path = run.path / name
    content = path.read_bytes()
    for description, changed in damage(name, content):
        path.write_bytes(changed)
        assert any(name in problem for problem in run.find_damage()), description
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
def test_damaged_file_is_not_read(run, name, read):
    path = run.path / name
    content = path.read_bytes()
    for _, changed in damage(name, content):
        path.write_bytes(changed)
        with pytest.raises(RunError) as info:
            read(run)
        assert f"{path} is damaged" in str(info.value)
        assert "\n" not in str(info.value)


def test_changed_configuration_is_not_taken_for_that_of_the_run(cli, run):
    path = run.path / "config.yaml"
    before = path.read_text()
    train = ["train", "--config", path, "--run-dir", run.path, "--quiet"]
    assert cli(*train).code == 0
    path.write_text(before.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    failed = cli(*train)
    assert failed.code == 1
    fingerprint = run.read_result().fingerprint
    assert f"{run.path} contains a run of another configuration ({fingerprint}, seed" in (
        failed.error_line
    )
    failed = cli("evaluate", run.path)
    assert failed.code == 1
    assert f"{path} is damaged (ValueError: it has changed since it was written)" in (
        failed.error_line
    )
    assert f"train it again with its options, --run-dir {run.path} and --force" in (
        failed.error_line
    )


@pytest.mark.slow
def test_run_without_its_configuration_can_be_replaced(cli, run, smoke_run):
    (run.path / "config.yaml").unlink()
    failed = cli("evaluate", run.path)
    assert failed.code == 1
    assert f"{run.path / 'config.yaml'} does not exist; train it again" in failed.error_line
    train = ["train", "--config", smoke_run / "config.yaml", "--run-dir", run.path, "--quiet"]
    assert cli(*train).code == 0  # The result says what was run, and it is this configuration.
    assert not (run.path / "config.yaml").exists()
    assert cli(*train, "--force").code == 0
    assert run.find_damage() == []


@pytest.mark.posix
@pytest.mark.parametrize("name", ["meta.json", "model.keras", "config.yaml", "evaluation.json"])
def test_file_that_is_not_regular_is_not_read(cli, run, name):
    (run.path / name).unlink()
    (run.path / name).symlink_to("/dev/zero")
    result = cli("runs", "check", run.path, "--format", "json")
    if name == "evaluation.json":
        assert [row["state"] for row in result.json] == ["validated"]
    else:
        assert {row["state"] for row in result.json} == {"damaged"}
        assert cli("evaluate", run.path).code == 1


def test_read_only_run_is_evaluated(cli, run, monkeypatch):
    def refuse(path, text):
        raise RunError(f"cannot write {path}: Read-only file system")

    monkeypatch.setattr("textclf.runs.directory.write_text", refuse)
    result = cli("evaluate", run.path, "--format", "json")
    assert result.code == 0
    assert result.json["metrics"] == run.read_result().evaluation.metrics
    assert "this test evaluation is not counted: cannot write" in result.err


def test_model_of_another_run_is_not_loaded(run):
    (run.path / "model.skops").write_bytes(b"not a model")
    assert run.find_damage() == ["model.skops belongs to another run"]
    assert run.read_model().file_suffix == ".keras"


def test_a_missing_model_is_named_as_the_run_wrote_it(run):
    (run.path / "model.keras").unlink()
    with pytest.raises(RunError, match=r"model.keras does not exist; run: textclf train"):
        run.read_model()


def test_check_names_every_problem_and_changes_nothing(cli, run, tmp_path):
    broken = RunDirectory(shutil.copytree(run.path, tmp_path / "runs" / "broken"))
    (broken.path / "history.csv").write_text("epoch,loss\n")
    (broken.path / "confusion.png").unlink()
    lost = RunDirectory(shutil.copytree(run.path, tmp_path / "runs" / "lost"))
    (lost.path / "config.yaml").unlink()
    unfinished = shutil.copytree(run.path, tmp_path / "runs" / "unfinished")
    for name in ("evaluation.json", "validation.json"):
        (unfinished / name).unlink()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    result = cli("runs", "check", "--run-root", "runs", "--format", "json")
    assert result.code == 3
    assert [(row["run"], row["state"], row["problem"]) for row in result.json] == [
        ("runs/broken", "damaged", "confusion.png is missing"),
        ("runs/broken", "damaged", "history.csv has changed since it was written"),
        ("runs/copy", "ok", None),
        ("runs/lost", "damaged", "config.yaml is missing"),
        ("runs/unfinished", "unfinished", None),
    ]
    assert (
        "damaged: 2 of 4 runs; train again with the same options and --force, or restore the files"
        in result.error_line
    )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.slow
def test_damaged_checkpoint_is_one_line(tmp_path):
    run = RunDirectory(tmp_path)
    rows = [EpochRow(1, 0.1, 0.2, 0.3, 0.4, 0.001, 1.0)]
    run.write_checkpoint(Checkpoint(rows, [np.arange(3.0), np.arange(2)], [np.arange(3.0)]))
    path = tmp_path / "checkpoint.npz"
    content = path.read_bytes()
    whole = run.read_checkpoint()
    for bit in range(0, 8 * len(content), 7):
        path.write_bytes(flip_bit(content, bit))
        try:
            found = run.read_checkpoint()
        except RunError as error:
            assert "\n" not in str(error)  # noqa: PT017 - most flips are damage, some are padding
            continue
        ours = [*found.variables, *found.best_weights]
        pairs = zip(ours, [*whole.variables, *whole.best_weights], strict=True)
        assert found.rows == whole.rows
        assert all(np.array_equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("name", ["model.py", "dataset.py"])
def test_damage_to_the_copy_of_a_python_file_is_found(cli, code_runs, tmp_path, name):
    run = RunDirectory(shutil.copytree(code_runs["average"], tmp_path / "runs" / "copy"))
    assert cli("runs", "check", run.path).code == 0
    path = run.path / name
    content = path.read_bytes()
    for description, changed in damage(name, content):
        path.write_bytes(changed)
        assert run.find_damage() == [f"{name} has changed since it was written"], description
    path.unlink()
    result = cli("runs", "check", run.path, "--format", "json")
    assert result.code == 3
    assert [row["problem"] for row in result.json] == [f"{name} is missing"]


def test_python_file_that_does_not_belong_to_a_run_is_found(run):
    (run.path / "model.py").write_text("")
    assert run.find_damage() == ["model.py belongs to another run"]
