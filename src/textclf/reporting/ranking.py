"""Which of several models is the best, and which one to use, as positions of rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from textclf.comparison.gate import MIN_SEEDS
from textclf.comparison.model_results import ModelResults, name_models
from textclf.comparison.report import Row
from textclf.models._build import CHANCE_BASELINE

MAX_TIME = 0.5
"""Training time of a much cheaper model, relative to the best one; measured times vary."""


@dataclass(frozen=True)
class Ranking:
    """Which of several models is the best, and which one to use.

    Models are the positions of their rows; those of failed runs are left out.

    Attributes:
        reference: The model that the others are compared with: the most accurate one, whose
            position is 0, or one that the user chose.
        worse: Models that are significantly worse than the reference.
        better: Models that are significantly better than it.
        tied: Models that do not differ significantly from it.
        recommended: The best model, or a much cheaper one without a significant difference; None
            if the reference is not the best, or if the best is not better than chance.
        few_seeds: Models with too few seeds to estimate how much accuracy varies between seeds.
    """

    reference: int
    worse: list[int]
    better: list[int]
    tied: list[int]
    recommended: int | None
    few_seeds: list[int]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Ranking":
        """Rank the rows of a comparison, in which the most accurate model is the first."""
        verdicts = {i: row["verdict"] for i, row in enumerate(rows) if not row["error"]}
        worse, better, tied = (
            [i for i, verdict in verdicts.items() if verdict == wanted]
            for wanted in ("worse", "better", "not significant")
        )
        is_chance = any(rows[i]["model"] == CHANCE_BASELINE for i in (0, *tied))
        return cls(
            next((i for i, verdict in verdicts.items() if verdict == "reference"), 0),
            worse,
            better,
            tied,
            _recommend(rows, tied) if verdicts[0] == "best" and not is_chance else None,
            [i for i in verdicts if rows[i]["n_seeds"] < MIN_SEEDS],
        )


def name_by_accuracy(models: Iterable[ModelResults]) -> dict[str, ModelResults]:
    """Return models by their name, the most accurate first."""
    ordered = sorted(models, key=lambda model: -model.accuracy)
    names = name_models(ordered)
    return {names[model.first.fingerprint]: model for model in ordered}


def _recommend(rows: Sequence[Row], tied: Sequence[int]) -> int:
    """Return the best model, or the fastest of those that are tied with it and much cheaper."""
    cheaper = [
        i
        for i in tied
        if rows[i]["train_seconds"] <= MAX_TIME * rows[0]["train_seconds"]
        and rows[i]["n_parameters"] <= rows[0]["n_parameters"]
    ]
    return min(cheaper, key=lambda i: rows[i]["train_seconds"], default=0)
