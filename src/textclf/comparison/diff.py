"""Lists the examples that only one of two runs predicts correctly."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.comparison.model_results import check_comparable
from textclf.comparison.significance import mcnemar_test
from textclf.data.dataset import TextDataset
from textclf.data.loading import load_dataset
from textclf.runs.directory import RunDirectory


def describe_difference(
    run_a: RunDirectory, run_b: RunDirectory, *, top: int, trust_code: bool = False
) -> dict[str, Any]:
    """Compare two finished runs example by example.

    Args:
        run_a: First run.
        run_b: Second run.
        top: Examples of each kind to include, the most confident predictions first.
        trust_code: Whether to execute the Python file of the dataset, if it has one.

    Returns:
        ``mcnemar``: how many examples ``both``, ``only_a``, ``only_b`` and ``neither`` predicted
        correctly, and the exact ``p_value``; ``labels``: these counts for each label; ``only_a``
        and ``only_b``: the examples that only one run predicted correctly.

    Raises:
        RunError: The runs cannot be compared, or the dataset has changed.
    """
    check_comparable(run_a.read_result(), run_b.read_result())
    dataset = load_dataset(run_a.read_config(trust_code=trust_code).dataset)
    run_a.check_dataset(dataset.digest)
    return compare_predictions(run_a, run_b, dataset, top=top)


def compare_predictions(
    run_a: RunDirectory, run_b: RunDirectory, dataset: TextDataset, *, top: int
) -> dict[str, Any]:
    """Compare two runs on the same test set, as `describe_difference` does, without its checks."""
    predicted_a, predicted_b = (_PredictedLabels(run, dataset) for run in (run_a, run_b))
    labels = dataset.test.labels
    correct_a, correct_b = predicted_a.labels == labels, predicted_b.labels == labels
    kinds = {
        "both": correct_a & correct_b,
        "only_a": correct_a & ~correct_b,
        "only_b": correct_b & ~correct_a,
        "neither": ~correct_a & ~correct_b,
    }
    counts = {name: int(members.sum()) for name, members in kinds.items()}
    p_value, _ = mcnemar_test(counts["only_b"], counts["only_a"])
    return {
        "a": str(run_a.path),
        "b": str(run_b.path),
        "mcnemar": {**counts, "p_value": p_value},
        "labels": [
            {"label": name, **{kind: int(m[labels == i].sum()) for kind, m in kinds.items()}}
            for i, name in enumerate(dataset.label_names)
        ],
        "only_a": _list_examples(dataset, kinds["only_a"], predicted_a, predicted_b, top),
        "only_b": _list_examples(dataset, kinds["only_b"], predicted_b, predicted_a, top),
    }


class _PredictedLabels:
    """A run's predictions as labels of the dataset, whose labels may be in another order."""

    def __init__(self, run: RunDirectory, dataset: TextDataset) -> None:
        predictions = run.read_predictions()
        names = [scores.name for scores in run.read_result().evaluation.per_class]
        order = np.array([dataset.label_names.index(name) for name in names])
        self.labels = order[predictions.probabilities.argmax(axis=1)]
        self.confidence = predictions.probabilities.max(axis=1)


def _list_examples(
    dataset: TextDataset,
    members: npt.NDArray[np.bool_],
    correct: _PredictedLabels,
    incorrect: _PredictedLabels,
    top: int,
) -> list[dict[str, Any]]:
    """Describe the examples that only one run predicted correctly, by falling confidence."""
    positions = np.flatnonzero(members)
    return [
        {
            "index": int(dataset.test.index[i]),
            "label": dataset.label_names[dataset.test.labels[i]],
            "confidence": float(correct.confidence[i]),
            "incorrect_label": dataset.label_names[incorrect.labels[i]],
            "incorrect_confidence": float(incorrect.confidence[i]),
            "text": dataset.test.texts[i],
        }
        for i in positions[np.argsort(-correct.confidence[positions], kind="stable")][:top]
    ]
