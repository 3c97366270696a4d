"""Writes a network as a TensorFlow SavedModel that takes raw text."""

from pathlib import Path
from typing import Any

MODEL_FOLDER = "1"
"""Folder of the SavedModel; TensorFlow Serving looks for folders that are version numbers."""


def find_problem(classifier: Any) -> str | None:  # noqa: ARG001 - every format has this function
    """Return None, because every network can be written."""
    return None


def write(classifier: Any, folder: Path, quantize: str | None) -> None:  # noqa: ARG001
    """Write the SavedModel into a subfolder."""
    import tensorflow as tf

    served = _make_module(classifier)
    signatures = {"serving_default": served.serve, "serve": served.serve}
    tf.saved_model.save(served, str(folder / MODEL_FOLDER), signatures=signatures)


def _make_module(classifier: Any) -> Any:
    """Return a tf.Module with the function ``serve``.

    Keras's own export fails on a classifier, whose input is text, and writes each variable twice.
    """
    import tensorflow as tf

    from textclf.text.normalizer import normalize

    class Served(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier  # Its variables and tables are saved.

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "texts")])  # type: ignore[untyped-decorator]
        def serve(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
            """Return the probabilities <float32>[batch, labels] and names of all labels."""
            if getattr(classifier.encoder, "takes_normalized_text", False):
                normalized = normalize(texts)
            else:
                normalized = texts
            names = tf.constant([classifier.label_names])
            return {
                "probabilities": classifier(normalized, training=False),
                # In each row, because TensorFlow Serving divides every output by the batch.
                "label_names": tf.tile(names, [tf.size(texts), 1]),
            }

    return Served()
