"""Fills the embedding of a network with pretrained vectors of the words of its vocabulary."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.config.schema import ModelConfig
from textclf.data.text_store import BLOCK_SIZE
from textclf.errors import RequestError, format_count
from textclf.hub.pretrained import look_up
from textclf.models._layers import EMBEDDING, SequenceConfig
from textclf.storage.arrays import read_rows
from textclf.text.encoder import FIRST_WORD_ID, PADDING_ID, START_ID, TextEncoder

LOW_COVERAGE = 0.5
"""Fraction of the training tokens with a vector below which a warning says so."""


@dataclass(frozen=True)
class Coverage:
    """How much of a vocabulary, and of the training tokens, has a vector.

    Attributes:
        source: Name of the vectors.
        n_words: Words of the vocabulary.
        n_found: Words that have a vector.
        train_tokens: Fraction of the training tokens, including unknown words, that have a vector.
    """

    source: str
    n_words: int
    n_found: int
    train_tokens: float

    @property
    def is_low(self) -> bool:
        """Whether the vectors probably do not fit the texts."""
        return self.train_tokens < LOW_COVERAGE

    @property
    def vocabulary(self) -> float:
        """Fraction of the words of the vocabulary that have a vector."""
        return self.n_found / max(1, self.n_words)

    def to_json(self) -> dict[str, float]:
        """Return both fractions, for ``meta.json``."""
        return {"vocabulary": self.vocabulary, "train_tokens": self.train_tokens}

    def describe(self) -> str:
        """Return a sentence for the user."""
        words = f"{self.n_found:,} of {format_count(self.n_words, 'word')}"
        return (
            f"vectors {self.source}: {self.vocabulary:.1%} of the vocabulary ({words}) and"
            f" {self.train_tokens:.1%} of the training tokens have one"
            + "; are they of the language of the texts?"
            * self.is_low
        )


def find_embedding(network: Any, name: str) -> Any:
    """Return the layer that takes pretrained vectors.

    Args:
        network: keras.Model.
        name: Name of the model, for messages.

    Raises:
        RequestError: The network has no such layer.
    """
    import keras

    layers = {layer.name: layer for layer in network.layers}
    if not isinstance(layer := layers.get(EMBEDDING), keras.layers.Embedding):
        raise RequestError(
            f"model.vectors: {name} has no keras.layers.Embedding with the name '{EMBEDDING}';"
            " make it with embed_tokens"
        )
    return layer


def fill_embedding(
    network: Any, encoder: TextEncoder, train_ids: Any, config: ModelConfig
) -> Coverage | None:
    """Set the rows of the words that have a pretrained vector; None if the model has none.

    Words without a vector, and the ids that are not words, keep their random vectors, scaled to the
    standard deviation of the pretrained ones (Kim, 2014); the vector of padding is zero.

    Args:
        network: Untrained network of the model.
        encoder: Encoder with the vocabulary.
        train_ids: <int32>[texts, sequence_length], token ids of the training split.
        config: Section ``model`` of the configuration.

    Raises:
        EmbeddingError: The vectors cannot be found or read.
        RequestError: They have another size than the embedding.
    """
    # A model of the user may have a key of the same name for something else.
    if not isinstance(config, SequenceConfig) or config.vectors is None:
        return None
    source = config.vectors
    vocabulary, vectors = encoder.vocabulary, look_up(source, encoder.vocabulary)
    ids = {word: FIRST_WORD_ID + position for position, word in enumerate(vocabulary)}
    rows = np.array([ids[word] for word in vectors.tokens], np.int64)
    if len(rows):
        variable = find_embedding(network, config.short_name).embeddings
        table = np.array(variable.numpy())
        if table.shape[1] != vectors.matrix.shape[1]:
            raise RequestError(
                f"model.vectors: the layer '{EMBEDDING}' of {config.short_name} has"
                f" {table.shape[1]} numbers per token, but the vectors have"
                f" {vectors.matrix.shape[1]}; make it with embed_tokens"
            )
        table *= vectors.matrix.std() / table.std()
        table[PADDING_ID] = 0
        table[rows] = vectors.matrix
        variable.assign(table)
    counts = _count_tokens(train_ids, encoder.num_words)
    covered = counts[rows].sum() / max(1, counts.sum())
    return Coverage(source, len(vocabulary), len(rows), float(covered))


def _count_tokens(ids: Any, n_ids: int) -> npt.NDArray[np.int64]:
    """Return how often each id occurs, <int64>[n_ids], without padding and starts of texts."""
    counts = np.zeros(n_ids, np.int64)
    for start in range(0, len(ids), BLOCK_SIZE):
        block = read_rows(ids, slice(start, start + BLOCK_SIZE))
        counts += np.bincount(block.ravel(), minlength=n_ids)
    counts[[PADDING_ID, START_ID]] = 0
    return counts
