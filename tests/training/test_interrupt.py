"""Ctrl-C and SIGTERM during training."""

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter
from textclf.training.interrupt import stop_after_step

COMMAND = Path(sys.executable).with_name("textclf")


@pytest.mark.usefixtures("tensorflow")
def test_the_first_stops_after_the_step_and_the_second_at_once(capsys):
    before = signal.getsignal(signal.SIGINT)
    reporter = Reporter(console=Console(file=sys.stdout))
    with contextlib.suppress(KeyboardInterrupt), stop_after_step(reporter) as callback:
        callback.on_train_batch_end(0, {})
        signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        for end in (callback.on_train_batch_end, callback.on_test_batch_end):
            with pytest.raises(KeyboardInterrupt):
                end(1, {})
    assert capsys.readouterr().out.count("stopping after this step; press Ctrl-C again") == 1
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("tensorflow")
def test_one_that_comes_after_the_last_step_is_not_lost():
    def train():
        with stop_after_step(Reporter(quiet=True)):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train()


@pytest.mark.usefixtures("tensorflow")
def test_nothing_changes_outside_the_main_thread():
    before, inside = signal.getsignal(signal.SIGINT), []

    def train():
        with stop_after_step(Reporter(quiet=True)) as callback:
            callback.on_train_batch_end(0, {})
            inside.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert inside == [before]
    assert signal.getsignal(signal.SIGINT) is before


ARGUMENTS = ["train", "--model", "mlp", "--dataset", "bbc", "--set", "dataset.limit=64"]
ARGUMENTS += ["--set", "text.sequence_length=20", "--set", "model.embedding_dim=2"]
ARGUMENTS += ["--set", "training.epochs=60", "--run-dir"]


def interrupt(number, folder):
    """Send a signal to a command that trains, after an epoch; return its code and last lines."""
    with subprocess.Popen(
        [COMMAND, *ARGUMENTS, "run"], cwd=folder, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith("epoch 2/"):
                process.send_signal(number)
                break
        for line in process.stderr:
            if line.startswith("stopping after this step; press Ctrl-C again to stop at once"):
                break
        if number == signal.SIGTERM:  # Supervisors repeat it.
            process.send_signal(number)
        lines = process.stderr.read().splitlines()
    assert lines[0] == "run the same command again to resume after the last complete epoch"
    return process.returncode, lines[-1]


@pytest.mark.posix
@pytest.mark.slow
def test_an_interrupted_command_leaves_a_run_that_can_be_resumed(tmp_path):
    assert interrupt(signal.SIGINT, tmp_path) == (130, "textclf: interrupted")
    run = RunDirectory(tmp_path / "run")
    assert not run.is_finished
    n_epochs = len(run.read_checkpoint().rows)
    assert 2 <= n_epochs < 60
    assert len((run.path / "history.csv").read_text().splitlines()) == 1 + n_epochs


@pytest.mark.posix
@pytest.mark.slow
def test_a_terminated_run_resumes_and_ends_like_an_undisturbed_one(cli, tmp_path):
    assert interrupt(signal.SIGTERM, tmp_path) == (143, "textclf: terminated")
    run = RunDirectory(tmp_path / "run")
    assert not run.is_finished
    n_epochs = len(run.read_checkpoint().rows)
    resumed = cli(*ARGUMENTS, "run")
    assert resumed.code == 0
    assert f"epoch {n_epochs + 1}/60" in resumed.err
    assert f"epoch {n_epochs}/60" not in resumed.err
    assert cli(*ARGUMENTS, "undisturbed", "--quiet").code == 0
    expected = RunDirectory(tmp_path / "undisturbed").read_predictions().probabilities
    assert run.read_predictions().probabilities.tobytes() == expected.tobytes()
