import numpy as np
import pytest

from textclf.evaluation.thresholds import measure_thresholds
from textclf.reporting.thresholds import N_STEPS, count_kept


@pytest.fixture
def predictions(make_predictions):
    generator = np.random.default_rng(0)
    pairs = [tuple(pair) for pair in generator.integers(0, 3, (200, 2)).tolist()]
    # Also exactly at a threshold, in the precision of the probabilities.
    confidences = generator.choice([0.34, 0.5, 0.7, 0.9, 0.95, 0.99, 1.0, 0.6321], 200)
    return make_predictions(pairs, confidences)


def test_counts_are_those_of_evaluate(predictions):
    counts = count_kept(predictions)
    for row in measure_thresholds(predictions.examples.labels, predictions.probabilities):
        step = counts["threshold"].index(row.threshold)
        kept, correct = counts["n_kept"][step], counts["n_correct"][step]
        assert kept == row.n_examples
        assert kept / counts["n_examples"] == row.coverage
        assert correct / kept == row.accuracy
    assert len(counts["threshold"]) == N_STEPS + 1
    assert counts["n_kept"][-1] == (predictions.confidence >= 1).sum() > 0


def test_counts_of_a_label_are_those_of_its_predictions(predictions):
    counts = count_kept(predictions)
    step = counts["threshold"].index(0.7)
    for label, row in enumerate(counts["labels"]):
        kept = (predictions.predicted == label) & (predictions.confidence >= np.float32(0.7))
        assert row["n_kept"][step] == kept.sum()
        assert row["n_correct"][step] == (kept & predictions.correct).sum()
    assert [row["label"] for row in counts["labels"]] == ["a", "b", "c"]


def test_labels_that_are_predicted_most_often_are_counted(make_predictions, monkeypatch):
    monkeypatch.setattr("textclf.reporting.thresholds.N_LABELS", 2)
    predictions = make_predictions([(0, 2), (0, 2), (1, 1), (2, 0), (1, 0)], [0.9] * 5)
    counts = count_kept(predictions)
    assert [(row["label"], row["n_kept"][0]) for row in counts["labels"]] == [("a", 2), ("c", 2)]
    assert counts["n_kept"][0] == 5


def test_the_lowest_threshold_that_is_accurate_enough_is_named(make_predictions):
    pairs = [(0, 0)] * 19 + [(0, 1)] * 2
    counts = count_kept(make_predictions(pairs, [0.8] * 20 + [0.5]))
    assert counts["target"] == {"threshold": 0.51, "coverage": 20 / 21, "accuracy": 0.95}
    assert counts["highest"] == pytest.approx(0.8)
    assert count_kept(make_predictions([(0, 1)], [0.8]))["target"] is None
