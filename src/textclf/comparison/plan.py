"""Decides which runs a comparison needs: models, seeds and baseline models."""

from collections.abc import Sequence
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
        trust_code: Whether to execute Python files that the file names.
    """

    config_path: Path | None = None
    overrides: Sequence[Override] = ()
    models: Sequence[str] = ()
    seeds: Sequence[int] = ()
    trust_code: bool = False

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
        return baseline == self._resolve(None, None).model.name

    def make_configs(self) -> list[ExperimentConfig]:
        """Return one configuration for each model and seed, baseline models last."""
        networks = [name for name in list_built_in("models") if not is_baseline(name)]
        default_models: list[str | None] = [None] if self.config_path else [*networks]
        models = list(dict.fromkeys(self.models)) or default_models
        seeds: list[int | None] = list(dict.fromkeys(self.seeds)) or [None]
        configs = [self._resolve(model, seed) for model in models for seed in seeds]
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
            for sections in shared[: len(seeds)]
        ]
        return [*configs, *baselines]

    def _resolve(self, model: str | None, seed: int | None) -> ExperimentConfig:
        chosen = [
            Override(key, value, f"{option} {value}")
            for key, value, option in (
                ("model.name", model, "--model"),
                ("seed", seed, "--seed"),
            )
            if value is not None
        ]
        overrides = [*chosen, *self.overrides]
        return load_config(self.config_path, overrides, trust_code=self.trust_code)
