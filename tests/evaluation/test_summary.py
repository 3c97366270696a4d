from dataclasses import replace

import numpy as np

from textclf.evaluation.metrics import ClassScores, evaluate
from textclf.evaluation.summary import FEW_EXAMPLES, list_classes, list_metrics

EVALUATION = evaluate(
    np.array([0, 0, 1, 1]),
    np.array([[0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.2, 0.8]]),
    ("x", "y"),
    majority_label=0,
)


def test_every_metric_has_a_row_and_some_have_an_interval():
    rows = list_metrics(EVALUATION)
    assert {row["metric"]: row["value"] for row in rows} == EVALUATION.metrics
    intervals = {row["metric"]: row["interval"] for row in rows if row["interval"]}
    assert intervals == EVALUATION.intervals
    assert set(intervals) == {"accuracy", "macro_f1"}


def test_labels_with_few_examples_are_marked():
    supports = (0, FEW_EXAMPLES - 1, FEW_EXAMPLES)
    per_class = [ClassScores(f"label {n}", n, 0.5, 0.25, 0.75) for n in supports]
    rows = list_classes(replace(EVALUATION, per_class=per_class))
    assert [row["note"] for row in rows] == ["few examples", "few examples", None]
    assert rows[2] == {
        "name": f"label {FEW_EXAMPLES}",
        "support": FEW_EXAMPLES,
        "precision": 0.5,
        "recall": 0.25,
        "f1": 0.75,
        "note": None,
    }
