import numpy as np
import pytest

from textclf.evaluation.calibration import CalibrationBins
from textclf.evaluation.curve_plot import CurvePoint, plot_learning_curve
from textclf.evaluation.metrics import evaluate
from textclf.evaluation.plots import (
    plot_calibration,
    plot_confusion,
    plot_evaluation,
    plot_history,
)
from textclf.training.history import EpochRow, History


def make_history(n_epochs):
    rows = [
        EpochRow(i, 1 / i, 1 - 1 / (i + 1), 2 / i + i / 8, 0.5, 0.001, 1)
        for i in range(1, n_epochs + 1)
    ]
    return History("val_loss", rows)


@pytest.mark.parametrize("n_epochs", [1, 2, 10, 200])
def test_history_plot_has_four_curves_on_two_axes(n_epochs):
    history = make_history(n_epochs)
    figure = plot_history(history, "title")
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss (nats)", "accuracy")
    curves = [*left.lines[:2], *right.lines]
    assert [curve.get_label() for curve in curves] == [
        "train loss",
        "validation loss",
        "train accuracy",
        "validation accuracy",
    ]
    assert list(curves[1].get_ydata()) == [row.val_loss for row in history.rows]
    assert list(curves[0].get_xdata()) == list(range(1, n_epochs + 1))
    assert left.lines[2].get_xdata()[0] == history.best_epoch
    figure.draw_without_rendering()
    shown = [tick for tick in left.get_xticks() if left.get_xlim()[0] <= tick <= left.get_xlim()[1]]
    assert shown
    assert all(float(tick).is_integer() for tick in shown)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[-1] == f"best epoch: {history.best_epoch} (val_loss)"


def test_confusion_plot_shows_fractions_of_rows():
    figure = plot_confusion([[3, 1], [0, 0]], ["a", "b"], "title")
    axes = figure.axes[0]
    assert axes.collections[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a (4)", "b (0)"]
    assert [text.get_text() for text in axes.texts] == ["75%", "25%"]


def test_confusion_plot_of_many_labels_names_them_all():
    names = [f"label {i}" for i in range(46)]
    figure = plot_confusion(np.eye(46, dtype=int).tolist(), names, "title")
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == names
    assert figure.get_size_inches()[1] * figure.dpi > 46 * 20


def test_long_label_is_shortened_in_the_confusion_plot(tmp_path):
    names = [f"{'long name ' * 9}{i}"[:90] for i in range(2)]
    figure = plot_confusion([[3, 1], [0, 4]], names, "title")
    figure.savefig(tmp_path / "a.png")  # Warns if the labels leave no room.
    shown = "long name " * 3 + "long na..."
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == [shown] * 2
    assert [text.get_text() for text in axes.get_yticklabels()] == [f"{shown} (4)"] * 2


def test_confusion_plot_has_room_for_wide_letters(tmp_path):
    names = ["W" * 50, "b"]
    figure = plot_confusion([[3, 1], [0, 4]], names, "title")
    figure.savefig(tmp_path / "a.png")  # Warns if the labels leave no room.
    assert figure.axes[0].get_window_extent().width > 100


def test_confusion_plot_of_a_thousand_labels_has_colors_only(tmp_path):
    counts = np.eye(1_000, dtype=int).tolist()
    figure = plot_confusion(counts, ["x" * 40] * 1_000, "title")
    assert max(figure.get_size_inches() * figure.dpi) < 4_000
    short = plot_confusion(counts, ["x"] * 1_000, "title")
    assert np.array_equal(figure.get_size_inches(), short.get_size_inches())
    assert not figure.axes[0].texts
    figure.savefig(tmp_path / "a.png")


def test_calibration_plot_shows_accuracy_and_count_of_bins():
    bins = CalibrationBins(np.array([0.3, 0.9]), np.array([0.5, 0.8]), np.array([10, 30]))
    top, bottom = plot_calibration(bins, 0.125, "title").axes
    assert list(top.lines[1].get_ydata()) == [0.5, 0.8]
    assert [bar.get_height() for bar in bottom.patches] == [10, 30]
    assert "expected calibration error 0.125" in top.get_title()


def test_calibration_plot_shows_both_curves():
    labels, before = np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]])
    after = np.array([[0.6, 0.4], [0.45, 0.55]])
    evaluation = evaluate(labels, after, ["a", "b"], majority_label=0)
    plots = plot_evaluation(evaluation, labels, after, "m", uncalibrated=before)
    top, _ = plots["calibration"].axes
    names = [text.get_text() for text in top.get_legend().get_texts()]
    before, after = "before calibration: error 0.450", "after calibration: error 0.475"
    assert names == ["perfectly calibrated", before, after]
    assert [list(line.get_xdata()) for line in top.lines[1:]] == [[0.8, 0.9], [0.55, 0.6]]
    sizes = [list(points.get_sizes()) for points in top.collections]
    assert sizes == [[158, 158], [158, 158]]  # As many examples each.


