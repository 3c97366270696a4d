"""The classifier of raw text, and its file."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from support import encode

from textclf.data.text_store import StoredTexts
from textclf.errors import RequestError
from textclf.runtime.backend import BATCH_SIZE
from textclf.text.classifier import TextClassifier, predict

LABELS = ("no", "yes", "maybe")


@pytest.fixture
def network():
    tokens = keras.Input((4,), dtype="int32")
    x = keras.layers.Flatten()(keras.layers.Embedding(7, 3)(tokens))
    return keras.Model(tokens, keras.layers.Dense(len(LABELS), activation="softmax")(x))


@pytest.fixture
def classifier(make_encoder, network):
    return TextClassifier(make_encoder(split="auto"), network, LABELS)


def write_texts(n_texts):
    """Return texts of the words a, b and c, all of which differ in their probabilities."""
    return [" ".join("ABC"[i // 3**k % 3] for k in range(4)) for i in range(n_texts)]


def test_saved_classifier_predicts_the_same_and_keeps_its_labels(make_encoder, network, tmp_path):
    classifier = TextClassifier(make_encoder(), network, LABELS)
    texts = ["a b", "", "e e e e e e", "never seen"]
    expected = classifier.predict_texts(texts)
    classifier.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.label_names == LABELS
    assert loaded.encoder.vocabulary == ("a", "b", "c")
    assert np.array_equal(loaded.predict_texts(texts), expected)
    assert np.array_equal(loaded.predict(tf.constant(texts), verbose=0), expected)
    assert expected.sum(axis=1) == pytest.approx(1)


@pytest.mark.slow
@pytest.mark.parametrize("as_list", [list, StoredTexts.write, iter])
def test_texts_are_predicted_in_batches_like_encoded_texts(classifier, as_list):
    texts = write_texts(3 * BATCH_SIZE + 5)
    probabilities = classifier.predict_texts(as_list(texts))
    assert (probabilities.shape, probabilities.dtype) == ((len(texts), 3), np.float32)
    assert len(np.unique(probabilities[:, 0])) > 50
    # The network predicts the test split while training.
    expected = predict(classifier.network, encode(classifier.encoder, texts))
    assert probabilities.tobytes() == expected.tobytes()
    batch = slice(BATCH_SIZE, 2 * BATCH_SIZE)
    assert classifier.predict_texts(texts[batch]).tobytes() == expected[batch].tobytes()


def test_probabilities_do_not_depend_on_the_batch_and_the_model_is_traced_once(classifier):
    texts = write_texts(81)
    expected = classifier.predict_texts(texts)
    for size in (1, 2, 7, 80):
        found = classifier.predict_texts(texts[:size])
        assert np.array_equal(found.argmax(axis=1), expected[:size].argmax(axis=1))
        assert np.abs(found - expected[:size]).max() < 1e-6
    assert classifier._classify.experimental_get_tracing_count() == 1


def test_threads_may_predict_at_the_same_time(classifier):
    texts = write_texts(81)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(classifier.predict_texts, [[text] for text in texts]))
    expected = [classifier.predict_texts([text]) for text in texts]
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("split", ["auto", None])
def test_only_texts_for_an_encoder_of_normalized_texts_are_normalized(make_encoder, network, split):
    encoder = make_encoder(split=split, vocabulary=["café"])
    classifier = TextClassifier(encoder, network, LABELS)
    # Alone, because the last digit depends on the row of a batch.
    plain, accented, fullwidth = (
        classifier.predict_texts([text]) for text in ("café", "cafe\u0301", "\uff43afé")
    )
    assert np.array_equal(plain, accented) == np.array_equal(plain, fullwidth) == (split == "auto")


def test_nothing_to_predict_is_an_empty_array(classifier):
    probabilities = classifier.predict_texts([])
    assert (probabilities.shape, probabilities.dtype) == ((0, 3), np.float32)


@pytest.mark.parametrize("texts", ["one text", b"bytes", None, ["a", None]])
def test_what_is_not_a_list_of_texts_is_refused(classifier, texts):
    with pytest.raises(RequestError, match="expected "):
        classifier.predict_texts(texts)


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


def test_a_text_that_is_not_unicode_is_named(classifier):
    with pytest.raises(RequestError) as error:
        classifier.predict_texts(["a", "b \ud800"])
    assert str(error.value) == (
        "text 2 is not Unicode: it contains half of a surrogate pair, U+D800"
    )
