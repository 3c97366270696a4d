"""Each command ends with the next useful command."""

import shlex
import shutil

import click
import pytest
from support import list_commands

from textclf.cli import cli as group

ARGUMENTS = {
    "audit": ["bbc", "--set", "dataset.limit=40"],
    "cache clear": [],
    "cache list": [],
    "compare": ["RUN"],
    "datasets": [],
    "diff": ["RUN", "RUN"],
    "evaluate": ["copy"],  # Evaluations of the test split are counted in the run.
    "explain": ["RUN", "Shares fell"],
    "export": ["RUN", "exported"],
    "hub build": ["out", "--vectors", "vectors.txt"],
    "hub info": ["out"],
    "models": [],
    "predict": ["RUN", "Shares fell"],
    "report": ["RUN"],
    "reproduce": ["RUN"],
    "runs check": ["RUN"],
    "runs list": ["RUN"],
    "runs remove": ["copy", "--yes"],
    "train": ["--model", "majority", "--dataset", "bbc", "--smoke"],
    "tune": ["--model", "tfidf-svc", "--dataset", "bbc", "--smoke", "--trials", "2"],
}
"""Arguments of each command except `serve`, which does not end; RUN is a finished run that must not
change, ``copy`` a copy."""


def test_every_command_is_called():
    groups = {name.split()[0] for name in list_commands() if " " in name}
    assert set(ARGUMENTS) == set(list_commands()) - groups - {"serve"}


@pytest.fixture
def folder(smoke_run, tmp_path, monkeypatch):
    """A folder with what the arguments name, and a cache of its own."""
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    shutil.copytree(smoke_run, tmp_path / "copy")
    (tmp_path / "vectors.txt").write_text("apple 0.5 0.25\npear 0.5 0.75\n")
    return tmp_path


SLOW_COMMANDS = ("export", "report", "reproduce", "tune")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW_COMMANDS else [])
        for name in ARGUMENTS
    ],
)
def test_command_ends_with_the_next_command(cli, folder, smoke_run, name):
    if name == "hub info":
        cli("hub", "build", *ARGUMENTS["hub build"])
    given = [str(smoke_run) if word == "RUN" else word for word in ARGUMENTS[name]]
    result = cli(*name.split(), *given)
    assert result.code == 0, result.err
    last = result.err.splitlines()[-1]
    if name == "export":  # What it wrote is used without textclf.
        assert last == "next: python exported/example.py 'a text to classify'"
        return
    assert last.startswith("next: textclf "), last
    command, (_, *words) = group, shlex.split(last.removeprefix("next: "))
    while isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
    # With the group's settings, because click keeps the help option that it makes first.
    with command.make_context(command.name, words, **group.context_settings) as context:
        assert context.info_name == command.name


def test_other_formats_and_quiet_commands_end_without_it(cli, smoke_run):
    assert "next:" not in cli("compare", smoke_run, "--format", "json").err
    assert "next:" not in cli("compare", smoke_run, "--quiet").err
