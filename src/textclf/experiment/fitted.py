"""Fitted models of both kinds, which are calibrated and predict the test split."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import TextDataset
from textclf.evaluation.temperature import fit_calibration
from textclf.models._calibration import (
    Calibration,
    append_calibration,
    make_calibration_network,
    take_logarithm,
)
from textclf.models._sklearn import SklearnClassifier
from textclf.runs.result import Fit
from textclf.training.history import History

if TYPE_CHECKING:
    from textclf.models._vectors import Coverage
    from textclf.text.classifier import TextClassifier

Scores = npt.NDArray[np.float64]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Fitted:
    """A fitted model and its predictions.

    Attributes:
        classifier: Raw text to probabilities.
        history: Epochs of a network; None for a scikit-learn model.
        probabilities: <float32>[test examples, labels].
        train_seconds: Seconds of fitting; for a network, of all epochs, including resumed ones.
        calibration: Calibration of the probabilities; None without one.
        uncalibrated: The probabilities before it; None without one.
        fits: Which examples each fit used, the last of which gave the model.
        coverage: How many words have a pretrained vector; None without ``model.vectors``.
    """

    classifier: "TextClassifier | SklearnClassifier"
    history: History | None
    probabilities: Probabilities
    train_seconds: float
    calibration: Calibration | None = None
    uncalibrated: Probabilities | None = None
    fits: tuple[Fit, ...] = ()
    coverage: "Coverage | None" = None


@dataclass(frozen=True)
class FittedPipeline:
    """A scikit-learn model that is not calibrated yet.

    Attributes:
        classifier: Raw text to probabilities.
        dataset: Dataset that it was fitted on.
        train_seconds: Seconds of fitting.
    """

    classifier: SklearnClassifier
    dataset: TextDataset
    train_seconds: float
    history: None = None
    n_epochs: None = None

    @cached_property
    def validation_scores(self) -> Scores:
        """What is calibrated, <float64>[validation examples, labels]."""
        return self.classifier.score_texts(self.dataset.validation.texts)

    def predict_validation(self, calibration: Calibration | None) -> Probabilities:
        """Return the calibrated probabilities of the validation split."""
        if calibration is None:
            return self.classifier.predict_texts(self.dataset.validation.texts)
        return calibration.apply(self.validation_scores).astype(np.float32)

    def predict_test(self, calibration: Calibration | None) -> Fitted:
        """Calibrate the classifier, and predict the test split, whose labels are not seen."""
        classifier, texts = self.classifier, self.dataset.test.texts
        if calibration is None:
            return Fitted(classifier, None, classifier.predict_texts(texts), self.train_seconds)
        classifier.calibration = calibration
        scores = classifier.score_texts(texts)
        after, before = (
            found.apply(scores).astype(np.float32)
            for found in (calibration, Calibration.without_prior())
        )
        return Fitted(classifier, None, after, self.train_seconds, calibration, before)


@dataclass(frozen=True)
class FittedNetwork:
    """A trained network that is not calibrated yet.

    Attributes:
        classifier: Raw text to probabilities.
        inputs: What the network takes, by split.
        history: Epochs of the training.
        coverage: How many words have a pretrained vector; None without ``model.vectors``.
    """

    classifier: "TextClassifier"
    inputs: Mapping[str, Any]
    history: History
    coverage: "Coverage | None" = None

    @property
    def n_epochs(self) -> int:
        """Number of epochs, including resumed ones."""
        return len(self.history.rows)

    @property
    def train_seconds(self) -> float:
        """Seconds of all epochs, including resumed ones."""
        return self.history.train_seconds

    @cached_property
    def validation_scores(self) -> Scores:
        """What is calibrated, <float64>[validation examples, labels]."""
        return take_logarithm(self._uncalibrated_validation)

    @cached_property
    def _uncalibrated_validation(self) -> Probabilities:
        from textclf.text.classifier import predict

        return predict(self.classifier.network, self.inputs["validation"])

    def predict_validation(self, calibration: Calibration | None) -> Probabilities:
        """Return the calibrated probabilities of the validation split."""
        if calibration is None:
            return self._uncalibrated_validation
        return self._calibrate(self._uncalibrated_validation, calibration)

    def predict_test(self, calibration: Calibration | None) -> Fitted:
        """Append the calibration, and predict the test split, whose labels are not seen."""
        from textclf.text.classifier import TextClassifier, predict

        classifier = self.classifier
        network, names = classifier.network, classifier.label_names
        before = predict(network, self.inputs["test"])
        if calibration is None:
            return self._describe(classifier, before)
        calibrated = append_calibration(network, calibration)
        classifier = TextClassifier(classifier.encoder, calibrated, names)
        after = self._calibrate(before, calibration)
        return self._describe(classifier, after, calibration=calibration, uncalibrated=before)

    def _calibrate(self, probabilities: Probabilities, calibration: Calibration) -> Probabilities:
        """Return calibrated probabilities, with every bit that of the calibrated network."""
        from textclf.text.classifier import predict

        n_labels = len(self.classifier.label_names)
        # In the batches of the network.
        return predict(make_calibration_network(calibration, n_labels=n_labels), probabilities)

    def _describe(
        self, classifier: "TextClassifier", probabilities: Probabilities, **calibrated: Any
    ) -> Fitted:
        seconds, coverage = self.train_seconds, self.coverage
        return Fitted(
            classifier, self.history, probabilities, seconds, coverage=coverage, **calibrated
        )


def calibrate(
    method: str, fitted: FittedPipeline | FittedNetwork, dataset: TextDataset
) -> Calibration:
    """Fit a calibration on the validation split.

    Args:
        method: ``temperature`` or ``temperature-prior``.
        fitted: Model that was fitted on the training split.
        dataset: Dataset; the frequencies of its training labels are the prior.
    """
    prior = None
    if method == "temperature-prior":
        counts = np.bincount(dataset.train.labels, minlength=len(dataset.label_names))
        prior = counts / len(dataset.train)
    return fit_calibration(fitted.validation_scores, dataset.validation.labels, prior)
