import numpy as np
import pytest

from textclf.evaluation.thresholds import THRESHOLDS, measure_thresholds


def test_coverage_and_accuracy_of_a_known_case():
    best = np.array([0.55, 0.6, 0.85, 0.97], np.float32)
    labels = np.array([1, 0, 0, 0])
    rows = measure_thresholds(labels, np.stack([best, 1 - best], axis=1))
    assert [row.threshold for row in rows] == list(THRESHOLDS)
    found = {row.threshold: (row.n_examples, row.coverage, row.accuracy) for row in rows}
    assert found[0] == found[0.5] == (4, 1, 0.75)
    # 0.6 in float32 is larger than 0.6, as in `textclf predict --threshold 0.6`.
    assert found[0.6] == (3, 0.75, 1)
    assert found[0.7] == found[0.8] == (2, 0.5, 1)
    assert found[0.9] == found[0.95] == (1, 0.25, 1)
    assert found[0.99] == (0, 0, None)


def test_accuracy_without_predictions_is_none():
    rows = measure_thresholds(np.array([0]), np.array([[0.4, 0.3, 0.3]]))
    assert [row.accuracy for row in rows] == [pytest.approx(1)] + [None] * (len(rows) - 1)
