"""Text embedding of TensorFlow Hub, then one hidden layer.

The recipe of the TensorFlow tutorial on IMDB reviews, with any TF2 text embedding
(https://www.tensorflow.org/tutorials/keras/text_classification_with_hub).
"""

from typing import Any

from pydantic import Field, model_validator

from textclf.config.schema import Count, ModelParameters, TextConfig
from textclf.errors import EmbeddingError
from textclf.hub import handles as hub
from textclf.models._layers import classify

DEFAULTS = {"training": {"epochs": 20, "batch_size": 512}}


class Parameters(ModelParameters):
    """Parameters of the layers; the defaults are the tutorial's recipe."""

    handle: str = Field(
        default=hub.SHORT_NAMES["gnews-swivel-20dim"],
        description="which text embedding: `glove`, a short name, a folder, an address or a path on"
        " tfhub.dev or kaggle.com; see docs/hub.md",
    )
    trainable: bool = Field(default=True, description="whether training moves the embedding too")
    units: Count = Field(default=16, description="width of the hidden layer")
    digest: str | None = Field(
        default=None, description="hash of the files, where `handle` is a folder; set by itself"
    )

    @model_validator(mode="before")
    @classmethod
    def _note_digest(cls, values: Any) -> Any:
        """Make the content of a folder part of the configuration, and so of the fingerprint.

        The folder may be gone where a finished run is looked at.
        """
        handle, digest = values.get("handle"), values.get("digest")
        if not isinstance(handle, str):
            return values
        if folder := hub.find_folder(handle):
            return {**values, "digest": digest or hub.hash_embedding(folder)}
        if handle != hub.GLOVE and not digest:
            hub.find_address(handle)  # A wrong one is refused before anything is loaded.
        if handle == hub.GLOVE or handle in hub.SHORT_NAMES or "://" in handle:
            return {**values, "digest": None}  # These have versions.
        return values


def build(parameters: Parameters, *, text: TextConfig, n_labels: int) -> Any:  # noqa: ARG001
    """Build the network, texts <string>[batch] to <float32>[batch, n_labels].

    Raises:
        EmbeddingError: the text embedding cannot be had, or is not fit for this.
    """
    import keras

    from textclf.hub.layer import HubEmbedding

    folder = hub.resolve(parameters.handle)
    if parameters.digest not in {None, hub.hash_embedding(folder)}:
        raise EmbeddingError(
            f"{folder} is not the embedding that the configuration was made with;"
            " --set model.digest=null takes it as it is"
        )
    layer = HubEmbedding.from_folder(folder, trainable=parameters.trainable)
    if parameters.trainable and not layer.trainable_weights:
        raise EmbeddingError(
            f"{folder} has no trainable weights: --set model.trainable=false uses it as it is"
        )
    texts = keras.Input((), dtype="string", name="texts")
    features = layer(texts)
    hidden = keras.layers.Dense(parameters.units, activation="relu", name="hidden")(features)
    return keras.Model(texts, classify(hidden, n_labels), name="hub")
