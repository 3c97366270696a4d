"""``textclf evaluate``."""

import csv
import io
import json
import shutil

import pytest
from support import write_csv

import textclf
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


def test_accuracy_is_printed_for_several_thresholds(cli, run_copy):
    document = cli("evaluate", run_copy, "--split", "validation", "--format", "json").json
    rows = document["thresholds"]
    assert [row["threshold"] for row in rows] == [0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99]
    assert rows[0] == {
        "threshold": 0,
        "n_examples": document["n_examples"],
        "coverage": 1,
        "accuracy": document["metrics"]["accuracy"],
    }
    coverage = [row["coverage"] for row in rows]
    assert coverage == sorted(coverage, reverse=True)
    lines = cli("evaluate", run_copy, "--split", "validation").out.splitlines()
    start = lines.index("threshold  examples  coverage  accuracy")
    accuracy = f"{document['metrics']['accuracy']:.4f}"
    assert lines[start + 2].split() == ["0.00", str(document["n_examples"]), "1.0000", accuracy]


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


FORMULA = "=1+1 \x07"


@pytest.fixture
def reviews(smoke_run, tmp_path):
    """A file with a correct and two incorrect labels, and one that the model does not know."""
    texts = ["Shares fell as oil prices rose", FORMULA, "The striker scored twice"]
    correct, *others = textclf.load_run(smoke_run).predict(texts)
    incorrect = ["tech" if label != "tech" else "sports" for label in others]
    rows = [*zip(texts, [correct, *incorrect], strict=True), ("a picture", "photo")]
    return write_csv(tmp_path / "reviews.csv", rows)


def test_file_is_evaluated(cli, smoke_run, reviews):
    result = cli("evaluate", smoke_run, reviews)
    assert result.code == 0, result.err
    assert "note: text from 'text', label from 'label'" in result.err
    unknown = "left out 1 of 4 examples, whose labels the model does not know: 'photo' (1)"
    assert unknown in result.err.splitlines()
    assert "accuracy                    0.3333" in result.out
    assert "incorrect" not in result.out
    document = cli("evaluate", smoke_run, reviews, "--quiet", "--format", "json")
    assert document.err.splitlines() == [unknown]
    assert document.json["split"] is None
    assert document.json["file"] == str(reviews)
    assert document.json["n_examples"] == 3
    assert document.json["n_unknown"] == 1
    assert document.json["unknown_labels"] == {"photo": 1}
    assert document.json["errors"] == document.json["subset_accuracy"] == []


@pytest.mark.slow
def test_errors_are_printed_with_their_texts(cli, smoke_run, reviews):
    document = cli("evaluate", smoke_run, reviews, "--errors", 5, "--format", "json").json
    assert {error["position"] for error in document["errors"]} == {"line 3", "line 4"}
    assert {error["text"] for error in document["errors"]} == {FORMULA, "The striker scored twice"}
    table = cli("evaluate", smoke_run, reviews, "--errors", 1).out.splitlines()
    start = table.index("incorrect predictions (1 of 2, the most confident first):")
    assert " ".join(table[start + 2].split()) == "position prediction prob. label of label text"
    assert document["errors"][0]["position"] in table[start + 4]
    every = cli("evaluate", smoke_run, reviews, "--errors", 5)
    assert "incorrect predictions (2 of 2, the most" in every.out
    assert "=1+1 \N{REPLACEMENT CHARACTER}\n" in every.out
    csv_text = cli("evaluate", smoke_run, reviews, "--errors", 5, "--format", "csv").out
    rows = list(csv.DictReader(io.StringIO(csv_text)))
    assert [row["position"] for row in rows] == [e["position"] for e in document["errors"]]
    assert f"'{FORMULA}" in {row["text"] for row in rows}


def test_no_incorrect_predictions_are_said(cli, smoke_run, tmp_path):
    (label,) = textclf.load_run(smoke_run).predict(["Shares fell"])
    path = write_csv(tmp_path / "a.csv", [("Shares fell", label)])
    result = cli("evaluate", smoke_run, path, "--errors", 5)
    assert result.out.splitlines()[-1] == "no incorrect predictions"
    header = "index,position,prediction,probability,label,label_probability,text\n"
    arguments = ("--errors", 5, "--format", "csv", "--output", "out")
    assert cli("evaluate", smoke_run, path, *arguments).out == header
    assert (tmp_path / "out" / "errors.csv").read_text() == header


def test_options_say_how_the_file_is_read(cli, smoke_run, tmp_path):
    (label,) = textclf.load_run(smoke_run).predict(["caf\u00e9"])
    path = write_csv(tmp_path / "a.csv", [(label, "caf\u00e9", "")], "a,b,c", encoding="cp1252")
    options = ["--text-column", "b", "--text-column", "c", "--label-column", "a"]
    refused = cli("evaluate", smoke_run, path, *options)
    assert refused.code == 1
    assert refused.error_line.endswith("--set dataset.encoding=cp1252")
    read = [*options, "--set", "dataset.encoding=cp1252", "--format", "json"]
    result = cli("evaluate", smoke_run, path, *read)
    assert result.json["metrics"]["accuracy"] == 1, result.err


@pytest.mark.parametrize(
    "arguments", [["a.csv", "--split", "test"], ["--label-column", "a"], ["--set", "seed=1"]]
)
def test_options_that_do_not_fit_are_usage_errors(cli, smoke_run, arguments):
    assert cli("evaluate", smoke_run, *arguments).code == 2
