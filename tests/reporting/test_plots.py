import math

import pytest
from matplotlib.text import Text

from textclf.reporting.plots import CostPoint, Curve, plot_cost, plot_histories, plot_seeds
from textclf.reporting.svg import format_svg
from textclf.training.history import EpochRow


def make_points(costs, accuracies=None):
    accuracies = accuracies or [0.9] * len(costs)
    return [
        CostPoint(f"model-{i}", cost, accuracy, (accuracy - 0.01, accuracy + 0.01))
        for i, (cost, accuracy) in enumerate(zip(costs, accuracies, strict=True))
    ]


@pytest.mark.parametrize(
    ("costs", "scale"), [([1, 100], "log"), ([50, 100], "linear"), ([0, 100], "linear")]
)
def test_the_cost_axis_is_logarithmic_if_its_range_asks_for_it(costs, scale):
    [axes] = plot_cost(make_points(costs), "seconds").axes
    assert axes.get_xscale() == scale
    low, high = axes.get_xlim()
    assert low <= min(costs) < max(costs) < high


@pytest.mark.parametrize("costs", [[3.0] * 8, [1, 1.1, 1.2, 1.3, 5, 50, 51, 52]])
def test_names_of_models_overlap_neither_each_other_nor_points(costs):
    figure = plot_cost(make_points(costs), "seconds")
    format_svg(figure, "drawn")
    [axes] = figure.axes
    boxes = [Text.get_window_extent(text) for text in axes.texts]
    assert len(boxes) == len(costs)
    for i, box in enumerate(boxes):
        assert axes.bbox.x0 <= box.x0 < box.x1 <= axes.bbox.x1
        assert not any(box.overlaps(other) for other in boxes[:i])
        for point in axes.transData.transform([(cost, 0.9) for cost in costs]):
            assert not box.contains(*point)


def test_every_run_is_a_point_on_the_line_of_its_model():
    [axes] = plot_seeds({"cnn": [0.7, 0.8], "mlp": [0.6]}).axes
    points = [line for line in axes.lines if line.get_marker() == "o"]
    drawn = [list(zip(line.get_xdata(), line.get_ydata(), strict=True)) for line in points]
    assert drawn == [[(0.7, 0), (0.8, 0)], [(0.6, 1)]]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["cnn", "mlp"]


def make_curve(losses, best_epoch):
    return Curve(
        [EpochRow(i + 1, loss, 0.5, loss + 1, 0.6, 0.1, 1.0) for i, loss in enumerate(losses)],
        best_epoch,
    )


def test_histories_share_their_axes_and_mark_the_best_epoch():
    curves = {"cnn": [make_curve([2.0, 1.0], 2), make_curve([1.5, 1.5], 1)]}
    curves["mlp"] = [make_curve([9.0, math.nan], 1)]
    figures = plot_histories(curves)
    limits = [[axes.get_ylim() for axes in figure.axes] for figure in figures.values()]
    assert limits[0] == limits[1] == [(0, 10.5), (0, 1.02)]
    loss, accuracy = figures["cnn"].axes
    assert [list(line.get_ydata()) for line in loss.lines] == [
        [2.0, 1.0],
        [3.0, 2.0],
        [1.5, 1.5],
        [2.5, 2.5],
    ]
    assert [line.get_markevery() for line in loss.lines] == [[1], [1], [0], [0]]
    assert len(accuracy.lines) == 4


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_history_without_a_finite_loss_is_plotted(loss):
    figures = plot_histories({"cnn": [make_curve([loss, loss], None)]})
    assert figures["cnn"].axes[0].get_ylim() == (0, 1.05)
