"""Explanations by every method: which words come first, and what the weights sum to."""

import pytest
from support import PLUGINS

from textclf.errors import RequestError
from textclf.explanation.explain import explain_texts, list_methods
from textclf.registry import list_built_in
from textclf.runtime.progress import Reporter

QUICK = {"cnn", "ngram", "nb-svm", "tfidf-svc"}
METHODS = {
    "cnn": ["occlusion", "integrated-gradients"],
    "cnn-lstm": ["occlusion", "integrated-gradients"],
    "hub": ["occlusion"],
    "lstm": ["occlusion", "integrated-gradients"],
    "mlp": ["occlusion", "integrated-gradients"],
    "nb-svm": ["occlusion", "weights"],
    "ngram": ["occlusion", "weights"],
    "tfidf-svc": ["occlusion", "weights"],
}


def explain(classifier, texts, **options):
    return explain_texts(classifier, texts, reporter=Reporter(quiet=True), **options)


def test_all_models_are_tested_that_can_learn_the_words():
    # The encoder of the tests has random weights; tests/test_encoder_runs.py explains it.
    assert {*METHODS, "majority", "encoder"} == {*list_built_in("models")}


def check_planted_words(classifier, texts, method):
    """Check that the word that decides the label comes first in 95% of the correct examples."""
    explanations = explain(classifier, [text for text, _, _ in texts], method=method)
    first = [
        max(explanation.tokens, key=lambda token: token.weight).text == word
        for explanation, (_, label, word) in zip(explanations, texts, strict=True)
        if explanation.prediction == label
    ]
    assert len(first) >= 0.8 * len(texts)
    assert sum(first) >= 0.95 * len(first)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model", [pytest.param(m, marks=[] if m in QUICK else pytest.mark.slow) for m in METHODS]
)
def test_the_word_that_decides_the_label_comes_first(train_planted, planted_texts, model):
    classifier = train_planted(model).model
    assert list_methods(classifier) == METHODS[model]
    for method in METHODS[model]:
        check_planted_words(classifier, planted_texts, method)


@pytest.mark.slow
def test_the_word_that_decides_comes_first_for_a_plug_in(train_planted, planted_texts):
    classifier = train_planted(PLUGINS / "average.py").model
    for method in ("occlusion", "integrated-gradients"):
        check_planted_words(classifier, planted_texts, method)


def test_baseline_model_has_weights_of_zero(train_planted):
    (explanation,) = explain(train_planted("majority").model, ["One text, 日本"])
    assert [(token.text, token.weight) for token in explanation.tokens] == [
        ("one", 0), ("text", 0), ("日", 0), ("本", 0)
    ]  # fmt: skip
    assert (explanation.method, explanation.baseline) == ("occlusion", None)
    assert explanation.probability == explanation.score


def test_explanation_is_of_the_label_that_is_asked_for(train_planted):
    run = train_planted("ngram")
    text = "Word1 word2 WORD40."
    (predicted,) = explain(run.model, [text])
    (other,) = explain(run.model, [text], label="clouds")
    assert (predicted.label, predicted.prediction) == ("stripes", "stripes")
    assert (other.label, other.prediction) == ("clouds", "stripes")
    probabilities = dict(zip(run.label_names, run.predict_proba([text])[0], strict=True))
    assert predicted.probability == pytest.approx(probabilities["stripes"], abs=1e-6)
    assert other.probability == pytest.approx(probabilities["clouds"], abs=1e-6)
    tokens = [(token.text, text[token.start : token.end]) for token in other.tokens]
    assert tokens == [("word1", "Word1"), ("word2", "word2"), ("word40", "WORD40")]
    assert other.tokens[2].weight < 0 < predicted.tokens[2].weight
    assert predicted.method == other.method == "weights"


@pytest.mark.parametrize("model", ["ngram", "cnn", "tfidf-svc", "nb-svm"])
def test_text_without_tokens_has_no_weights(train_planted, model):
    classifier = train_planted(model).model
    for method in METHODS[model]:
        for explanation in explain(classifier, ["", " !?\n", "<br />"], method=method):
            assert [token for token in explanation.tokens if token.weight] == []
            if explanation.baseline is not None:
                assert explanation.score == pytest.approx(explanation.baseline, abs=1e-6)
        assert explain(classifier, [], method=method) == []


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("ngram", {"label": "cloud"}, "unknown label 'cloud': did you mean 'clouds'?"),
        ("ngram", {"method": "weight"}, "unknown method 'weight': did you mean 'weights'?"),
        (
            "cnn",
            {"method": "weights"},
            "the method weights does not apply to this model: choose occlusion or"
            " integrated-gradients",
        ),
        (
            "tfidf-svc",
            {"method": "integrated-gradients"},
            "the method integrated-gradients does not apply to this model: choose occlusion or"
            " weights",
        ),
    ],
)
def test_what_the_model_does_not_allow_is_refused(train_planted, model, options, message):
    with pytest.raises(RequestError) as error:
        explain(train_planted(model).model, ["a text"], **options)
    assert str(error.value).startswith(message)


def test_half_of_a_surrogate_pair_is_refused(train_planted):
    with pytest.raises(RequestError, match=r"text 2 is not Unicode: .* U\+D800"):
        explain(train_planted("ngram").model, ["a", "b\ud800"])
