"""The most frequent mistakes of a run, its weakest labels, and its confusion matrix as a plot."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from textclf.evaluation.metrics import Evaluation
from textclf.evaluation.summary import FEW_EXAMPLES

N_CONFUSIONS = 15
N_CONFUSIONS_WITHOUT_MATRIX = 100
"""Confusions that are listed, with and without a matrix of buttons."""

N_LABELS_OF_MATRIX = 60
"""With more labels, a plot replaces the matrix of buttons."""

N_WEAKEST = 10
"""Weakest labels that are listed."""

N_HEATS = 10
"""CSS classes of the cells of the matrix, ``h0`` to ``h9``."""


@dataclass(frozen=True)
class WeakLabel:
    """A label with a low F1.

    Attributes:
        position: Its position in the label names.
        confused_with: Position of the label that its examples are most often predicted as; None if
            all are predicted correctly.
        is_small: Whether it has few examples, so that its scores are mostly noise.
    """

    position: int
    confused_with: int | None
    is_small: bool


def list_confusions(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return a row for each confused pair of labels, the most frequent first.

    Returns:
        ``label`` and ``prediction`` (positions), ``n_examples``, and ``fraction`` of the examples
        of the label.
    """
    matrix = np.array(evaluation.confusion_matrix)
    support = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    rows, columns = np.nonzero(matrix)
    order = np.argsort(-matrix[rows, columns], kind="stable")
    n_labels = len(matrix)
    n = N_CONFUSIONS if n_labels <= N_LABELS_OF_MATRIX else N_CONFUSIONS_WITHOUT_MATRIX
    return [
        {
            "label": int(row),
            "prediction": int(column),
            "n_examples": int(matrix[row, column]),
            "fraction": float(matrix[row, column] / support[row]),
        }
        for row, column in zip(rows[order[:n]], columns[order[:n]], strict=True)
    ]


def list_weakest(evaluation: Evaluation) -> list[WeakLabel]:
    """Return the labels with the lowest F1 among those with examples."""
    scores, matrix = evaluation.per_class, np.array(evaluation.confusion_matrix)
    np.fill_diagonal(matrix, 0)
    present = [i for i, label in enumerate(scores) if label.support]
    weakest = sorted(present, key=lambda i: scores[i].f1)[:N_WEAKEST]
    return [
        WeakLabel(
            i,
            int(matrix[i].argmax()) if matrix[i].any() else None,
            scores[i].support < FEW_EXAMPLES,
        )
        for i in weakest
    ]


def grade_cells(matrix: Sequence[Sequence[int]]) -> list[list[str]]:
    """Return the CSS class of each cell, by the fraction of its row."""
    counts = np.array(matrix)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    grades = np.minimum((fractions * N_HEATS).astype(int), N_HEATS - 1)
    return [[f"h{grade}" for grade in row] for row in grades.tolist()]


def plot_matrix(matrix: Sequence[Sequence[int]]) -> Figure:
    """Plot a matrix of many labels, as an image, because a shape for each cell would be large."""
    counts = np.array(matrix, float)
    support = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6, 4.8), layout="constrained")
    axes = figure.subplots()
    # The root makes rare confusions visible.
    image = axes.imshow(
        np.sqrt(counts / support), cmap="viridis", vmin=0, vmax=1, interpolation="none"
    )
    bar = figure.colorbar(image, ax=axes, shrink=0.6, label="fraction of the true label")
    ticks = (0, 0.01, 0.1, 0.25, 0.5, 1)
    bar.ax.set_yticks(np.sqrt(ticks), [f"{tick:.0%}" for tick in ticks])
    axes.set_xlabel("predicted label")
    axes.set_ylabel("true label")
    return figure
