"""Decides which runs a comparison needs: models, seeds and baseline models."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclf.config.loading import Override
from textclf.config.resolve import load_config, resolve
from textclf.config.schema import ExperimentConfig
from textclf.errors import EmbeddingError, RequestError
from textclf.models._build import BASELINES, is_baseline
from textclf.registry import list_built_in
from textclf.runs.result import Failure


@dataclass(frozen=True)
class ComparisonPlan:
    """The runs that a comparison needs.

    Attributes:
        config_path: Configuration file; None without one.
        overrides: Values that override the file in every run, such as the dataset.
        models: Models to run; if empty, the model of the file, or every network without a file.
        seeds: Seeds to run; if empty, the seed of the configuration.
        folds: Number of folds of a cross-validation; None without one.
        folds_of: Examples that are divided into folds, ``train`` or ``all``; None for ``train``.
        train_fractions: Fractions of the training examples to run; if empty, the configuration's.
        train_per_label: Training examples per label to run, None for all; likewise.
        trust_code: Whether to execute Python files that the file names.

    Raises:
        RequestError: They cannot be combined.
    """

    config_path: Path | None = None
    overrides: Sequence[Override] = ()
    models: Sequence[str] = ()
    seeds: Sequence[int] = ()
    folds: int | None = None
    folds_of: str | None = None
    train_fractions: Sequence[float] = ()
    train_per_label: Sequence[int | None] = ()
    trust_code: bool = False

    def __post_init__(self) -> None:
        if self.folds_of and not self.folds:
            raise RequestError("--folds-of needs --folds, the number of folds")
        sizes = {
            "--train-fractions": self.train_fractions,
            "--train-per-label": self.train_per_label,
        }
        given = [name for name, values in sizes.items() if values]
        if len(given) > 1:
            raise RequestError("give either --train-fractions or --train-per-label")
        if given and self.folds:
            raise RequestError(f"give either --folds or {given[0]}")

    @property
    def names_models(self) -> bool:
        """Whether the user named the models."""
        return bool(self.models) or self.config_path is not None

    def may_leave_out(self, failure: Failure) -> bool:
        """Return whether the comparison makes sense without a run that failed.

        Such a run has a model that the user did not name: a network whose text embedding is not
        available, or a baseline model that cannot be fitted.
        """
        name = failure.config.model.name
        if name not in BASELINES:
            return isinstance(failure.error, EmbeddingError) and not self.names_models
        return isinstance(failure.error, RequestError) and not self._names(name)

    def _names(self, baseline: str) -> bool:
        """Return whether the user named a baseline model, as an option or in the file."""
        if self.models or self.config_path is None:
            return baseline in self.models
        return baseline == self._resolve(None, self._list_variants()[0]).model.name

    def make_configs(self) -> list[ExperimentConfig]:
        """Return the configurations of all runs, model by model, baseline models last."""
        networks = [name for name in list_built_in("models") if not is_baseline(name)]
        default_models: list[str | None] = [None] if self.config_path else [*networks]
        models = list(dict.fromkeys(self.models)) or default_models
        variants = self._list_variants()
        configs = [self._resolve(model, variant) for model in models for variant in variants]
        # Baseline models use the dataset, the seed and the examples only, so that hyperparameters
        # of networks do not make other runs of them.
        named = {config.model.name for config in configs}
        used: Any = {"dataset": ..., "resources": ..., "seed": ..., "training": {"refit"}}
        shared = [config.model_dump(include=used) for config in configs]
        for sections in shared:
            sections["resources"]["gpus"] = 0
        baselines = [
            resolve({**sections, "model": {"name": name}})
            for name in BASELINES
            if name not in named
            for sections in shared[: len(variants)]
        ]
        return [*configs, *baselines]

    def _list_variants(self) -> list[list[Override]]:
        """Return what differs between the runs of a model: training size, fold and seed."""
        choices = [
            _override("dataset.train_fraction", self.train_fractions, "--train-fractions"),
            _override("dataset.train_per_label", self.train_per_label, "--train-per-label"),
            _override("dataset.folds", [self.folds] if self.folds else [], "--folds"),
            _override("dataset.folds_of", [self.folds_of] if self.folds_of else [], "--folds-of"),
            _override("dataset.fold", range(1, (self.folds or 0) + 1), "--folds"),
            _override("seed", self.seeds, "--seed"),
        ]
        return [[*itertools.chain(*chosen)] for chosen in itertools.product(*choices)]

    def _resolve(self, model: str | None, variant: Sequence[Override]) -> ExperimentConfig:
        chosen = [] if model is None else [Override("model.name", model, f"--model {model}")]
        overrides = [*chosen, *variant, *self.overrides]
        return load_config(self.config_path, overrides, trust_code=self.trust_code)


def _override(key: str, values: Iterable[Any], option: str) -> list[list[Override]]:
    """Return the values of a key, one by one; nothing to override if there are none."""
    given = [[Override(key, value, f"{option} {value}")] for value in dict.fromkeys(values)]
    return given or [[]]
