import numpy as np
import pytest
from matplotlib.collections import PathCollection

from textclf.config.search_space import Choices, Range
from textclf.tuning.plots import measure_importance, plot_study, write_plots
from textclf.tuning.trial import Trial

SPACE = {
    "training.learning_rate": Range(0.001, 1.0, log=True),
    "model.units": Range(1, 8),
    "training.schedule": Choices(("constant", "cosine", None)),
}


def make_trial(number, value, state="complete", rate=None):
    """Return a trial whose learning rate decides its value."""
    rng = np.random.default_rng(number)
    params = {
        "training.learning_rate": rate or float(10 ** rng.uniform(-3, 0)),
        "model.units": int(rng.integers(1, 9)),
        "training.schedule": ("constant", "cosine", None)[number % 3],
    }
    return Trial(number, state, params, value, {}, {}, 1, 1.0, f"{number}", None)


def make_trials(values):
    """Return complete trials, and one that was pruned or failed for each text."""
    return [
        make_trial(number, None, value)
        if isinstance(value, str)
        else make_trial(number, value, rate=0.001 + value / 2)
        for number, value in enumerate(values)
    ]


VALUES = [0.8, 0.7, 0.6, 0.75, "pruned", 0.85, 0.9, "failed", 0.82, 0.5, 0.65]


def plot(values, metric="accuracy", space=SPACE):
    trials = make_trials(values)
    importance = measure_importance(trials, space, metric)
    return plot_study(trials, space, metric, importance, title="cnn on bbc")


def read_points(axes):
    """Return the points of each kind in a panel."""
    return {
        points.get_label(): points.get_offsets().data
        for points in axes.collections
        if isinstance(points, PathCollection)
    }


def test_history_shows_every_trial_and_the_best_so_far():
    axes = plot(VALUES)["history"].axes[0]
    points = read_points(axes)
    assert sorted(points["complete"][:, 0]) == [0, 1, 2, 3, 5, 6, 8, 9, 10]
    assert points["complete"][1].tolist() == [1, 0.7]
    assert points["pruned"][:, 0].tolist() == [4]
    assert points["failed"][:, 0].tolist() == [7]
    assert points["best"].tolist() == [[6, 0.9]]
    assert points["defaults"].tolist() == [[0, 0.8]]
    steps = axes.lines[0].get_ydata()
    assert list(steps) == [0.8, 0.8, 0.8, 0.8, 0.85, 0.9, 0.9, 0.9, 0.9, 0.9]
    assert axes.get_ylabel() == "validation accuracy"
    assert axes.get_title() == "cnn on bbc"


def test_less_is_better_for_the_loss():
    axes = plot(VALUES, "loss")["history"].axes[0]
    assert read_points(axes)["best"].tolist() == [[9, 0.5]]
    assert list(axes.lines[0].get_ydata())[-3:] == [0.5, 0.5, 0.5]
    assert read_points(axes)["pruned"][0, 1] > 0.5  # At the worse end, which is the upper one.
    assert axes.get_ylim()[0] < 0.5
    assert axes.get_ylim()[1] > 0.9


def test_values_that_are_far_worse_do_not_hide_the_others():
    values = [0.80, 0.81, 0.82, 0.83, 0.1]
    axes = plot(values)["history"].axes[0]
    assert axes.get_ylim()[0] > 0.7
    assert read_points(axes)["worse than shown"][:, 0].tolist() == [4]
    assert read_points(axes)["complete"][:, 0].tolist() == [0, 1, 2, 3]
    assert "worse than shown" not in read_points(plot(values[:4])["history"].axes[0])


def test_the_defaults_may_be_the_first_of_several_best_trials():
    points = read_points(plot([0.8, 0.8, 0.8])["history"].axes[0])
    assert points["best"].tolist() == points["defaults"].tolist() == [[0, 0.8]]


def test_slices_have_one_panel_per_key():
    figure = plot(VALUES)["slices"]
    rate, units, schedule = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == list(SPACE)
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear", "linear"]
    assert read_points(rate)["best"][0] == pytest.approx([0.451, 0.9])
    names = [text.get_text() for text in schedule.get_xticklabels()]
    assert names == ["constant", "cosine", "null"]
    shown = read_points(schedule)["complete"]
    assert (abs(shown[:, 0] - shown[:, 0].round()) <= 0.2).all()
    positions = {number: number % 3 for number in (0, 1, 2, 3, 5, 6, 8, 9, 10)}
    assert shown[:, 0].round().tolist() == list(positions.values())
    assert all(float(tick).is_integer() for tick in units.get_xticks())


def test_six_keys_are_in_two_rows():
    space = {f"model.key{number}": Range(0.0, 1.0) for number in range(5)}
    trials = [
        Trial(n, "complete", dict.fromkeys(space, n / 4), n / 4, {}, {}, 1, 1.0, f"{n}")
        for n in range(4)
    ]
    importance = measure_importance(trials, space, "loss")
    figure = plot_study(trials, space, "loss", importance, title="")["slices"]
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False]
    assert figure.get_suptitle() == ""


