"""Finding run directories below the folders that a user names."""

import shutil

import pytest
from support import write_run

from textclf.errors import RequestError, RunError
from textclf.runs.search import find_finished_run, find_runs, read_finished
from textclf.runtime.progress import Reporter


@pytest.fixture
def run(tmp_path):
    found, _ = write_run(tmp_path / "runs", "mlp", [True, False, True])
    return found


@pytest.fixture
def root(run):
    return run.path.parents[3]


def test_a_run_is_found_once_by_its_folder_or_its_own_path(run, root):
    assert [found.path for found in find_runs([root])] == [run.path]
    assert len(find_runs([root, run.path])) == 1
    assert find_finished_run(root).path == find_finished_run(run.path).path == run.path


def test_folders_without_a_run_are_refused(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(RunError, match="no run below"):
        find_runs([tmp_path / "none"])
    with pytest.raises(RunError, match="absent does not exist"):
        find_runs([tmp_path / "absent"])


def test_one_run_must_be_named_if_there_are_several(run, root):
    shutil.copytree(run.path, root / "second")
    with pytest.raises(RunError, match=r"2 runs below .*; name one"):
        find_finished_run(root)


def test_an_unfinished_run_is_refused_if_it_is_named(run, root):
    (run.path / "evaluation.json").unlink()
    for path in (run.path, root):
        with pytest.raises(RunError, match=r"is not finished: it has no evaluation.json"):
            find_finished_run(path)


def test_runs_of_a_folder_that_cannot_be_read_are_left_out_with_a_message(run, root, capsys):
    lost, _ = write_run(root, "cnn", [True, False, True])
    (lost.path / "evaluation.json").unlink()
    again = shutil.copytree(run.path, root / "second")
    finished = read_finished([root], Reporter())
    assert [found.path for found, _ in finished] == [run.path]
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith(f"left out: {lost.path} is not finished")
    assert lines[1] == f"left out: {again} repeats the configuration and seed of another run"
    with pytest.raises(RunError, match="is not finished"):
        read_finished([run.path, lost.path], Reporter())


def test_only_runs_of_the_models_that_are_named_are_read(run, root):
    write_run(root, "cnn", [True, False, True])
    [(found, result)] = read_finished([root], Reporter(), models=["mlp"])
    assert (found.path, result.model) == (run.path, "mlp")
    with pytest.raises(RunError, match="no finished run of these models among 2"):
        read_finished([root], Reporter(), models=["lstm"])
    with pytest.raises(RequestError, match=r"unknown model 'mlpp': did you mean 'mlp'\?"):
        read_finished([root], Reporter(), models=["mlpp"])
