"""Plots of a study: its history, the importance of each key, and the metric against each key."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from textclf.config.loading import format_value
from textclf.config.search_space import Choices, Range, SearchSpace
from textclf.errors import format_count
from textclf.evaluation import plots
from textclf.evaluation.plots import BLUE, GRAY, ORANGE
from textclf.tables import format_start
from textclf.tuning.journal import freeze, import_optuna
from textclf.tuning.trial import Trial

MIN_TRIALS = 8
"""Complete trials below which the importance of a key is not measured."""

SHOWN_RANGE = 3
"""Worst value that is shown: so many times as far from the best one as the median, or as the
defaults if these are farther."""

N_COLUMNS = 3
"""Panels side by side."""

CHOICE_WIDTH = 14
"""Width to which a choice is shortened."""

ASIDE = 0.25
"""Distance from a range to a value that is not on its axis, as a fraction of the range."""


@dataclass(frozen=True)
class Importance:
    """How much of the differences between trials each key explains, by Optuna's fANOVA.

    Attributes:
        values: Fraction of the variance of the metric by key, the largest first; the sum is 1.
        reason: Why it was not measured; None if it was.
    """

    values: Mapping[str, float]
    reason: str | None = None


def measure_importance(trials: Sequence[Trial], space: SearchSpace, metric: str) -> Importance:
    """Measure the importance of each key from the complete trials.

    Args:
        trials: Finished trials.
        space: Search space.
        metric: Metric of the study, for messages.
    """
    optuna = import_optuna()
    frozen = [freeze(trial, space) for trial in trials if trial.state == "complete"]
    used = [trial for trial in frozen if trial.params.keys() == space.keys()]
    if len(used) < MIN_TRIALS:
        count = format_count(len(used), "complete trial")
        return Importance({}, f"{count} in the search space: {MIN_TRIALS} or more are needed")
    if len({trial.value for trial in used}) == 1:
        return Importance({}, f"all complete trials have the same {format_metric(metric)}")
    study = optuna.create_study(direction="minimize")  # The direction changes nothing.
    study.add_trials(used)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    measured = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return Importance({key: float(value) for key, value in measured.items()})


def format_metric(metric: str) -> str:
    """Return what is plotted, such as ``validation macro F1``."""
    return f"validation {metric.replace('_f1', ' F1')}"


def write_plots(
    trials: Sequence[Trial], space: SearchSpace, metric: str, folder: Path, *, title: str
) -> Importance:
    """Write ``history.png``, ``slices.png`` and, if it was measured, ``importance.png``.

    Args:
        trials: Finished trials.
        space: Search space.
        metric: Metric of the study.
        folder: Folder of the study.
        title: Which study it is.

    Returns:
        The importance of each key, or why it was not measured.
    """
    importance = measure_importance(trials, space, metric)
    plots.write_plots(plot_study(trials, space, metric, importance, title=title), folder)
    return importance


def plot_study(
    trials: Sequence[Trial], space: SearchSpace, metric: str, importance: Importance, *, title: str
) -> dict[str, Figure]:
    """Plot a study.

    Args:
        trials: Finished trials, one of them complete.
        space: Search space.
        metric: Metric of the study.
        importance: Importance of each key.
        title: Which study it is; empty for no title.

    Returns:
        ``history``, ``importance`` if it was measured, and ``slices``.
    """
    scale = _Scale.of(trials, metric)
    figures = {"history": _plot_history(trials, scale)}
    if importance.values:
        figures["importance"] = _plot_importance(importance.values)
    figures["slices"] = _plot_slices(trials, space, scale)
    for name, figure in figures.items():
        if title and name == "slices":
            figure.suptitle(title)
        elif title:
            figure.axes[0].set_title(title)
    return figures


@dataclass(frozen=True)
class _Scale:
    """The axis of the metric, which leaves out values that are far worse than the others.

    Attributes:
        label: Its label.
        ends: Lowest and highest value.
        best: The complete trial with the best value; of several, the first.
        is_loss: Whether less is better.
    """

    label: str
    ends: tuple[float, float]
    best: Trial
    is_loss: bool

    @classmethod
    def of(cls, trials: Sequence[Trial], metric: str) -> "_Scale":
        """Choose an axis for the values of all complete trials."""
        is_loss = metric == "loss"
        complete = [trial for trial in trials if trial.value is not None]
        choose = min if is_loss else max
        best = choose(complete, key=_get_value)
        values = np.array([_get_value(trial) for trial in complete])
        worst = values.max() if is_loss else values.min()
        compared = [np.median(values), *(_get_value(t) for t in complete if t.number == 0)]
        distance = SHOWN_RANGE * max(abs(value - _get_value(best)) for value in compared)
        shown = min(abs(worst - _get_value(best)), distance or math.inf)
        worse, margin = 1 if is_loss else -1, 0.08 * shown or 0.01
        better_end = _get_value(best) - worse * margin
        worse_end = _get_value(best) + worse * (shown + 2 * margin)  # With room for other marks.
        ends = (min(better_end, worse_end), max(better_end, worse_end))
        return cls(format_metric(metric), ends, best, is_loss)

    def is_shown(self, trial: Trial) -> bool:
        """Return whether a complete trial is inside of the axis."""
        return self.ends[0] <= _get_value(trial) <= self.ends[1]

    def apply(self, axes: Axes) -> None:
        """Set the limits and the look of axes."""
        axes.set_ylim(*self.ends)
        axes.grid(alpha=0.25)


def _get_value(trial: Trial) -> float:
    return math.nan if trial.value is None else trial.value


STYLES: Mapping[str, Mapping[str, Any]] = {
    "complete": {"marker": "o", "color": BLUE, "s": 28, "alpha": 0.8},
    "worse than shown": {"marker": "d", "color": BLUE, "s": 28, "alpha": 0.8},
    "pruned": {"marker": "|", "color": GRAY, "s": 60},
    "failed": {"marker": "x", "color": GRAY, "s": 30},
    "defaults": {"marker": "D", "facecolors": "none", "edgecolors": "black", "s": 70},
    "best": {"marker": "*", "color": ORANGE, "s": 150, "zorder": 3},
}
"""How the points of each kind of trial are drawn; those without a value are at the worse end."""


def _scatter(
    axes: Axes, trials: Sequence[Trial], positions: Mapping[int, float], scale: _Scale
) -> None:
    """Draw trials at their positions on the horizontal axis, by their number."""
    edge = 0.97 if scale.is_loss else 0.03
    for kind, style in STYLES.items():
        chosen = [trial for trial in trials if _is_of_kind(trial, kind, scale)]
        x = [positions[trial.number] for trial in chosen]
        if not chosen:
            continue
        if kind in {"worse than shown", "pruned", "failed"}:
            transform = axes.get_xaxis_transform()
            axes.scatter(x, [edge] * len(x), label=kind, transform=transform, **style)
        else:
            axes.scatter(x, [_get_value(trial) for trial in chosen], label=kind, **style)


def _is_of_kind(trial: Trial, kind: str, scale: _Scale) -> bool:
    """Return whether a trial is drawn in one of `STYLES`; a trial may have several."""
    if kind == "best":
        return trial == scale.best
    if trial.value is None:
        return trial.state == kind
    if kind == "defaults":
        return trial.number == 0
    return kind == ("complete" if scale.is_shown(trial) else "worse than shown")


def _plot_history(trials: Sequence[Trial], scale: _Scale) -> Figure:
    """Plot the value of each trial, and the best one so far."""
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    complete = [trial for trial in trials if trial.value is not None]
    accumulate = np.minimum if scale.is_loss else np.maximum
    best_so_far = accumulate.accumulate([_get_value(trial) for trial in complete])
    last = trials[-1].number
    axes.step(
        [*(trial.number for trial in complete), last],
        [*best_so_far, best_so_far[-1]],
        where="post",
        color=ORANGE,
        lw=1.5,
        label="best so far",
    )
    _scatter(axes, trials, {trial.number: trial.number for trial in trials}, scale)
    scale.apply(axes)
    axes.set_xlim(-0.5, last + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlabel("trial")
    axes.set_ylabel(scale.label)
    figure.legend(loc="outside lower center", ncols=7, frameon=False, fontsize=9)
    return figure


def _plot_importance(values: Mapping[str, float]) -> Figure:
    """Plot the importance of each key as bars."""
    figure = Figure(figsize=(8, 1.2 + 0.4 * len(values)), dpi=120, layout="constrained")
    axes = figure.subplots()
    bars = axes.barh([*values], [*values.values()], height=0.6, color=BLUE)
    axes.bar_label(bars, [f"{value:.0%}" for value in values.values()], padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1 * max(values.values()))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:.0%}"))
    axes.set_xlabel("importance (fraction of the variance between trials)")
    axes.grid(alpha=0.25, axis="x")
    return figure


def _plot_slices(trials: Sequence[Trial], space: SearchSpace, scale: _Scale) -> Figure:
    """Plot the value of each trial against each key."""
    n_columns = 2 if len(space) == 4 else min(N_COLUMNS, len(space))
    n_rows = math.ceil(len(space) / n_columns)
    figure = Figure(figsize=(3.2 * n_columns, 2.7 * n_rows + 0.5), dpi=120, layout="constrained")
    panels = figure.subplots(n_rows, n_columns, sharey=True, squeeze=False).ravel()
    for axes, (key, domain) in zip(panels, space.items(), strict=False):
        positions = _list_positions(trials, key, domain)
        _set_axis(axes, domain, [trial.params[key] for trial in trials], positions.values())
        _scatter(axes, trials, positions, scale)
        scale.apply(axes)
        axes.set_xlabel(key)
    for axes in panels[len(space) :]:
        axes.set_visible(False)
    for axes in panels[::n_columns]:
        axes.set_ylabel(scale.label)
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles,
        loc="outside lower center",
        ncols=2 * n_columns,
        frameon=False,
        fontsize=9,
    )
    return figure


def _list_positions(trials: Sequence[Trial], key: str, domain: Range | Choices) -> dict[int, float]:
    """Return where each trial is on the axis of a key; those of one choice are side by side."""
    values = {trial.number: trial.params[key] for trial in trials}
    if isinstance(domain, Range):
        aside = _find_aside(domain)
        return {n: x if _is_on_axis(x, domain) else aside for n, x in values.items()}
    choices = _list_choices(domain, values.values())
    return {
        number: choices.index(value) + 0.4 * ((0.618 * number + 0.5) % 1 - 0.5)
        for number, value in values.items()
    }


def _is_on_axis(value: Any, domain: Range) -> bool:
    """Return whether the axis of a range has a value: the defaults may be null, a word, or 0."""
    return isinstance(value, int | float) and (value > 0 or not domain.log)


def _find_aside(domain: Range) -> float:
    """Return the place of a value that is not on the axis of a range, to the left of it."""
    if domain.log:
        return domain.low * math.pow(domain.low / domain.high, ASIDE)
    return domain.low - ASIDE * (domain.high - domain.low)


def _list_choices(domain: Choices, values: Iterable[Any]) -> list[Any]:
    """Return the choices, and the value of the defaults if it is not one of them."""
    others = [value for value in values if value not in domain.choices]
    return [*domain.choices, *others[:1]]


def _set_axis(
    axes: Axes, domain: Range | Choices, values: Sequence[Any], positions: Iterable[float]
) -> None:
    """Set the horizontal axis of a key, whose trials have these values at these positions."""
    if isinstance(domain, Choices):
        shown = map(format_value, _list_choices(domain, values))
        names = [*map(format_start(CHOICE_WIDTH), shown)]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        return
    if domain.log:
        axes.set_xscale("log")
        if domain.high < 100 * domain.low:
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=domain.is_integer))
    if aside := [format_value(value) for value in values if not _is_on_axis(value, domain)]:
        ticks = axes.xaxis.get_major_locator().tick_values(domain.low, domain.high)
        kept = [f"{tick:g}" for tick in ticks if domain.low <= float(f"{tick:g}") <= domain.high]
        names = [format_start(CHOICE_WIDTH)(aside[0]), *kept]
        axes.set_xticks([_find_aside(domain), *map(float, kept)], names)
        axes.minorticks_off()
    # Matplotlib leaves out points at an edge, such as pruned trials, when it chooses the limits.
    axes.update_datalim([(x, 0) for x in (domain.low, domain.high, *positions)], updatey=False)
