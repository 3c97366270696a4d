"""The examples of each cell of the confusion matrix that a page shows."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.reporting.excerpts import Excerpt
from textclf.reporting.predictions import LabeledPredictions

MAX_ERRORS = 50
MAX_CORRECT = 5
"""Examples of a cell, if its predictions are incorrect or correct."""

MAX_EXAMPLES = 1_000
MAX_EXAMPLES_WITHOUT_MATRIX = 500
"""Examples of all cells together; they limit the size of the page, whose other parts grow with the
number of labels."""

Cell = tuple[int, int]


@dataclass(frozen=True)
class Example:
    """An example of a cell.

    Attributes:
        index: Its position in the published test split.
        field: Field of the document ``run`` with the probability of the prediction.
        excerpt: Its text; None if the page contains no texts.
    """

    index: int
    field: str
    excerpt: Excerpt | None


@dataclass(frozen=True)
class CellExamples:
    """The examples of a cell of the confusion matrix that are shown.

    Attributes:
        key: Such as ``3-4``, true and predicted label.
        true: Name of the true label.
        predicted: Name of the predicted label.
        field: Field of the document ``run`` that describes the cell.
        count: Field of ``evaluation.json`` with the number of all its examples.
        examples: The most confident predictions first.
    """

    key: str
    true: str
    predicted: str
    field: str
    count: str
    examples: list[Example]


def choose_examples(
    predictions: LabeledPredictions, listed: Collection[Cell] | None = None
) -> dict[Cell, list[int]]:
    """Return the positions of the examples of each cell, the most confident first.

    With more cells than examples, those with the most errors have an example.

    Args:
        predictions: The predictions.
        listed: Cells that have examples; None if all have, because a matrix shows all of them.
    """
    cells: dict[Cell, list[int]] = {}
    labels, predicted = predictions.examples.labels.tolist(), predictions.predicted.tolist()
    for position in np.argsort(-predictions.confidence, kind="stable").tolist():
        cells.setdefault((labels[position], predicted[position]), []).append(position)
    # Each cell gets its first example before any gets its second.
    candidates = sorted(
        (rank, cell[0] == cell[1], -len(members), cell, position)
        for cell, members in cells.items()
        if listed is None or cell in listed
        for rank, position in enumerate(
            members[: MAX_CORRECT if cell[0] == cell[1] else MAX_ERRORS]
        )
    )
    chosen: dict[Cell, list[int]] = {}
    limit = MAX_EXAMPLES if listed is None else MAX_EXAMPLES_WITHOUT_MATRIX
    for *_, cell, position in candidates[:limit]:
        chosen.setdefault(cell, []).append(position)
    return chosen


def list_probabilities(
    predictions: LabeledPredictions, chosen: Mapping[Cell, Sequence[int]]
) -> list[dict[str, Any]]:
    """Return a row for each cell: its true and its predicted label, and its examples."""
    names = predictions.label_names
    return [
        {
            "labels": [names[true], names[predicted]],
            "n_shown": len(positions),
            "index": predictions.examples.index[positions].tolist(),
            "probability": predictions.confidence[positions].tolist(),
        }
        for (true, predicted), positions in sorted(chosen.items())
    ]


def describe_examples(
    predictions: LabeledPredictions,
    chosen: Mapping[Cell, Sequence[int]],
    cut: Callable[[int], Excerpt | None],
) -> list[CellExamples]:
    """Return the examples of each cell, in the order of `list_probabilities`.

    Args:
        predictions: The predictions.
        chosen: From `choose_examples`.
        cut: Returns the excerpt of the text at a position; None if texts are left out.
    """
    names, index = predictions.label_names, predictions.examples.index
    return [
        CellExamples(
            f"{true}-{predicted}",
            names[true],
            names[predicted],
            f"cells[{row}]",
            f"confusion_matrix[{true}][{predicted}]",
            [
                Example(int(index[position]), f"cells[{row}].probability[{rank}]", cut(position))
                for rank, position in enumerate(positions)
            ],
        )
        for row, ((true, predicted), positions) in enumerate(sorted(chosen.items()))
    ]
