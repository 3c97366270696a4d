"""Classifies texts with a linear model in NumPy arrays: pip install numpy.

python example.py "Shares fell as oil prices rose"
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from tokenizer import Tokenizer  # noqa: E402 - beside this file

BATCH_SIZE = 64
"""Texts whose n-grams are in memory at once."""

SMALLEST = np.finfo(np.float32).tiny


class Classifier:
    """Classifies raw text.

    Attributes:
        label_names: Name of each label.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        description = json.loads((Path(folder) / "export.json").read_text(encoding="utf-8"))
        self.label_names: list[str] = description["label_names"]
        self._tokenizer = Tokenizer.load(Path(folder) / "tokenizer.json")
        with np.load(Path(folder) / "model.npz") as arrays:
            self._arrays = dict(arrays)

    def predict(self, texts: Sequence[str]) -> Any:
        """Return the probability of each label, <float32>[texts, labels]."""
        weights, bias = self._arrays["weights"], self._arrays["bias"]
        scores = np.empty((len(texts), len(bias)))
        for start in range(0, len(texts), BATCH_SIZE):
            encoded = self._tokenizer.encode(texts[start : start + BATCH_SIZE])
            for row, (features, values) in enumerate(encoded, start):
                scores[row] = values @ weights[features] + bias
        known = self._convert_scores(scores)
        prior, prior_weight = self._arrays["prior"], self._arrays["prior_weight"]
        probabilities = np.zeros((len(texts), len(self.label_names)))
        probabilities[:, self._arrays["labels"]] = known  # Others were not trained.
        return ((1 - prior_weight) * probabilities + prior_weight * prior).astype(np.float32)

    def _convert_scores(self, scores: Any) -> Any:
        """Return the probabilities of the labels that were trained, before the prior is added."""
        if scores.shape[1] < len(self._arrays["labels"]):  # One score for two labels.
            scores = np.hstack([np.zeros_like(scores), scores])
        if self._arrays["is_one_vs_rest"]:
            scores = -np.logaddexp(0, -scores)  # The logarithm of the sigmoid.
        if self._arrays["has_probabilities"]:
            scores = np.log(np.maximum(softmax(scores), SMALLEST))
        return softmax(self._arrays["inverse_temperature"] * scores)


def softmax(scores: Any) -> Any:
    """Return probabilities whose logarithms differ like the scores of each row."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


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
