"""Arguments of `textclf serve`."""

import sys
from pathlib import Path

import pytest

from textclf.serving.options import ServerOptions

if sys.platform == "win32":
    pytest.skip("textclf serve needs Linux or macOS", allow_module_level=True)

from textclf.serving import server


@pytest.fixture
def served(monkeypatch):
    """The arguments with which the server was started."""
    calls = []
    monkeypatch.setattr(
        server, "serve", lambda runs, options, **given: calls.append((runs, options, given))
    )
    return calls


def test_the_defaults_of_options_are_those_of_the_server(cli, served):
    assert cli("serve", "runs/bbc/cnn").code == 0
    [(runs, options, given)] = served
    assert runs == [(None, Path("runs/bbc/cnn"))]
    assert options == ServerOptions()
    del given["on_start"]
    assert given == {"host": "127.0.0.1", "port": 8501, "device": "auto", "trust_code": False}


def test_options_reach_the_server(cli, served):
    arguments = (
        "--max-body-mb 0.5 --max-texts 2 --max-characters 3 --max-queue 4 --receive-timeout 5"
        " --request-timeout 6 --shutdown-timeout 7 --token abc --log-texts"
    )
    cli("serve", "run", *arguments.split())
    assert served[0][1] == ServerOptions(500_000, 2, 3, 4, 5, 6, 7, "abc", True)


def test_the_token_may_be_in_the_environment(cli, served, monkeypatch):
    monkeypatch.setenv("TEXTCLF_TOKEN", "abc")
    cli("serve", "run")
    assert served[0][1].token == "abc"
    assert "abc" not in cli("serve", "--help").out


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("news=runs/a", ("news", Path("runs/a"))),
        ("a=b=c", ("a", Path("b=c"))),
        ("a:b=c", ("a:b", Path("c"))),  # Refused with what a name may contain.
        ("a/b=c", ("a/b", Path("c"))),
        ("=c", ("", Path("c"))),
        ("a=", (None, Path("a="))),
        ("exists=run", (None, Path("exists=run"))),
    ],
)
def test_a_run_may_have_a_name(cli, served, tmp_path, argument, expected):
    (tmp_path / "exists=run").mkdir()
    cli("serve", argument)
    assert served[0][0] == [expected]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Missing argument '[NAME=]RUN...'."),
        ([""], "the path is empty"),
        (["run", "--token", ""], "the token is empty, or contains characters other"),
        (["run", "--token", "\u00e9"], "the token is empty, or contains characters other"),
        (["run", "--max-queue", 100], "--max-queue 100 is less than --max-texts 256"),
        (["run", "--port", 70_000], "70000 is not in the range 0<=x<=65535"),
        (["run", "--max-body-mb", 0], "0.0 is not in the range x>0"),
    ],
)
def test_arguments_that_cannot_be_used(cli, served, arguments, problem):
    answer = cli("serve", *arguments)
    assert (answer.code, served) == (2, [])
    assert problem in answer.err


def test_without_the_extra_one_line_says_what_to_install(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "textclf.serving.server", None)
    answer = cli("serve", "run")
    assert answer.code == 2
    assert "pip install 'textclf-keras[serve]'" in answer.err


def test_a_run_that_does_not_exist_is_an_error(cli):
    answer = cli("serve", "runs/none")
    assert answer.code == 1
    assert "runs/none" in answer.err
    assert len(answer.err.splitlines()) == 1
