"""The report of runs: every figure is what the commands print, and the same runs give the same."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pages import PageParser, list_formats

import textclf
from textclf.errors import RequestError
from textclf.reporting.documents import Document

WORDS = {"sea": "ship sail harbor wave", "sky": "plane cloud wing pilot", "land": "road car tree"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset with incorrect labels and repeated texts, and runs of several models on it."""
    folder = tmp_path_factory.mktemp("report")
    rows = []
    for label, words in WORDS.items():
        others = [name for name in WORDS if name != label]
        for i in range(60):
            word = words.split()[i % len(words.split())]
            given = others[i % 2] if i % 9 == 0 else label
            rows.append((f"the {word} vessel {i // 2 * 2} of {label} {i % 5}", given))
    with (folder / "texts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    textclf.compare(
        dataset=folder / "texts.csv",
        models=["tfidf-svc", "nb-svm"],
        run_root=folder / "runs",
        quiet=True,
    )
    return folder


@pytest.fixture(scope="module")
def page(folder):
    textclf.report(folder / "runs", folder / "page.html", quiet=True)
    return (folder / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_every_figure_is_what_the_commands_print(folder, page, cli):
    figures = PageParser(page).figures
    shown = Path(re.search(r"<summary>evaluation\.json of ([^<]*)<", page)[1])
    evaluated = cli("evaluate", shown, "--errors", "20", "--format", "json").json
    printed = {
        "comparison": {"rows": cli("compare", folder / "runs", "--format", "json").json},
        "evaluation": json.loads((shown / "evaluation.json").read_text()),
        "evaluate": evaluated,
        "audit": cli("audit", folder / "texts.csv", "--format", "json").json,
    }
    checked = set()
    for document, path, value, text in figures:
        assert text in list_formats(value), (document, path, value, text)
        if document in printed:
            assert value == Document("", "", printed[document]).find(path), (document, path)
            checked.add((document, path))
    assert {document for document, _ in checked} == set(printed)
    assert len(checked) > 100


def test_ids_are_unique_and_every_link_has_a_target(page):
    parser = PageParser(page)
    assert len(set(parser.ids)) == len(parser.ids)
    assert set(parser.targets) <= set(parser.ids)


@pytest.mark.slow
def test_two_reports_of_the_same_runs_are_the_same(folder, page):
    """In another process, whose hashes of texts are others."""
    code = "import sys, textclf; textclf.report(sys.argv[1], sys.argv[2], quiet=True)"
    other = folder / "other.html"
    subprocess.run(
        [sys.executable, "-c", code, folder / "runs", other],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
    )
    assert other.read_text(encoding="utf-8") == page


def test_without_texts_no_text_is_on_the_page(folder, page):
    textclf.report(folder / "runs", folder / "without.html", texts=False, quiet=True)
    without = (folder / "without.html").read_text(encoding="utf-8")
    assert "vessel" in page
    assert "vessel" not in without


@pytest.mark.slow
def test_runs_with_different_test_sets_are_refused(folder, page):
    with (folder / "other.csv").open("w", newline="") as file:
        rows = [(f"word{i % 3} {i}", f"label{i % 3}") for i in range(30)]
        csv.writer(file).writerows([("text", "label"), *rows])
    textclf.train("majority", folder / "other.csv", run_root=folder / "mixed", quiet=True)
    textclf.train("majority", folder / "texts.csv", run_root=folder / "mixed", quiet=True)
    with pytest.raises(RequestError, match="the runs have 2 test sets"):
        textclf.report(folder / "mixed", folder / "mixed.html", quiet=True)
    assert not (folder / "mixed.html").exists()


@pytest.mark.parametrize("name", ["report.txt", "missing/report.html", "."])
def test_an_output_that_cannot_be_written_is_refused_first(name, tmp_path):
    with pytest.raises(RequestError, match="report"):
        textclf.report(tmp_path / "nothing", tmp_path / name, quiet=True)
