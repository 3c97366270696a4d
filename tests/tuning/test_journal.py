"""The journal of a study has Optuna's format, and finished trials only."""

import sys

import optuna
import pytest
from tuning_support import NETWORK_SPACE, make_trial

from textclf.errors import RequestError, RunError
from textclf.tuning.journal import (
    append_trials,
    create_journal,
    cut_torn_line,
    read_journal,
    thaw,
)

TRIALS = [
    make_trial(0, 0.25, steps={1: 0.5, 2: 0.25}, params={"model.dropout": 0.9, "model.filters": 7}),
    make_trial(1, state="pruned", steps={1: 0.75}),
    make_trial(2, state="failed", error="training diverged", n_epochs=0),
]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "bbc-cnn" / "study.journal"
    path.parent.mkdir()
    create_journal(path, {"metric": "loss"}, direction="minimize")
    return path


def read(path):
    settings, trials = read_journal(path)
    assert settings == {"metric": "loss"}
    return [thaw(trial, NETWORK_SPACE) for trial in trials]


def test_trials_are_read_as_they_were_written(path):
    assert read(path) == []
    append_trials(path, TRIALS[:2], NETWORK_SPACE)
    append_trials(path, TRIALS[2:], NETWORK_SPACE)
    assert read(path) == TRIALS


def test_each_trial_is_one_line_and_optuna_reads_it(path):
    before = path.read_text().count("\n")
    append_trials(path, TRIALS, NETWORK_SPACE)
    assert path.read_text().count("\n") == before + 3
    backend = optuna.storages.journal.JournalFileBackend(str(path))
    storage = optuna.storages.JournalStorage(backend)
    study = optuna.load_study(study_name="bbc-cnn", storage=storage)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "PRUNED", "FAIL"]
    assert study.best_value == 0.25
    assert study.trials[0].params == {}  # Its values are outside of the search space.
    assert study.trials[1].params == {"model.dropout": 0.1, "model.filters": 32}
    assert study.trials[1].intermediate_values == {1: 0.75}


@pytest.mark.parametrize("n_bytes", [1, 2, 100])
def test_a_torn_line_is_ignored_and_cut_off(path, n_bytes):
    append_trials(path, TRIALS, NETWORK_SPACE)
    whole = path.read_bytes()
    assert not cut_torn_line(path)
    path.write_bytes(whole[:-n_bytes])
    assert read(path) == TRIALS[:2]  # `--show` changes no file.
    assert path.read_bytes() == whole[:-n_bytes]
    assert cut_torn_line(path)
    append_trials(path, TRIALS[2:], NETWORK_SPACE)
    assert read(path) == TRIALS


def test_a_damaged_journal_is_one_line(path):
    append_trials(path, TRIALS, NETWORK_SPACE)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:2], "{\n", *lines[2:]]))
    with pytest.raises(RunError, match=r"is damaged \(.*\); remove its folder to begin the study"):
        read_journal(path)
    with pytest.raises(RunError, match=r"does not exist; remove its folder"):
        read_journal(path.with_name("other"))
    assert not path.with_name("other").exists()


def test_no_lock_of_optuna_stays(path):
    append_trials(path, TRIALS, NETWORK_SPACE)
    assert [file.name for file in path.parent.iterdir()] == ["study.journal"]


def test_without_optuna_the_install_command_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    message = r"^tuning needs Optuna: pip install 'textclf-keras\[tune\]'"
    with pytest.raises(RequestError, match=message):
        create_journal(tmp_path / "study.journal", {}, direction="minimize")


@pytest.mark.parametrize("content", [b"", b"no journal", b"\x93\x00\nno journal"])
def test_another_file_is_not_changed_and_named_in_one_line(path, content):
    path.write_bytes(content)
    assert not cut_torn_line(path)
    assert path.read_bytes() == content
    with pytest.raises(
        RunError, match=r"study\.journal is damaged \([^<>\n]*\); remove its folder"
    ):
        read_journal(path)
