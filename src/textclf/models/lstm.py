"""One long short-term memory layer that reads the words in their order."""

from typing import Any

from pydantic import Field

from textclf.config.schema import Count, TextConfig
from textclf.models._layers import SequenceParameters, classify, embed_tokens


class Parameters(SequenceParameters):
    """Parameters of the layers; the defaults are the published Reuters recipe."""

    units: Count = Field(default=128, description="width of the recurrent state")


def build(parameters: Parameters, *, text: TextConfig, n_labels: int) -> Any:
    """Build the network, <int32>[batch, length] to <float32>[batch, n_labels]."""
    import keras

    tokens, x = embed_tokens(text, parameters.embedding_dim)
    x = keras.layers.LSTM(parameters.units, name="lstm")(x)
    return keras.Model(tokens, classify(x, n_labels), name="lstm")
