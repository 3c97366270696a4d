"""A comparison of finished runs, with the runs that failed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from textclf.comparison.learning_curve import LearningCurve, find_learning_curves
from textclf.comparison.model_results import (
    TRAIN_PART,
    ModelResults,
    check_models,
    group_by_configuration,
    group_comparable,
)
from textclf.comparison.plan import ComparisonPlan
from textclf.comparison.report import Row, complete_row, format_comparison
from textclf.comparison.table import tabulate
from textclf.errors import RunError
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure, Result
from textclf.runtime.progress import Reporter
from textclf.tables import terminal_width


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison of runs, which a notebook displays as a table.

    Attributes:
        rows: One per configuration, those that failed last; ``docs/reference/results.md`` has
            the keys.
        notes: Sentences that explain the table.
        models: The finished configurations.
        failures: The runs that failed.
        learning_curves: Curves of models that were fitted on parts of the training examples.
        trust_code: Whether the Python files of the runs may be executed, because the user named or
            trusted them.
    """

    rows: list[dict[str, Any]]
    notes: list[str]
    models: list[ModelResults]
    failures: list[Failure]
    learning_curves: list[LearningCurve] = field(default_factory=list)
    trust_code: bool = False

    def __repr__(self) -> str:
        return format_comparison(self.rows, self.notes, "table", width=terminal_width())

    def _repr_html_(self) -> str:
        return format_comparison(self.rows, self.notes, "html")

    def to_markdown(self) -> str:
        """Return the table with all columns, and the notes."""
        return format_comparison(self.rows, self.notes, "markdown")

    def at_largest_size(self) -> "Comparison":
        """Return the comparison of the models with the most training examples.

        It is this one if all models of the test set were fitted on the same part of them.
        """
        groups = group_comparable(self.models)
        if len(groups) < 2:
            return self
        part = groups[-1][0].train_part
        rows = [row for row in self.rows if all(row[key] == part[key] for key in part)]
        failures = [failure for failure in self.failures if _get_train_part(failure) == part]
        references = (row["fingerprint"] for row in rows if row["verdict"] == "reference")
        notes = tabulate(groups[-1], reference=next(references, None))[1]
        notes += map(_note_failure, failures)
        return replace(self, rows=rows, notes=notes, models=groups[-1], failures=failures)

    @classmethod
    def of(
        cls,
        runs: Sequence[tuple[RunDirectory, Result]],
        failures: list[Failure],
        reporter: Reporter,
        *,
        reference: str | None,
        is_strict: bool = False,
    ) -> "Comparison":
        """Compare runs.

        Args:
            runs: Finished runs with their results.
            failures: Runs that failed, which become rows.
            reporter: Prints which runs are left out.
            reference: Model or fingerprint to compare with; None for the best.
            is_strict: Whether runs that are damaged or cannot be compared are an error; otherwise
                damaged ones are left out, and each test set is compared separately.

        Raises:
            RunError: No run can be compared, or the reference has no run; or, if strict, a run is
                damaged or not comparable.
        """
        models = group_by_configuration(runs, leave_out=None if is_strict else reporter.info)
        if runs and not models and not failures:
            raise RunError("no finished run has predictions to compare")
        if is_strict:
            for model in models[1:]:
                check_models(models[0], model)
        rows, notes = tabulate(models, reference=reference) if models else ([], [])
        curves = find_learning_curves(models)
        notes = [*(sentence for curve in curves for sentence in curve.describe()), *notes]
        rows += map(_describe_failure, failures)
        notes += map(_note_failure, failures)
        return cls(rows, notes, models, failures, curves)


def _describe_failure(failure: Failure) -> Row:
    """Return the row of a failed run."""
    config = failure.config
    return complete_row(
        {
            "dataset": config.dataset.short_name,
            "model": config.model.short_name,
            "fingerprint": config.fingerprint,
            "seeds": [config.seed],
            "folds": config.dataset.folds,
            "fold": config.dataset.fold,
            **_get_train_part(failure),
            "error": f"failed: {failure.error}",
        }
    )


def _get_train_part(failure: Failure) -> dict[str, Any]:
    """Return which part of the training examples a failed run was about."""
    return {key: getattr(failure.config.dataset, key) for key in TRAIN_PART}


def _note_failure(failure: Failure) -> str:
    return f"{failure.config.run_name} failed: {failure.error}"


def leave_out(
    failures: Sequence[Failure], plan: ComparisonPlan, reporter: Reporter
) -> list[Failure]:
    """Leave out failed runs that the plan can do without, and say so; return the others."""
    left_out = [failure for failure in failures if plan.may_leave_out(failure)]
    # Every seed fails for the same reason.
    for message in dict.fromkeys(f"{f.config.model.short_name}: {f.error}" for f in left_out):
        reporter.info(f"left out: {message}")
    return [failure for failure in failures if failure not in left_out]
