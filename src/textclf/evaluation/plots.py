"""Plots of a run: history, confusion matrix, calibration. Each function returns a Figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from rich.cells import cell_len

from textclf.evaluation.calibration import CalibrationBins, calibration_bins, calibration_error
from textclf.evaluation.fonts import save_figure
from textclf.evaluation.metrics import Evaluation, FloatArray, IntArray
from textclf.storage.files import write_atomically
from textclf.tables import format_start
from textclf.training.history import History

LABEL_WIDTH = 40
"""Width to which a label's name is shortened, as in a terminal."""

MANY_LABELS = 100
"""With more labels, their names do not fit."""

BLUE, ORANGE, GRAY = "#3f83cc", "#c96a1b", "#7d8894"
"""Colors with contrast on a light and on a dark page."""

LOSS, ACCURACY, MUTED = "#c0392b", "#1f5fa8", "#b0b8c1"


def plot_history(history: History, title: str) -> Figure:
    """Plot loss (left axis) and accuracy (right axis) by epoch, and mark the best epoch."""
    figure = Figure(figsize=(8, 5), dpi=120, layout="constrained")
    left = figure.subplots()
    right = left.twinx()
    epochs = [row.epoch for row in history.rows]

    def draw(axis: Any, name: str, label: str, color: str, style: str) -> Any:
        values = [getattr(row, name) for row in history.rows]
        return axis.plot(
            epochs, values, style, color=color, label=label, marker="o", ms=4, clip_on=False
        )[0]

    lines = [
        draw(left, "loss", "train loss", LOSS, "--"),
        draw(left, "val_loss", "validation loss", LOSS, "-"),
        draw(right, "accuracy", "train accuracy", ACCURACY, "--"),
        draw(right, "val_accuracy", "validation accuracy", ACCURACY, "-"),
        left.axvline(history.best_epoch, color="0.6", lw=6, alpha=0.35, zorder=0),
    ]
    lines[-1].set_label(f"best epoch: {history.best_epoch} ({history.monitor})")
    left.set_xlabel("epoch")
    left.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    left.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    left.set_ylabel("loss (nats)", color=LOSS)
    left.set_ylim(bottom=0)
    right.set_ylabel("accuracy", color=ACCURACY)
    right.set_ylim(0, 1)
    right.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    left.grid(alpha=0.25)
    left.set_title(title)
    figure.legend(handles=lines, loc="outside lower center", ncols=3, frameon=False)
    return figure


def plot_evaluation(
    evaluation: Evaluation,
    labels: IntArray,
    probabilities: FloatArray,
    title: str,
    *,
    split: str | None = "test",
    uncalibrated: FloatArray | None = None,
) -> dict[str, Figure]:
    """Plot the confusion matrix and the calibration of predictions.

    Args:
        evaluation: Evaluation of the predictions.
        labels: <int64>[n], positions in the label names.
        probabilities: <float>[n, labels].
        title: Which model was evaluated.
        split: Split of the examples; None if they are those of a file.
        uncalibrated: The probabilities before calibration; None without it.

    Returns:
        ``confusion`` and ``calibration``.
    """
    kind, metrics = f"{split} " if split else "", evaluation.metrics
    names = [scores.name for scores in evaluation.per_class]
    accuracy = f"{title}: {kind}accuracy {metrics['accuracy']:.1%}"
    bins, error = calibration_bins(labels, probabilities), metrics["expected_calibration_error"]
    before = None
    if uncalibrated is not None:
        before = calibration_bins(labels, uncalibrated), calibration_error(labels, uncalibrated)
    return {
        "confusion": plot_confusion(
            evaluation.confusion_matrix, names, accuracy, examples=f"{kind}examples"
        ),
        "calibration": plot_calibration(
            bins, error, title, examples=f"{kind}examples", before=before
        ),
    }


def write_plots(plots: Mapping[str, Figure], folder: Path) -> None:
    """Write each plot as PNG under its name; RunError if it cannot be written."""
    for name, figure in plots.items():
        with write_atomically(folder / f"{name}.png") as temporary:
            save_figure(figure, temporary)


