"""Layers that the models share: token ids to embeddings, features to class probabilities."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, ModelConfig, TextConfig
from textclf.errors import RequestError


class SequenceConfig(ModelConfig):
    """Hyperparameters of every model that starts with a token embedding."""

    embedding_dim: Count = Field(default=128, description="size of the token embedding")


def embed_tokens(text: TextConfig, dim: int) -> tuple[Any, Any]:
    """Return the input <int32>[batch, length] and its embedding <float32>[batch, length, dim]."""
    import keras

    tokens = keras.Input((text.sequence_length,), dtype="int32", name="tokens")
    return tokens, keras.layers.Embedding(text.num_words, dim, name="embedding")(tokens)


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
    logit = keras.layers.Dense(1, dtype="float32", name="logit")(features)
    logits = keras.layers.Concatenate(name="logits")([keras.ops.zeros_like(logit), logit])
    return keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
