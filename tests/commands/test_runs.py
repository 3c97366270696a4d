"""``textclf runs``: lists and removes run directories."""

import io
import re
import subprocess
import sys
import time

import pytest
import rich.console
from support import ROWS, write_csv, write_run

from textclf.runs.directory import RunDirectory

LOCK = """
import sys
from pathlib import Path
from textclf.storage.files import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def runs(tmp_path):
    """Finished runs of two models and an unfinished one, by a short name."""
    root = tmp_path / "runs"
    found = {
        "mlp": write_run(root, "mlp", [True, False, True])[0],
        "cnn": write_run(root, "cnn", [True, True, True])[0],
        "imdb": write_run(root, "cnn", [True, False, False], dataset="imdb")[0],
        "unfinished": write_run(root, "cnn", [True, True, True], seed=2)[0],
    }
    (found["unfinished"].path / "evaluation.json").unlink()
    return found


@pytest.fixture
def answer(monkeypatch):
    """Return a function that types an answer in a terminal."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    return lambda text: monkeypatch.setattr("sys.stdin", Terminal(text))


def list_left(runs):
    return {name for name, run in runs.items() if run.path.exists()}


def test_runs_are_listed_with_state_accuracy_and_time(cli, runs, tmp_path):
    result = cli("runs", "list", "--format", "json")
    assert result.code == 0
    rows = {row["run"]: row for row in result.json}
    assert list(rows) == sorted(str(run.path.relative_to(tmp_path)) for run in runs.values())
    row = rows[str(runs["mlp"].path.relative_to(tmp_path))]
    assert (row["state"], row["model"], row["accuracy"]) == ("finished", "mlp", 2 / 3)
    assert [row["state"] for row in rows.values()].count("unfinished") == 1
    table = cli("runs", "list").out
    assert table.splitlines()[0].split() == ["run", "state", "accuracy", "finished"]
    day = time.strftime("%Y-%m-%d", time.localtime(runs["mlp"].finish_time.timestamp()))
    assert re.search(rf" finished +0\.6667 +{day} \d\d:\d\d\n", table)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--model", "cnn"], {"cnn", "imdb", "unfinished"}),
        (["--model", "cnn", "--dataset", "imdb"], {"imdb"}),
        (["--unfinished"], {"unfinished"}),
        (["--unfinished", "--model", "mlp"], set()),
        (["runs/bbc/mlp"], {"mlp"}),
        (["runs/bbc", "--model", "mlp", "--dataset", "imdb"], set()),
    ],
)
def test_filters_select_the_same_runs_to_list_and_to_remove(cli, runs, options, expected):
    result = cli("runs", "list", *options, "--format", "json")
    paths = {row["run"] for row in result.json}
    assert {name for name, run in runs.items() if str(run.path).endswith(tuple(paths))} == expected
    assert result.err == ("" if expected else "no runs match\n")
    result = cli("runs", "remove", *options, "--yes")
    assert result.code == 0
    assert list_left(runs) == set(runs) - expected
    if expected:
        assert result.out == f"{len(expected)} run{'s' * (len(expected) > 1)} removed\n"
    else:
        assert (result.out, result.err) == ("", "no runs match\n")


def test_validated_runs_are_not_called_unfinished(cli, runs, tmp_path):
    trial = runs["unfinished"].path
    (trial / "validation.json").write_text("{}")
    assert cli("runs", "remove", "--unfinished", "--yes").err == "no runs match\n"
    assert trial.is_dir()
    rows = cli("runs", "check", "--format", "json").json
    assert {row["run"] for row in rows if row["state"] == "validated"} == {
        str(trial.relative_to(tmp_path))
    }
    assert "unfinished" not in {row["state"] for row in rows}


def test_a_dataset_is_found_by_the_name_that_loads_it(cli, tmp_path):
    run, _ = write_run(tmp_path / "runs", "mlp", [True, False, True], dataset="hf:a/b")
    (run.path / "evaluation.json").unlink()  # Its name of the dataset is that of a real run.
    result = cli("runs", "list", "--dataset", "hf:a/b", "--format", "json")
    assert [row["run"] for row in result.json] == [str(run.path.relative_to(tmp_path))]


@pytest.mark.parametrize("has_finished", [True, False])
def test_a_file_is_found_by_its_path_name_and_folder(cli, tmp_path, has_finished):
    runs = {}
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        path = write_csv(tmp_path / language / "data.csv", [*ROWS, (language, "good")])
        runs[language], _ = write_run(tmp_path / "runs", "mlp", [True, False], dataset=str(path))
        if not has_finished:
            (runs[language].path / "evaluation.json").unlink()
    folder = runs["en"].path.parents[2].name
    assert folder.startswith("data-")

    def find(name):
        rows = cli("runs", "list", "--dataset", name, "--format", "json").json
        return {row["dataset"].split("/")[0] for row in rows}

    for name in ("en/data.csv", "./en/data.csv", tmp_path / "en" / "data.csv", folder):
        assert find(name) == {"en"}, name
    assert find("data.csv") == {"en", "de"}
    assert find("other/data.csv") == set()
    (tmp_path / "new").mkdir()
    (tmp_path / "en" / "data.csv").rename(tmp_path / "new" / "moved.csv")
    (tmp_path / "new" / "moved.csv").rename(tmp_path / "new" / "data.csv")
    for name in ("new/data.csv", "en/data.csv", tmp_path / "en" / "data.csv"):
        assert find(name) == {"en"}, name


