"""Classifies texts with a SavedModel; README.md says which packages it needs.

python example.py "Shares fell as oil prices rose"
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # Which TensorFlow reads when it is imported.

import tensorflow as tf

FOLDER = Path(__file__).resolve().parent

BATCH_SIZE = 256


class Classifier:
    """Classifies raw text.

    Attributes:
        label_names: Name of each label.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        description = json.loads((Path(folder) / "export.json").read_text(encoding="utf-8"))
        self.label_names: list[str] = description["label_names"]
        if "tensorflow-text" in description["packages"]:
            import tensorflow_text  # noqa: F401 - its operations are in the model
        self._model = tf.saved_model.load(str(Path(folder) / "1"))

    def predict(self, texts: Sequence[str]) -> Any:
        """Return the probability of each label, <float32>[texts, labels]."""
        rows = [np.empty((0, len(self.label_names)), np.float32)]
        for start in range(0, len(texts), BATCH_SIZE):
            batch = tf.constant(texts[start : start + BATCH_SIZE])
            rows.append(self._model.serve(batch)["probabilities"].numpy())
        return np.concatenate(rows)


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
