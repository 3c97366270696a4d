"""How many predictions a threshold keeps, and how accurate they are."""

from dataclasses import dataclass

from textclf.evaluation.metrics import FloatArray, IntArray

THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class ThresholdAccuracy:
    """Predictions with at least a probability, as `textclf predict --threshold` keeps them.

    Attributes:
        threshold: Lowest probability of a prediction.
        n_examples: Number of examples with such a prediction.
        coverage: Their fraction of all examples.
        accuracy: Fraction of correct predictions among them; None without examples.
    """

    threshold: float
    n_examples: int
    coverage: float
    accuracy: float | None


def measure_thresholds(labels: IntArray, probabilities: FloatArray) -> list[ThresholdAccuracy]:
    """Return the coverage and the accuracy for each of `THRESHOLDS`.

    Args:
        labels: <int64>[n], positions in the label names.
        probabilities: <float>[n, labels].
    """
    correct, best = probabilities.argmax(axis=1) == labels, probabilities.max(axis=1)
    rows = []
    for threshold in THRESHOLDS:
        # NumPy compares in the precision of the probabilities, so that an equal one is kept.
        kept = correct[best >= threshold]
        accuracy = float(kept.mean()) if len(kept) else None
        rows.append(ThresholdAccuracy(threshold, len(kept), len(kept) / len(labels), accuracy))
    return rows
