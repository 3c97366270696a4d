"""``textclf evaluate``."""

import csv
import io
import json
import shutil

import pytest

from textclf import registry


def test_stored_metrics_are_computed_again(cli, run_copy):
    stored = json.loads((run_copy / "evaluation.json").read_text())
    result = cli("evaluate", run_copy, "--format", "json")
    assert result.code == 0
    assert result.json["confusion_matrix"] == stored["confusion_matrix"]
    assert result.json["metrics"] == pytest.approx(stored["metrics"], abs=1e-5)
    rows = list(csv.DictReader(io.StringIO(cli("evaluate", run_copy, "--format", "csv").out)))
    assert [row["name"] for row in rows] == [scores["name"] for scores in stored["per_class"]]
    validation = cli("evaluate", run_copy, "--split", "validation", "--format", "json").json
    assert validation["split"] == "validation"
    assert validation["confusion_matrix"] != stored["confusion_matrix"]


@pytest.mark.parametrize("name", ["average", "scaled", "bayes"])
def test_moved_run_is_evaluated_with_its_copies_of_python_files(
    cli, code_runs, tmp_path, forget, name
):
    path = shutil.copytree(code_runs[name], tmp_path / "moved")
    stored = json.loads((path / "evaluation.json").read_text())
    refused = cli("evaluate", path)
    assert refused.code == (2 if name == "average" else 1)
    assert refused.error_line.endswith("add --trust-code (in Python, trust_code=True)")
    assert registry._loaded == {}
    result = cli("evaluate", path, "--trust-code", "--format", "json")
    assert result.code == 0, result.err
    assert result.json["metrics"] == pytest.approx(stored["metrics"], abs=1e-5)
    assert result.json["n_examples"] == stored["n_examples"] == 16
    split = cli("evaluate", path, "--trust-code", "--split", "validation", "--format", "json")
    assert split.json["n_examples"] == 20  # A quarter, not the default.
