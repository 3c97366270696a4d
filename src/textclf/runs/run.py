"""A finished run as an object, for Python and notebooks."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.config.schema import ExperimentConfig
from textclf.evaluation.metrics import Evaluation
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Predictions, Result
from textclf.training.history import EpochRow


class Run:
    """A finished run, whose files are read when they are first needed.

    Args:
        path: Run directory.
        trust_code: Whether its Python files may be executed; see ``docs/how-to/plugins.md``.

    Example:
        >>> run = textclf.load_run("runs/bbc/cnn")
        >>> run.predict(["Shares fell as oil prices rose"])
        ['business']
    """

    def __init__(self, path: str | Path, *, trust_code: bool = False) -> None:
        self.directory = RunDirectory(Path(path))
        self.trust_code = trust_code

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @functools.cached_property
    def config(self) -> ExperimentConfig:
        """The configuration."""
        return self.directory.read_config(trust_code=self.trust_code)

    @functools.cached_property
    def result(self) -> Result:
        """The content of ``evaluation.json``."""
        return self.directory.read_result()

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of the test split."""
        return self.result.evaluation

    @functools.cached_property
    def history(self) -> list[EpochRow]:
        """The epochs, with the loss and the accuracy of each; empty for a scikit-learn model."""
        return self.directory.read_history()

    @functools.cached_property
    def predictions(self) -> Predictions:
        """The predictions on the test split."""
        return self.directory.read_predictions()

    @functools.cached_property
    def model(self) -> Any:
        """The classifier of raw text, a `TextClassifier` (a keras.Model) or `SklearnClassifier`."""
        return self.directory.read_model(trust_code=self.trust_code)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of label 0, 1, ..."""
        return tuple(scores.name for scores in self.evaluation.per_class)

    def predict_proba(self, texts: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return the probability of each label, <float32>[texts, labels]."""
        probabilities: npt.NDArray[np.float32] = self.model.predict_texts(texts)
        return probabilities

    def predict(self, texts: Iterable[str]) -> list[str]:
        """Return the name of the most probable label of each text."""
        return [self.label_names[label] for label in self.predict_proba(texts).argmax(axis=1)]
