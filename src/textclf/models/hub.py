"""Text embedding from TensorFlow Hub, then one hidden layer.

The recipe of the TensorFlow tutorial on IMDB reviews, with any TF2 text embedding
(https://www.tensorflow.org/tutorials/keras/text_classification_with_hub).
"""

from typing import Any

from pydantic import Field, model_validator

from textclf.config.schema import Count, ModelConfig, TextConfig
from textclf.errors import EmbeddingError
from textclf.hub import handles
from textclf.models._layers import classify

TAKES = "text"
DEFAULTS = {"training": {"epochs": 20, "batch_size": 512}}
SEARCH = {
    "training.batch_size": {"choices": [256, 512, 1_024]},
    "training.learning_rate": {"low": 0.0003, "high": 0.03, "log": True},
    "model.units": {"low": 8, "high": 128, "log": True},
}


class Config(ModelConfig):
    """Hyperparameters; the defaults are the tutorial's recipe."""

    handle: str = Field(
        default=handles.SHORT_NAMES["gnews-swivel-20dim"],
        description="text embedding: `glove`, a short name, a folder, a URL, or a path on tfhub.dev"
        " or kaggle.com; see docs/how-to/hub.md",
    )
    trainable: bool = Field(default=True, description="whether the embedding is trained")
    units: Count = Field(default=16, description="size of the hidden layer")
    digest: str | None = Field(
        default=None,
        description="checksum of the files if `handle` is a folder; set automatically",
    )

    @model_validator(mode="before")
    @classmethod
    def _set_digest(cls, values: Any) -> Any:
        """Make the content of a folder part of the configuration, and so of the fingerprint."""
        handle = values.get("handle")
        if not isinstance(handle, str):
            return values
        return {**values, "digest": handles.find_digest(handle, values.get("digest"))}


def build(config: Config, *, text: TextConfig, n_labels: int) -> tuple[Any, Any]:  # noqa: ARG001
    """Build the encoder and the network.

    A frozen embedding is the encoder, <string>[batch] to <float32>[batch, dim]. A trained one is
    part of the network, which then takes texts.

    Raises:
        EmbeddingError: The text embedding cannot be found or cannot be used.
    """
    import keras

    from textclf.hub.layer import HubEmbedding

    folder = handles.resolve(config.handle)
    handles.check_digest(folder, config.digest)
    embedding = HubEmbedding.from_folder(folder, trainable=config.trainable)
    if config.trainable and not embedding.trainable_weights:
        raise EmbeddingError(
            f"{folder} has no trainable weights; to use it as it is: --set model.trainable=false"
        )
    if config.trainable:
        inputs = keras.Input((), dtype="string", name="texts")
        features = embedding(inputs)
    else:
        inputs = features = keras.Input((embedding.dim,), name="features")
    hidden = keras.layers.Dense(config.units, activation="relu", name="hidden")(features)
    network = keras.Model(inputs, classify(hidden, n_labels), name="hub")
    return (None if config.trainable else embedding), network
