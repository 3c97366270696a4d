"""The section of a report that compares runs: which model is best, and how sure that is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from textclf.comparison.comparison import Comparison
from textclf.comparison.model_results import ModelResults
from textclf.comparison.report import Row
from textclf.data.dataset import TextDataset
from textclf.models._build import CHANCE_BASELINE
from textclf.reporting.configurations import Configurations
from textclf.reporting.context import ReportContext
from textclf.reporting.disagreements import Disagreements
from textclf.reporting.documents import Document
from textclf.reporting.label_scores import LabelScores
from textclf.reporting.plots import (
    CostPoint,
    Curve,
    plot_cost,
    plot_histories,
    plot_seeds,
)
from textclf.reporting.ranking import Ranking, name_by_accuracy
from textclf.reporting.svg import format_svg

COSTS = {"train_seconds": "seconds to train", "n_parameters": "parameters"}
"""What is plotted against accuracy, by the key of a row."""


@dataclass(frozen=True)
class ComparisonSection:
    """What the template ``comparison.html`` shows.

    Attributes:
        documents: ``comparison``, what ``textclf compare --format json`` prints, and others.
        notes: Sentences that explain the table.
        names: Name of the model of each row, with its fingerprint if it is ambiguous.
        ranking: Which model is the best.
        deterministic: Names of the models whose seeds all predict the same examples correctly.
        cost: Plots of accuracy against cost.
        seeds: Plot of the accuracy of every run.
        histories: Plot of the epochs of each network, by its name.
        without_epochs: Names of the models that are not trained in epochs.
        labels: Scores of each label; None for one model.
        disagreements: Examples on which two models disagree; None for one model.
        configurations: Differences of configuration; None for one model.
    """

    documents: list[Document]
    notes: list[str]
    names: list[str]
    ranking: Ranking
    deterministic: list[str]
    cost: list[Markup]
    seeds: Markup
    histories: dict[str, Markup]
    without_epochs: list[str]
    labels: LabelScores | None
    disagreements: Disagreements | None
    configurations: Configurations | None

    @classmethod
    def of(
        cls, comparison: Comparison, dataset: TextDataset, context: ReportContext
    ) -> "ComparisonSection":
        """Describe a comparison.

        Args:
            comparison: Finished runs on one test set.
            dataset: Their dataset.
            context: How the report is made.
        """
        rows, models = comparison.rows, name_by_accuracy(comparison.models)
        names = {model.first.fingerprint: name for name, model in models.items()}
        documents = [
            Document("comparison", "The table, as textclf compare --format json", {"rows": rows}),
            Document("runs", "Every run, from its evaluation.json", _list_runs(models)),
        ]
        labels = disagreements = configurations = None
        if len(models) > 1:
            judged = _leave_out_chance(models)
            labels = LabelScores.of(judged)
            disagreements = Disagreements.of(judged, dataset, texts=context.texts)
            configurations = Configurations.of(models)
            documents += [labels.document, disagreements.document, configurations.document]
        curves = _read_curves(models)
        return cls(
            documents,
            comparison.notes,
            [names.get(row["fingerprint"], row["model"]) for row in rows],
            Ranking.of(rows),
            [name for name, model in models.items() if _is_deterministic(model)],
            _plot_costs(rows, names),
            _plot_seeds(models),
            _plot_histories(curves),
            [name for name in models if name not in curves],
            labels,
            disagreements,
            configurations,
        )


def _is_deterministic(model: ModelResults) -> bool:
    """Return whether several seeds predict the same examples correctly."""
    return len(model.correct) > 1 and bool((model.correct == model.correct[0]).all())


def _leave_out_chance(models: Mapping[str, ModelResults]) -> Mapping[str, ModelResults]:
    """Return models without the chance baseline, unless too few remain to compare."""
    kept = {name: m for name, m in models.items() if m.first.model != CHANCE_BASELINE}
    return kept if len(kept) > 1 else models


def _list_runs(models: Mapping[str, ModelResults]) -> dict[str, Any]:
    """Return the main values of each run."""
    return {
        "runs": [
            {
                "run": str(run.path),
                "model": name,
                "seed": result.seed,
                **{key: result.evaluation.metrics[key] for key in ("accuracy", "macro_f1", "loss")},
                "best_epoch": result.best_epoch,
                "n_epochs": result.n_epochs,
                "train_seconds": result.train_seconds,
            }
            for name, model in models.items()
            for run, result in zip(model.runs, model.results, strict=True)
        ]
    }


def _plot_costs(rows: Sequence[Row], names: Mapping[str, str]) -> list[Markup]:
    """Plot accuracy against each cost, without the chance baseline, which is far below."""
    shown = [row for row in rows if not row["error"] and row["model"] != CHANCE_BASELINE]
    if len(shown) < 2:
        return []
    return [
        format_svg(
            plot_cost(
                [
                    CostPoint(
                        names[row["fingerprint"]],
                        row[key],
                        row["accuracy"],
                        row["accuracy_interval"],
                    )
                    for row in shown
                ],
                label,
            ),
            f"Accuracy against {label}, one point per model; the values are in the table above.",
        )
        for key, label in COSTS.items()
    ]


def _plot_seeds(models: Mapping[str, ModelResults]) -> Markup:
    shown = _leave_out_chance(models)
    accuracies = {
        name: [result.evaluation.metrics["accuracy"] for result in model.results]
        for name, model in shown.items()
    }
    return format_svg(
        plot_seeds(accuracies),
        "Accuracy of every run, one line per model; the values are in the table of runs.",
    )


def _read_curves(models: Mapping[str, ModelResults]) -> dict[str, list[Curve]]:
    """Return the epochs of each run of the models that have epochs."""
    curves = {
        name: [
            Curve(rows, result.best_epoch)
            for run, result in zip(model.runs, model.results, strict=True)
            if (rows := run.read_history())
        ]
        for name, model in models.items()
    }
    return {name: found for name, found in curves.items() if found}


def _plot_histories(curves: Mapping[str, Sequence[Curve]]) -> dict[str, Markup]:
    if not curves:
        return {}
    return {
        name: format_svg(figure, f"Loss and accuracy of {name} by epoch.")
        for name, figure in plot_histories(curves).items()
    }
