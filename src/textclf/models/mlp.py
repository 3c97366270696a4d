"""Multilayer perceptron on the concatenated token embeddings."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.models._layers import SequenceConfig, classify, embed_tokens

TAKES = "token_ids"
SEARCH = {
    "training.learning_rate": {"low": 0.0001, "high": 0.01, "log": True},
    "model.units": {"low": 64, "high": 384, "step": 64},
    "text.num_words": {"low": 5_000, "high": 20_000, "step": 2_500},
    "text.sequence_length": {"low": 80, "high": 240, "step": 20},
}


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
