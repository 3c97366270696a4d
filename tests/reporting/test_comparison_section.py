import json
import re

import numpy as np
import pytest
from pages import check_figures, read_text
from support import write_runs

import textclf
from textclf.comparison.comparison import Comparison
from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.errors import RunError
from textclf.reporting.comparison_section import ComparisonSection
from textclf.reporting.context import ReportContext
from textclf.reporting.documents import MISSING
from textclf.reporting.rendering import render_page
from textclf.runs.result import Failure
from textclf.runtime.progress import Reporter

QUIET = Reporter(quiet=True)
N = 300


def describe(runs, *, texts=True, text="a text", failures=(), **options):
    """Return the section of runs of `write_runs`, and its page."""
    comparison = Comparison.of(runs, list(failures), QUIET, reference=options.get("reference"))
    split = Split.from_lists([f"{text} {i}" for i in range(N)], np.arange(N) % 3)
    names = tuple(s.name for s in runs[0][1].evaluation.per_class)
    dataset = TextDataset("bbc", names, split, split, split)
    section = ComparisonSection.of(comparison, dataset, ReportContext(QUIET, texts=texts))
    return section, render(section)


def render(section):
    return render_page("comparison.html", title="", documents=section.documents, comparison=section)


def test_the_answer_is_given_in_words(tmp_path):
    _, page = describe(write_runs(tmp_path, {"cnn": 0.95, "lstm": 0.94, "mlp": 0.3}))
    text = read_text(page)
    assert "The most accurate model is cnn: accuracy 0.9" in text
    assert "the mean of 3 seeds, on 300 test examples." in text
    worse = r"Significantly worse than cnn: mlp \(difference -0\.6\d*, 95% CI [^,]*, p = 0\.\d+\)\."
    assert re.search(worse, text)
    assert re.search(r"No significant difference from cnn: lstm \(.*?, p = ", text)
    assert "Recommended: cnn, the most accurate model. The models without" in text
    assert "Few seeds" not in text


def test_few_seeds_are_named(tmp_path):
    runs = write_runs(tmp_path / "1", {"cnn": 0.9, "mlp": 0.3})
    runs += write_runs(tmp_path / "2", {"lstm": 0.4}, n_seeds=2)
    _, page = describe(runs)
    assert "Few seeds: lstm has fewer than three seeds" in read_text(page)


def test_models_are_compared_with_a_chosen_reference(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.95, "lstm": 0.6, "mlp": 0.3})
    text = read_text(describe(runs, reference="lstm")[1])
    assert "Significantly worse than lstm: mlp (difference -0." in text
    assert "Significantly better than lstm: cnn (difference +0." in text
    assert "Recommended" not in text


def test_one_model_has_no_verdict(tmp_path):
    section, page = describe(write_runs(tmp_path, {"cnn": 0.9}))
    text = read_text(page)
    assert text.startswith("Comparison The model is cnn: accuracy")
    assert "Scores by label" not in text
    assert "disagree" not in text
    assert [document.key for document in section.documents] == ["comparison", "runs"]


def test_configurations_of_one_model_are_named_by_their_fingerprint(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.5})
    runs += write_runs(tmp_path, {"cnn": 0.9}, settings={"training.epochs": 2})
    section, page = describe(runs)
    fingerprints = [row["fingerprint"] for row in section.documents[0].content["rows"]]
    assert section.names == [f"cnn {fingerprint}" for fingerprint in fingerprints]
    assert section.disagreements.best == section.names[0]  # The most accurate one.
    assert "training.epochs" in section.configurations.differing
    assert f"cnn {fingerprints[1]}" in read_text(page)


def test_failed_runs_are_rows(tmp_path):
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "lstm"}, "seed": 1})
    failure = Failure(config, RunError("out of memory"))
    section, page = describe(write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.4}), failures=[failure])
    assert section.names == ["cnn", "mlp", "lstm"]
    [row] = [row for row in re.findall("<tr>.*?</tr>", page, re.DOTALL) if "failed" in row]
    assert "lstm" in row
    assert row.count(MISSING) == 9  # All values but the name and the verdict.
    assert "out of memory" in page


