"""The section of a report about learning curves: accuracy by number of training examples."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from textclf.comparison.learning_curve import LearningCurve, make_guess
from textclf.comparison.model_results import ModelResults
from textclf.comparison.power_law import FitError
from textclf.reporting.documents import Document
from textclf.reporting.plots import plot_learning_curve
from textclf.reporting.svg import format_svg

PARTS = {
    "train_fraction": "fractions of the training examples",
    "train_per_label": "numbers of training examples per label",
}
"""What a curve is about, by the key of the configuration that selects the parts."""


@dataclass(frozen=True)
class Curve:
    """A learning curve as the page shows it.

    Attributes:
        parts: How the parts were selected.
        plot: Plot of the curve.
        sentences: Which model is better, and what more training examples would bring.
        cells: For each number of training examples, the position of each model's point, or None.
    """

    parts: str
    plot: Markup
    sentences: list[str]
    cells: list[list[int | None]]


@dataclass(frozen=True)
class LearningCurveSection:
    """What the template ``learning_curve.html`` shows.

    Attributes:
        documents: ``learning_curves``: the points, and the guesses, of each model.
        curves: One for each way to select parts.
    """

    documents: list[Document]
    curves: list[Curve]

    @classmethod
    def of(cls, curves: Sequence[LearningCurve]) -> "LearningCurveSection":
        """Describe learning curves on one test set."""
        content = [_describe(curve) for curve in curves]
        return cls(
            [
                Document(
                    "learning_curves",
                    "Learning curves, from the rows of textclf compare --format json",
                    {"curves": content},
                )
            ],
            [
                Curve(
                    PARTS[curve.key],
                    _plot(curve),
                    curve.describe(),
                    _list_cells(described),
                )
                for curve, described in zip(curves, content, strict=True)
            ],
        )


def _describe(curve: LearningCurve) -> dict[str, Any]:
    """Return the numbers of a curve as lists."""
    sizes = {model.n_train_examples for results in curve.models.values() for model in results}
    return {
        "key": curve.key,
        "n_train_examples": sorted(filter(None, sizes)),
        "models": [
            {
                "model": name,
                "n_train_examples": [model.n_train_examples for model in results],
                "accuracy": [model.accuracy for model in results],
                "accuracy_interval": [list(model.interval) for model in results],
                "n_seeds": [len(model.correct) for model in results],
                "guess": _describe_guess(results) if name in curve.judged else None,
            }
            for name, results in curve.models.items()
        ],
    }


def _describe_guess(results: Sequence[ModelResults]) -> dict[str, Any] | None:
    try:
        guess = asdict(make_guess(results))
    except FitError:
        return None
    return {**guess, "interval": list(guess["interval"])}


def _plot(curve: LearningCurve) -> Markup:
    return format_svg(
        plot_learning_curve(curve.list_points()),
        f"Accuracy by number of training examples, {PARTS[curve.key]}, one line per model; the"
        " values are in the table below.",
    )


def _list_cells(described: dict[str, Any]) -> list[list[int | None]]:
    """Return, for each size, the position of each model's point; None if it has none."""
    return [
        [
            model["n_train_examples"].index(size) if size in model["n_train_examples"] else None
            for model in described["models"]
        ]
        for size in described["n_train_examples"]
    ]
