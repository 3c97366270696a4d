"""Public functions, which compose the packages and which the commands call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.comparison.model_results import (
    ModelResults,
    check_comparable,
    group_by_configuration,
)
from textclf.comparison.plan import ComparisonPlan
from textclf.comparison.table import tabulate
from textclf.errors import EmbeddingError
from textclf.executors._base import ExecutorConfig, Failure, format_run_name, run_all
from textclf.experiment.run import RunContext
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Result
from textclf.runs.search import read_finished
from textclf.runtime.progress import Reporter


@dataclass(frozen=True)
class Comparison:
    """A table of runs.

    Attributes:
        rows: One per configuration, those that failed last; see ``docs/results.md``.
        notes: Sentences that explain the table.
        models: The finished configurations.
        failures: The runs that failed.
    """

    rows: list[dict[str, Any]]
    notes: list[str]
    models: list[ModelResults]
    failures: list[Failure]


def compare(
    paths: Sequence[Path],
    reporter: Reporter,
    *,
    models: Sequence[str] = (),
    reference: str | None = None,
) -> Comparison:
    """Tabulate finished runs.

    Args:
        paths: Run directories, or folders of runs.
        reporter: Prints which runs are left out.
        models: Only runs of these models; all if empty.
        reference: Model to compare with; by default the best.

    Raises:
        RunError: No run is found, or runs that are named cannot be compared.
    """
    runs = read_finished(paths, reporter, models=models)
    # In a folder, each test set is compared separately; runs that are named must be comparable.
    is_strict = all(RunDirectory(path).is_begun for path in paths)
    return _tabulate(runs, [], reporter, reference=reference, is_strict=is_strict)


def run_comparison(
    plan: ComparisonPlan,
    root: Path,
    context: RunContext,
    executor: ExecutorConfig,
    *,
    reference: str | None = None,
) -> Comparison:
    """Run what is missing of a plan, then tabulate its runs; a failed run becomes a row.

    Args:
        plan: The runs that are needed.
        root: Root of the run directories.
        context: How each run is executed.
        executor: Where runs are executed, and how many at once.
        reference: Model to compare with; by default the best.
    """
    runs, failures = run_all(plan.make_configs(), root, context, executor)
    if not plan.names_models:
        failures = _leave_out(failures, context.reporter)
    return _tabulate(runs, failures, context.reporter, reference=reference, is_strict=False)


def _leave_out(failures: Sequence[Failure], reporter: Reporter) -> list[Failure]:
    """Leave out models whose text embedding is not available and that the user did not name."""
    kept = []
    for failure in failures:
        if isinstance(failure.error, EmbeddingError):
            reporter.info(f"{failure.config.model.name} is left out: {failure.error}")
        else:
            kept.append(failure)
    return kept


def _tabulate(
    runs: Sequence[tuple[RunDirectory, Result]],
    failures: list[Failure],
    reporter: Reporter,
    *,
    reference: str | None,
    is_strict: bool,
) -> Comparison:
    models = []
    if runs:
        models = group_by_configuration(runs, leave_out=None if is_strict else reporter.info)
    if is_strict:
        for model in models[1:]:
            check_comparable(models[0].first, model.first)
    rows, notes = tabulate(models, reference=reference) if models else ([], [])
    for failure in failures:
        config, name = failure.config, format_run_name(failure.config)
        row = {
            "dataset": config.dataset.short_name,
            "model": config.model.name,
            "fingerprint": config.fingerprint,
            "seeds": [config.seed],
            "error": f"failed: {failure.error}",
        }
        rows.append(row)
        notes.append(f"{name} {row['error']}")
    return Comparison(rows, notes, models, failures)
