"""The section about learning curves, from runs that the tests write themselves."""

import re

import pytest
from pages import PageParser, check_figures, read_text
from support import SIZES, write_curve, write_folds, write_run

import textclf
from textclf.comparison.comparison import Comparison
from textclf.config.resolve import resolve
from textclf.errors import RequestError, RunError
from textclf.reporting.context import ReportContext
from textclf.reporting.documents import MISSING
from textclf.reporting.learning_curve_section import LearningCurveSection
from textclf.reporting.rendering import render_page
from textclf.reporting.report import write_report
from textclf.runs.result import Failure
from textclf.runtime.progress import Reporter

QUIET = Reporter(quiet=True)


@pytest.fixture
def comparison(tmp_path):
    """A comparison of two models with four sizes, and of the chance baseline with two."""
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6, 0.7, 0.8], n=300)
    runs += write_curve(tmp_path, "mlp", [0.6, 0.65, 0.7, 0.72], n=300)
    runs += write_curve(tmp_path, "majority", [0.4, 0.4], n=300)
    return Comparison.of(runs, [], QUIET, reference=None)


@pytest.mark.slow
def test_every_size_has_the_accuracy_of_each_model(comparison):
    section = LearningCurveSection.of(comparison.learning_curves)
    [document] = section.documents
    page = render_page(
        "learning_curve.html", title="", documents=section.documents, learning_curves=section
    )
    check_figures(page, section.documents)
    rows = {(row["model"], row["n_train_examples"]): row for row in comparison.rows}
    [curve] = document.content["curves"]
    assert curve["n_train_examples"] == [*SIZES.values()]
    for model in curve["models"]:
        for i, size in enumerate(model["n_train_examples"]):
            row = rows[model["model"], size]
            assert model["accuracy"][i] == pytest.approx(row["accuracy"])
            assert model["accuracy_interval"][i] == row["accuracy_interval"]
            assert model["n_seeds"][i] == row["n_seeds"]
    assert [model["guess"] is None for model in curve["models"]][-1]
    text = read_text(page)
    for sentence in comparison.learning_curves[0].describe():
        assert sentence in text
    assert "The baseline model majority is left out." in text
    assert re.search(r"1,000 0\.\d{4} \(0\.\d{3} to 0\.\d{3}\)", text)
    assert text.count(MISSING) == 2  # The chance baseline has two sizes only.
    assert page.count("<svg") == 1


def test_other_sections_are_about_the_largest_size(comparison):
    whole = comparison.at_largest_size()
    assert [row["n_train_examples"] for row in whole.rows] == [1_000, 1_000]
    assert [model.n_train_examples for model in whole.models] == [1_000, 1_000]
    assert not any("with 100 training examples" in note for note in whole.notes)
    assert whole.notes == [note for note in whole.notes if note.startswith(("no sig", "always"))]
    assert whole.at_largest_size() is whole


def test_failed_runs_of_the_largest_size_stay_in_the_report(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6], n=100, n_seeds=1)
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "mlp"}}
    failures = [
        Failure(resolve({**tree, "dataset": {"name": "bbc", **part}}), RunError(f"problem {i}"))
        for i, part in enumerate([{"train_fraction": 0.1}, {"train_fraction": 0.2}])
    ]
    whole = Comparison.of(runs, failures, QUIET, reference=None).at_largest_size()
    assert [(row["model"], row["error"]) for row in whole.rows] == [
        ("cnn", None),
        ("mlp", "failed: problem 1"),
    ]
    assert whole.failures == failures[1:]
    assert whole.notes[-1] == "mlp train_fraction 0.2 seed 42 failed: problem 1"


def test_runs_with_several_test_sets_are_one_line_that_names_some_of_them(tmp_path):
    """The folder of a model has several test sets if one of its folds has been run."""
    plain = write_run(tmp_path, "cnn", [True] * 30)
    [fold, _] = write_folds(tmp_path, "cnn", [90, 80])
    comparison = Comparison.of([plain, fold], [], QUIET, reference=None)
    with pytest.raises(RequestError) as error:
        write_report(comparison, tmp_path / "report.html", ReportContext(QUIET))
    assert str(error.value) == (
        "the runs have 2 test sets (bbc), and a report is about one; name its runs, such as"
        f" {plain[0].path}"
    )


def test_report_with_folds_is_one_line(tmp_path):
    comparison = Comparison.of(write_folds(tmp_path, "cnn", [90, 80]), [], QUIET, reference=None)
    with pytest.raises(RequestError, match=r"^a report is about one test set, not about all folds"):
        write_report(comparison, tmp_path / "report.html", ReportContext(QUIET))


@pytest.mark.slow
@pytest.mark.usefixtures("tensorflow")
def test_report_of_a_learning_curve_shows_the_mistakes_at_the_largest_size(tmp_path):
    path = tmp_path / "texts.csv"
    rows = [f"{word} vessel {i},{word}" for i in range(30) for word in ("sea", "sky", "land")]
    path.write_text("\n".join(["text,label", *rows]) + "\n")
    comparison = textclf.compare(
        dataset=path,
        models="tfidf-svc",
        train_fractions=[0.2, 1],
        run_root=tmp_path / "runs",
        quiet=True,
    )
    textclf.report(comparison, tmp_path / "page.html", quiet=True)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'href="#learning-curve"' in page
    parser = PageParser(page)
    assert len(set(parser.ids)) == len(parser.ids)
    assert set(parser.targets) <= set(parser.ids)
    largest = max(row["n_train_examples"] for row in comparison.rows)
    [whole] = {
        model.first.fingerprint
        for model in comparison.models
        if model.first.model == "tfidf-svc" and model.n_train_examples == largest
    }
    assert f"evaluation.json of {tmp_path / 'runs'}" in page.replace(whole, "")
    assert f"/tfidf-svc/{whole}/seed-42" in page
