"""Convolution and pooling over the words, then a long short-term memory over the result."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.errors import RequestError
from textclf.models._layers import SequenceParameters, classify, convolve, embed_tokens


class Parameters(SequenceParameters):
    """Parameters of the layers; the defaults are the published Reuters recipe."""

    dropout: float = Field(default=0.2, ge=0, lt=1, description="after the embedding")
    filters: Count = Field(default=256, description="number of filters")
    kernel_size: Count = Field(default=3, description="words that a filter sees at once")
    pool_size: Count = Field(default=4, description="positions that are pooled into one")
    units: Count = Field(default=128, description="width of the recurrent state")


def build(parameters: Parameters, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(text, parameters.embedding_dim)
    x = keras.layers.Dropout(parameters.dropout, name="dropout_embedding")(x)
    x = convolve(x, filters=parameters.filters, kernel_size=parameters.kernel_size)
    if x.shape[1] < parameters.pool_size:
        raise RequestError(
            f"model.pool_size: {parameters.pool_size} positions do not fit into {x.shape[1]};"
            " set a longer text.sequence_length"
        )
    x = keras.layers.MaxPooling1D(parameters.pool_size, name="pooling")(x)
    x = keras.layers.LSTM(parameters.units, name="lstm")(x)
    return keras.Model(tokens, classify(x, n_labels), name="cnn-lstm")
