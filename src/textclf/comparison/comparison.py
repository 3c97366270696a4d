"""A comparison of finished runs, with the runs that failed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textclf.comparison.model_results import (
    ModelResults,
    check_comparable,
    group_by_configuration,
)
from textclf.comparison.plan import ComparisonPlan
from textclf.comparison.report import complete_row, format_comparison
from textclf.comparison.table import tabulate
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Failure, Result
from textclf.runtime.progress import Reporter
from textclf.tables import terminal_width


@dataclass(frozen=True, repr=False)
class Comparison:
    """A comparison of runs, which a notebook displays as a table.

    Attributes:
        rows: One per configuration, those that failed last; ``docs/results.md`` has the keys.
        notes: Sentences that explain the table.
        models: The finished configurations.
        failures: The runs that failed.
        trust_code: Whether the Python files of the runs may be executed, because the user named or
            trusted them.
    """

    rows: list[dict[str, Any]]
    notes: list[str]
    models: list[ModelResults]
    failures: list[Failure]
    trust_code: bool = False

    def __repr__(self) -> str:
        return format_comparison(self.rows, self.notes, "table", width=terminal_width())

    def _repr_html_(self) -> str:
        return format_comparison(self.rows, self.notes, "html")

    def to_markdown(self) -> str:
        """Return the table with all columns, and the notes."""
        return format_comparison(self.rows, self.notes, "markdown")

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
            reference: Model to compare with; None for the best.
            is_strict: Whether runs that are damaged or cannot be compared are an error; otherwise
                damaged ones are left out, and each test set is compared separately.

        Raises:
            RunError: The reference has no run; or, if strict, a run is damaged or not comparable.
        """
        models = []
        if runs:
            models = group_by_configuration(runs, leave_out=None if is_strict else reporter.info)
        if is_strict:
            for model in models[1:]:
                check_comparable(models[0].first, model.first)
        rows, notes = tabulate(models, reference=reference) if models else ([], [])
        for failure in failures:
            config = failure.config
            row = complete_row(
                {
                    "dataset": config.dataset.short_name,
                    "model": config.model.short_name,
                    "fingerprint": config.fingerprint,
                    "seeds": [config.seed],
                    "error": f"failed: {failure.error}",
                }
            )
            rows.append(row)
            notes.append(f"{config.run_name} {row['error']}")
        return cls(rows, notes, models, failures)


def leave_out(
    failures: Sequence[Failure], plan: ComparisonPlan, reporter: Reporter
) -> list[Failure]:
    """Leave out failed runs that the plan can do without, and say so; return the others."""
    left_out = [failure for failure in failures if plan.may_leave_out(failure)]
    # Every seed fails for the same reason.
    for message in dict.fromkeys(f"{f.config.model.short_name}: {f.error}" for f in left_out):
        reporter.info(f"left out: {message}")
    return [failure for failure in failures if failure not in left_out]
