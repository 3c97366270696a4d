"""Figures of a comparison: cost, seeds and history."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from rich.cells import cell_len

from textclf.evaluation.curve_plot import Curves, draw_learning_curve
from textclf.evaluation.plots import BLUE, ORANGE
from textclf.tables import format_start
from textclf.training.history import EpochRow

NAME_WIDTH = 28
"""Width to which the name of a model is shortened."""

FONT_SIZE = 9
CELL_POINTS = 5.4
"""About how wide a character of that size is, in points."""

LINE_POINTS = 11
"""How far the names of two points must be apart."""

GAP_POINTS = 8
"""Distance of a name from its point."""

Box = tuple[float, float, float, float]
"""Left, bottom, right and top, in points."""


@dataclass(frozen=True)
class CostPoint:
    """What a model costs, and how accurate it is."""

    name: str
    cost: float
    accuracy: float
    interval: Sequence[float]


def plot_cost(points: Sequence[CostPoint], label: str) -> Figure:
    """Plot accuracy with its confidence interval against a cost.

    Args:
        points: Models; a logarithmic axis is used if the highest cost is ten times the lowest.
        label: What the cost is.
    """
    figure, axes = _make_figure(4.8, 3.4, left=0.13, right=0.97, bottom=0.15, top=0.97)
    costs = [point.cost for point in points]
    if min(costs) > 0 and max(costs) >= 10 * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(min(costs) / 3, max(costs) * 3)
    else:
        margin = (max(costs) - min(costs)) / 4 or 1
        axes.set_xlim(max(0, min(costs) - margin), max(costs) + margin)
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(_format_tick))
    low = min(point.interval[0] for point in points)
    high = max(point.interval[1] for point in points)
    margin = 0.06 * (high - low) or 0.01
    axes.set_ylim(low - margin, high + margin)
    for point in points:
        x, y = point.cost, point.accuracy
        axes.plot([x, x], point.interval, color=BLUE, lw=1.2, alpha=0.6)
        axes.plot(x, y, "o", color=BLUE, ms=6)
    _name_points(axes, points)
    axes.set_xlabel(label)
    axes.set_ylabel("accuracy")
    return figure


def plot_seeds(accuracies: Mapping[str, Sequence[float]]) -> Figure:
    """Plot the accuracy of every run as a point, one line per model."""
    height = 0.55 + 0.28 * len(accuracies)
    figure, axes = _make_figure(4.8, height)
    figure.set_layout_engine("constrained")
    for position, values in enumerate(accuracies.values()):
        mean = sum(values) / len(values)
        axes.plot([mean, mean], [position - 0.3, position + 0.3], color=ORANGE, lw=1.5)
        axes.plot(values, [position] * len(values), "o", color=BLUE, ms=5, alpha=0.7)
    axes.set_yticks(range(len(accuracies)), [format_start(NAME_WIDTH)(n) for n in accuracies])
    axes.set_ylim(len(accuracies) - 0.5, -0.5)
    axes.set_xlabel("test accuracy")
    return figure


def plot_learning_curve(curves: Curves) -> Figure:
    """Plot accuracy by number of training examples, as `learning-curve.png` does."""
    figure = Figure(figsize=(7.2, 4), dpi=72, layout="constrained")
    axes = figure.subplots()
    _style(axes)
    draw_learning_curve(axes, curves)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=FONT_SIZE)
    return figure


@dataclass(frozen=True)
class Curve:
    """The epochs of a run, and the best one."""

    rows: Sequence[EpochRow]
    best_epoch: int | None


def plot_histories(models: Mapping[str, Sequence[Curve]]) -> dict[str, Figure]:
    """Plot loss and accuracy by epoch for each model, all with the same vertical axes.

    Args:
        models: The runs of each model, by its name.
    """
    rows = [row for curves in models.values() for curve in curves for row in curve.rows]
    losses = [value for row in rows for value in (row.loss, row.val_loss) if math.isfinite(value)]
    highest = max(losses, default=1.0)
    return {name: _plot_history(curves, highest) for name, curves in models.items()}


def _plot_history(curves: Sequence[Curve], highest_loss: float) -> Figure:
    figure = Figure(figsize=(4.8, 2.1), layout="constrained")
    for axes, metric in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _style(axes)
        for curve in curves:
            _plot_curve(axes, curve, metric, ORANGE, "--")
            _plot_curve(axes, curve, f"val_{metric}", BLUE, "-")
        axes.set_ylim(0, 1.02 if metric == "accuracy" else 1.05 * highest_loss)
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    return figure


def _plot_curve(axes: Axes, curve: Curve, name: str, color: str, style: str) -> None:
    """Plot a metric by epoch, and mark the best epoch."""
    values = [getattr(row, name) for row in curve.rows]
    epochs = [row.epoch for row in curve.rows]
    marked = [i for i, epoch in enumerate(epochs) if epoch == curve.best_epoch]
    axes.plot(epochs, values, style, color=color, lw=1, marker="o", ms=4.5, markevery=marked)


def _make_figure(width: float, height: float, **margins: float) -> tuple[Figure, Axes]:
    """Return a figure of a size in inches, with one pair of axes."""
    figure = Figure(figsize=(width, height), dpi=72)  # A pixel is a point.
    figure.subplots_adjust(**margins)
    axes = figure.subplots()
    _style(axes)
    return figure, axes


def _style(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.35, lw=0.6)
    axes.tick_params(labelsize=FONT_SIZE)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(FONT_SIZE)


def _format_tick(value: float, _position: Any) -> str:
    """Format a cost, which may be a fraction of a second or millions of parameters."""
    if value >= 1e6:
        return f"{value / 1e6:,g}M"
    return f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _name_points(axes: Axes, points: Sequence[CostPoint]) -> None:
    """Write the name of each model beside its point, where it covers nothing else."""
    places = [axes.transData.transform((point.cost, point.accuracy)) for point in points]
    taken: list[Box] = [(x - 5, y - 5, x + 5, y + 5) for x, y in places]
    for point, (x, _) in zip(points, places, strict=True):
        ends = [axes.transData.transform((point.cost, end))[1] for end in point.interval]
        taken.append((x - 1, ends[0], x + 1, ends[1]))
    for (x, y), point in sorted(zip(places, points, strict=True), key=lambda pair: -pair[0][1]):
        name = format_start(NAME_WIDTH)(point.name)
        width = CELL_POINTS * cell_len(name)
        side, shift, box = _find_free(x, y, width, taken, axes)
        taken.append(box)
        is_far = abs(shift) > LINE_POINTS / 2
        axes.annotate(
            name,
            (point.cost, point.accuracy),
            xytext=(GAP_POINTS * side, shift),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=FONT_SIZE,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": BLUE} if is_far else None,
        )


def _find_free(
    x: float, y: float, width: float, taken: Sequence[Box], axes: Axes
) -> tuple[int, float, Box]:
    """Return where a name beside a point covers nothing: the side, how far up, and its box."""
    left, bottom, right, top = axes.bbox.extents
    half = LINE_POINTS / 2
    choices = []
    for shift in sorted((step * half for step in range(-40, 41)), key=lambda s: (abs(s), s)):
        for side in (1, -1):
            start = x + GAP_POINTS if side > 0 else x - GAP_POINTS - width
            choices.append(
                (side, shift, (start, y + shift - half, start + width, y + shift + half))
            )
    for side, shift, box in choices:
        inside = box[0] >= left and box[1] >= bottom and box[2] <= right and box[3] <= top
        if inside and not any(_overlap(box, other) for other in taken):
            return side, shift, box
    return choices[0]


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
