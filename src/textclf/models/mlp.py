"""Multilayer perceptron on the concatenated token embeddings."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.models._layers import SequenceConfig, classify, embed_tokens

TAKES = "token_ids"


class Config(SequenceConfig):
    """Hyperparameters; the defaults are the published Reuters recipe."""

    units: Count = Field(default=256, description="size of the hidden layer")


def build(config: Config, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(config, text)
    x = keras.layers.Flatten(name="flatten")(x)
    x = keras.layers.Dense(config.units, activation="relu", name="hidden")(x)
    return keras.Model(tokens, classify(x, n_labels), name="mlp")
