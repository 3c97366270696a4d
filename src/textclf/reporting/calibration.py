"""The calibration of a run, before and after, as a plot."""

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from textclf.evaluation.calibration import calibration_bins
from textclf.evaluation.metrics import FloatArray
from textclf.evaluation.plots import BLUE, GRAY, plot_bins
from textclf.evaluation.temperature import CalibrationReport
from textclf.models._calibration import Calibration
from textclf.reporting.predictions import LabeledPredictions


def plot_calibration(
    predictions: LabeledPredictions, calibration: CalibrationReport | None
) -> Figure:
    """Plot accuracy against confidence, before and after calibration."""
    labels = predictions.examples.labels
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], ":", color=GRAY, label="perfectly calibrated")
    name = "model"
    if calibration:
        before = calibration_bins(labels, restore_uncalibrated(predictions, calibration))
        plot_bins(axes, before, GRAY, "before calibration", marker="s")
        name = "after calibration"
    plot_bins(axes, calibration_bins(labels, predictions.probabilities), BLUE, name)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), ylabel="accuracy")
    axes.set_xlabel("confidence: probability of the predicted label")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(alpha=0.2, color=GRAY)
    axes.legend(loc="best", frameon=False)
    return figure


def restore_uncalibrated(
    predictions: LabeledPredictions, calibration: CalibrationReport
) -> FloatArray:
    """Return the probabilities before calibration, <float64>[examples, labels], up to rounding."""
    prior = predictions.label_counts / predictions.label_counts.sum()
    applied = Calibration(1 / calibration.temperature, calibration.prior_weight, tuple(prior))
    return applied.undo(predictions.probabilities)
