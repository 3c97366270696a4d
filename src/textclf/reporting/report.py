"""Writes one HTML page about finished runs, which needs no other file and no network."""

import os
from pathlib import Path

from textclf.auditing.audit import audit
from textclf.comparison.comparison import Comparison
from textclf.comparison.model_results import ModelResults, group_by_test_set
from textclf.data.loading import load_dataset
from textclf.errors import RequestError, format_list
from textclf.experiment.evaluate import format_title
from textclf.reporting.comparison_section import ComparisonSection
from textclf.reporting.context import ReportContext
from textclf.reporting.dataset_section import DatasetSection
from textclf.reporting.environment_section import EnvironmentSection
from textclf.reporting.learning_curve_section import LearningCurveSection
from textclf.reporting.ranking import Ranking
from textclf.reporting.rendering import render_page
from textclf.reporting.run_section import RunSection
from textclf.reporting.study_section import StudySection
from textclf.runs.run import Run
from textclf.runtime import backend
from textclf.runtime.progress import Phases
from textclf.storage.files import write_text
from textclf.tuning.study import Study

N_NAMED = 3
"""Datasets that a message names."""


def check_output(path: Path) -> None:
    """Raise RequestError if a report cannot be written to ``path`` after all the work."""
    if path.suffix not in {".html", ".htm"}:
        raise RequestError(f"report {path}: expected a name that ends in .html")
    if not path.parent.is_dir():
        raise RequestError(f"report {path}: the folder {path.parent} does not exist")
    if path.is_dir():
        raise RequestError(f"report {path}: it is a folder; give the name of a file")


def write_report(
    comparison: Comparison, path: Path, context: ReportContext, *, study: Study | None = None
) -> None:
    """Write the report of one run, or of a comparison on one test set.

    Args:
        comparison: Finished runs.
        path: File that `check_output` allows; it is replaced.
        context: How it is made.
        study: Study whose best trial and defaults are compared; None if it is not one.

    Raises:
        RequestError: The runs have several test sets, or need a Python file that is not trusted.
        RunError: A run is damaged, its dataset has changed, or the file cannot be written.
    """
    _check_test_set(comparison)
    curves = comparison.learning_curves
    comparison = comparison.at_largest_size()
    reporter, phases = context.reporter, Phases(context.reporter)
    run = Run(_choose_model(comparison).runs[0].path, trust_code=context.trust_code)
    reporter.info(f"loading {run.config.dataset.name}")
    backend.start(context.device)
    dataset = load_dataset(run.config.dataset)
    run.directory.check_dataset(dataset.digest)
    audited = audit(dataset, run.config, phases=phases)
    is_comparison = sum(len(model.runs) for model in comparison.models) > 1
    compared = ComparisonSection.of(comparison, dataset, context) if is_comparison else None
    described = RunSection.of(run, dataset, audited, context)
    card = DatasetSection.of(run.config.dataset, audited, context)
    environment = EnvironmentSection.of(comparison)
    tuned = StudySection.of(study, comparison) if study else None
    learned = LearningCurveSection.of(curves) if curves else None
    sections = [tuned, compared, learned, described, card, environment]
    page = render_page(
        "report.html",
        title=f"Tuning of {study.title}" if study else _format_title(comparison, run),
        documents=[document for section in sections if section for document in section.documents],
        study=tuned,
        comparison=compared,
        learning_curves=learned,
        run=described,
        dataset=card,
        environment=environment,
        texts=context.texts,
        limit=run.config.dataset.limit,
    )
    write_text(path, page)
    reporter.info(f"see {path} ({len(page.encode()) / 1e6:.2f} MB)")


def _choose_model(comparison: Comparison) -> ModelResults:
    """Return the model whose mistakes are shown: the recommended one, or the most accurate."""
    chosen = comparison.rows[Ranking.of(comparison.rows).recommended or 0]["fingerprint"]
    return next(model for model in comparison.models if model.first.fingerprint == chosen)


def _check_test_set(comparison: Comparison) -> None:
    """Raise RequestError unless a run has finished, and all of them have the same test set."""
    if not comparison.models:
        raise RequestError("all runs of the comparison have failed: a report needs a finished run")
    if any(model.fold_sizes for model in comparison.models):
        raise RequestError(
            "a report is about one test set, not about all folds of a cross-validation: name runs"
            " of one fold"
        )
    groups = group_by_test_set(comparison.models)
    if len(groups) > 1:
        names = list(dict.fromkeys(group[0].first.dataset for group in groups))
        first, *others = ([run.path for m in group for run in m.runs] for group in groups)
        example = Path(os.path.commonpath(first))
        if any(path.is_relative_to(example) for paths in others for path in paths):
            example = first[0]
        raise RequestError(
            f"the runs have {len(groups)} test sets ({format_list(names, N_NAMED)}), and a report"
            f" is about one; name its runs, such as {example}"
        )


def _format_title(comparison: Comparison, run: Run) -> str:
    """Return the title of the page."""
    n_models = len(comparison.models)
    if n_models > 1:
        return f"{n_models} models on {run.config.dataset.short_name}"
    n_seeds = len(comparison.models[0].runs)
    if n_seeds > 1:
        return f"{run.config.model.short_name} on {run.config.dataset.short_name}, {n_seeds} seeds"
    return format_title(run.config)
