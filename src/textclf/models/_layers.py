"""Layers that the models share: token ids to embeddings, features to class probabilities."""

from typing import Any

from pydantic import Field, ValidationInfo, field_validator, model_validator

from textclf.config.schema import Count, ModelConfig, TextConfig
from textclf.errors import RequestError
from textclf.hub import handles

EMBEDDING = "embedding"
"""Name of the layer that `embed_tokens` adds."""


class SequenceConfig(ModelConfig):
    """Hyperparameters of every model that starts with a token embedding."""

    embedding_dim: Count | None = Field(
        default=128,
        description="size of the token embedding; null with `vectors`, whose size it is",
    )
    vectors: str | None = Field(
        default=None,
        description="pretrained vectors of the words: `glove`, a file of GloVe, word2vec or"
        " fastText, or a text embedding as in `handle` of the model `hub`; see"
        " docs/how-to/vectors.md",
    )
    vectors_trainable: bool = Field(
        default=True, description="whether an embedding with `vectors` is trained"
    )
    digest: str | None = Field(
        default=None,
        description="checksum of the content if `vectors` is a file or folder; set automatically",
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_vectors(cls, values: Any) -> Any:
        """Let the vectors decide their size, and make their content part of the fingerprint."""
        vectors = values.get("vectors")
        if vectors is None:
            given = {**values, "digest": None}
            if (
                given.get("embedding_dim", 0) is None
            ):  # As in the configuration of a run with vectors.
                del given["embedding_dim"]
            return given
        if not isinstance(vectors, str):
            return values
        digest = handles.find_digest(vectors, values.get("digest"), may_be_file=True)
        return {"embedding_dim": None, **values, "digest": digest}

    @field_validator("vectors_trainable")
    @classmethod
    def _refuse_freezing_random_vectors(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and info.data.get("vectors") is None:
            raise ValueError("should be true, unless model.vectors is set")
        return value


def embed_tokens(config: SequenceConfig, text: TextConfig) -> tuple[Any, Any]:
    """Return the input <int32>[batch, length] and its embedding <float32>[batch, length, dim].

    Pretrained vectors are filled in when the vocabulary is known; see `fill_embedding`.

    Raises:
        RequestError: The vectors have another size than ``embedding_dim``.
        EmbeddingError: The vectors cannot be found or read.
    """
    import keras

    tokens = keras.Input((text.sequence_length,), dtype="int32", name="tokens")
    layer = keras.layers.Embedding(
        text.num_words, _find_dim(config), trainable=config.vectors_trainable, name=EMBEDDING
    )
    return tokens, layer(tokens)


def _find_dim(config: SequenceConfig) -> int | None:
    if config.vectors is None:
        return config.embedding_dim
    from textclf.hub.pretrained import find_dim

    dim = find_dim(config.vectors, config.digest)
    if config.embedding_dim not in {None, dim}:
        raise RequestError(
            f"model.embedding_dim: {config.embedding_dim} is not the size of the vectors"
            f" {config.vectors}, which is {dim}; leave it out, or --set model.embedding_dim=null"
        )
    return dim


def convolve(x: Any, *, filters: int, kernel_size: int) -> Any:
    """Apply a convolution, <float32>[batch, length - kernel_size + 1, filters].

    Raises:
        RequestError: The sequence is shorter than the kernel.
    """
    import keras

    length = x.shape[1]
    if length < kernel_size:
        raise RequestError(
            f"model.kernel_size: {kernel_size} does not fit into a sequence of {length};"
            f" set text.sequence_length to {kernel_size} or more"
        )
    return keras.layers.Conv1D(filters, kernel_size, activation="relu", name="convolution")(x)


def classify(features: Any, n_labels: int) -> Any:
    """Turn features [batch, n] into probabilities <float32>[batch, n_labels].

    Two labels need one logit z: softmax over (0, z) is the sigmoid of z, and its cross-entropy is
    binary cross-entropy from logits, so that all models are trained with the same loss.
    Probabilities are float32 for every ``training.precision``.
    """
    import keras

    if n_labels != 2:
        last = keras.layers.Dense(
            n_labels, activation="softmax", dtype="float32", name="probabilities"
        )
        return last(features)
    return convert_scores(keras.layers.Dense(1, dtype="float32", name="logit")(features))


def convert_scores(scores: Any) -> Any:
    """Turn scores [batch, n_labels], or one score of the second of two labels, into probabilities.

    Returns:
        <float32>[batch, n_labels].
    """
    import keras

    if scores.shape[1] == 1:
        zeros = keras.ops.zeros_like(scores)
        scores = keras.layers.Concatenate(name="logits")([zeros, scores])
    return keras.layers.Softmax(dtype="float32", name="probabilities")(scores)
