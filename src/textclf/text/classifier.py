"""A Keras model from raw text to class probabilities: what ``model.keras`` contains.

Import this module, and ``textclf.hub.layer`` for the model ``hub`` or ``textclf.encoders.layers``
for the model ``encoder``, before Keras's own ``keras.models.load_model`` reads a ``model.keras``.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from textclf.data.text_store import list_texts
from textclf.errors import RequestError
from textclf.runtime.backend import BATCH_SIZE
from textclf.runtime.machine import count_processors
from textclf.text.calibration_layer import CalibrationLayer  # noqa: F401 - registered with Keras
from textclf.text.encoder import TextEncoder  # noqa: F401 - registered with Keras
from textclf.text.input_pipeline import Rows, batch_in_order
from textclf.text.ngrams import NgramEncoder  # noqa: F401 - registered with Keras
from textclf.text.sparse_dense import SparseDense  # noqa: F401 - registered with Keras
from textclf.text.tokens import normalize_text

MAX_THREADS = 8
"""Batches that are predicted at once, at most; each holds its activations in memory."""


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

    def predict_texts(self, texts: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text, <float32>[texts, labels].

        Raises:
            RequestError: It is one text, or contains something else than Unicode texts.
        """
        listed = list_texts(texts)
        starts = range(0, len(listed), BATCH_SIZE)

        def predict_batch(start: int) -> npt.NDArray[np.float32]:
            batch = listed[start : start + BATCH_SIZE]
            if getattr(self.encoder, "takes_normalized_text", False):
                batch = [*map(normalize_text, batch)]
            try:
                tensor = tf.constant(batch)
            except ValueError as error:
                raise RequestError(_describe_invalid(batch, start)) from error
            probabilities: npt.NDArray[np.float32] = self._classify(tensor).numpy()
            return probabilities

        if len(starts) == 1:
            return predict_batch(0)
        # Splitting a text into tokens uses one processor.
        with ThreadPoolExecutor(min(count_processors(), MAX_THREADS)) as pool:
            none = np.empty((0, len(self.label_names)), np.float32)
            return np.concatenate([none, *pool.map(predict_batch, starts)])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
    def _classify(self, texts: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of normalized texts; it is traced once per model."""
        return self(texts, training=False)

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


def _describe_invalid(texts: Sequence[str], start: int) -> str:
    """Return which text is not Unicode."""
    for number, text in enumerate(texts, start + 1):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            code = ord(text[error.start])
            problem = f"it contains half of a surrogate pair, U+{code:04X}"
            return f"text {number:,} is not Unicode: {problem}"
    return "a text cannot be encoded as UTF-8"


def predict(network: Any, inputs: Rows) -> npt.NDArray[np.float32]:
    """Return the network's probabilities, <float32>[inputs, labels]."""
    batches = batch_in_order(inputs, BATCH_SIZE)
    probabilities: npt.NDArray[np.float32] = network.predict(batches, verbose=0)
    return probabilities
