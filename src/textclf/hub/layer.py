"""A TensorFlow Hub text embedding as a Keras 3 layer that trains and is saved with the model.

TensorFlow Hub's own ``KerasLayer`` is a Keras 2 layer, which a Keras 3 model cannot contain.
"""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from textclf.errors import EmbeddingError
from textclf.hub.text_embedding import TextEmbedding


@keras.saving.register_keras_serializable("textclf")
class HubEmbedding(keras.layers.Layer):  # type: ignore[misc]
    """Turns raw text into vectors with a text embedding, whose files are saved with the model.

    Args:
        dim: Numbers per text.
        weights: Name, shape, dtype and trainability of each weight of the embedding.
        options: Options of every Keras layer, such as ``trainable``.
    """

    def __init__(
        self, *, dim: int, weights: Sequence[Mapping[str, Any]] = (), **options: Any
    ) -> None:
        super().__init__(**options)
        self.dim = dim
        self._weight_options = [dict(weight) for weight in weights]
        self.embedding_weights = [
            self.add_weight(**weight, initializer="zeros") for weight in self._weight_options
        ]
        self._embedding: TextEmbedding | None = None
        self._problem = "the model contains no text embedding"

    @classmethod
    def from_folder(cls, folder: Path, *, trainable: bool) -> "HubEmbedding":
        """Return a layer of the SavedModel in a folder.

        Raises:
            EmbeddingError: The folder contains no text embedding.
        """
        embedding = TextEmbedding(folder)
        weights = embedding.describe_weights()
        layer = cls(dim=embedding.dim, weights=weights, trainable=trainable, name="embedding")
        layer._connect(embedding)
        return layer

    def _connect(self, embedding: TextEmbedding) -> None:
        """Make Keras's variables the ones that the embedding's graph reads."""
        for variable, own in zip(self.embedding_weights, embedding.weights, strict=True):
            variable._initialize(own)  # Keras has no public way to wrap a tf.Variable.
        self._embedding = embedding
        self._model = embedding.model  # So that Keras tracks its tables for export.

    @property
    def _connected(self) -> TextEmbedding:
        if self._embedding is None:
            raise EmbeddingError("the layer has no graph yet: load it with keras.models.load_model")
        return self._embedding

    def call(self, texts: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Embed <string>[batch] as <float32>[batch, dim]."""
        return self._connected.functions[bool(training) and self.trainable](texts)

    def compute_output_spec(self, texts: Any, training: bool = False) -> keras.KerasTensor:  # noqa: ARG002
        """Return the output's shape and dtype; Keras cannot trace strings."""
        return keras.KerasTensor((*texts.shape, self.dim), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments; the graph is an asset, and Keras saves the weights."""
        return {**super().get_config(), "dim": self.dim, "weights": self._weight_options}

    def save_assets(self, folder: str) -> None:
        """Write the SavedModel as it was loaded; Keras calls it when a model is saved."""
        shutil.copytree(self._connected.folder, folder, dirs_exist_ok=True)

    def load_assets(self, folder: str | None) -> None:
        """Load the SavedModel, and assign the weights that Keras has already read."""
        if folder is None:
            raise EmbeddingError(self._problem)
        try:
            embedding = TextEmbedding(Path(folder), "the text embedding in the model")
        except EmbeddingError as error:
            self._problem = str(error)  # Keras retries without a folder and reports that error.
            raise
        for variable, own in zip(self.embedding_weights, embedding.weights, strict=True):
            own.assign(variable.value)
        self._connect(embedding)
