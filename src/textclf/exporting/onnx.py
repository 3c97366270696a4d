"""Writes a network as an ONNX model that takes what the tokenizer returns."""

import logging
from pathlib import Path
from typing import Any

from textclf.exporting import network

MODEL_FILE = "model.onnx"

OPSET = 18
"""Version of the operations; ONNX Runtime has known it since version 1.14."""


def find_problem(classifier: Any) -> str | None:
    """Return why a network cannot be written; None if it can."""
    return network.find_problem(classifier)


def write(classifier: Any, folder: Path, quantize: str | None) -> None:  # noqa: ARG001
    """Write the model into a folder.

    Raises:
        RequestError: A layer of a plug-in cannot be converted.
    """
    import onnx
    import tf2onnx

    # It reports an operation that it does not know, and writes it into the model.
    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
    function = network.make_function(classifier, batch=None)
    with network.converting("onnx"):
        model, _ = tf2onnx.convert.from_function(
            function, input_signature=function.input_signature, opset=OPSET
        )
        onnx.checker.check_model(model)
    onnx.save(model, folder / MODEL_FILE)
