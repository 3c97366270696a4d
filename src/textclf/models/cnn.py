"""Convolution over the words, then the strongest response of each filter."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.models._layers import SequenceParameters, classify, convolve, embed_tokens


class Parameters(SequenceParameters):
    """Parameters of the layers; the defaults are the published Reuters recipe."""

    dropout: float = Field(default=0.2, ge=0, lt=1, description="before and after the features")
    filters: Count = Field(default=256, description="number of filters")
    kernel_size: Count = Field(default=3, description="words that a filter sees at once")
    units: Count = Field(default=128, description="width of the hidden layer")


def build(parameters: Parameters, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(text, parameters.embedding_dim)
    x = keras.layers.Dropout(parameters.dropout, name="dropout_embedding")(x)
    x = convolve(x, filters=parameters.filters, kernel_size=parameters.kernel_size)
    x = keras.layers.GlobalMaxPooling1D(name="pooling")(x)
    x = keras.layers.Dense(parameters.units, activation="relu", name="hidden")(x)
    x = keras.layers.Dropout(parameters.dropout, name="dropout_hidden")(x)
    return keras.Model(tokens, classify(x, n_labels), name="cnn")
