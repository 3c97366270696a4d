"""A Keras model from raw text to class probabilities: what ``model.keras`` contains.

Import this module, and ``textclf.hub.layer`` for the model ``hub``, before Keras's own
``keras.models.load_model`` reads a ``model.keras``.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.runtime.backend import BATCH_SIZE, BLOCK_SIZE
from textclf.text.encoder import TextEncoder  # noqa: F401 - registered with Keras
from textclf.text.input_pipeline import Rows, batch_in_order, encode


@keras.saving.register_keras_serializable("textclf")
class TextClassifier(keras.Model):  # type: ignore[misc]
    """Classifies raw text.

    Args:
        encoder: Layer, <string>[batch] to what the network takes.
        network: Model, the encoder's output to <float32>[batch, labels], rows that sum to 1.
        label_names: Name of each label.
    """

    file_suffix = ".keras"

    def __init__(
        self, encoder: Any, network: Any, label_names: Sequence[str], **options: Any
    ) -> None:
        super().__init__(**options)
        self.encoder = encoder
        self.network = network
        self.label_names = tuple(label_names)
        self.built = True  # Both parts are built.

    @classmethod
    def without_optimizer(
        cls, encoder: Any, network: Any, label_names: Sequence[str]
    ) -> "TextClassifier":
        """Return a classifier that shares the weights of a compiled network, but no optimizer.

        Adam's optimizer state would triple the size of the saved model.
        """
        bare = keras.Model(network.inputs, network.outputs, name=network.name)
        return cls(encoder, bare, label_names)

    def call(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Return the probabilities <float32>[batch, labels] of <string>[batch]."""
        return self.network(self.encoder(texts), training=training)

    def predict_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text, <float32>[texts, labels]."""
        blocks = (texts[start : start + BLOCK_SIZE] for start in range(0, len(texts), BLOCK_SIZE))
        return np.concatenate(
            [predict(self.network, encode(self.encoder, block)) for block in blocks]
        )

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, each in the form that Keras stores."""
        return {
            **super().get_config(),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
            "network": keras.saving.serialize_keras_object(self.network),
            "label_names": list(self.label_names),
        }

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Do nothing, because `from_config` has built both parts."""

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "TextClassifier":
        """Rebuild the model from `get_config`."""
        parts = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects)
            for name in ("encoder", "network")
        }
        return cls(**{**config, **parts})


def predict(network: Any, inputs: Rows) -> npt.NDArray[np.float32]:
    """Return the network's probabilities, <float32>[inputs, labels]."""
    batches = batch_in_order(inputs, BATCH_SIZE)
    probabilities: npt.NDArray[np.float32] = network.predict(batches, verbose=0)
    return probabilities