def plot_confusion(
    confusion: Sequence[Sequence[int]],
    label_names: Sequence[str],
    title: str,
    *,
    examples: str = "examples",
) -> Figure:
    """Plot which fraction of each true label (row) was predicted as each label (column)."""
    counts = np.asarray(confusion, float)
    support = counts.sum(axis=1)
    fractions = np.divide(
        counts, support[:, None], where=support[:, None] > 0, out=np.zeros_like(counts)
    )
    n_labels = len(label_names)
    label_names = [format_start(LABEL_WIDTH)(name) for name in label_names]
    size = max(5.5, 2.5 + 0.26 * min(n_labels, MANY_LABELS))
    if n_labels <= MANY_LABELS:  # Room for their names.
        size += 0.08 * max(0, *(cell_len(name) - 15 for name in label_names))
    figure = Figure(figsize=(size + 0.8, size), dpi=120, layout="constrained")
    axes = figure.subplots()
    # Not imshow, which needs 64 bits per pixel, 60 MB for 46 labels.
    positions = range(n_labels)
    image = axes.pcolormesh(positions, positions, fractions, cmap="Blues", vmin=0, vmax=1)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    rows = [f"{name} ({count:.0f})" for name, count in zip(label_names, support, strict=True)]
    font_size = 10 if n_labels <= 12 else 8
    if n_labels <= MANY_LABELS:
        axes.set_xticks(range(n_labels), label_names, rotation=90, fontsize=font_size)
        axes.set_yticks(range(n_labels), rows, fontsize=font_size)
    axes.set_xlabel("predicted (percent of the row)")
    axes.set_ylabel(f"true ({examples})")
    axes.set_title(title)
    # Fractions that round to zero are shown by color only.
    written = np.argwhere(fractions >= 0.005) if n_labels <= MANY_LABELS else ()
    for row, column in written:
        fraction = fractions[row, column]
        text = f"{fraction:.0%}" if n_labels <= 12 else f"{100 * fraction:.0f}"
        color = "white" if fraction > 0.55 else "#333333"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=font_size - 2)
    bar = figure.colorbar(image, ax=axes, shrink=0.6, label="fraction of the true label")
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def plot_calibration(
    bins: CalibrationBins,
    error: float,
    title: str,
    *,
    examples: str = "examples",
    before: tuple[CalibrationBins, float] | None = None,
) -> Figure:
    """Plot accuracy against confidence, and how many predictions have each confidence.

    Args:
        bins: Binned predictions.
        error: Their expected calibration error.
        title: Which model was evaluated.
        examples: What is counted.
        before: Bins and error of the uncalibrated predictions; None without calibration.
    """
    figure = Figure(figsize=(6, 6.5), dpi=120, layout="constrained")
    top, bottom = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], ":", color="0.5", label="perfectly calibrated")
    if before:
        old, old_error = before
        plot_bins(top, old, MUTED, f"before calibration: error {old_error:.3f}")
        plot_bins(top, bins, ACCURACY, f"after calibration: error {error:.3f}")
    else:
        top.plot(bins.confidence, bins.accuracy, "o-", color=ACCURACY, label="model")
    top.set_ylabel("accuracy")
    top.set_xlim(0, 1)
    top.set_ylim(0, 1.02)
    top.set_title(f"{title}\nexpected calibration error {error:.3f}")
    top.legend(loc="best" if before else "upper left", frameon=False)
    bottom.bar(bins.confidence, bins.count, width=0.05, color=ACCURACY)
    bottom.set_ylabel(examples)
    bottom.set_xlabel("confidence: probability of the predicted label")
    for axes in (top, bottom):
        axes.grid(alpha=0.25)
    for axis in (top.xaxis, top.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def plot_bins(
    axes: Any, bins: CalibrationBins, color: str, label: str, *, marker: str = "o"
) -> None:
    """Plot accuracy against confidence with areas that grow with the number of examples."""
    axes.plot(bins.confidence, bins.accuracy, color=color, lw=0.8, alpha=0.5)
    area = 8 + 150 * bins.count / bins.count.max()
    axes.scatter(
        bins.confidence, bins.accuracy, area, color=color, marker=marker, label=label, clip_on=False
    )
