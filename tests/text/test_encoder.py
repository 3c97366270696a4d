import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.config.schema import TextConfig
from textclf.text import encoder as text
from textclf.text.encode_dataset import build_encoder
from textclf.text.encoder import TextClassifier, TextEncoder, count_words, encode, tokenize


def words(text):
    return [word.decode() for word in tokenize(tf.constant([text])).flat_values.numpy()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It's GOOD, really!", ["it's", "good", "really"]),
        ("a<br />b<br>c<BR/>d", ["a", "b", "c", "d"]),
        ("why? oh (why)??", ["why", "oh", "why"]),
        ("what ? mln", ["what", "mln"]),
        ("tab\tand\u00a0no\x00break", ["tab", "and\u00a0no", "break"]),
        ("ÉCOLE Straße 日本", ["école", "straße", "日本"]),
        ("  ... ", []),
        ("", []),
    ],
)
def test_tokenize(text, expected):
    assert words(text) == expected


def make_encoder(**options):
    settings = {"num_words": 7, "sequence_length": 4, "vocabulary": ["a", "b", "c", "d", "e"]}
    return TextEncoder(**{**settings, **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 1 starts a text, a b c are 4 5 6, and d is beyond num_words: unknown, 2.
        ({}, [[0, 0, 1, 4], [2, 4, 5, 6], [0, 0, 0, 1]]),
        ({"padding": "post"}, [[1, 4, 0, 0], [2, 4, 5, 6], [1, 0, 0, 0]]),
        ({"truncating": "post"}, [[0, 0, 1, 4], [1, 6, 2, 4], [0, 0, 0, 1]]),
    ],
)
def test_encoder_pads_and_truncates(options, expected):
    ids = encode(make_encoder(**options), ["a", "c d a b c", ""])
    assert ids.tolist() == expected
    assert ids.dtype == np.int32


def test_encoder_agrees_with_keras_pad_sequences():
    rng = np.random.default_rng(5)
    rows = [rng.integers(4, 9, size=n).tolist() for n in rng.integers(0, 12, size=40)]
    texts = [" ".join("abcde"[i - 4] for i in row) for row in rows]
    encoder = make_encoder(num_words=9, sequence_length=6)
    expected = keras.utils.pad_sequences([[1, *row] for row in rows], maxlen=6)
    assert np.array_equal(encode(encoder, texts), expected)


def test_count_words_ranks_by_count_then_alphabet():
    assert count_words(["b a", "c a", "b d"], at_most=3) == ("a", "b", "c")


def test_of_too_many_words_those_seen_once_are_let_go(monkeypatch):
    monkeypatch.setattr(text, "ENCODE_BATCH_SIZE", 2)
    monkeypatch.setattr(text, "MAX_COUNTED", 6)
    texts = [f"often often twice{i // 2} once{i}" for i in range(8)]
    assert count_words(texts, at_most=3) == ("often", "twice0", "twice1")


def test_vocabulary_comes_from_the_training_texts_only(dataset):
    encoder = build_encoder(TextConfig(num_words=50, sequence_length=5), dataset)
    assert sorted(encoder.vocabulary) == sorted(
        {word for text in dataset.train.texts for word in text.split()}
    )


def test_vocabulary_of_the_dataset_is_preferred(dataset):
    from dataclasses import replace

    published = replace(dataset, vocabulary=("fig", "axe", "red"))
    config = TextConfig(num_words=6, sequence_length=5)
    assert build_encoder(config, published).vocabulary == ("fig", "axe")


def make_classifier(labels=("no", "yes", "maybe")):
    tokens = keras.Input((4,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(7, 3)(tokens))
    network = keras.Model(tokens, keras.layers.Dense(len(labels), activation="softmax")(x))
    return TextClassifier(make_encoder(), network, labels)


def test_saved_classifier_predicts_the_same_and_keeps_its_labels(tmp_path, monkeypatch):
    classifier = make_classifier()
    texts = ["a b", "", "e e e e e e", "never seen"]
    expected = classifier.predict_texts(texts)
    with monkeypatch.context() as patch:  # As of so many texts that they are taken in blocks.
        patch.setattr(text, "BLOCK", 1)
        assert np.abs(classifier.predict_texts(texts) - expected).max() < 1e-6
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.label_names == ("no", "yes", "maybe")
    assert loaded.encoder.vocabulary == ("a", "b", "c")
    assert np.array_equal(loaded.predict_texts(texts), expected)
    assert np.array_equal(loaded.predict(tf.constant(texts), verbose=0), expected)
    assert expected.sum(axis=1) == pytest.approx(1)


def test_classifier_without_words_can_be_saved(tmp_path):
    encoder = TextEncoder(num_words=5, sequence_length=2, vocabulary=[])
    classifier = TextClassifier(encoder, make_classifier().network, ("a", "b", "c"))
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert encode(loaded.encoder, ["x"]).tolist() == [[1, 2]]


def test_classifier_shares_weights_but_no_optimizer(tmp_path):
    network = make_classifier().network
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    bare = TextClassifier.without_optimizer(make_encoder(), network, ("no", "yes", "maybe"))
    assert bare.network.weights[0] is network.weights[0]
    assert getattr(bare.network, "optimizer", None) is None
    assert bare.count_params() == network.count_params()
