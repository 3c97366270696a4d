"""A classifier made of a scikit-learn pipeline over raw text, which is saved without pickle."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import TextDataset
from textclf.data.text_store import list_texts
from textclf.errors import RequestError
from textclf.models._calibration import Calibration, take_logarithm
from textclf.storage.arrays import array_to_strings, strings_to_array
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
        calibration: Calibration of the probabilities, or of the decisions; None leaves
            probabilities as they are, and applies softmax to decisions.
        takes_normalized_text: Whether the pipeline takes what `normalize_text` returns.
        note: What the user should know about how it was fitted; it is not saved.
    """

    file_suffix = ".skops"

    def __init__(
        self,
        pipeline: Any,
        label_names: Sequence[str],
        *,
        calibration: Calibration | None = None,
        takes_normalized_text: bool = False,
        note: str | None = None,
    ) -> None:
        self.pipeline = pipeline
        self.label_names = tuple(label_names)
        self.calibration = calibration
        self.takes_normalized_text = takes_normalized_text
        self.note = note

    def predict_texts(self, texts: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return the probabilities of each text, <float32>[texts, labels].

        Raises:
            RequestError: It is one text, or contains something else than texts.
        """
        texts = list_texts(texts)
        if not len(texts):
            return np.empty((0, len(self.label_names)), np.float32)
        if self.calibration is None and hasattr(self.pipeline, "predict_proba"):
            probabilities = self.pipeline.predict_proba(self._prepare(texts))
            return self._spread(probabilities, 0.0).astype(np.float32)
        calibration = self.calibration or Calibration.without_prior()
        return calibration.apply(self.score_texts(texts)).astype(np.float32)

    def score_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Return what is calibrated, <float64>[texts, labels]: decisions or log-probabilities.

        It is minus infinity for labels that the pipeline does not know.
        """
        inputs = self._prepare(texts)
        if hasattr(self.pipeline, "predict_proba"):
            scores = take_logarithm(self.pipeline.predict_proba(inputs))
        else:
            scores = decide(self.pipeline, inputs)
        return self._spread(scores, -np.inf)

    def _spread(self, values: Any, unknown: float) -> npt.NDArray[np.float64]:
        """Return values of known labels for all labels, with one value for the others."""
        spread = np.full((len(values), len(self.label_names)), unknown)
        spread[:, self.pipeline.classes_] = values
        return spread

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

        pipeline, vocabulary = _take_vocabulary(self.pipeline)
        content = {
            "pipeline": pipeline,
            "vocabulary": vocabulary,
            "label_names": list(self.label_names),
            "calibration": asdict(self.calibration) if self.calibration else None,
            "takes_normalized_text": self.takes_normalized_text,
        }
        skops.io.dump(content, path, compression=ZIP_DEFLATED)

    @classmethod
    def load(cls, path: Path, *, trusted: Sequence[str] = ()) -> "SklearnClassifier":
        """Read a classifier; skops refuses types that are neither scikit-learn's nor trusted."""
        import skops.io

        content = skops.io.load(path, trusted=list(trusted))
        vocabulary = content.get("vocabulary")
        if vocabulary is not None:
            terms = array_to_strings(vocabulary)
            content["pipeline"][0].vocabulary_ = {term: i for i, term in enumerate(terms)}
        if "scale" in content:  # Saved before a calibration had a prior.
            calibration = None
            if not hasattr(content["pipeline"], "predict_proba"):
                calibration = Calibration.without_prior(content["scale"])
        else:
            stored = content["calibration"]
            calibration = stored and Calibration(**stored)
        return cls(
            content["pipeline"],
            content["label_names"],
            calibration=calibration,
            # Files that were saved before texts were normalized lack it.
            takes_normalized_text=content.get("takes_normalized_text", False),
        )


def _take_vocabulary(pipeline: Any) -> tuple[Any, npt.NDArray[np.uint8] | None]:
    """Return a pipeline without the vocabulary of its vectorizer, and that vocabulary.

    skops would write a file for each term, which takes minutes for many.
    """
    from sklearn.pipeline import Pipeline

    (name, vectorizer), *others = pipeline.steps
    vocabulary = getattr(vectorizer, "vocabulary_", None)
    if not isinstance(vocabulary, dict) or any("\n" in term for term in vocabulary):
        return pipeline, None
    bare = copy.copy(vectorizer)
    del bare.vocabulary_
    terms = sorted(vocabulary, key=vocabulary.__getitem__)
    return Pipeline([(name, bare), *others]), strings_to_array(terms)


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
