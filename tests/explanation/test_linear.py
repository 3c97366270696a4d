"""Exact weights: they reproduce the score of every linear model, with their tokens."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from planted import make_planted_rows
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC, LinearSVC

from textclf.data.dataset import Split
from textclf.errors import RequestError
from textclf.explanation.explain import explain_texts, list_methods
from textclf.explanation.linear import find_linear_model, strongest_features
from textclf.models._build import build_model
from textclf.models._sklearn import SklearnClassifier
from textclf.runtime.progress import Reporter
from textclf.testing import make_model_config
from textclf.text.classifier import TextClassifier
from textclf.text.ngrams import NgramEncoder
from textclf.text.tokens import normalize_text

TEXTS = [
    "word40 word1 word2 word1 word2 word3",
    "Word50, WORD1.<br />word1 \u00adétude  ½ 日本",
    "word60 word60 word60 " + "word7 word8 " * 40,
    "nothing known here",
]
NGRAMS = {"max_ngram": 3, "min_count": 1}


def explain(classifier, texts, **options):
    return explain_texts(
        classifier, texts, method="weights", reporter=Reporter(quiet=True), **options
    )


def score_network(classifier, texts):
    """Return the scores that the network turns into probabilities, <float32>[texts, labels]."""
    (layer,) = [layer for layer in classifier.network.layers if layer.weights]
    body = keras.Model(classifier.network.input, layer.output)
    rows = [body(classifier.encoder(tf.constant([normalize_text(text)]))) for text in texts]
    scores = np.concatenate(rows)
    return np.concatenate([-scores, scores], axis=1) if scores.shape[1] == 1 else scores


def score_pipeline(classifier, texts):
    """Return the decisions of the pipeline, <float64>[texts, labels]."""
    given = [*map(normalize_text, texts)] if classifier.takes_normalized_text else texts
    decisions = classifier.pipeline.decision_function(given)
    return np.stack([-decisions, decisions], axis=1) if decisions.ndim == 1 else decisions


def check_scores(classifier, texts, expected):
    """Check that bias and weights sum to the score, for every label."""
    for label, name in enumerate(classifier.label_names):
        explanations = explain(classifier, texts, label=name)
        sums = [e.baseline + sum(token.weight for token in e.tokens) for e in explanations]
        assert sums == pytest.approx(list(expected[:, label]), abs=1e-5)
        assert [e.score for e in explanations] == pytest.approx(sums, abs=1e-9)
        assert max(abs(e.score - e.baseline) for e in explanations) > 0.005


def make_ngram(n_labels=4, **settings):
    """Return an untrained ``ngram`` with random weights."""
    rows = make_planted_rows(80)
    names = sorted({label for _, label in rows})
    train = Split.from_lists(
        [text for text, _ in rows], [names.index(y) % n_labels for _, y in rows]
    )
    settings = {f"model.{name}": value for name, value in settings.items()}
    config = make_model_config("ngram", overrides=settings)
    built = build_model(config, n_labels=n_labels, train=train)
    random = np.random.default_rng(0)
    for weights in built.network.trainable_weights:
        weights.assign(random.normal(size=weights.shape))
    return TextClassifier(built.encoder, built.network, names[:n_labels])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_labels", "settings"),
    [
        (4, {}),
        (4, NGRAMS),
        (2, NGRAMS),
        (4, {**NGRAMS, "position_decay": 4.0, "position_min_weight": 0.0}),
        (2, {**NGRAMS, "ratio": "naive-bayes"}),
        (4, {**NGRAMS, "ratio": "naive-bayes", "position_decay": 20.0}),
    ],
)
def test_weights_of_ngram_reproduce_the_score(n_labels, settings):
    classifier = make_ngram(n_labels, **settings)
    check_scores(classifier, TEXTS, score_network(classifier, TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["tfidf-svc", "nb-svm"])
@pytest.mark.parametrize("n_labels", [2, 4])
def test_weights_of_scikit_learn_reproduce_the_score(train_planted, model, n_labels):
    classifier = train_planted(model, n_labels).model
    check_scores(classifier, TEXTS, score_pipeline(classifier, TEXTS))


def make_pipeline_classifier(vectorizer, estimator=None, *, labels=(0, 1, 2), normalized=False):
    texts = ["The CAT's ½ naïve", "a dog, a cat; öß", "日本 İstanbul! the cat", "dog dog e\u0301"]
    pipeline = make_pipeline(vectorizer, estimator or LinearSVC())
    texts = [*map(normalize_text, texts)] if normalized else texts
    pipeline.fit(texts * 3, [labels[i % 4 % len(labels)] for i in range(12)])
    names = [f"label {i}" for i in range(max(labels) + 1)]
    return SklearnClassifier(pipeline, names, takes_normalized_text=normalized)


PIPELINE_TEXTS = ["the CAT and a dog: ÖSS, naïve cat's", "½ e\u0301 İstanbul 日本日 -- ", "a"]


@pytest.mark.parametrize("normalized", [True, False])
@pytest.mark.parametrize("labels", [(0, 1), (0, 1, 2)])
@pytest.mark.parametrize(
    "vectorizer",
    [
        TfidfVectorizer(ngram_range=(1, 3), token_pattern=r"\w+"),
        TfidfVectorizer(ngram_range=(2, 2), stop_words=["a"], token_pattern=r"\w(\w*)"),
        CountVectorizer(token_pattern=r"dog|\b(\w+)\b"),
        CountVectorizer(binary=True, lowercase=False),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 6)),
        TfidfVectorizer(strip_accents="unicode"),
    ],
)
def test_weights_of_any_vectorizer_reproduce_the_score(vectorizer, labels, normalized):
    classifier = make_pipeline_classifier(vectorizer, labels=labels, normalized=normalized)
    check_scores(classifier, PIPELINE_TEXTS, score_pipeline(classifier, PIPELINE_TEXTS))


def test_weights_of_a_logistic_regression_explain_its_decision():
    classifier = make_pipeline_classifier(TfidfVectorizer(), LogisticRegression())
    check_scores(classifier, PIPELINE_TEXTS, score_pipeline(classifier, PIPELINE_TEXTS))


@pytest.mark.parametrize(
    ("vectorizer", "estimator"),
    [
        (TfidfVectorizer(analyzer=str.split), None),
        (TfidfVectorizer(tokenizer=str.split, token_pattern=None), None),
        (TfidfVectorizer(analyzer="char"), None),
        (TfidfVectorizer(token_pattern=r"\w*"), None),
        (TfidfVectorizer(), MultinomialNB()),
        (TfidfVectorizer(), SVC(kernel="linear")),
    ],
)
def test_what_cannot_be_repeated_exactly_has_no_weights(vectorizer, estimator):
    classifier = make_pipeline_classifier(vectorizer, estimator)
    assert list_methods(classifier) == ["occlusion"]
    with pytest.raises(RequestError, match=r"^features have weights in linear models only"):
        strongest_features(classifier)


def test_network_that_is_not_linear_has_no_weights():
    assert list_methods(make_ngram(units=4)) == ["occlusion"]
    classifier = make_ngram()
    classifier.network.get_layer("scores").activation = "relu"
    assert list_methods(classifier) == ["occlusion"]


def test_all_features_are_listed_once_if_many_are_asked_for():
    classifier = make_pipeline_classifier(TfidfVectorizer())
    (coefficients,) = classifier.pipeline[1].coef_[:1]
    features = strongest_features(classifier, 1_000, label="label 0")
    assert [feature.weight for feature in features] == sorted(coefficients, reverse=True)
    assert len({feature.text for feature in features}) == len(coefficients)


def test_contribution_is_divided_over_occurrences_and_tokens():
    classifier = make_pipeline_classifier(CountVectorizer(ngram_range=(2, 2)), labels=(0, 1))
    vocabulary = classifier.pipeline[0].vocabulary_
    coefficients = classifier.pipeline[1].coef_[0]
    (explanation,) = explain(classifier, ["the cat dog dog dog"], label="label 1")
    the_cat, dog_dog = (coefficients[vocabulary[name]] for name in ("the cat", "dog dog"))
    expected = [the_cat / 2, the_cat / 2, dog_dog / 2, dog_dog, dog_dog / 2]
    assert [token.weight for token in explanation.tokens] == pytest.approx(expected)


def test_occurrences_have_the_weight_of_their_position():
    classifier = make_ngram(position_decay=4.0, position_min_weight=0.0)
    (explanation,) = explain(classifier, ["word40 word1 word2 word3 word40"], label="stripes")
    weights = [token.weight for token in explanation.tokens]
    assert weights[4] / weights[0] == pytest.approx(np.exp(-1), rel=1e-5)


def test_every_character_has_a_token_if_the_features_are_characters():
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 2))
    classifier = make_pipeline_classifier(vectorizer, normalized=True)
    (explanation,) = explain(classifier, ["The cat's -- 日本 (naïve)"])
    assert [token.text for token in explanation.tokens] == [
        *("the", "cat's", "-", "-", "日", "本", "(", "naïve", ")")
    ]


def test_label_without_training_examples_has_no_weights():
    classifier = make_pipeline_classifier(TfidfVectorizer(), labels=(0, 2))
    with pytest.raises(RequestError) as error:
        explain(classifier, ["a cat"], label="label 1")
    assert str(error.value) == (
        "label 'label 1' has no weights, because the model was fitted without examples of it:"
        " choose another label"
    )
    assert {feature.label for feature in strongest_features(classifier)} == {"label 0", "label 2"}
    check = explain(classifier, ["the dog"], label="label 2")[0]
    assert check.score == pytest.approx(score_pipeline(classifier, ["the dog"])[0, 1])
    assert explain(classifier, ["the dog"], label="label 0")[0].score == -check.score
    of_four = make_pipeline_classifier(TfidfVectorizer(), labels=(0, 2, 3))
    last = explain(of_four, ["the dog"], label="label 3")[0]
    assert last.score == pytest.approx(score_pipeline(of_four, ["the dog"])[0, 2])


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ngram", "tfidf-svc", "nb-svm"])
def test_planted_words_are_the_strongest_features(train_planted, model):
    features = strongest_features(train_planted(model).model, 1)
    first = {label: next(f.text for f in features if f.label == label) for label in
             ("clouds", "stones", "stripes")}  # fmt: skip
    assert first == {"clouds": "word60", "stones": "word50", "stripes": "word40"}
    for label in ("clouds", "plain", "stones", "stripes"):
        weights = [f.weight for f in features if f.label == label]
        assert weights == sorted(weights, reverse=True)
        assert [weight > 0 for weight in weights] == [True, False]
        assert strongest_features(train_planted(model).model, 1, label=label) == [
            f for f in features if f.label == label
        ]


def test_weight_of_a_feature_is_the_coefficient_of_its_value():
    classifier = make_ngram(2, ratio="naive-bayes", **NGRAMS)
    model = find_linear_model(classifier)
    for name, sign in zip(classifier.label_names, (-1, 1), strict=True):
        features = strongest_features(classifier, 3, label=name)
        layer = classifier.network.get_layer("scores")
        known = sign * (layer.kernel.numpy() * layer.scale.numpy())[:, 0]
        order = known.argsort()[::-1]
        chosen = [*order[:3], *order[-3:]]
        assert [feature.weight for feature in features] == pytest.approx(list(known[chosen]))
        assert [feature.text for feature in features] == model.format_features(chosen)


def test_names_of_ngrams_are_their_tokens():
    words, bigrams, trigrams = ["a", "b", "c"], np.array([1, 5]), np.array([2])
    encoder = NgramEncoder(words=words, keys=[bigrams, trigrams], idf=[1.0] * 6)
    assert encoder.format_ngrams(range(6)) == ["a", "b", "c", "a b", "b c", "a b c"]
    _, _, found = encoder.find_occurrences(tf.constant(["a b c"]))
    assert found.numpy().tolist() == [[0, 3, 5], [1, 4, -1], [2, -1, -1]]


def test_unknown_label_is_refused(train_planted):
    with pytest.raises(RequestError, match="unknown label 'cloud': did you mean 'clouds'"):
        strongest_features(train_planted("tfidf-svc").model, label="cloud")
