"""``textclf evaluate``."""

import csv
import io
import json

import pytest


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
