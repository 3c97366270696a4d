"""Integrated gradients: their sum, their positions, and the networks that allow them."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import PLUGINS

from textclf.explanation import integrated_gradients
from textclf.explanation.explain import explain_texts, list_methods
from textclf.explanation.integrated_gradients import cut_network
from textclf.models._calibration import Calibration, append_calibration
from textclf.runtime.progress import Reporter
from textclf.text.classifier import TextClassifier
from textclf.text.encoder import TextEncoder
from textclf.text.tokens import normalize_text

pytestmark = pytest.mark.usefixtures("tensorflow")

TEXTS = ["a b c d", "e É a", "b " * 12, "c unknown d", ""]


def explain(classifier, texts, **options):
    options = {"method": "integrated-gradients", "reporter": Reporter(quiet=True), **options}
    return explain_texts(classifier, texts, **options)


def make_encoder(**options):
    options = {"num_words": 12, "sequence_length": 8, "split": "auto", **options}
    return TextEncoder(vocabulary=["a", "b", "c", "d", "e", "é"], **options)


def make_classifier(make_last, *, n_labels=3, make_body=None, **options):
    """Return a classifier with random weights, of which the last layers are given."""
    keras.utils.set_random_seed(1)
    ids = keras.Input((8,), dtype="int32")
    normal = keras.initializers.RandomNormal(stddev=0.5)
    x = keras.layers.Embedding(12, 6, embeddings_initializer=normal, **options)(ids)
    x = make_body(x, ids) if make_body else make_dense_body(x, ids)
    names = [f"label {i}" for i in range(n_labels)]
    return TextClassifier(make_encoder(), keras.Model(ids, make_last(x)), names)


def make_dense_body(x, ids):
    return keras.layers.Dense(7, activation="tanh")(keras.layers.Flatten()(x))


def make_lstm(x, ids):
    return keras.layers.LSTM(7)(x)


def end_in_dense(x):
    return keras.layers.Dense(3, activation="softmax", bias_initializer="normal")(x)


def end_in_two_logits(x):
    return keras.layers.Softmax()(keras.layers.Dense(2, use_bias=False)(x))


def end_in_one_logit(x):
    logit = keras.layers.Dense(1)(x)
    return keras.layers.Softmax()(keras.layers.Concatenate()([keras.ops.zeros_like(logit), logit]))


def end_in_activation(x):
    return keras.layers.Activation("softmax")(keras.layers.Dense(3)(x))


def weigh_words(x, ids):
    """Average the words, without padding, by an operation that needs the token ids."""
    is_word = keras.ops.cast(keras.ops.not_equal(ids, 0), "float32")[..., None]
    mean = keras.ops.sum(x * is_word, axis=1) / keras.ops.sum(is_word, axis=1)
    return keras.layers.Dense(5, activation="tanh")(mean)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make_last", "n_labels", "options"),
    [
        (end_in_dense, 3, {}),
        (end_in_activation, 3, {}),
        (end_in_two_logits, 2, {}),
        (end_in_one_logit, 2, {}),
        (end_in_dense, 3, {"mask_zero": True, "make_body": make_lstm}),
        (end_in_dense, 3, {"make_body": weigh_words}),
    ],
)
def test_score_is_the_logit_and_the_weights_sum_to_its_change(make_last, n_labels, options):
    classifier = make_classifier(make_last, n_labels=n_labels, **options)
    of_labels = [explain(classifier, TEXTS, label=name) for name in classifier.label_names]
    scores = np.array([[item.score for item in items] for items in of_labels]).T
    if n_labels == 2:
        assert scores[:, 0] == pytest.approx(-scores[:, 1], abs=1e-5)
        scores /= 2
    probabilities = classifier.predict_texts(TEXTS)
    assert tf.nn.softmax(scores).numpy() == pytest.approx(probabilities, abs=1e-5)
    for explanation in (item for items in of_labels for item in items):
        change = explanation.score - explanation.baseline
        total = sum(token.weight for token in explanation.tokens)
        assert total == pytest.approx(change, abs=max(0.01, 0.01 * abs(change)))


def test_score_in_mixed_precision_is_the_difference_of_the_logits():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        classifier = make_classifier(end_in_two_logits, n_labels=2)
    finally:
        keras.config.set_dtype_policy("float32")
    (explanation,) = explain(classifier, ["a b c"], label="label 1")
    odds = explanation.probability / (1 - explanation.probability)
    assert explanation.score == pytest.approx(np.log(odds), rel=0.02)


def test_calibration_does_not_change_the_logit():
    classifier = make_classifier(end_in_one_logit, n_labels=2)
    network = append_calibration(classifier.network, Calibration(1.5, 0.1, (0.3, 0.7)))
    calibrated = TextClassifier(classifier.encoder, network, classifier.label_names)
    before, after = (
        explain(given, ["a b c"], label="label 1")[0] for given in (classifier, calibrated)
    )
    assert (after.score, after.tokens) == (before.score, before.tokens)
    scaled = 0.9 / (1 + np.exp(-1.5 * after.score)) + 0.1 * 0.7
    assert after.probability == pytest.approx(scaled, abs=1e-5)
    assert before.probability != pytest.approx(scaled, abs=1e-3)


def test_baseline_is_the_logit_of_padding_after_the_start():
    classifier = make_classifier(end_in_activation)
    (explanation,) = explain(classifier, ["a b c"], label="label 2")
    logits = keras.Model(classifier.network.inputs[0], classifier.network.layers[-1].input)
    expected = logits(np.array([[0, 0, 0, 0, 1, 0, 0, 0]])).numpy()[0, 2]
    assert explanation.baseline == pytest.approx(expected, abs=1e-6)
    assert explanation.score != pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize("padding", ["pre", "post"])
@pytest.mark.parametrize("truncating", ["pre", "post"])
@pytest.mark.parametrize("text", ["a b c", "a b c d e é a", "a b c d e é a b c", "a " * 30, ""])
def test_positions_are_those_of_the_encoder(padding, truncating, text):
    encoder = make_encoder(padding=padding, truncating=truncating)
    (ids,) = encoder(tf.constant([text])).numpy()
    words = text.split()
    known = {"a": 4, "b": 5, "c": 6, "d": 7, "e": 8, "é": 9}
    positions = encoder.find_positions(len(words))
    kept = [
        (position, known[word])
        for position, word in zip(positions, words, strict=True)
        if position >= 0
    ]
    assert kept == [(i, value) for i, value in enumerate(ids) if value > 1]


def test_weights_equal_the_definition():
    classifier = make_classifier(end_in_dense)
    (ids,) = classifier.encoder(tf.constant([normalize_text("a É c")])).numpy()
    network = classifier.network
    vectors = network.layers[1].embeddings.numpy()
    start, end = vectors[np.where(ids == 1, 1, 0)], vectors[ids]
    body = keras.Model(network.layers[1].output, network.layers[-1].input)
    points = (np.arange(128) + 0.5) / 128
    path = tf.constant(start + points[:, None, None] * (end - start), tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(path)
        logit = (body(path) @ network.layers[-1].kernel)[:, 2]
    mean = tape.gradient(logit, path).numpy().mean(axis=0)
    expected = ((end - start) * mean).sum(axis=1)[-3:]
    (explanation,) = explain(classifier, ["a É c"], label="label 2")
    weights = [token.weight for token in explanation.tokens]
    assert weights == pytest.approx(list(expected), abs=1e-3)
    assert max(map(abs, weights)) > 0.02


def test_tokens_that_are_cut_off_weigh_nothing_and_are_counted(capsys):
    (explanation,) = explain(make_classifier(end_in_dense), ["a " * 9], reporter=Reporter())
    assert [token.weight == 0 for token in explanation.tokens] == [True] + [False] * 8
    assert capsys.readouterr().err == (
        "note: 1 token beyond text.sequence_length 8 cannot change the prediction: the weight is"
        " 0\n"
    )


def test_a_sum_that_is_not_exact_enough_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(integrated_gradients, "ABSOLUTE_TOLERANCE", 0.0)
    monkeypatch.setattr(integrated_gradients, "RELATIVE_TOLERANCE", 0.0)
    monkeypatch.setattr(integrated_gradients, "MAX_STEPS", 64)
    explain(make_classifier(end_in_dense), ["a b", "c", ""])
    assert capsys.readouterr().err == (
        "2 of 3 texts: the sum of the weights differs from the change of the logit by more than 0%"
        " and 0, even with 64 steps\n"
    )


def test_steps_are_doubled_until_the_sum_is_exact(monkeypatch):
    def bend(x):
        return keras.ops.sin(20 * x)

    classifier = make_classifier(end_in_dense, make_body=lambda x, _: keras.ops.sum(bend(x), 1))
    monkeypatch.setattr(integrated_gradients, "MIN_STEPS", 1)
    used, integrate = [], integrated_gradients._Integral._integrate

    def count(self, *arguments):
        used.append(arguments[-1])
        return integrate(self, *arguments)

    monkeypatch.setattr(integrated_gradients._Integral, "_integrate", count)
    explain(classifier, ["a b c"])
    assert used == [2**i for i in range(len(used))]
    assert len(used) > 3


def test_networks_that_cannot_be_cut():
    sigmoid = make_classifier(keras.layers.Dense(3, activation="sigmoid"))
    ids = keras.Input((8,), dtype="int32")
    one_hot = keras.layers.Flatten()(keras.ops.one_hot(ids, 12))
    without = TextClassifier(make_encoder(), keras.Model(ids, end_in_dense(one_hot)), "abc")
    embeddings = [keras.layers.Embedding(12, 6)(ids) for _ in range(2)]
    joined = keras.layers.Flatten()(keras.layers.Concatenate()(embeddings))
    two = TextClassifier(make_encoder(), keras.Model(ids, end_in_dense(joined)), "abc")
    shared = keras.layers.Embedding(12, 6)
    halves = keras.layers.Concatenate()([shared(ids), shared(keras.ops.flip(ids, 1))])
    last = end_in_dense(keras.layers.Flatten()(halves))
    twice = TextClassifier(make_encoder(), keras.Model(ids, last), "abc")
    clipped = make_classifier(lambda x: keras.ops.clip(end_in_dense(x), 0.0, 1.0))
    old = TextClassifier(make_encoder(split=None), make_classifier(end_in_dense).network, "abc")
    other = SimpleNamespace(encoder=None, network=make_classifier(end_in_dense).network)
    for classifier in (sigmoid, without, two, twice, clipped, old, other):
        assert cut_network(classifier) is None
    assert list_methods(old) == ["occlusion"]


def test_explaining_does_not_change_the_network():
    classifier = make_classifier(end_in_dense)
    before = classifier.network.get_config()
    explain(classifier, TEXTS)
    assert classifier.network.get_config() == before


@pytest.mark.slow
def test_sums_of_the_built_in_networks(train_planted, planted_texts):
    texts = [text for text, _, _ in planted_texts[:30]]
    for model in ("cnn", "cnn-lstm", "lstm", "mlp", PLUGINS / "scaled.py"):
        for explanation in explain(train_planted(model).model, texts):
            change = explanation.score - explanation.baseline
            total = sum(token.weight for token in explanation.tokens)
            assert total == pytest.approx(change, abs=max(0.01, 0.01 * abs(change)))
