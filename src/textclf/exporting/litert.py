"""Writes a network as a LiteRT (TensorFlow Lite) model, which classifies one text."""

import tempfile
from pathlib import Path
from typing import Any

from textclf.exporting import network

MODEL_FILE = "model.tflite"


def find_problem(classifier: Any) -> str | None:
    """Return why a network cannot be written; None if it can."""
    return network.find_problem(classifier)


def write(classifier: Any, folder: Path, quantize: str | None) -> None:
    """Write the model into a folder.

    Args:
        classifier: Classifier.
        folder: Folder.
        quantize: ``float16``, or ``int8`` for the weights only (dynamic range); None for float32.

    Raises:
        RequestError: A layer of a plug-in cannot be converted.
    """
    import tensorflow as tf

    frozen = tf.Module()
    with network.converting("litert"), tempfile.TemporaryDirectory(prefix="textclf-") as saved:
        # A recurrent layer needs the number of texts.
        frozen.classify = _freeze(network.make_function(classifier, batch=1))
        # Through a SavedModel, so that inputs and outputs have names.
        tf.saved_model.save(frozen, saved, signatures={"serving_default": frozen.classify})
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        if quantize:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if quantize == "float16":
            converter.target_spec.supported_types = [tf.float16]
        (folder / MODEL_FILE).write_bytes(converter.convert())


def _freeze(function: Any) -> Any:
    """Return a function with constants for variables, which the converter would lose."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function.get_concrete_function())

    @tf.function(input_signature=function.input_signature)  # type: ignore[untyped-decorator]
    def classify(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": frozen(*inputs)[0]}

    return classify
