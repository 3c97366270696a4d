"""A small text embedding, and functions that write others; nothing here starts TensorFlow alone."""

import gc
import warnings
from pathlib import Path

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.errors import EmbeddingError


@pytest.fixture
def folder(tensorflow, tmp_path) -> Path:
    """A small text embedding: five words and one row for all others, with four numbers each."""
    from textclf.hub.word_vectors import Vectors, write_text_embedding

    matrix = np.arange(20, dtype=np.float32).reshape(5, 4)
    vectors = Vectors(("apple", "pear", "saw", "nail", "file"), matrix)
    write_text_embedding(vectors, tmp_path / "embedding")
    return tmp_path / "embedding"


@pytest.fixture
def configure():
    """A function that returns a configuration of the model ``hub``."""

    def configure(handle, **hyperparameters):
        return resolve(
            {
                "dataset": {"name": "bbc"},
                "model": {"name": "hub", "handle": str(handle), **hyperparameters},
                "training": {"epochs": 2, "batch_size": 8},
            }
        )

    return configure


@pytest.fixture
def find_error():
    """A function that calls another one, and returns the message of its error."""

    def find_error(function, *arguments, error_class=EmbeddingError) -> str:
        with pytest.raises(error_class) as info:
            function(*arguments)
        assert "\n" not in str(info.value)
        return str(info.value)

    return find_error


@pytest.fixture
def save_function(tensorflow):
    """A function that saves a SavedModel with one function, by default of texts."""
    import tensorflow as tf

    def save_function(path, function, inputs=None):
        model = tf.train.Checkpoint()
        signature = [inputs or tf.TensorSpec([None], tf.string)]
        model.__call__ = tf.function(function, input_signature=signature)
        tf.saved_model.save(model, str(path))

    return save_function


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """An empty cache of TensorFlow Hub."""
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "tfhub"))
    yield tmp_path / "tfhub"
    with warnings.catch_warnings():
        # tensorflow_hub does not close its connections.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
