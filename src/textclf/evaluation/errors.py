"""The incorrect predictions that a model is most confident of."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, Split


@dataclass(frozen=True)
class IncorrectPrediction:
    """An example whose prediction is incorrect.

    Attributes:
        index: Position of the example, from 0, in the published split or among the rows of a file.
        position: Where it is in a file, such as ``line 12``; None for a split.
        prediction: Label that was predicted.
        probability: Predicted probability of ``prediction``.
        label: Its label.
        label_probability: Predicted probability of ``label``.
        text: Its text.
    """

    index: int
    position: str | None
    prediction: str
    probability: float
    label: str
    label_probability: float
    text: str


def list_errors(
    examples: Split,
    probabilities: npt.NDArray[np.floating[Any]],
    label_names: Sequence[str],
    n: int,
    *,
    positions: Sequence[str] | None = None,
) -> list[IncorrectPrediction]:
    """Return the n most confident incorrect predictions, by falling probability.

    Args:
        examples: The examples.
        probabilities: <float>[examples, labels].
        label_names: Name of each label.
        n: Maximum number.
        positions: Where the row with each index is in a file; None for a split.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    return [
        IncorrectPrediction(
            index=int(examples.index[i]),
            position=positions[examples.index[i]] if positions else None,
            prediction=label_names[predicted[i]],
            probability=float(confidence[i]),
            label=label_names[examples.labels[i]],
            label_probability=float(probabilities[i, examples.labels[i]]),
            text=examples.texts[int(i)],
        )
        for i in rank_errors(examples.labels, probabilities)[:n]
    ]


def rank_errors(labels: IntArray, probabilities: npt.NDArray[np.floating[Any]]) -> IntArray:
    """Return the positions of the incorrect predictions, <int64>[errors], by falling probability.

    Args:
        labels: <int64>[examples], positions in the label names.
        probabilities: <float>[examples, labels].
    """
    incorrect = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence = probabilities[incorrect].max(axis=1)
    return incorrect[np.argsort(-confidence, kind="stable")]
