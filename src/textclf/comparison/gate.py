"""Gates for continuous integration: a drop in accuracy that is both too large and significant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textclf.comparison.model_results import (
    ModelResults,
    check_models,
    compare_all,
    group_by_configuration,
    name_models,
)
from textclf.errors import GateError, RequestError
from textclf.models._build import is_baseline
from textclf.runs.search import read_finished
from textclf.runtime.progress import Reporter

MIN_SEEDS = 3
"""With fewer seeds, the variance over seeds is poorly estimated."""


@dataclass(frozen=True)
class Gate:
    """A reference configuration, and how much worse models may be.

    Attributes:
        reference: Configuration to compare with, with its seeds.
        max_drop: Allowed drop in accuracy, in [0, 1].
        alpha: Rate of false alarms over all models together, in (0, 1).
    """

    reference: ModelResults
    max_drop: float
    alpha: float

    @classmethod
    def read(cls, path: Path, reporter: Reporter, *, max_drop: float, alpha: float) -> "Gate":
        """Read the runs of the one configuration at or below ``path``.

        Raises:
            RequestError: There are several configurations.
        """
        models = group_by_configuration(read_finished([path], reporter))
        if len(models) != 1:
            names_of = name_models(models)
            names = ", ".join(
                f"{model.first.dataset}/{names_of[model.first.fingerprint]}" for model in models
            )
            raise RequestError(
                f"--gate {path}: expected runs of one configuration, got {len(models)}: {names}"
            )
        return cls(models[0], max_drop, alpha)

    def check_folds(self, folds: int | None) -> None:
        """Check that a comparison with this number of folds will be one with the gate.

        Raises:
            RequestError: The gate has other folds.
        """
        n_own = len(self.reference.fold_sizes)
        if n_own != (folds or 0):
            remedy = f"give --folds {n_own}" if n_own else "leave out --folds"
            raise RequestError(
                f"--gate: the gate has {n_own or 'no'} folds, the comparison {folds or 'none'};"
                f" {remedy}, or name another gate"
            )

    def check(
        self, models: Sequence[ModelResults], reporter: Reporter, *, named: Sequence[str] = ()
    ) -> None:
        """Compare every model with the reference, example by example.

        Args:
            models: Models to check; runs of the reference itself are left out.
            reporter: Prints the outcome.
            named: Baseline models that are checked because the user named them.

        Raises:
            RequestError: No model is left to check.
            RunError: A model cannot be compared with the reference.
            GateError: The accuracy of a model dropped by more than allowed, significantly.
        """
        checked = self._select(models, named)
        n_seeds = min(len(model.runs) for model in [*checked, self.reference])
        if n_seeds < MIN_SEEDS:
            reporter.info(
                f"with fewer than {MIN_SEEDS} seeds on one side, the variance over seeds is poorly"
                " estimated, and the rate of false alarms may exceed --alpha"
            )
        for model in checked:
            check_models(model, self.reference)
        differences = compare_all(checked, self.reference, one_sided=True)
        alarms = [
            f"{model.first.model} dropped by {-difference.estimate.mean:.4f}"
            f" (p = {difference.p_value:.2g})"
            for model in checked
            if (difference := differences[model.first.fingerprint])
            and -difference.estimate.mean > self.max_drop
            and difference.p_value < self.alpha
        ]
        limit = self.reference.first.model
        if self.max_drop:
            limit += f" by more than {self.max_drop:g}"
        if alarms:
            raise GateError(f"significantly less accurate than {limit}: {'; '.join(alarms)}")
        reporter.info(f"gate passed: no model is significantly less accurate than {limit}")

    def _select(self, models: Sequence[ModelResults], named: Sequence[str]) -> list[ModelResults]:
        """Return the models to check."""
        own = {run.path.resolve() for run in self.reference.runs}
        selected = [
            model
            for model in models
            if not own & {run.path.resolve() for run in model.runs}
            and model.train_part == self.reference.train_part
            and (not is_baseline(model.first.model) or model.first.model in named)
        ]
        if not selected:
            raise RequestError(
                "--gate: no model is left to check; the gate's own runs are left out, and so are"
                " models with another training size, and baseline models unless --model names them"
            )
        return selected
