"""A classifier made of a scikit-learn pipeline over raw text, which is saved without pickle."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import TextDataset
from textclf.data.text_store import list_texts
from textclf.errors import RequestError
from textclf.text.tokens import normalize_text

FITTED_ATTRIBUTES = (
    *("coef_", "intercept_"),  # Linear models.
    *("feature_log_prob_", "class_log_prior_"),  # Naive Bayes.
    "class_prior_",  # DummyClassifier.
)


class SklearnClassifier:
    """Classifies raw text with a scikit-learn pipeline.

    Attributes:
        pipeline: Fitted pipeline that takes texts and has ``predict_proba`` or
            ``decision_function``.
        label_names: Name of each label.
        scale: Factor of the decision function before softmax; not used with
            ``predict_proba``.
        takes_normalized_text: Whether the pipeline takes what `normalize_text` returns.
        note: What the user should know about how it was fitted; it is not saved.
    """

    file_suffix = ".skops"

    def __init__(
        self,
        pipeline: Any,
        label_names: Sequence[str],
        *,
        scale: float = 1.0,
        takes_normalized_text: bool = False,
        note: str | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.label_names = tuple(label_names)
        self.scale = scale
        self.takes_normalized_text = takes_normalized_text
        self.note = note

    @property
    def needs_calibration(self) -> bool:
        """Whether probabilities come from decisions and depend on the scale."""
        return not hasattr(self.pipeline, "predict_proba")

    def decide_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return the decision function of each text, <float64>[texts, known labels]."""
        return decide(self.pipeline, self._prepare(texts))

    def predict_texts(self, texts: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text, <float32>[texts, labels].

        Raises:
            RequestError: It is one text, or contains something else than texts.
        """
        from scipy.special import softmax

        texts = list_texts(texts)
        probabilities = np.zeros((len(texts), len(self.label_names)), np.float32)
        if not len(texts):
            return probabilities
        known = self.pipeline.classes_
        if self.needs_calibration:
            probabilities[:, known] = softmax(self.scale * self.decide_texts(texts), axis=1)
        else:
            probabilities[:, known] = self.pipeline.predict_proba(self._prepare(texts))
        return probabilities

    def _prepare(self, texts: Sequence[str]) -> Sequence[str]:
        """Return texts as the pipeline takes them."""
        return [*map(normalize_text, texts)] if self.takes_normalized_text else texts

    def count_params(self) -> int:
        """Return the number of fitted parameters, without the vocabulary."""
        fitted = (getattr(self.pipeline[-1], name, np.empty(0)) for name in FITTED_ATTRIBUTES)
        return int(sum(np.size(values) for values in fitted))

    def save(self, path: Path) -> None:
        """Write the classifier to a ``.skops`` file."""
        import skops.io

        content = {
            "pipeline": self.pipeline,
            "label_names": list(self.label_names),
            "scale": self.scale,
            "takes_normalized_text": self.takes_normalized_text,
        }
        skops.io.dump(content, path, compression=ZIP_DEFLATED)

    @classmethod
    def load(cls, path: Path, *, trusted: Sequence[str] = ()) -> "SklearnClassifier":
        """Read a classifier; skops refuses types that are neither scikit-learn's nor trusted."""
        import skops.io

        content = skops.io.load(path, trusted=list(trusted))
        return cls(
            content["pipeline"],
            content["label_names"],
            scale=content["scale"],
            # Files that were saved before texts were normalized lack it.
            takes_normalized_text=content.get("takes_normalized_text", False),
        )


def check_labels(name: str, dataset: TextDataset) -> None:
    """Raise RequestError if all training examples have the same label."""
    labels = dataset.train.labels
    if (labels == labels[0]).all():
        raise RequestError(
            f"{name} cannot be fitted: all training examples have the label"
            f" {dataset.label_names[labels[0]]!r}, and it needs two labels"
        )


def decide(estimator: Any, inputs: Any) -> npt.NDArray[np.float64]:
    """Return an estimator's decision function, <float64>[inputs, labels].

    For two labels, scikit-learn returns one column d, which becomes (-d / 2, d / 2).
    """
    decisions = np.asarray(estimator.decision_function(inputs))
    return decisions if decisions.ndim == 2 else np.stack([-decisions, decisions], axis=1) / 2
