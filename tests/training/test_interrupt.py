"""Ctrl-C during training."""

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

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
        assert "stopping after this step" in capsys.readouterr().out
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
        for end in (callback.on_train_batch_end, callback.on_test_batch_end):
            with pytest.raises(KeyboardInterrupt):
                end(1, {})
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


def test_an_interrupted_command_leaves_a_run_that_can_be_resumed(tmp_path):
    arguments = ["train", "--model", "mlp", "--dataset", "bbc", "--set", "text.num_words=500"]
    arguments += ["--set", "dataset.limit=64", "--set", "training.epochs=100", "--run-dir", "run"]
    with subprocess.Popen(
        [COMMAND, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith("epoch 2/"):
                process.send_signal(signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "stopping after this step; press Ctrl-C again to stop at once" in rest
    assert "run the same command again to resume after the last complete epoch" in rest
    assert rest.splitlines()[-1] == "textclf: interrupted"
    assert (tmp_path / "run" / "checkpoint.npz").is_file()
    assert not (tmp_path / "run" / "evaluation.json").exists()
    epochs = (tmp_path / "run" / "history.csv").read_text().splitlines()[1:]
    assert 2 <= len(epochs) < 100
