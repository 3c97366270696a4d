"""An evaluation as rows of tables."""

from dataclasses import asdict
from typing import Any

from textclf.evaluation.metrics import Evaluation
from textclf.tables import Column, format_interval, format_number, format_start

FEW_EXAMPLES = 10
"""Labels with fewer test examples are marked, because their scores are mostly noise."""

METRIC_COLUMNS = (
    Column("metric", "metric"),
    Column("value", "value", format_number(4), numeric=True),
    Column("interval", "95% CI", format_interval(4), numeric=True),
)
CLASS_COLUMNS = (
    Column("name", "label", shrinks_to=16),
    Column("support", "examples", format_number(), numeric=True),
    Column("precision", "precision", format_number(4), numeric=True),
    Column("recall", "recall", format_number(4), numeric=True),
    Column("f1", "F1", format_number(4), numeric=True),
    Column("note", "note"),
)
SUBSET_COLUMNS = (
    Column("subset", "subset"),
    Column("n_examples", "examples", format_number(), numeric=True),
    Column("accuracy", "accuracy", format_number(4), numeric=True),
    Column("interval", "95% CI", format_interval(4), numeric=True),
)
THRESHOLD_COLUMNS = (
    Column("threshold", "threshold", format_number(2), numeric=True),
    Column("n_examples", "examples", format_number(), numeric=True),
    Column("coverage", "coverage", format_number(4), numeric=True),
    Column("accuracy", "accuracy", format_number(4), numeric=True),
)
ERROR_COLUMNS = (
    Column("index", "index", numeric=True),
    Column("position", "position", shrinks_to=12),
    Column("prediction", "prediction", shrinks_to=12),
    Column("probability", "prob.", format_number(3), numeric=True),
    Column("label", "label", shrinks_to=12),
    Column("label_probability", "of label", format_number(3), numeric=True),
    Column("text", "text", format_start(200), shrinks_to=20),
)


def list_metrics(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each metric, with its confidence interval if it has one."""
    return [
        {"metric": name, "value": value, "interval": evaluation.intervals.get(name)}
        for name, value in evaluation.metrics.items()
    ]


def list_classes(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each label, with a note if it has few examples."""
    return [
        {**asdict(scores), "note": "few examples" if scores.support < FEW_EXAMPLES else None}
        for scores in evaluation.per_class
    ]
