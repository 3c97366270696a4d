"""Classifies texts with a LiteRT model: pip install numpy ai-edge-litert.

python example.py "Shares fell as oil prices rose"
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from tokenizer import Tokenizer  # noqa: E402 - beside this file

BATCH_SIZE = 64
"""Texts whose inputs are in memory at once."""


class Classifier:
    """Classifies raw text.

    Attributes:
        label_names: Name of each label.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        description = json.loads((Path(folder) / "export.json").read_text(encoding="utf-8"))
        self.label_names: list[str] = description["label_names"]
        self._tokenizer = Tokenizer.load(Path(folder) / "tokenizer.json")
        interpreter = Interpreter(model_path=str(Path(folder) / "model.tflite"))
        self._classify = interpreter.get_signature_runner()

    def predict(self, texts: Sequence[str]) -> Any:
        """Return the probability of each label, <float32>[texts, labels]."""
        rows = [np.empty((0, len(self.label_names)), np.float32)]
        for start in range(0, len(texts), BATCH_SIZE):
            encoded = self._tokenizer.encode(texts[start : start + BATCH_SIZE])
            rows += [self._classify(**make_inputs(text))["probabilities"] for text in encoded]
        return np.concatenate(rows)


def make_inputs(encoded: Any) -> dict[str, Any]:
    """Return an encoded text as arrays: a row of token ids, or of n-grams."""
    if not isinstance(encoded, tuple):
        return {"token_ids": np.array([encoded], np.int32)}
    features, values = encoded if encoded[0] else ([0], [0.0])
    return {"features": np.array([features], np.int32), "values": np.array([values], np.float32)}


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