@pytest.mark.parametrize(
    ("split", "title", "examples"),
    [("test", "m: test accuracy 50.0%", "test examples"), (None, "m: accuracy 50.0%", "examples")],
)
def test_plots_of_an_evaluation_say_which_examples_they_show(split, title, examples):
    labels, probabilities = np.array([0, 0]), np.array([[0.9, 0.1], [0.2, 0.8]])
    evaluation = evaluate(labels, probabilities, ["a", "b"], majority_label=0)
    plots = plot_evaluation(evaluation, labels, probabilities, "m", split=split)
    assert list(plots) == ["confusion", "calibration"]
    assert plots["confusion"].axes[0].get_title() == title
    assert plots["confusion"].axes[0].get_ylabel() == f"true ({examples})"
    assert plots["calibration"].axes[1].get_ylabel() == examples
    assert [bar.get_height() for bar in plots["calibration"].axes[1].patches] == [1, 1]


def test_calibration_plot_has_the_diagonal_and_axes_of_percents():
    bins = CalibrationBins(np.array([0.3, 0.9]), np.array([0.5, 0.8]), np.array([10, 30]))
    figure = plot_calibration(bins, 0.125, "title")
    top, bottom = figure.axes
    diagonal = top.lines[0]
    assert (list(diagonal.get_xdata()), list(diagonal.get_ydata())) == ([0, 1], [0, 1])
    assert (top.get_xlim(), top.get_ylim()) == ((0, 1), (0, 1.02))
    assert bottom.get_xlim() == (0, 1)  # Both have the same confidence below each other.
    figure.draw_without_rendering()
    ticks = {tick.get_position()[1]: tick.get_text() for tick in top.get_yticklabels()}
    assert (ticks[0.0], ticks[1.0]) == ("0%", "100%")


def test_calibration_plot_of_an_evaluation_has_the_bins_of_its_predictions():
    labels, probabilities = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.72, 0.28]])
    evaluation = evaluate(labels, probabilities, ["a", "b"], majority_label=0)
    top, _ = plot_evaluation(evaluation, labels, probabilities, "m")["calibration"].axes
    assert list(top.lines[1].get_xdata()) == pytest.approx([0.72, 0.8, 0.9])
    assert list(top.lines[1].get_ydata()) == [0, 1, 1]


@pytest.mark.parametrize(
    ("sizes", "marked"), [((100, 135, 400), [100, 135, 400]), ((100, 134, 400), [100, 200, 500])]
)
def test_learning_curve_marks_its_sizes_if_there_is_room(sizes, marked):
    points = [CurvePoint(size, 0.8, (0.7, 0.9)) for size in sizes]
    figure = plot_learning_curve({"cnn": points}, "title")
    [axes] = figure.axes
    assert axes.get_xlabel() == "training examples"
    ticks = [tick for tick in axes.get_xticks() if 100 <= tick <= 500]
    assert ticks == marked
