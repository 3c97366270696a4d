"""Plot of a learning curve: accuracy of several models by the number of training examples."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from textclf.evaluation.plots import BLUE, GRAY, ORANGE
from textclf.tables import format_start

NAME_WIDTH = 40
"""Width to which the name of a model is shortened."""

STYLES = (
    (BLUE, "o"),
    (ORANGE, "s"),
    ("#2f9161", "^"),
    ("#8f6cc4", "D"),
    ("#c9526a", "v"),
    (GRAY, "P"),
    ("#1b93a5", "X"),
    ("#8d842c", "*"),
)
"""Color and marker of each model; the colors have contrast on a light and on a dark page."""

SHIFT = 1.014
"""Ratio of the positions of neighboring models, so that their intervals are beside each other."""

MIN_RATIO = 1.35
"""Ratio of two sizes from which on both are written below the axis."""


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy of a model that was fitted on a number of training examples."""

    n_examples: int
    accuracy: float
    interval: tuple[float, float]


Curves = Mapping[str, Sequence[CurvePoint]]
"""Points of each model by its name, the smallest number of training examples first."""


def plot_learning_curve(curves: Curves, title: str) -> Figure:
    """Plot accuracy with its confidence interval by number of training examples.

    Args:
        curves: Points of each model; the legend has the same order.
        title: Which dataset it is about.
    """
    figure = Figure(figsize=(8, 5.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    draw_learning_curve(axes, curves)
    axes.set_title(title)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_learning_curve(axes: Axes, curves: Curves) -> None:
    """Draw the curves, with a logarithmic axis of training examples."""
    axes.set_xscale("log")
    for i, (name, points) in enumerate(curves.items()):
        color, marker = STYLES[i % len(STYLES)]
        shift = SHIFT ** (i - (len(curves) - 1) / 2)
        margins = [
            [point.accuracy - point.interval[0] for point in points],
            [point.interval[1] - point.accuracy for point in points],
        ]
        axes.errorbar(
            [point.n_examples * shift for point in points],
            [point.accuracy for point in points],
            margins,
            color=color,
            marker=marker,
            ms=5,
            lw=1.3,
            elinewidth=1,
            label=format_start(NAME_WIDTH)(name),
        )
    _mark_sizes(axes, sorted({p.n_examples for points in curves.values() for p in points}))
    axes.set_xlabel("training examples")
    axes.set_ylabel("test accuracy, 95% CI")
    axes.grid(alpha=0.25)


def _mark_sizes(axes: Axes, sizes: Sequence[int]) -> None:
    """Write the sizes below the axis if there is room for them, and otherwise powers of ten."""
    is_wide = all(b >= MIN_RATIO * a for a, b in itertools.pairwise(sizes))
    axes.xaxis.set_major_locator(FixedLocator(sizes) if is_wide else LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
