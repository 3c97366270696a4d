"""Killed runs, damaged files, racing processes and full disks."""

import errno
import os
import shutil
import subprocess
import sys

import pytest
from support import load_script

from textclf.evaluation import plots
from textclf.runs.directory import RunDirectory
from textclf.storage import files


@pytest.mark.slow
def test_a_killed_run_ends_like_an_undisturbed_one(tmp_path, monkeypatch, capsys):
    script = load_script("stress/kill_runs")
    small = ["--set", "text.num_words=300", "--set", "model.units=8"]
    small += ["--set", "training.refit=true", "--set", "evaluation.calibration=temperature"]
    monkeypatch.setattr(script, "OPTIONS", [*script.OPTIONS, *small])
    assert script.check_model("mlp", tmp_path, kills=4, jobs=2, seed=0) == 0
    row = capsys.readouterr().out
    assert row.startswith("| mlp | 4 | 0 | ")
    # Half of the runs were killed after some epochs.
    assert "epoch" in row


@pytest.mark.slow
def test_a_damaged_run_gives_no_incorrect_metrics(smoke_run, tmp_path):
    script = load_script("stress/damage_runs")
    for name in ("one", "two"):
        shutil.copytree(smoke_run, tmp_path / "runs" / name)
    shutil.copytree(smoke_run, tmp_path / "intact")
    # Six damaged versions and a flipped bit: a command that needs the file reports each of them.
    counts = script.check_file("predictions.npz", tmp_path / "runs", 7)
    assert counts == {
        "compare": {script.REPORTED: 7},
        "evaluate": {script.UNCHANGED: 7},
        "predict": {script.UNCHANGED: 7},
        "runs check": {script.REPORTED: 7},
    }
    counts = script.check_file("config.yaml", tmp_path / "runs", 7)
    assert not any(count[script.WRONG] for count in counts.values())
    assert counts["runs check"] == {script.REPORTED: 7}


@pytest.mark.slow
def test_two_processes_download_and_build_each_file_once():
    script = load_script("stress/race_caches").__file__
    done = subprocess.run(
        [sys.executable, script, "--processes", "2", "--rounds", "1"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| built glove | 1 |" in done.stdout
    assert "| downloaded reuters.npz | 1 |" in done.stdout
    assert "| needed embedding/1 | 2 |" in done.stdout


ARGUMENTS = ["train", "--model", "majority", "--dataset", "bbc", "--smoke", "--run-dir"]


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_a_full_disk_at_any_write_is_one_line_and_a_later_run_succeeds(cli, tmp_path, monkeypatch):
    flush = files._flush
    run = RunDirectory(tmp_path / "run")
    # Drawing would take most of the time.
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: path.write_bytes(bytes(1000)))
    for n_writes in range(100):
        writes = 0

        def fail_after(path, allowed=n_writes):
            nonlocal writes
            writes += 1
            if writes > allowed:
                path.write_bytes(path.read_bytes()[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            flush(path)

        with monkeypatch.context() as patch:
            patch.setattr(files, "_flush", fail_after)
            result = cli(*ARGUMENTS, "run", "--quiet", "--force")
        if result.code == 0:
            break
        assert result.code == 1
        assert "No space left on device; check the disk" in result.error_line
        assert not run.is_finished
        assert not [path for path in run.path.glob(".*") if path.name != ".lock"]
        assert cli(*ARGUMENTS, "run", "--quiet").code == 0
        assert run.find_damage() == []
    # Configuration, meta, validation, two plots, model, predictions, meta again, evaluation.
    assert n_writes == 9


@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize("path", ["run", "run/below"])
def test_a_folder_that_vanishes_is_one_line(cli, path, tmp_path, monkeypatch):
    write = RunDirectory.write_plots

    def vanish(self, plots):
        self.path.rename(tmp_path / "moved")
        write(self, plots)

    monkeypatch.setattr(RunDirectory, "write_plots", vanish)
    result = cli(*ARGUMENTS, path, "--quiet")
    assert result.code == 1
    assert f"cannot write {path}/confusion.png: No such file or directory" in result.error_line
