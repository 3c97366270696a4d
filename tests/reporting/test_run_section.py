import html
import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from pages import read_text

import textclf
from textclf.auditing.audit import Item, audit
from textclf.data.loading import load_dataset
from textclf.reporting import run_section
from textclf.reporting.context import ReportContext
from textclf.reporting.rendering import render_page
from textclf.reporting.run_section import RunSection
from textclf.runtime.progress import Phases, Reporter


@pytest.fixture(scope="module")
def run(smoke_run):
    return textclf.load_run(smoke_run)


@pytest.fixture(scope="module")
def evaluation(smoke_run):
    """What ``textclf evaluate`` prints."""
    return textclf.evaluate(smoke_run, n_errors=20, device="cpu", quiet=True)


def find_part(page, name):
    """Return the part of the page below a heading."""
    return page.split(f'<h3 id="{name}">')[1].split("<h3")[0]


@pytest.mark.slow
def test_cells_of_the_matrix_are_buttons(smoke_pages, run):
    matrix = find_part(smoke_pages[True], "matrix").split("</table>")[0]
    buttons = re.findall(r'data-cell="(\d+)-(\d+)" data-field="(.*?)" data-value="(\d+)"', matrix)
    counts = {(int(i), int(j)): int(value) for i, j, _, value in buttons}
    expected = {
        (i, j): count
        for i, row in enumerate(run.evaluation.confusion_matrix)
        for j, count in enumerate(row)
        if count
    }
    assert counts == expected
    assert [field for _, _, field, _ in buttons] == [
        f"evaluation:confusion_matrix[{i}][{j}]" for i, j in expected
    ]


def test_each_cell_shows_its_examples(smoke_pages, run):
    predictions = run.predictions
    predicted = predictions.probabilities.argmax(axis=1)
    cells = {
        index: f"{true}-{label}"
        for index, true, label in zip(
            predictions.index.tolist(), predictions.label, predicted, strict=True
        )
    }
    for page in smoke_pages.values():
        shown = re.findall(r'<li data-cell="(.*?)" data-index="(\d+)">', page)
        assert all(cells[int(index)] == cell for cell, index in shown)
        assert len(shown) == len(set(shown))
        n_shown = Counter(cell for cell, _ in shown)
        for cell, count in Counter(cells.values()).items():
            true, label = cell.split("-")
            assert n_shown[cell] == min(count, 5 if true == label else 50)


def test_most_confident_errors_are_those_of_evaluate(smoke_pages, evaluation):
    part = find_part(smoke_pages[True], "errors")
    shown = re.findall(r'<li data-index="(\d+)">', part)
    assert [int(index) for index in shown] == [error.index for error in evaluation.errors]
    items = part.split("<ol")[1].split("<li ")[1:]
    assert len(items) == len(evaluation.errors) > 1
    for item, error in zip(items, evaluation.errors, strict=True):
        assert_shows(item, error.text)
    assert any('<mark class="f3">' in item for item in items)


def assert_shows(item, text):
    """Check that an item of a list shows the start of a text."""
    shown = html.unescape(re.sub("</?mark.*?>", "", item.split('dir="auto">')[1].split("</p>")[0]))
    assert shown.removesuffix(" …") == text[:300].replace("\n", " ")


def test_table_of_thresholds_is_that_of_evaluate(smoke_pages, evaluation):
    part = find_part(smoke_pages[True], "thresholds")
    found = re.findall(r'data-field="evaluate:thresholds\[\d+\].accuracy" data-value="(.*?)"', part)
    assert [json.loads(value) for value in found] == [
        row.accuracy for row in evaluation.thresholds if row.accuracy is not None
    ]


def test_slider_starts_at_a_threshold_of_evaluate(smoke_pages, evaluation):
    (row,) = [row for row in evaluation.thresholds if row.threshold == 0.9]
    values = dict(re.findall(r'<b id="threshold-(\w+)" data-value="(.*?)">', smoke_pages[True]))
    shown = {name: json.loads(value) if value else None for name, value in values.items()}
    assert shown == {"kept": row.n_examples, "coverage": row.coverage, "accuracy": row.accuracy}


def test_typical_mistakes_are_named_before_the_matrix(smoke_pages, run):
    part = find_part(smoke_pages[True], "confusions")
    matrix = run.evaluation.confusion_matrix
    counts = [n for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    values = re.findall(
        r'data-field="evaluation:confusion_matrix.*?data-value="(\d+)"', part.split("<tbody>")[1]
    )
    assert [int(value) for value in values] == sorted(counts, reverse=True)[:15]
    assert smoke_pages[True].index('id="confusions"') < smoke_pages[True].index('id="matrix"')


def test_a_page_without_texts_contains_none(smoke_pages, run):
    dataset = load_dataset(run.config.dataset)
    page = html.unescape(smoke_pages[False])
    starts = [text.split("\n")[0][:40] for text in dataset.test.texts]
    assert not [start for start in starts if start in page]
    assert "Texts were left out" in page
    assert "<mark" not in page
    with_texts = html.unescape(re.sub(r"</?mark.*?>", "", smoke_pages[True]))
    assert sum(start in with_texts for start in starts) > 50


def test_subsets_with_some_of_the_examples_are_rows_with_their_own_accuracy(run):
    dataset, reporter = load_dataset(run.config.dataset), Reporter(quiet=True)
    audited = audit(dataset, run.config, phases=Phases(reporter))
    section = RunSection.of(run, dataset, audited, ReportContext(reporter, texts=False))
    (document,) = [document for document in section.documents if document.key == "evaluate"]
    n = run.evaluation.n_examples
    counts = {"all": (n, 0.5), "not_leaked": (0, None), "not_conflicting": (9, 0.25)}
    document.content["subset_accuracy"] = [
        {"subset": name, "n_examples": count, "accuracy": accuracy, "interval": (0.0, 1.0)}
        for name, (count, accuracy) in {**counts, "clean": (n, 0.5)}.items()
    ]
    page = render_page(
        "run.html", title="", documents=section.documents, run=section, comparison=None, texts=False
    )
    rows = re.findall(r"accuracy, ([a-z ]*) (0\.\d+) .*? examples", read_text(page))
    assert rows == [("not conflicting", "0.2500")]


def test_label_issues_of_the_test_split_have_the_prediction(run, monkeypatch):
    monkeypatch.setattr(run_section, "N_EXPLAINED", 1)
    dataset, reporter = load_dataset(run.config.dataset), Reporter(quiet=True)
    audited = audit(dataset, run.config, phases=Phases(reporter))
    index = textclf.evaluate(run, n_errors=1, device="cpu", quiet=True).errors[0].index
    position = run.predictions.index.tolist().index(index)
    item = Item("label_issue", "test", index, "tech", "A <text>", other_label="politics", score=0.5)
    others = [replace(item, split="train"), replace(item, finding="duplicate")]
    audited = replace(audited, items=[*others, item])
    context = ReportContext(reporter)
    assert RunSection.of(run, dataset, audited, replace(context, texts=False)).issues == []
    section = RunSection.of(run, dataset, audited, context)
    (document,) = [document for document in section.documents if document.key == "run"]
    label = run.label_names[run.predictions.probabilities[position].argmax()]
    assert document.content["label_issues"] == [
        {"index": index, "label": "tech", "other_label": "politics", "prediction": label}
    ]
    assert [piece.text for issue in section.issues for piece in issue.pieces] == ["A <text>"]
    assert section.likely_labels == {index: "politics"}  # Its error is marked.
