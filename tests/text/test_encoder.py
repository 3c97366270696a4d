"""Token ids: those of Keras, padded and truncated as configured."""

import keras
import numpy as np
import pytest
from support import encode


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # 1 starts a text, a b c are 4 5 6, and d is beyond num_words: unknown, 2.
        ({}, [[0, 0, 1, 4], [2, 4, 5, 6], [0, 0, 0, 1]]),
        ({"padding": "post"}, [[1, 4, 0, 0], [2, 4, 5, 6], [1, 0, 0, 0]]),
        ({"truncating": "post"}, [[0, 0, 1, 4], [1, 6, 2, 4], [0, 0, 0, 1]]),
    ],
)
def test_texts_are_padded_and_truncated(make_encoder, options, expected):
    ids = encode(make_encoder(**options), ["a", "c d a b c", ""])
    assert ids.tolist() == expected
    assert ids.dtype == np.int32


def test_encoder_agrees_with_keras_pad_sequences(make_encoder):
    rng = np.random.default_rng(5)
    rows = [rng.integers(4, 9, size=n).tolist() for n in rng.integers(0, 12, size=40)]
    texts = [" ".join("abcde"[i - 4] for i in row) for row in rows]
    encoder = make_encoder(num_words=9, sequence_length=6)
    expected = keras.utils.pad_sequences([[1, *row] for row in rows], maxlen=6)
    assert np.array_equal(encode(encoder, texts), expected)


def test_vocabulary_is_cut_to_the_number_of_ids(make_encoder):
    assert make_encoder().vocabulary == ("a", "b", "c")
    assert make_encoder(vocabulary=[]).vocabulary == ()


def test_texts_are_normalized_and_split_only_if_the_encoder_says_how(make_encoder):
    texts = ["a\u00a0é", "a\u00a0e\u0301", "aé"]
    vocabulary = ["a", "é", "aé"]
    ids = encode(make_encoder(split="auto", vocabulary=vocabulary), texts)
    assert ids.tolist() == [[0, 1, 4, 5], [0, 1, 4, 5], [0, 0, 1, 6]]
    characters = encode(make_encoder(split="characters", vocabulary=vocabulary), texts)
    assert characters.tolist() == [[0, 1, 4, 5]] * 3
    before = encode(make_encoder(vocabulary=vocabulary), texts)
    assert before.tolist() == [[0, 0, 1, 2], [0, 0, 1, 2], [0, 0, 1, 6]]


def test_encoder_that_was_saved_without_split_keeps_its_tokens(make_encoder):
    config = make_encoder(split="auto").get_config()
    assert config.pop("split") == "auto"
    assert type(make_encoder()).from_config(config).split is None
