"""Finding run directories below the folders that a user names."""

import shutil
from pathlib import Path

import pytest
from support import write_run

from textclf.config.resolve import resolve
from textclf.errors import RequestError, RunError
from textclf.runs.directory import RunDirectory
from textclf.runs.search import describe_run, find_finished_run, find_runs, read_finished
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


REMEDY = "give a run directory or a folder of runs"


def test_path_that_is_not_a_folder_of_runs_is_explained(run, root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = run.path.relative_to(tmp_path)
    Path("my reviews.csv").touch()
    messages = {
        "runs/bbc/mpl": f"runs/bbc/mpl does not exist: did you mean 'runs/bbc/mlp'? Or {REMEDY}",
        "run/bbc/mlp": f"run/bbc/mlp does not exist: did you mean 'runs'? Or {REMEDY}",
        "absent": f"absent does not exist; {REMEDY}",
        "bbc": f"bbc does not exist; {REMEDY}, or train with --dataset bbc",
        "my reviews.csv": (
            f"my reviews.csv is a file; {REMEDY}, or train with --dataset 'my reviews.csv'"
        ),
        f"{folder}/meta.json": (
            f"{folder}/meta.json is a file of a run; give the run directory, {folder}"
        ),
    }
    for path, message in messages.items():
        with pytest.raises(RunError) as info:
            find_runs([Path(path)])
        assert str(info.value) == message


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


def test_several_unfinished_runs_of_a_folder_are_left_out_in_one_line(run, root, capsys):
    others = [write_run(root, "cnn", [True, False, True], seed=seed)[0] for seed in (1, 2, 3)]
    for other in others:
        (other.path / "evaluation.json").unlink()
    [(found, _)] = read_finished([root], Reporter())
    assert found.path == run.path
    (others[1].path / "validation.json").write_text("{}")
    read_finished([root], Reporter())
    start, end = "left out: 3 runs that are not finished", f", such as {others[0].path}"
    assert capsys.readouterr().err.splitlines() == [
        f"{start}{end}",
        f"{start} (1 of them validated){end}",
    ]
    with pytest.raises(RunError, match="is not finished"):
        read_finished([root, others[0].path], Reporter())


def test_only_runs_of_the_models_that_are_named_are_read(run, root):
    write_run(root, "cnn", [True, False, True])
    [(found, result)] = read_finished([root], Reporter(), models=["mlp"])
    assert (found.path, result.model) == (run.path, "mlp")
    with pytest.raises(RunError, match=r"^no finished run of these models among 2 runs$"):
        read_finished([root], Reporter(), models=["lstm"])
    with pytest.raises(RequestError, match=r"unknown model 'mlpp': did you mean 'mlp'\?"):
        read_finished([root], Reporter(), models=["mlpp"])


def test_one_run_is_not_called_runs(run, root):
    (run.path / "evaluation.json").unlink()
    with pytest.raises(RunError, match=r"^no finished run among 1 run$"):
        read_finished([root], Reporter(quiet=True))


def test_a_run_is_described_with_its_state(run, tmp_path):
    names = {"dataset": "bbc", "model": "mlp", "fold": None, "seed": 1}
    finished = run.finish_time.isoformat(timespec="seconds")
    assert describe_run(run) == {
        "run": str(run.path),
        "state": "finished",
        **names,
        "accuracy": pytest.approx(2 / 3),
        "finished": finished,
    }
    unknown = {"run": str(run.path), "accuracy": None, "finished": None}
    path = run.path / "evaluation.json"
    content = path.read_text()
    path.write_text(content.replace('"schema_version": 2', '"schema_version": 1'))
    assert describe_run(run) == {**unknown, "state": "other version", **names}
    path.write_text(content + " ")
    assert describe_run(run) == {**unknown, "state": "damaged", **names}
    path.unlink()
    assert describe_run(run) == {**unknown, "state": "unfinished", **names}
    (run.path / "validation.json").write_text("{}")
    assert describe_run(run) == {**unknown, "state": "validated", **names}
    (run.path / "validation.json").unlink()
    with run.lock():
        assert describe_run(run) == {**unknown, "state": "in use", **names}
    (run.path / "config.yaml").write_text("")
    names = dict.fromkeys(names)
    assert describe_run(run) == {**unknown, "state": "unfinished", **names}
    (run.path / "validation.json").write_text("{}")
    assert describe_run(run) == {**unknown, "state": "validated", **names}
    (run.path / "validation.json").unlink()


def test_an_unfinished_run_is_described_when_its_dataset_is_gone(tmp_path):
    data = tmp_path / "own.csv"
    data.write_text("text,label\n")
    config = resolve({"dataset": {"name": str(data)}, "model": {"name": "cnn"}})
    run = RunDirectory.of(config, tmp_path / "runs")
    with run.lock():
        run.prepare(config, force=False)
    data.unlink()
    row = describe_run(run)
    name = f"{tmp_path.name}/own.csv"
    assert (row["state"], row["dataset"], row["model"]) == ("unfinished", name, "cnn")


def test_folds_with_the_same_seed_are_different_runs(root, capsys):
    settings = [{"dataset.folds": 2, "dataset.fold": fold} for fold in (1, 2)]
    runs = [write_run(root, "cnn", [True, False], settings=s, digest=str(s)) for s in settings]
    assert len({result.fingerprint for _, result in runs}) == 1
    assert [run.path.parts[-2:] for run, _ in runs] == [("fold-1", "seed-1"), ("fold-2", "seed-1")]
    found = read_finished([root], Reporter(), models=["cnn"])
    assert [result.fold for _, result in found] == [1, 2]
    shutil.copytree(runs[1][0].path, root / "copy")
    assert len(read_finished([root], Reporter(), models=["cnn"])) == 2
    assert "repeats the configuration and seed" in capsys.readouterr().err
    assert [describe_run(run)["fold"] for run, _ in runs] == [1, 2]


def test_a_folder_with_smoke_runs_only_names_them(tmp_path):
    write_run(tmp_path / "_smoke", "mlp", [True, False, True])
    with pytest.raises(RunError) as info:
        find_runs([tmp_path])
    assert str(info.value) == (
        f"no run below {tmp_path}; name {tmp_path}/_smoke for the runs of --smoke, or train one:"
        " textclf train --model mlp --dataset bbc"
    )


def test_two_unfinished_runs_are_one_line(run, root, capsys):
    others = [write_run(root, "cnn", [True, False, True], seed=seed)[0] for seed in (1, 2)]
    for other in others:
        (other.path / "evaluation.json").unlink()
    read_finished([root], Reporter())
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"left out: 2 runs that are not finished, such as {others[0].path}"
