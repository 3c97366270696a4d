"""What a finished run says of itself: its result and its predictions."""

from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from textclf.errors import RunError
from textclf.evaluation.metrics import METRICS, Evaluation

SCHEMA_VERSION = 1
"""Of ``evaluation.json``; raised when a field changes its name or meaning."""


@dataclass(frozen=True)
class Result:
    """What ``evaluation.json`` holds: which run, how it went, and its evaluation.

    Attributes:
        dataset: as on the command line.
        model: as on the command line.
        fingerprint: of the configuration but for the seed.
        seed: of this run.
        split: which texts were evaluated.
        split_digest: of these texts with their labels, to know what may be compared.
        best_epoch: the first epoch with the best monitored value, from 1; None without epochs.
        epochs_run: epochs trained; fewer than asked for after early stopping.
        parameters: numbers in the model.
        train_seconds: seconds of all epochs, validation included.
        examples_per_second: training texts for each of these seconds.
        evaluation: its fields stand beside the others in the file.
    """

    dataset: str
    model: str
    fingerprint: str
    seed: int
    split: str
    split_digest: str
    best_epoch: int | None
    epochs_run: int
    parameters: int
    train_seconds: float
    examples_per_second: float
    evaluation: Evaluation

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``evaluation.json``."""
        own = asdict(self)
        evaluation = own.pop("evaluation")
        return {"schema_version": SCHEMA_VERSION, **own, **evaluation}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Result":
        """Rebuild a result; ValueError or KeyError where the content is damaged."""
        version = content["schema_version"]
        if version != SCHEMA_VERSION:
            raise RunError(
                f"evaluation.json has schema_version {version}, but this textclf reads"
                f" {SCHEMA_VERSION}; use the textclf that wrote it"
            )
        missing = [name for name in METRICS if name not in content["metrics"]]
        if missing:
            raise ValueError(f"metrics.{missing[0]} is missing")
        evaluation = {field.name: content[field.name] for field in fields(Evaluation)}
        own = {field.name: content.get(field.name) for field in fields(cls)}
        return _make_checker().validate_python({**own, "evaluation": evaluation})


@cache
def _make_checker() -> TypeAdapter[Result]:
    """Make what checks the types of a result; once, since that takes longer than reading one."""
    return TypeAdapter(Result)


@dataclass(frozen=True)
class Predictions:
    """What a run predicted for its test texts.

    Attributes:
        index: <int64>[n], the place of each text in the dataset's test split.
        label: <int64>[n], its true label.
        probabilities: <float32>[n, labels].
    """

    index: npt.NDArray[np.int64]
    label: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]
