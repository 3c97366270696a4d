"""Classifiers that are no networks: a scikit-learn estimator over raw text, saved without pickle.

They are the floors that every comparison stands on: what a second of work reaches.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, Split


class EstimatorClassifier:
    """Raw text in, class probabilities out, by a scikit-learn pipeline.

    Attributes:
        pipeline: fitted; takes texts, and has ``predict_proba`` or ``decision_function``.
        label_names: the name of each label.
        temperature: what decisions are multiplied with before softmax; not used for
            ``predict_proba``.
    """

    file_suffix = ".skops"

    def __init__(
        self, pipeline: Any, label_names: Sequence[str], *, temperature: float = 1.0
    ) -> None:
        self.pipeline = pipeline
        self.label_names = tuple(label_names)
        self.temperature = temperature

    def predict_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text's labels, <float32>[texts, labels]."""
        probabilities = np.zeros((len(texts), len(self.label_names)), np.float32)
        known = self.pipeline.classes_
        if hasattr(self.pipeline, "predict_proba"):
            probabilities[:, known] = self.pipeline.predict_proba(texts)
        else:
            probabilities[:, known] = softmax(self.temperature * self._decide(texts))
        return probabilities

    def _decide(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        return decide(self.pipeline, texts)

    def calibrate(self, validation: Split) -> None:
        """Choose the temperature that fits the validation labels best."""
        known = np.isin(validation.labels, self.pipeline.classes_)
        decisions = self._decide(validation.texts)[known]
        labels = np.searchsorted(self.pipeline.classes_, validation.labels[known])
        self.temperature = fit_temperature(decisions, labels)

    def count_params(self) -> int:
        """Return how many numbers were fitted, the words of the vocabulary aside."""
        fitted = (getattr(self.pipeline[-1], name, np.empty(0)) for name in FITTED)
        return int(sum(np.size(values) for values in fitted))

    def save(self, path: Path) -> None:
        """Write the classifier; ``path`` ends in ``.skops``."""
        import skops.io

        content = {
            "pipeline": self.pipeline,
            "label_names": list(self.label_names),
            "temperature": self.temperature,
        }
        skops.io.dump(content, path)

    @classmethod
    def load(cls, path: Path) -> "EstimatorClassifier":
        """Read a classifier; types that are not scikit-learn's own are refused by skops."""
        import skops.io

        content = skops.io.load(path, trusted=[])
        return cls(content["pipeline"], content["label_names"], temperature=content["temperature"])


FITTED = ("coef_", "intercept_", "class_prior_")


def decide(estimator: Any, inputs: Any) -> npt.NDArray[np.float64]:
    """Return an estimator's decisions, <float64>[inputs, labels], also where there are two."""
    decisions = np.asarray(estimator.decision_function(inputs))
    # Of two labels, scikit-learn gives the second one's only.
    return decisions if decisions.ndim == 2 else np.stack([-decisions, decisions], axis=1) / 2


def fit_temperature(decisions: npt.NDArray[np.float64], labels: IntArray) -> float:
    """Return what to multiply decisions with, so that softmax fits labels best (Guo et al. 2017).

    It changes no answer, since the order of the labels stays.

    Args:
        decisions: <float64>[n, labels].
        labels: <int64>[n].
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        given = softmax(np.exp(log_temperature) * decisions)[rows, labels]
        return float(-np.log(np.maximum(given, 1e-12)).mean())

    found = minimize_scalar(loss, bounds=(-5.0, 5.0), method="bounded")
    return float(np.exp(found.x))


def softmax(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turn scores [n, labels] into rows that sum to 1."""
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
