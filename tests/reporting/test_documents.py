"""Documents that a page quotes: figures link to fields, and the list has every field."""

import json

import pytest

from textclf.reporting.documents import Document

CONTENT = {
    "metrics": {"accuracy": 0.84768, "loss": None},
    "intervals": {"accuracy": (0.8, 0.9)},
    "per_class": [{"name": "a<b", "f1": 0.5}, {"name": "c", "f1": 1.0}],
    "confusion_matrix": [[3, 1], [0, 4]],
    "empty": [],
}


@pytest.fixture
def document():
    return Document("evaluation", "evaluation.json", CONTENT)


@pytest.mark.parametrize(
    ("path", "style", "shown", "target"),
    [
        ("metrics.accuracy", 4, "0.8477", "evaluation-metrics-accuracy"),
        ("metrics.accuracy", "percent", "84.8%", "evaluation-metrics-accuracy"),
        ("intervals.accuracy[1]", 3, "0.900", "evaluation-intervals-accuracy"),
        ("per_class[1].f1", 2, "1.00", "evaluation-per_class-1-f1"),
        ("per_class[0].name", "text", "a&lt;b", "evaluation-per_class-0-name"),
        ("confusion_matrix[0][1]", 0, "1", "evaluation-confusion_matrix-0"),
    ],
)
def test_a_figure_links_to_its_field(document, path, style, shown, target):
    figure = str(document.figure(path, style))
    assert figure.endswith(f">{shown}</a>")
    assert f'href="#field-{target}"' in figure
    ids = {field_id for field_id, _, _ in document.list_fields()}
    assert figure.split('href="#')[1].split('"', maxsplit=1)[0] in ids


def test_a_figure_has_the_exact_value(document):
    assert 'data-value="0.84768"' in document.figure("metrics.accuracy", 1)
    assert 'data-field="evaluation:metrics.accuracy"' in document.figure("metrics.accuracy", 1)


def test_a_missing_value_is_a_dash(document):
    assert document.figure("metrics.loss", 3) == "\N{EN DASH}"


def test_a_text_is_cleaned():
    figure = Document("d", "", {"name": "a\t<\r\n\x1b\u202e\ud800"}).figure("name")
    assert figure.endswith(">a &lt;  \ufffd\ufffd?</a>")


def test_an_unknown_field_is_an_error(document):
    with pytest.raises(KeyError):
        document.figure("metrics.accurracy", 3)


def test_the_list_has_every_field_once(document):
    fields = [*document.list_fields()]
    assert {path: json.loads(value) for _, path, value in fields} == {
        "metrics.accuracy": 0.84768,
        "metrics.loss": None,
        "intervals.accuracy": [0.8, 0.9],
        "per_class[0].name": "a<b",
        "per_class[0].f1": 0.5,
        "per_class[1].name": "c",
        "per_class[1].f1": 1.0,
        "confusion_matrix[0]": [3, 1],
        "confusion_matrix[1]": [0, 4],
        "empty": [],
    }
    assert len({field_id for field_id, _, _ in fields}) == len(fields)
