"""Writes a linear model as NumPy arrays: those of scikit-learn, and the network of `ngram`."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.exporting import tokenizer
from textclf.models._calibration import Calibration
from textclf.models._sklearn import SklearnClassifier

FILE = "model.npz"

LAYERS = {"InputLayer", "SparseDense", "Concatenate", "Softmax", "CalibrationLayer"}
"""Layers of the network of `ngram` without hidden units."""

Arrays = dict[str, Any]
"""Arrays by name."""


def find_problem(classifier: Any) -> str | None:
    """Return why a classifier cannot be written as arrays; None if it can."""
    if isinstance(classifier, SklearnClassifier):
        problem = _find_pipeline_problem(classifier.pipeline)
    else:
        problem = _find_network_problem(classifier.network)
    return problem or tokenizer.find_problem(classifier)


def write(classifier: Any, folder: Path, quantize: str | None = None) -> None:  # noqa: ARG001
    """Write `FILE`, from which ``example_numpy`` computes probabilities."""
    is_pipeline = isinstance(classifier, SklearnClassifier)
    arrays = _convert_pipeline(classifier) if is_pipeline else _convert_network(classifier)
    np.savez(folder / FILE, **arrays)


def _find_pipeline_problem(pipeline: Any) -> str | None:
    """Return why a pipeline of scikit-learn is not a linear model of the n-grams of a text."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
    from sklearn.naive_bayes import ComplementNB, MultinomialNB
    from sklearn.svm import LinearSVC

    *others, estimator = (step for _, step in pipeline.steps)
    linear = LinearSVC, LogisticRegression, RidgeClassifier, SGDClassifier
    known = {*linear, ComplementNB, DummyClassifier, MultinomialNB}
    name = type(estimator).__name__
    if type(estimator) not in known:
        names = ", ".join(sorted(kind.__name__ for kind in known))
        return f"the pipeline ends with {name}; expected one of {names}"
    if len(others) > 1:
        return f"the pipeline has a step between vectorizer and {name}: {type(others[1]).__name__}"
    for setting, value in (("loss", "modified_huber"), ("strategy", "stratified")):
        if getattr(estimator, setting, None) == value:
            return f"the probabilities of {name} with {setting}={value!r} cannot be written"
    return None


def _find_network_problem(network: Any) -> str | None:
    """Return why a network is not a linear model of n-grams."""
    kinds = [type(layer).__name__ for layer in network.layers]
    if others := [kind for kind in kinds if kind not in LAYERS]:
        return (
            f"the network has a layer {others[0]}, and only linear models can be written as arrays;"
            " choose --format saved-model"
        )
    return None


def _convert_pipeline(classifier: SklearnClassifier) -> Arrays:
    """Return the arrays of a pipeline."""
    vectorizer, estimator = tokenizer.find_vectorizer(classifier.pipeline), classifier.pipeline[-1]
    weights, bias = _find_weights(estimator, n_features=len(vectorizer.vocabulary_))
    has_probabilities = hasattr(estimator, "predict_proba")
    one_vs_rest = {"loss": "log_loss", "multi_class": "ovr", "solver": "liblinear"}
    is_one_vs_rest = has_probabilities and any(
        getattr(estimator, setting, None) == value for setting, value in one_vs_rest.items()
    )
    if getattr(vectorizer, "norm", None) == "l2":
        # The scores of rows of unit length are small.
        weights = weights.astype(np.float32)
    return {
        "weights": np.ascontiguousarray(weights),
        "bias": bias,
        "labels": np.asarray(estimator.classes_, np.int64),
        "is_one_vs_rest": np.array(is_one_vs_rest and len(bias) > 1),
        "has_probabilities": np.array(has_probabilities),
        **_convert_calibration(classifier.calibration, len(classifier.label_names)),
    }


def _find_weights(estimator: Any, *, n_features: int) -> tuple[npt.NDArray[Any], Any]:
    """Return weights <float>[n_features, scores] and bias <float64>[scores] of an estimator."""
    if hasattr(estimator, "class_prior_"):  # DummyClassifier
        with np.errstate(divide="ignore"):
            bias = np.log(estimator.predict_proba([""])[0])
        return np.zeros((n_features, len(bias))), bias
    if hasattr(estimator, "feature_log_prob_"):
        weights = estimator.feature_log_prob_.T
        has_prior = type(estimator).__name__ == "MultinomialNB"
        return weights, estimator.class_log_prior_ if has_prior else np.zeros(weights.shape[1])
    weights = np.atleast_2d(estimator.coef_).T
    return weights, np.zeros(weights.shape[1]) + estimator.intercept_


def _convert_network(classifier: Any) -> Arrays:
    """Return the arrays of a network of `SparseDense` and what follows it."""
    layers = {type(layer).__name__: layer for layer in classifier.network.layers}
    dense, calibration = layers["SparseDense"], layers.get("CalibrationLayer")
    scale = dense.scale.numpy() if dense.is_scaled else np.float32(1)
    n_labels = len(classifier.label_names)
    return {
        "weights": dense.kernel.numpy() * scale,
        "bias": dense.bias.numpy(),
        "labels": np.arange(n_labels),
        "is_one_vs_rest": np.array(False),
        "has_probabilities": np.array(True),
        **_convert_calibration(calibration, n_labels),
    }


def _convert_calibration(calibration: Any, n_labels: int) -> Arrays:
    """Return the arrays of a `Calibration` or a `CalibrationLayer`; None changes nothing."""
    calibration = calibration or Calibration.without_prior()
    return {
        "inverse_temperature": np.array(calibration.inverse_temperature),
        "prior_weight": np.array(calibration.prior_weight),
        "prior": np.zeros(n_labels) + calibration.prior,
    }