def test_texts_are_left_out_on_request(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.4})
    assert "secret text" in describe(runs, text="secret text")[1]
    page = describe(runs, text="secret text", texts=False)[1]
    assert "secret" not in page
    assert "Predicted correctly by cnn only" in read_text(page)


def test_texts_and_labels_are_escaped(tmp_path):
    hostile = "<script>alert(1)</script>"
    names = ("<img src=x onerror=alert(1)>", "</style>", '"\u202e')
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.4}, names=names)
    page = describe(runs, text=hostile)[1]
    assert "&lt;script&gt;alert(1)" in page
    for tag in ("<script", "<img", "</style", "\u202e", "style=", "onclick"):
        assert tag not in page.replace("&lt;", "")


def test_the_same_runs_give_the_same_page(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.4})
    assert describe(runs)[1] == describe([*reversed(runs)])[1]


@pytest.fixture(scope="module")
def compared(smoke_run, tmp_path_factory):
    """A run of ``mlp``, and a folder with runs of three scikit-learn models."""
    root = tmp_path_factory.mktemp("compared")
    for model, seed in (("nb-svm", 1), ("nb-svm", 2), ("tfidf-svc", 1), ("majority", 1)):
        textclf.train(model, "bbc", smoke=True, seed=seed, run_root=root, quiet=True)
    return [smoke_run, root / "_smoke"]


@pytest.fixture(scope="module")
def section(compared):
    comparison = textclf.compare(compared, quiet=True)
    dataset = textclf.load_dataset("bbc", overrides={"dataset.limit": 64})
    return ComparisonSection.of(comparison, dataset, ReportContext(QUIET))


def find_document(section, key):
    return next(document for document in section.documents if document.key == key).content


def test_the_table_is_that_of_compare(section, compared, cli):
    rows = cli("compare", *compared, "--format", "json").json
    assert json.loads(json.dumps(find_document(section, "comparison")["rows"])) == rows
    assert len(rows) == 4


def test_runs_and_labels_are_those_of_evaluation_json(section):
    runs, labels = (find_document(section, key) for key in ("runs", "labels"))
    assert len(runs["runs"]) == 5
    f1 = {}
    for row in runs["runs"]:
        run = textclf.load_run(row["run"])
        stored = run.result.to_json()
        for key in ("accuracy", "macro_f1", "loss"):
            assert row[key] == stored["metrics"][key]
        for key in ("seed", "best_epoch", "n_epochs", "train_seconds"):
            assert row[key] == stored[key]
        f1.setdefault(row["model"], []).append([scores.f1 for scores in run.evaluation.per_class])
        assert tuple(labels["labels"]) == run.label_names
        assert labels["support"] == [scores.support for scores in run.evaluation.per_class]
    shown = {model["model"]: model["f1"] for model in labels["models"]}
    assert set(shown) == set(f1) - {"majority"}
    for name, values in shown.items():
        assert values == pytest.approx(np.mean(f1[name], axis=0))


def test_disagreements_are_those_of_diff(section, cli):
    pairs = find_document(section, "disagreements")["pairs"]
    assert len(pairs) == 2
    for pair, examples in zip(pairs, section.disagreements.examples, strict=True):
        found = cli("diff", pair["a"], pair["b"], "--top", "25", "--format", "json").json
        assert pair["mcnemar"] == found["mcnemar"]
        assert sum(pair["mcnemar"][kind] for kind in ("only_a", "only_b")) > 0
        for side in ("only_a", "only_b"):
            for key, values in pair[side].items():
                assert values == [example[key] for example in found[side]]
            assert [e["label"] for e in examples[side]] == [e["label"] for e in found[side]]


def test_networks_have_a_history_and_other_models_are_named(section):
    assert list(section.histories) == ["mlp"]
    assert sorted(section.without_epochs) == ["majority", "nb-svm", "tfidf-svc"]
    assert len(section.cost) == 2


def test_every_figure_links_to_its_field(section):
    check_figures(render(section), section.documents)
