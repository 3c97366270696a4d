"""The classifier of raw text, and its file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from textclf.text import classifier as module
from textclf.text.classifier import TextClassifier
from textclf.text.input_pipeline import encode

LABELS = ("no", "yes", "maybe")


@pytest.fixture
def network():
    tokens = keras.Input((4,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(7, 3)(tokens))
    return keras.Model(tokens, keras.layers.Dense(len(LABELS), activation="softmax")(x))


def test_saved_classifier_predicts_the_same_and_keeps_its_labels(
    make_encoder, network, tmp_path, monkeypatch
):
    classifier = TextClassifier(make_encoder(), network, LABELS)
    texts = ["a b", "", "e e e e e e", "never seen"]
    expected = classifier.predict_texts(texts)
    with monkeypatch.context() as patch:  # As if there were too many texts for one block.
        patch.setattr(module, "BLOCK_SIZE", 1)
        assert np.abs(classifier.predict_texts(texts) - expected).max() < 1e-6
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.label_names == LABELS
    assert loaded.encoder.vocabulary == ("a", "b", "c")
    assert np.array_equal(loaded.predict_texts(texts), expected)
    assert np.array_equal(loaded.predict(tf.constant(texts), verbose=0), expected)
    assert expected.sum(axis=1) == pytest.approx(1)


def test_classifier_without_known_words_is_saved(make_encoder, network, tmp_path):
    encoder = make_encoder(num_words=5, sequence_length=2, vocabulary=[])
    TextClassifier(encoder, network, LABELS).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert encode(loaded.encoder, ["x"]).tolist() == [[1, 2]]


def test_classifier_shares_weights_but_no_optimizer(make_encoder, network):
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    bare = TextClassifier.without_optimizer(make_encoder(), network, LABELS)
    assert bare.network.weights[0] is network.weights[0]
    assert getattr(bare.network, "optimizer", None) is None
    assert bare.count_params() == network.count_params()
