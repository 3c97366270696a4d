"""Completion of the command line by shells."""

import ast
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from test_structure import HEAVY

from textclf.registry import list_names

COMMAND = Path(sys.executable).with_name("textclf")
SLOW = HEAVY | {"numpy", "pydantic", "rich", "yaml"}
"""Packages that take too long for a key."""


@pytest.fixture
def complete(cli, monkeypatch):
    """Return a function that completes the last word of a line, and returns what is offered."""

    def run(line):
        words = shlex.split(line.replace("|", "''"))
        monkeypatch.setenv("_TEXTCLF_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line.replace("|", ""))
        monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
        result = cli()
        assert (result.code, result.err) == (0, "")
        return result.out.split()

    return run


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("textclf tr", ["plain,train"]),
        ("textclf runs |", ["plain,check", "plain,list", "plain,remove"]),
        ("textclf train --mo", ["plain,--model"]),
        ("textclf train --model cnn", ["file,cnn", "plain,cnn", "plain,cnn-lstm"]),
        ("textclf compare --model mlp --model lst", ["file,lst", "plain,lstm"]),
        ("textclf train --dataset b", ["file,b", "plain,bbc"]),
        ("textclf train --dataset ./rev", ["file,./rev"]),
        ("textclf models ml", ["file,ml", "plain,mlp"]),
        ("textclf datasets im", ["file,im", "plain,imdb"]),
        ("textclf audit reu", ["file,reu", "plain,reuters"]),
        ("textclf compare --format m", ["plain,markdown"]),
        ("textclf evaluate runs/b", ["file,runs/b"]),
        ("textclf trian --model cach", ["plain,cache"]),
        ("textclf train --model cnn --no-such-option", []),
    ],
)
def test_word_is_completed(complete, line, expected):
    assert complete(line) == expected


def test_all_commands_and_models_are_offered(complete):
    assert complete("textclf |") == [f"plain,{name}" for name in list_names("commands")]
    models = [f"plain,{name}" for name in list_names("models")]
    assert complete("textclf train --model |") == ["file,", *models]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_asks_the_program(cli, monkeypatch, shell):
    monkeypatch.setenv("_TEXTCLF_COMPLETE", f"{shell}_source")
    result = cli()
    assert result.code == 0
    assert f"_TEXTCLF_COMPLETE={shell}_complete" in result.out


BASH = """
eval "$(_TEXTCLF_COMPLETE=bash_source textclf)"
COMP_WORDS=(textclf train --model c) COMP_CWORD=3
_textclf_completion textclf 2>/dev/null
echo "${COMPREPLY[@]}"
"""


@pytest.mark.posix
def test_bash_offers_the_names_that_begin_with_the_word():
    done = subprocess.run(
        ["bash", "-c", BASH],
        env={"PATH": f"{COMMAND.parent}:/usr/bin:/bin", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "cnn cnn-lstm\n", done.stderr


CODE = """
import sys
from textclf.cli import main
try:
    main()
except SystemExit as end:
    print(sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
    sys.exit(end.code)
"""


@pytest.mark.parametrize("line", ["textclf ", "textclf train --model ", "textclf compare --exec"])
def test_completion_loads_nothing_heavy(line, monkeypatch):
    monkeypatch.setenv("_TEXTCLF_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "plain," in done.stdout
    loaded = set(ast.literal_eval(done.stderr))
    assert loaded & SLOW == set()
