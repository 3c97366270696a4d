"""How many predictions each threshold of the slider keeps, and how many of them are correct."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.reporting.predictions import LabeledPredictions

N_STEPS = 100
"""Steps of the slider from 0 to 1, which include the thresholds of `evaluation.thresholds`."""

N_LABELS = 100
"""Labels that are counted separately, those that are predicted most often."""

TARGET = 0.95
"""Accuracy of the kept predictions for which the page names a threshold."""

START = 90
"""Step where the slider is at first."""


def count_kept(predictions: LabeledPredictions) -> dict[str, Any]:
    """Return ``threshold``, and for each of them the kept predictions and the correct ones.

    Returns:
        ``n_kept`` and ``n_correct`` of all predictions, and ``n_labels``, of how many labels some
        are kept; ``labels`` has the first two for the predictions of each of `N_LABELS` labels.
        ``target`` is the lowest threshold that reaches the accuracy `TARGET`, None if none does;
        ``highest`` is the highest probability of a prediction.
    """
    thresholds = [step / N_STEPS for step in range(N_STEPS + 1)]
    confidence, predicted = predictions.confidence, predictions.predicted
    # NumPy compares in the precision of the probabilities, as in `measure_thresholds`.
    n_reached = np.sum([confidence >= threshold for threshold in thresholds], axis=0)
    n_labels = len(predictions.label_names)

    def count(members: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """Count the members that each threshold keeps, <int64>[labels, thresholds]."""
        counts = np.zeros((n_labels, len(thresholds) + 1), np.int64)
        np.add.at(counts, (predicted[members], n_reached[members]), 1)
        # A prediction that reaches k thresholds is kept by the first k.
        return np.asarray(counts[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:])

    kept, correct = count(np.ones(len(predicted), bool)), count(predictions.correct)
    often = np.argsort(-kept[:, 0], kind="stable")[:N_LABELS]
    return {
        "n_examples": len(predicted),
        "threshold": thresholds,
        "n_kept": kept.sum(axis=0).tolist(),
        "n_correct": correct.sum(axis=0).tolist(),
        "n_labels": (kept > 0).sum(axis=0).tolist(),
        "target": _find_target(thresholds, kept.sum(axis=0), correct.sum(axis=0)),
        "highest": float(confidence.max()),
        "labels": [
            {
                "label": predictions.label_names[label],
                "n_kept": kept[label].tolist(),
                "n_correct": correct[label].tolist(),
            }
            for label in sorted(often)
        ],
    }


def _find_target(
    thresholds: Sequence[float], n_kept: npt.NDArray[np.int64], n_correct: npt.NDArray[np.int64]
) -> dict[str, float] | None:
    """Return the lowest threshold whose kept predictions reach `TARGET`, and what it keeps."""
    for threshold, kept, correct in zip(thresholds, n_kept, n_correct, strict=True):
        if kept and correct / kept >= TARGET:
            return {
                "threshold": threshold,
                "coverage": float(kept / n_kept[0]),
                "accuracy": float(correct / kept),
            }
    return None