def test_importance_is_that_of_the_key_that_decides():
    trials = make_trials(VALUES)
    importance = measure_importance(trials, SPACE, "accuracy")
    assert importance == measure_importance(trials, SPACE, "accuracy")
    assert importance.reason is None
    assert next(iter(importance.values)) == "training.learning_rate"
    assert importance.values["training.learning_rate"] > 0.5
    assert sum(importance.values.values()) == pytest.approx(1)
    bars = plot(VALUES)["importance"].axes[0].patches
    assert [bar.get_width() for bar in bars] == list(importance.values.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.1, 0.2, "failed", 0.4], "3 complete trials in the search space: 8 or more are needed"),
        ([0.5] * 9, "all complete trials have the same validation macro F1"),
    ],
)
def test_importance_needs_trials_that_differ(values, reason, tmp_path):
    trials = make_trials(values)
    importance = write_plots(trials, SPACE, "macro_f1", tmp_path, title="cnn on bbc")
    assert importance.values == {}
    assert importance.reason == reason
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.png", "slices.png"]


def test_defaults_outside_of_the_search_space_are_shown_but_not_measured(tmp_path):
    outside = make_trial(0, 0.99, rate=5.0)
    trials = [outside, *make_trials(VALUES)[1:]]
    importance = write_plots(trials, SPACE, "accuracy", tmp_path, title="cnn on bbc")
    shifted = [make_trial(0, 0.1, rate=5.0), *trials[1:]]
    assert importance == measure_importance(shifted, SPACE, "accuracy")
    assert {path.name for path in tmp_path.iterdir()} == {
        "history.png",
        "importance.png",
        "slices.png",
    }
    figure = plot_study(trials, SPACE, "accuracy", importance, title="")["slices"]
    assert read_points(figure.axes[0])["defaults"].tolist() == [[5.0, 0.99]]


def test_defaults_that_are_not_a_choice_have_a_tick_and_words_are_beside_a_range():
    space = {"model.units": Range(1, 8), "training.schedule": Choices(("constant", "cosine"))}
    params = [("auto", "linear"), (2, "cosine"), (None, "linear")]
    trials = [
        Trial(n, "complete", dict(zip(space, values, strict=True)), n / 4, {}, {}, 1, 1.0, f"{n}")
        for n, values in enumerate(params)
    ]
    importance = measure_importance(trials, space, "accuracy")
    units, schedule = plot_study(trials, space, "accuracy", importance, title="")["slices"].axes
    names = [text.get_text() for text in schedule.get_xticklabels()]
    assert names == ["constant", "cosine", "linear"]
    assert read_points(schedule)["complete"][:, 0].round().tolist() == [2, 1, 2]
    assert read_points(units)["complete"][:, 0].tolist() == [-0.75, 2, -0.75]
    assert [text.get_text() for text in units.get_xticklabels()] == ["auto", "2", "4", "6", "8"]
    assert units.get_xlim()[0] < -0.75


def test_every_trial_is_inside_of_every_panel():
    space = {
        "training.learning_rate": Range(0.0003, 0.01, log=True),
        "training.weight_decay": Range(0.00001, 0.001, log=True),
        "model.ratio": Choices(("ones", "naive-bayes", "other")),
    }
    rows = [
        ("complete", 0.59, 0.001, 0, "ones"),
        ("pruned", None, 0.00032, 0.0002, "ones"),
        ("failed", None, 0.0098, 0.0003, "ones"),
        ("complete", 0.01, 0.00086, 0.0004, "ones"),
        ("complete", 0.58, 0.002, 0.0005, "naive-bayes"),
        *(("complete", value, 0.003, 0.0006, "naive-bayes") for value in (0.74, 0.75, 0.75)),
    ]
    trials = [
        Trial(n, state, dict(zip(space, values, strict=True)), value, {}, {}, 1, 1.0, f"{n}")
        for n, (state, value, *values) in enumerate(rows)
    ]
    importance = measure_importance(trials, space, "accuracy")
    figure = plot_study(trials, space, "accuracy", importance, title="")["slices"]
    n_points = {"complete": 5, "worse than shown": 1, "pruned": 1, "failed": 1}
    for axes in figure.axes:
        points = read_points(axes)
        assert {name: len(at) for name, at in points.items()} == {
            **n_points,
            "defaults": 1,
            "best": 1,
        }
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for name, at in points.items():
            assert ((left < at[:, 0]) & (at[:, 0] < right)).all(), (axes.get_xlabel(), name)
            is_at_edge = name in {"worse than shown", "pruned", "failed"}
            low, high = (0, 0.05) if is_at_edge else (bottom, top)
            assert ((low < at[:, 1]) & (at[:, 1] < high)).all(), (axes.get_xlabel(), name)
    assert figure.axes[2].get_xlim() == (-0.5, 2.5)
    names = [text.get_text() for text in figure.axes[1].get_xticklabels()]
    assert [names[0], names[1], names[-1]] == ["0", "1e-05", "0.001"]
