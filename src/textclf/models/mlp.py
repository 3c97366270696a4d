"""Multilayer perceptron over the flattened embeddings of all positions."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.models._layers import SequenceParameters, classify, embed_tokens


class Parameters(SequenceParameters):
    """Parameters of the layers; the defaults are the published Reuters recipe."""

    units: Count = Field(default=256, description="width of the hidden layer")


def build(parameters: Parameters, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(text, parameters.embedding_dim)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(parameters.units, activation="relu", name="hidden")(x)
    return keras.Model(tokens, classify(x, n_labels), name="mlp")