def test_the_table_fits_a_terminal(cli, runs, monkeypatch):
    terminal = rich.console.Console(width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(rich.console, "Console", lambda **options: terminal)
    lines = cli("runs", "list").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("seed-1" in line for line in lines) == 3
    assert lines[0].split() == ["run", "state", "accuracy", "finished"]


def test_removal_asks_and_says_how_much(cli, runs, answer):
    answer("n\n")
    result = cli("runs", "remove", "runs/bbc/cnn")
    assert (result.code, result.out.strip()) == (0, "")
    *paths, question = result.err.splitlines()
    assert paths == sorted(
        f"runs/{runs[name].path.relative_to(runs[name].path.parents[3])}"
        for name in ("cnn", "unfinished")
    )
    n_bytes = runs["cnn"].n_bytes + runs["unfinished"].n_bytes
    assert question.startswith(f"remove 2 runs ({n_bytes / 1e6:,.1f} MB)? [y/N]:")
    assert list_left(runs) == set(runs)
    answer("y\n")
    result = cli("runs", "remove", "runs/bbc/cnn")
    assert (result.code, result.out.strip()) == (0, "2 runs removed")
    assert list_left(runs) == {"mlp", "imdb"}


def test_nothing_is_removed_without_a_terminal_or_without_saying_what(cli, runs, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    result = cli("runs", "remove", "--unfinished")
    assert result.code == 2
    assert result.error_line.startswith(
        "cannot ask without a terminal: give --yes to remove 1 run (0.0 MB)"
    )
    for options in ([], ["--yes"], ["--run-root", "runs", "--yes"]):
        result = cli("runs", "remove", *options)
        assert result.code == 2
        assert result.error_line.startswith("give RUN, --model, --dataset or --unfinished to say")
    assert list_left(runs) == set(runs)


def test_empty_folders_up_to_the_run_root_are_removed(cli, runs, tmp_path):
    assert cli("runs", "remove", "--dataset", "bbc", "--yes").code == 0
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["imdb"]
    assert cli("runs", "remove", "runs/imdb", "--yes").code == 0
    assert list((tmp_path / "runs").iterdir()) == []


def test_folders_above_what_is_named_outside_the_run_root_stay(cli, runs, tmp_path):
    outside, _ = write_run(tmp_path / "elsewhere", "mlp", [True, False, True])
    other, _ = write_run(tmp_path / "elsewhere", "cnn", [True, False, True])
    result = cli("runs", "remove", outside.path, "--yes")
    assert (result.code, result.out) == (0, "1 run removed\n")
    assert list(outside.path.parent.iterdir()) == []
    assert other.find_damage() == []
    assert cli("runs", "remove", "elsewhere", "--yes").code == 0
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["bbc"]
    assert list_left(runs) == set(runs)


@pytest.mark.posix
def test_links_are_not_followed(cli, runs, tmp_path):
    outside, _ = write_run(tmp_path / "elsewhere", "mlp", [True, False, True], seed=3)
    link = runs["mlp"].path.with_name("seed-3")
    link.symlink_to(outside.path)
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    assert cli("runs", "remove", "--model", "mlp", "--yes").out == "1 run removed\n"
    for path in (link, tmp_path / "linked"):
        result = cli("runs", "remove", path, "--yes")
        assert result.code == 2
        assert result.error_line.startswith(f"{path} is a symbolic link; give the folder that")
    assert outside.find_damage() == []


def test_files_of_others_and_runs_in_use_stay(cli, runs):
    (runs["mlp"].path / "notes.txt").write_text("of the user")
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, runs["unfinished"].path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "locked\n"
        states = {row["state"] for row in cli("runs", "list", "--format", "json").json}
        assert states == {"finished", "in use"}
        result = cli("runs", "remove", "runs/bbc", "--yes")
        process.stdin.close()
    assert (result.code, result.out) == (1, "2 runs removed\n")
    assert result.error_line == "not removed: 1 of 3"
    lines = result.err.splitlines()
    assert any(
        line.startswith("not removed: ") and "is in use by another process" in line
        for line in lines
    )
    [note] = [line for line in lines if line.startswith("kept, because textclf did not write it")]
    assert note.endswith("/notes.txt")
    assert [path.name for path in runs["mlp"].path.iterdir()] == ["notes.txt"]
    assert RunDirectory(runs["unfinished"].path).is_begun
    assert not runs["cnn"].path.exists()
