"""Where two runs differ: the texts that only one of them got right."""

from typing import Any

import numpy as np

from textclf.data import TextDataset
from textclf.datasets import load_dataset
from textclf.entries import check_comparable, read_correct
from textclf.results import Predictions
from textclf.runs import RunDirectory
from textclf.significance import mcnemar_counts


def describe_difference(run_a: RunDirectory, run_b: RunDirectory, *, top: int) -> dict[str, Any]:
    """Compare two finished runs text by text.

    Args:
        run_a: the one to start from.
        run_b: the one to compare with it.
        top: texts to show of each kind, the most confident answers first.

    Returns:
        ``mcnemar``, with how many texts ``both``, ``only_a``, ``only_b`` and ``neither`` got right
        and the exact ``p_value``; ``labels``, with these counts for each label; ``only_a`` and
        ``only_b``, with the texts that one run alone got right.

    Raises:
        RunError: the runs must not be compared, or the dataset has changed since.
    """
    result_a, result_b = run_a.read_result(), run_b.read_result()
    check_comparable(result_a, result_b)
    for run, result in ((run_a, result_a), (run_b, result_b)):
        read_correct(run, result)  # Refuses predictions of another run.
    dataset = load_dataset(run_a.read_config().dataset)
    run_a.check_dataset(dataset.digest)
    labels = dataset.test.labels
    answers_a, answers_b = (
        _Answers(run.read_predictions(), [s.name for s in result.evaluation.per_class], dataset)
        for run, result in ((run_a, result_a), (run_b, result_b))
    )
    right_a, right_b = answers_a.labels == labels, answers_b.labels == labels
    kinds = {
        "both": right_a & right_b,
        "only_a": right_a & ~right_b,
        "only_b": right_b & ~right_a,
        "neither": ~right_a & ~right_b,
    }
    counts = {name: int(members.sum()) for name, members in kinds.items()}
    p_value, _ = mcnemar_counts(counts["only_b"], counts["only_a"])

    def show(members: Any, right: "_Answers", wrong: "_Answers") -> list[dict[str, Any]]:
        places = np.flatnonzero(members)
        ordered = places[np.argsort(-right.confidence[places], kind="stable")][:top]
        return [_show_text(dataset, place, right, wrong) for place in ordered]

    return {
        "a": str(run_a.path),
        "b": str(run_b.path),
        "mcnemar": {**counts, "p_value": p_value},
        "labels": [
            {"label": name, **{kind: int(m[labels == i].sum()) for kind, m in kinds.items()}}
            for i, name in enumerate(dataset.label_names)
        ],
        "only_a": show(kinds["only_a"], answers_a, answers_b),
        "only_b": show(kinds["only_b"], answers_b, answers_a),
    }


class _Answers:
    """One run's answers, as labels of the dataset whatever order of labels the run had."""

    def __init__(self, predictions: Predictions, names: list[str], dataset: TextDataset) -> None:
        order = np.array([dataset.label_names.index(name) for name in names])
        self.labels = order[predictions.probabilities.argmax(axis=1)]
        self.confidence = predictions.probabilities.max(axis=1)


def _show_text(
    dataset: TextDataset, place: int, right: _Answers, wrong: _Answers
) -> dict[str, Any]:
    return {
        "index": int(dataset.test.index[place]),
        "label": dataset.label_names[dataset.test.labels[place]],
        "confidence": float(right.confidence[place]),
        "wrong_label": dataset.label_names[wrong.labels[place]],
        "wrong_confidence": float(wrong.confidence[place]),
        "text": dataset.test.texts[place],
    }
