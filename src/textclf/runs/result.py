"""The result and the predictions of a finished run."""

from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import PositiveFloat, PositiveInt, TypeAdapter

from textclf.config.schema import ExperimentConfig
from textclf.errors import TextclfError, VersionError
from textclf.evaluation.metrics import METRICS, Evaluation
from textclf.evaluation.temperature import CalibrationReport

SCHEMA_VERSION = 2
"""Version of ``evaluation.json``; raise it if a field changes its name or meaning."""

OPTIONAL_FIELDS = (
    "calibration",
    "fits",
    "n_train_examples",
    "train_fraction",
    "train_per_label",
    "folds",
    "fold",
)
"""Fields of a result that are not in the file if they are None."""


@dataclass(frozen=True)
class Fit:
    """The examples that a model was fitted on.

    Attributes:
        splits: Names of their splits.
        n_examples: Number of examples.
        n_epochs: Number of epochs; None for a scikit-learn model.
    """

    splits: tuple[str, ...]
    n_examples: int
    n_epochs: int | None


@dataclass(frozen=True)
class Result:
    """The content of ``evaluation.json``: which run, how it was trained, and its evaluation.

    Attributes:
        dataset: Name of the dataset.
        model: Name of the model.
        fingerprint: Fingerprint of the configuration.
        seed: Seed of this run.
        split: Split that was evaluated.
        split_digest: SHA-256 of its texts and labels; runs with the same digest are comparable.
        best_epoch: First epoch with the best monitored value, from 1; None without epochs.
        n_epochs: Number of epochs trained; fewer than configured after early stopping.
        n_parameters: Number of parameters of the model.
        train_seconds: Seconds of all epochs of all fits, including validation.
        examples_per_second: Training examples per second.
        evaluation: Its fields are beside the others in the file.
        calibration: How probabilities were calibrated; None, and not in the file, without it.
        fits: Both fits of a model that was fitted twice; None, and not in the file, otherwise.
        n_train_examples: Number of examples that the model was fitted on; None for a run of a
            version that did not record it.
        train_fraction: Fraction of the training examples that was used; None for all.
        train_per_label: Maximum number of training examples per label; None for all.
        folds: Number of folds of the cross-validation; None without one.
        fold: Fold that was evaluated, from 1; None without cross-validation.
    """

    dataset: str
    model: str
    fingerprint: str
    seed: int
    split: str
    split_digest: str
    best_epoch: int | None
    n_epochs: int
    n_parameters: int
    train_seconds: float
    examples_per_second: float
    evaluation: Evaluation
    calibration: CalibrationReport | None = None
    fits: tuple[Fit, ...] | None = None
    n_train_examples: PositiveInt | None = None
    train_fraction: PositiveFloat | None = None
    train_per_label: PositiveInt | None = None
    folds: PositiveInt | None = None
    fold: PositiveInt | None = None

    @property
    def identity(self) -> tuple[str, int | None, int]:
        """What identifies a run: fingerprint, fold and seed."""
        return self.fingerprint, self.fold, self.seed

    @property
    def is_refitted(self) -> bool:
        """Whether the model was fitted on training and validation examples together."""
        return self.fits is not None

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``."""
        own = asdict(self)
        evaluation = own.pop("evaluation")
        # Without them, the file is that of versions that did not know them.
        optional = {name: own.pop(name) for name in OPTIONAL_FIELDS}
        given = {name: value for name, value in optional.items() if value is not None}
        return {"schema_version": SCHEMA_VERSION, **own, **evaluation, **given}

    @staticmethod
    def check_version(content: dict[str, Any], path: Path) -> None:
        """Raise VersionError if a version of textclf with other fields wrote the content."""
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise VersionError(
                f"{path} has schema_version {version}, but this version of textclf reads"
                f" {SCHEMA_VERSION}; use the version that wrote it, or train the run again with its"
                " options and --force"
            )

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Result":
        """Return the result that `to_json` wrote; ValueError or KeyError if it is damaged."""
        missing = [name for name in METRICS if name not in content["metrics"]]
        if missing:
            raise ValueError(f"metrics.{missing[0]} is missing")
        evaluation = {field.name: content[field.name] for field in fields(Evaluation)}
        own = {field.name: content.get(field.name) for field in fields(cls)}
        return _result_adapter().validate_python({**own, "evaluation": evaluation})


@cache
def _result_adapter() -> TypeAdapter[Result]:
    """Return the validator of results; building it takes longer than reading a result."""
    return TypeAdapter(Result)


@dataclass(frozen=True)
class Failure:
    """A configuration whose run failed, and why."""

    config: ExperimentConfig
    error: TextclfError


@dataclass(frozen=True)
class Predictions:
    """The predictions of a run on the test split.

    Attributes:
        index: <int64>[n], index of each example in the dataset's test split.
        label: <int64>[n], its true label.
        probabilities: <float32>[n, labels].
    """

    index: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
