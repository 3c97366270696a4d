"""Occlusion: the probability of a label without each token."""

import pytest
from support import PLUGINS

from textclf.explanation import occlusion
from textclf.explanation.explain import explain_texts
from textclf.runtime.progress import Reporter

TEXT = "Word40 word1, word1<br />WORD2 \u200bétude!"


def explain(classifier, texts, **options):
    options = {"method": "occlusion", "reporter": Reporter(quiet=True), **options}
    return explain_texts(classifier, texts, **options)


@pytest.mark.parametrize("model", ["cnn", "ngram", "tfidf-svc", "nb-svm"])
@pytest.mark.parametrize("label", [None, "clouds"])
def test_weights_equal_a_direct_recomputation(train_planted, model, label, monkeypatch):
    monkeypatch.setattr(occlusion, "BLOCK_TEXTS", 4)  # So that a text is in two blocks.
    run = train_planted(model)
    texts = [TEXT, "word60", TEXT[::-1]]
    explanations = explain(run.model, texts, label=label)
    largest = max(abs(token.weight) for item in explanations for token in item.tokens)
    assert largest > 0.1
    for text, explanation in zip(texts, explanations, strict=True):
        column = run.label_names.index(explanation.label)
        (before,) = run.predict_proba([text])[:, column]
        without = [f"{text[: token.start]} {text[token.end :]}" for token in explanation.tokens]
        after = run.predict_proba(without)[:, column]
        weights = [token.weight for token in explanation.tokens]
        assert weights == pytest.approx(list(before - after), abs=1e-6)
        assert explanation.score == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("cnn", ["word40", "word1", "word1", "word2", "étude", "x", "日", "本"]),
        ("tfidf-svc", ["word40", "word1", "word1", "br", "word2", "étude", "日本"]),
        ("nb-svm", ["word40", "word1", "word1", "br", "word2", "étude", "x", "日本"]),
    ],
)
def test_tokens_are_those_that_the_model_reads(train_planted, model, tokens):
    (explanation,) = explain(train_planted(model).model, [f"{TEXT} x 日本"])
    assert [token.text for token in explanation.tokens] == tokens


def test_tokens_that_are_cut_off_weigh_nothing_without_a_prediction(train_planted, monkeypatch):
    classifier = train_planted("cnn").model
    length, n_predicted = classifier.encoder.sequence_length, []
    text = " ".join(["word40", *["word1"] * length, "word60"])
    predict = classifier.predict_texts

    def count(texts):
        n_predicted.append(len(texts))
        return predict(texts)

    monkeypatch.setattr(classifier, "predict_texts", count)
    (explanation,) = explain(classifier, [text])
    is_read = classifier.encoder.find_positions(length + 2) >= 0
    assert n_predicted == [1, is_read.sum()]
    assert is_read.sum() < length + 2
    for token, read in zip(explanation.tokens, is_read, strict=True):
        without = predict([text, f"{text[: token.start]} {text[token.end :]}"])
        assert read or (without[0] == without[1]).all()
        assert read or token.weight == 0


def test_model_with_a_transformer_of_its_own_is_explained(train_planted):
    (explanation,) = explain(train_planted(PLUGINS / "bayes.py").model, ["word1 word40"])
    assert explanation.tokens[1].text == "word40"
    assert explanation.tokens[1].weight > 0.1 > abs(explanation.tokens[0].weight)


def test_predictions_are_counted(train_planted, monkeypatch):
    monkeypatch.setattr("textclf.runtime.progress.LINE_SECONDS", 0)
    monkeypatch.setattr(
        occlusion, "BLOCK_CHARACTERS", 20
    )  # Three texts are longer, and so are two.
    lines = []
    reporter = Reporter()
    monkeypatch.setattr(reporter, "info", lines.append)
    explain(train_planted("tfidf-svc").model, ["one two", "three four five"], reporter=reporter)
    assert [line.split(",")[0] for line in lines] == ["3 of 5 predictions done"]
