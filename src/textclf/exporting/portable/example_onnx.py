"""Classifies texts with an ONNX model: pip install numpy onnxruntime.

python example.py "Shares fell as oil prices rose"
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from tokenizer import Tokenizer  # noqa: E402 - beside this file

BATCH_SIZE = 64


class Classifier:
    """Classifies raw text.

    Attributes:
        label_names: Name of each label.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        description = json.loads((Path(folder) / "export.json").read_text(encoding="utf-8"))
        self.label_names: list[str] = description["label_names"]
        self._tokenizer = Tokenizer.load(Path(folder) / "tokenizer.json")
        onnxruntime.disable_telemetry_events()  # It has telemetry on Windows.
        self._session = onnxruntime.InferenceSession(
            str(Path(folder) / "model.onnx"), providers=["CPUExecutionProvider"]
        )

    def predict(self, texts: Sequence[str]) -> Any:
        """Return the probability of each label, <float32>[texts, labels]."""
        rows = [np.empty((0, len(self.label_names)), np.float32)]
        for start in range(0, len(texts), BATCH_SIZE):
            inputs = make_inputs(self._tokenizer.encode(texts[start : start + BATCH_SIZE]))
            rows += self._session.run(["probabilities"], inputs)
        return np.concatenate(rows)


def make_inputs(encoded: Sequence[Any]) -> dict[str, Any]:
    """Return encoded texts as arrays: rows of token ids, or n-grams filled with zeros."""
    if not isinstance(encoded[0], tuple):
        return {"token_ids": np.array(encoded, np.int32)}
    shape = len(encoded), max(1, *(len(features) for features, _ in encoded))
    features, values = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    for row, (positions, weights) in enumerate(encoded):
        features[row, : len(positions)] = positions
        values[row, : len(positions)] = weights
    return {"features": features, "values": values}


def main() -> None:
    """Print the most probable label of each argument, and its probability."""
    if not sys.argv[1:]:
        sys.exit('usage: python example.py "a text to classify" ...')
    classifier = Classifier()
    for text, row in zip(sys.argv[1:], classifier.predict(sys.argv[1:]), strict=True):
        label = row.argmax()
        print(f"{classifier.label_names[label]}  {row[label]:.4f}  {text}")


if __name__ == "__main__":
    main()
