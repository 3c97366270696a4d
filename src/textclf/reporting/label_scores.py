"""The scores of each label, for several models side by side."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from textclf.comparison.model_results import ModelResults
from textclf.reporting.documents import Document

MAX_LABELS = 60
"""Labels that a page shows; of more, those on which the models differ most."""


@dataclass(frozen=True)
class LabelScores:
    """F1 of each label and model.

    Attributes:
        document: ``labels`` (names), ``support``, ``range`` (highest minus lowest F1) and
            ``models``: the ``f1`` of each label, the mean over the seeds; None for a label without
            test examples.
        shown: Positions of the labels to show, the most frequent first.
        best: For each label, the positions of the models with the highest F1; empty if all models
            have the same.
    """

    document: Document
    shown: list[int]
    best: list[list[int]]

    @classmethod
    def of(cls, models: Mapping[str, ModelResults]) -> "LabelScores":
        """Compare the scores of models by their name."""
        first = next(iter(models.values())).first.evaluation.per_class
        labels = [scores.name for scores in first]
        f1 = [_average_f1(model, labels) for model in models.values()]
        by_label = [*zip(*f1, strict=True)]
        ranges = [
            max(v) - min(v) if s.support else None for v, s in zip(by_label, first, strict=True)
        ]
        content = {
            "labels": labels,
            "support": [scores.support for scores in first],
            "range": ranges,
            "models": [
                {
                    "model": name,
                    "f1": [v if s.support else None for v, s in zip(values, first, strict=True)],
                }
                for name, values in zip(models, f1, strict=True)
            ],
        }
        positions = sorted(range(len(labels)), key=lambda i: -(ranges[i] or 0))[:MAX_LABELS]
        return cls(
            Document("labels", "F1 of each label, the mean over the seeds", content),
            shown=sorted(positions, key=lambda i: (-first[i].support, i)),
            best=[
                [i for i, value in enumerate(values) if value == max(values) > min(values)]
                for values in by_label
            ],
        )


def _average_f1(model: ModelResults, labels: list[str]) -> list[float]:
    """Return the mean F1 over the seeds for each label, which runs may have in another order."""
    by_seed = [{s.name: s.f1 for s in result.evaluation.per_class} for result in model.results]
    return [statistics.fmean(scores[label] for scores in by_seed) for label in labels]
