"""Examples on which the best model and another one disagree."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textclf.comparison.diff import compare_predictions
from textclf.comparison.model_results import ModelResults
from textclf.data.dataset import TextDataset
from textclf.reporting.documents import Document
from textclf.reporting.excerpts import Excerpt

MAX_EXAMPLES = 25
"""Examples that only one of two models predicts correctly."""

MAX_TOTAL = 400
"""Examples of all pairs of models together."""

N_OPEN = 5
"""Examples that are shown without a click."""

SIDES = ("only_a", "only_b")
"""Keys of the examples that only one of two models predicts correctly."""

NUMBERS = ("index", "confidence", "incorrect_confidence")
"""What the document contains of each example."""


@dataclass(frozen=True)
class Disagreements:
    """Examples that only one of two models predicts correctly, with their first seeds.

    Attributes:
        document: ``pairs``: the counts, and the numbers of the examples that are shown.
        best: Name of the best model, A.
        others: Names of the models that it is compared with, B.
        examples: For each of these, ``only_a`` and ``only_b``: ``label``, ``incorrect_label`` and
            ``excerpt`` of each example, which is None if texts are left out.
        n_open: Examples that are shown without a click.
    """

    document: Document
    best: str
    others: list[str]
    examples: list[dict[str, list[dict[str, Any]]]]
    n_open: int = N_OPEN

    @classmethod
    def of(
        cls, models: Mapping[str, ModelResults], dataset: TextDataset, *, texts: bool
    ) -> "Disagreements":
        """Compare the first of several models, by their name, with each other one.

        Args:
            models: Models, of which the first is A.
            dataset: Their dataset.
            texts: Whether to keep the texts.
        """
        (best, first), *others = models.items()
        top = min(MAX_EXAMPLES, MAX_TOTAL // (2 * max(1, len(others))))
        found = [
            compare_predictions(first.runs[0], other.runs[0], dataset, top=top)
            for _, other in others
        ]
        return cls(
            Document(
                "disagreements",
                "Disagreements, from textclf diff A B --format json",
                {"pairs": [_select_numbers(pair) for pair in found]},
            ),
            best,
            [name for name, _ in others],
            [
                {side: [_describe(e, texts=texts) for e in pair[side]] for side in SIDES}
                for pair in found
            ],
        )


def _select_numbers(pair: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of two runs, and the numbers of the examples as lists."""
    lists = {
        side: {name: [example[name] for example in pair[side]] for name in NUMBERS}
        for side in SIDES
    }
    return {"a": pair["a"], "b": pair["b"], "mcnemar": pair["mcnemar"], **lists}


def _describe(example: Mapping[str, Any], *, texts: bool) -> dict[str, Any]:
    """Return the labels of an example, and the start of its text."""
    excerpt = Excerpt.of(example["text"]) if texts else None
    return {"excerpt": excerpt, **{key: example[key] for key in ("label", "incorrect_label")}}
