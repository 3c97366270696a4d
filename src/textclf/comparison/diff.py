"""Where two runs differ: the texts that only one of them got right."""

from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.comparison.model_results import check_comparable
from textclf.comparison.significance import mcnemar_counts
from textclf.data.dataset import TextDataset
from textclf.data.loading import load_dataset
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result


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
    results = run_a.read_result(), run_b.read_result()
    check_comparable(*results)
    dataset = load_dataset(run_a.read_config().dataset)
    run_a.check_dataset(dataset.digest)
    answers_a, answers_b = (
        _Answers(run, result, dataset) for run, result in zip((run_a, run_b), results, strict=True)
    )
    labels = dataset.test.labels
    right_a, right_b = answers_a.labels == labels, answers_b.labels == labels
    kinds = {
        "both": right_a & right_b,
        "only_a": right_a & ~right_b,
        "only_b": right_b & ~right_a,
        "neither": ~right_a & ~right_b,
    }
    counts = {name: int(members.sum()) for name, members in kinds.items()}
    p_value, _ = mcnemar_counts(counts["only_b"], counts["only_a"])

    return {
        "a": str(run_a.path),
        "b": str(run_b.path),
        "mcnemar": {**counts, "p_value": p_value},
        "labels": [
            {"label": name, **{kind: int(m[labels == i].sum()) for kind, m in kinds.items()}}
            for i, name in enumerate(dataset.label_names)
        ],
        "only_a": _show(dataset, kinds["only_a"], answers_a, answers_b)[:top],
        "only_b": _show(dataset, kinds["only_b"], answers_b, answers_a)[:top],
    }


class _Answers:
    """One run's answers, as labels of the dataset whatever order of labels the run had."""

    def __init__(self, run: RunDirectory, result: Result, dataset: TextDataset) -> None:
        predictions = run.read_predictions()
        names = [scores.name for scores in result.evaluation.per_class]
        order = np.array([dataset.label_names.index(name) for name in names])
        self.labels = order[predictions.probabilities.argmax(axis=1)]
        self.confidence = predictions.probabilities.max(axis=1)


def _show(
    dataset: TextDataset, members: npt.NDArray[np.bool_], right: _Answers, wrong: _Answers
) -> list[dict[str, Any]]:
    """Describe the texts that one run alone got right, its most confident answers first."""
    places = np.flatnonzero(members)
    return [
        {
            "index": int(dataset.test.index[place]),
            "label": dataset.label_names[dataset.test.labels[place]],
            "confidence": float(right.confidence[place]),
            "wrong_label": dataset.label_names[wrong.labels[place]],
            "wrong_confidence": float(wrong.confidence[place]),
            "text": dataset.test.texts[place],
        }
        for place in places[np.argsort(-right.confidence[places], kind="stable")]
    ]
