from types import SimpleNamespace

import numpy as np

from textclf.reporting.predictions import LabeledPredictions
from textclf.testing import make_dataset


def test_labels_are_in_the_order_of_the_run():
    dataset = make_dataset()
    names = dataset.label_names[::-1]
    n = len(dataset.test)
    probabilities = np.tile(np.array([0.2, 0.5, 0.3], np.float32), (n, 1))
    run = SimpleNamespace(
        label_names=names, predictions=SimpleNamespace(probabilities=probabilities)
    )
    predictions = LabeledPredictions.of(run, dataset)
    given = [dataset.label_names[label] for label in dataset.test.labels]
    assert [names[label] for label in predictions.examples.labels] == given
    assert predictions.label_counts.tolist() == [10, 10, 10]
    assert predictions.predicted.tolist() == [1] * n
    assert predictions.correct.tolist() == [name == names[1] for name in given]
    assert predictions.confidence.tolist() == [np.float32(0.5)] * n


def test_errors_are_the_incorrect_predictions_by_falling_confidence(make_predictions):
    pairs = [(0, 1), (0, 0), (1, 2), (2, 1)]
    assert make_predictions(pairs, [0.5, 0.9, 0.75, 0.75]).errors.tolist() == [2, 3, 0]
