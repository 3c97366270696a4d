import shutil

import pytest

from textclf.runs.directory import RunDirectory


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))


def reproduce(cli, run, *options):
    return cli("reproduce", run.path, "--device", "cpu", *options)


def change_accuracy(run):
    result = run.read_result()
    result.evaluation.metrics["accuracy"] += 0.001
    run.finish(result, run.read_meta())


def test_run_is_reproduced_exactly(cli, run):
    answer = reproduce(cli, run, "--format", "json")
    assert answer.code == 0
    assert [row["difference"] for row in answer.json] == [0] * 5


@pytest.mark.slow
def test_different_metric_on_the_same_machine_is_not_tolerated(cli, run):
    change_accuracy(run)
    answer = reproduce(cli, run)
    assert answer.code == 3
    assert "is not reproduced (tolerance 0): accuracy" in answer.error_line


@pytest.mark.slow
def test_different_metric_with_other_versions_is_tolerated(cli, run):
    change_accuracy(run)
    meta = run.read_meta()
    meta["versions"]["keras"] = "3.0.0"
    meta["config"]["resources"]["memory"] = 4.0  # What a run reserves does not decide its result.
    del meta["config"]["output"]  # As if an earlier version had written it.
    run.write_meta(meta)
    answer = reproduce(cli, run)
    assert answer.code == 0
    assert "made with versions.keras 3.0.0, now" in answer.err


def test_interrupted_reproduction_does_not_advise_to_resume(cli, run, monkeypatch):
    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("textclf.experiment.run.fit", interrupt)
    answer = reproduce(cli, run)
    assert (answer.code, answer.error_line) == (130, "interrupted")
    assert "resume" not in answer.err
    answer = cli("train", "--model", "majority", "--dataset", "bbc", "--smoke")
    assert answer.code == 130
    assert "run the same command again to resume" in answer.err


def test_changed_configuration_is_refused(cli, run):
    path = run.path / "config.yaml"
    text = path.read_text()
    path.write_text(text.replace("learning_rate: 0.001", "learning_rate: 0.002"))
    answer = reproduce(cli, run)
    assert answer.code == 3
    assert "training.learning_rate 0.001, now 0.002" in answer.error_line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["scaled", "bayes"])
def test_moved_run_is_reproduced_with_its_copies_of_python_files(
    cli, code_runs, tmp_path, forget, name
):
    run = RunDirectory(shutil.copytree(code_runs[name], tmp_path / "moved"))
    refused = reproduce(cli, run)
    assert refused.code == 2
    assert "words.py is Python code, which is executed only if you name it" in refused.error_line
    answer = reproduce(cli, run, "--trust-code", "--format", "json")
    assert answer.code == 0, answer.err
    assert [row["difference"] for row in answer.json] == [0] * 5
