"""Convolution over the tokens, max pooling, then an LSTM."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.errors import RequestError
from textclf.models._layers import SequenceConfig, classify, convolve, embed_tokens

TAKES = "token_ids"
SEARCH = {
    "training.learning_rate": {"low": 0.0003, "high": 0.01, "log": True},
    "model.dropout": {"low": 0.0, "high": 0.6},
    "model.filters": {"low": 64, "high": 256, "step": 32},
    "model.pool_size": {"low": 3, "high": 8},
    "model.units": {"low": 32, "high": 128, "step": 32},
    "text.sequence_length": {"low": 80, "high": 240, "step": 20},
}


class Config(SequenceConfig):
    """Hyperparameters; the defaults are the published Reuters recipe."""

    dropout: float = Field(default=0.2, ge=0, lt=1, description="dropout rate after the embedding")
    filters: Count = Field(default=256, description="number of filters")
    kernel_size: Count = Field(default=3, description="width of the convolution, in tokens")
    pool_size: Count = Field(default=4, description="width of the max pooling, in positions")
    units: Count = Field(default=128, description="size of the recurrent state")


def build(config: Config, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(config, text)
    x = keras.layers.Dropout(config.dropout, name="dropout_embedding")(x)
    x = convolve(x, filters=config.filters, kernel_size=config.kernel_size)
    if x.shape[1] < config.pool_size:
        raise RequestError(
            f"model.pool_size: {config.pool_size} positions do not fit into {x.shape[1]};"
            " increase text.sequence_length"
        )
    x = keras.layers.MaxPooling1D(config.pool_size, name="pooling")(x)
    x = keras.layers.LSTM(config.units, name="lstm")(x)
    return keras.Model(tokens, classify(x, n_labels), name="cnn-lstm")
