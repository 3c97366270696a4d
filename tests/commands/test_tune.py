"""``textclf tune``: a study from its options, its table, and how it is resumed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import write_csv

from textclf.storage.files import lock_folder

COMMAND = Path(sys.executable).with_name("textclf")
ARGUMENTS = ["tune", "--dataset", "news.csv", "--model", "tfidf-svc"]
SEARCH = ["--search", "model.C=0.01..10:log", "--search", "model.max_ngram=1,2"]


@pytest.fixture(autouse=True)
def news(tmp_path):
    """A file of texts whose words tell the label, most of the time."""
    rows = [
        (f"{['great', 'poor'][(i + (i % 7 == 0)) % 2]} w{i} film {i % 5}", ["good", "bad"][i % 2])
        for i in range(100)
    ]
    return write_csv(tmp_path / "news.csv", rows)


@pytest.mark.slow
def test_a_study_writes_its_files_and_compares_the_best_with_the_defaults(cli, tmp_path):
    result = cli(*ARGUMENTS, *SEARCH, "--trials", "9", "--report", "study.html")
    assert result.code == 0, result.err
    [study] = (tmp_path / "runs" / "_studies").iterdir()
    assert re.fullmatch(r"news-[0-9a-f]{8}-tfidf-svc-[0-9a-f]{6}", study.name)
    assert {path.name for path in study.iterdir()} - {".lock"} == {
        *("study.journal", "trials.csv", "best.yaml"),
        *("history.png", "slices.png", "importance.png"),
    } - (set() if (study / "importance.png").exists() else {"importance.png"})
    assert "9 of 9 trials done, best validation accuracy " in result.err
    following = f"next: textclf report {study.relative_to(tmp_path)}"
    assert result.err.splitlines()[-1] == following
    assert "reference" in result.out or "tuning did not help" in result.out
    assert "Tuning" in (tmp_path / "study.html").read_text()
    again = cli(*ARGUMENTS, *SEARCH, "--trials", "9")
    assert again.out == result.out
    assert "fitting" not in again.err
    trained = cli("train", "--config", study / "best.yaml", "--format", "json")
    assert trained.code == 0
    assert "already finished" in trained.err
    assert trained.json[0]["accuracy"] == pytest.approx(_best_accuracy(result.out), abs=1e-4)


def _best_accuracy(table):
    """Return the accuracy of the best trial, which may be the defaults."""
    rows = [line for line in table.splitlines() if line.startswith("tfidf-svc")]
    tuned = next((row for row in rows if "trials)" in row), rows[0])
    return float(re.search(r"0\.\d{4}", tuned)[0])


@pytest.mark.slow
def test_trials_of_a_study_are_shown(cli):
    assert cli(*ARGUMENTS, *SEARCH, "--trials", "3", "--name", "mine").code == 0
    shown = cli("tune", "--show", "mine")
    assert shown.code == 0
    assert [line.split()[0] for line in shown.out.splitlines()[2:]] == ["0", "1", "2"]
    listed = cli("tune", "--show", "runs/_studies/mine", "--format", "json")
    assert [row["number"] for row in listed.json] == [0, 1, 2]
    assert {"model.C", "model.max_ngram", "seed 42", "value"} <= listed.json[0].keys()
    unknown = cli("tune", "--show", "mime")
    assert (unknown.code, unknown.error_line) == (
        1,
        "unknown study 'mime': did you mean 'mine'? Choose from mine",
    )


@pytest.mark.slow
def test_a_name_with_other_settings_is_refused(cli):
    assert cli(*ARGUMENTS, *SEARCH, "--trials", "2", "--name", "mine").code == 0
    result = cli(*ARGUMENTS, *SEARCH, "--trials", "2", "--name", "mine", "--metric", "loss")
    assert result.code == 2
    assert result.error_line == (
        "the study mine has other settings: metric accuracy, now loss; give another --name, or"
        " leave it out"
    )
    assert cli(*ARGUMENTS, *SEARCH, "--trials", "3", "--name", "mine", "--jobs", "1").code == 0


def test_a_study_in_use_is_refused_in_one_line(cli, tmp_path):
    with lock_folder(tmp_path / "runs" / "_studies" / "mine"):
        result = cli(*ARGUMENTS, *SEARCH, "--name", "mine")
    assert result.code == 1
    assert result.error_line == (
        "runs/_studies/mine is in use by another process; wait until it ends"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["--timeout", "20"], 2, "'20' is not a time: give seconds, minutes or hours, such as 90s"),
        (["--timeout", "0m"], 2, "'0m' is not a time"),
        (["--search", "model.C"], 2, "--search model.C: expected KEY=LOW..HIGH"),
        (["--search", "model.D=1,2"], 2, "--search model.D=1,2: model.D: unknown key 'D'"),
        (["--name", "a/b"], 2, "study name 'a/b': use letters, digits, '-', '_' and '.'"),
        (["--name", ""], 2, "study name '': use letters"),
        (["--metric", "f1"], 2, "'f1' is not one of"),
        (["--trials", "0"], 2, "0 is not in the range"),
        (["--seeds", "2", "--set", "seed=1"], 2, "give either --seeds or --set seed"),
        (["--no-texts"], 2, "--no-texts needs --report"),
        (["--show", "mine"], 2, "--show runs nothing: leave out --model"),
        (["--report", "study.txt"], 2, "report study.txt: expected a name that ends in .html"),
    ],
)
def test_invalid_options_are_one_line_and_leave_nothing(cli, tmp_path, arguments, code, problem):
    result = cli(*ARGUMENTS, *arguments)
    assert result.code == code
    assert problem in result.error_line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", [["--report", "a.html"], ["--columns", "model"], ["--smoke"]])
def test_options_that_show_would_ignore_are_refused(cli, option):
    result = cli("tune", "--show", "mine", *option)
    assert result.code == 2
    assert f"--show runs nothing: leave out {option[0]}" in result.error_line


@pytest.mark.slow
def test_the_next_command_trusts_the_python_file_that_was_named(cli, plugins):
    arguments = ["tune", "--dataset", "news.csv", "--model", "plugins/bayes.py", "--trials", "2"]
    result = cli(*arguments, "--search", "model.alpha=0.1..2")
    assert result.code == 0, result.err
    [*_, following] = result.err.splitlines()
    assert following.endswith(" --trust-code")
    assert cli(*following.split()[2:]).code == 0


@pytest.mark.slow
def test_the_next_command_finds_a_study_of_smoke_runs_below_another_root(cli, tmp_path):
    given = [*SEARCH, "--trials", "2", "--smoke", "--set", "dataset.limit=40"]
    result = cli(*ARGUMENTS, *given, "--run-root", "other")
    assert result.code == 0, result.err
    [*_, following] = result.err.splitlines()
    assert following.startswith("next: textclf report other/_smoke/_studies/")
    answer = cli(*following.split()[2:])
    assert answer.code == 0, answer.err
    assert (tmp_path / "report.html").is_file()


def test_without_optuna_the_install_command_is_named(cli, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    for arguments in ([*ARGUMENTS, *SEARCH], ["tune", "--show", "mine"]):
        (tmp_path / "runs" / "_studies" / "mine").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / "_studies" / "mine" / "study.journal").touch()
        result = cli(*arguments)
        assert result.code == 2
        assert result.error_line.startswith(
            "tuning needs Optuna: pip install 'textclf-keras[tune]' ("
        )


@pytest.mark.posix
@pytest.mark.slow
def test_an_interrupted_study_says_how_to_resume(tmp_path):
    arguments = [*ARGUMENTS, *SEARCH, "--trials", "200"]
    with subprocess.Popen(
        [COMMAND, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    ) as process:
        for line in process.stderr:
            if line.startswith("3 of 200 trials done"):
                os.kill(process.pid, signal.SIGINT)
                break
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "textclf: interrupted"
    assert "run the same command again to resume the study" in rest
    assert "Traceback" not in rest
    [journal] = tmp_path.glob("runs/_studies/*/study.journal")
    assert journal.read_text().count('"op_code":4') >= 3


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
@pytest.mark.parametrize(
    ("model", "space", "options"),
    [
        ("tfidf-svc", "model.C=0.01..10:log", []),
        (
            "mlp",
            "model.units=8,16,32",
            ["--set", "training.epochs=2", "--set", "text.num_words=50"],
        ),
        ("mlp", "model.units=8,16,32", ["--set", "training.refit=true"]),
    ],
)
def test_a_trial_that_is_trained_later_is_the_run_that_it_would_have_been(
    cli, tmp_path, model, space, options
):
    given = ["--dataset", "news.csv", "--model", model, "--set", "text.sequence_length=4", *options]
    result = cli("tune", *given, "--search", space, "--trials", "3", "--run-root", "tuned")
    assert result.code == 0, result.err
    other = next(
        path.parent
        for path in (tmp_path / "tuned").rglob("validation.json")
        if not (path.parent / "evaluation.json").exists()
    )
    later = cli("train", "--config", other / "config.yaml", "--run-root", "tuned")
    assert later.code == 0, later.err
    assert "epoch 1/" not in later.err.partition("fitting again")[0]
    assert (other / "evaluation.json").exists()
    alone = tmp_path / "alone"
    assert cli("train", "--config", other / "config.yaml", "--run-dir", alone).code == 0
    predictions = [(folder / "predictions.npz").read_bytes() for folder in (other, alone)]
    assert predictions[0] == predictions[1]
    assert not list(other.glob("checkpoint*"))
