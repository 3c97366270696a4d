import csv
import io
import shutil

import pytest

from textclf.runs.directory import RunDirectory


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))


def test_evaluations_of_the_test_set_are_counted(cli, run):
    assert run.read_meta()["test_evaluations"] == 1
    cli("evaluate", run.path)
    cli("evaluate", run.path, "--split", "validation")
    assert run.read_meta()["test_evaluations"] == 2


def test_labels_with_few_examples_are_marked(cli, run):
    answer = cli("evaluate", run.path, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert list(rows[0]) == ["name", "support", "precision", "recall", "f1", "note"]
    assert len(rows) == 5
    for row in rows:
        assert row["note"] == ("few examples" if int(row["support"]) < 10 else "")
