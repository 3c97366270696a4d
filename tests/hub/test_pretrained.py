"""Pretrained vectors of the words of a vocabulary."""

import gzip
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from textclf.errors import EmbeddingError
from textclf.hub.pretrained import find_dim, look_up

pytestmark = pytest.mark.usefixtures("tensorflow")


def write(path: Path, *lines: str) -> str:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def find(source, *vocabulary):
    vectors = look_up(str(source), vocabulary)
    return dict(zip(vectors.tokens, vectors.matrix.tolist(), strict=True))


def test_only_words_of_the_vocabulary_are_returned(tmp_path):
    lines = ["the 1 2", "of 3 4", "apple 5 6"]
    path = write(tmp_path / "glove.txt", *lines)
    assert find_dim(path, None) == 2
    assert find(path, "apple", "the", "pear") == {"the": [1, 2], "apple": [5, 6]}
    assert find(write(tmp_path / "fast.vec", "3 2", *lines), "of") == {"of": [3, 4]}
    (tmp_path / "glove.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    assert find(tmp_path / "glove.gz", "apple") == {"apple": [5, 6]}
    nothing = look_up(path, ["plum"])
    assert (nothing.tokens, nothing.matrix.size) == ((), 0)


def test_exact_word_takes_precedence_and_then_the_first(tmp_path):
    path = write(tmp_path / "v.txt", "The 1 1", "THE 2 2", "the 3 3", "the 4 4", "APPLE 5 5")
    assert find(path, "the", "apple") == {"the": [3, 3], "apple": [5, 5]}
    assert find(write(tmp_path / "w.txt", "THE 2 2", "The 1 1"), "the") == {"the": [2, 2]}


def test_words_are_normalized_like_texts(tmp_path):
    # A full-width letter and a combining accent; U.S. is two tokens in a text.
    lines = ["\uff21pple 1 1", "Cafe\u0301 2 2", "don\u2019t 3 3", "U.S. 4 4", "a b 5 5"]
    path = write(tmp_path / "vectors.txt", *lines)
    found = find(path, "apple", "caf\u00e9", "don't", "u", "s", "us", "a", "b")
    assert found == {"apple": [1, 1], "caf\u00e9": [2, 2], "don't": [3, 3]}


def test_numbers_of_other_words_are_not_read(tmp_path):
    path = write(tmp_path / "vectors.txt", "the 1 2", "of x y", "apple 3 4")
    assert find(path, "apple") == {"apple": [3, 4]}
    with pytest.raises(EmbeddingError, match=r"vectors\.txt line 2: 'x' is not a number; fix or"):
        look_up(path, ["of"])


def test_file_without_vectors_is_refused(tmp_path):
    for lines in ([], ["0 5"]):
        path = write(tmp_path / "vectors.txt", *lines)
        with pytest.raises(EmbeddingError, match=r"vectors\.txt (has no words|line 1): expected"):
            find_dim(path, None)


def test_other_content_than_that_of_the_configuration_is_refused(tmp_path):
    path = write(tmp_path / "vectors.txt", "the 1 2")
    with pytest.raises(EmbeddingError, match=r"is not the embedding that the configuration was"):
        find_dim(path, "0123")


def test_text_embedding_is_applied_to_the_words_that_it_lists(folder):
    assert find_dim(str(folder), None) == 4
    # "axe" would get the row of all other words.
    assert find(folder, "axe", "pear", "apple") == {"pear": [4, 5, 6, 7], "apple": [0, 1, 2, 3]}


def test_text_embedding_without_a_list_knows_words_whose_vector_is_not_zero(
    tmp_path, save_function
):
    def embed(texts):
        lengths = tf.cast(tf.strings.length(texts), tf.float32)
        return tf.stack([lengths - 3, 2 * (lengths - 3)], axis=1)

    save_function(tmp_path / "lengths", embed)
    assert find(tmp_path / "lengths", "axe", "plum") == {"plum": [1, 2]}


def test_glove_has_more_words_than_the_embedding_of_the_model_hub():
    vectors = look_up("glove", ["the", "mortally", "notaword123"])
    assert vectors.tokens == ("the", "mortally")
    assert vectors.matrix.shape == (2, find_dim("glove", None)) == (2, 50)
    assert np.abs(vectors.matrix[0, 0] - 0.418) < 1e-6
