"""Explains the predictions of a classifier for texts, by one of three methods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.errors import RequestError, format_unknown
from textclf.explanation import linear, occlusion
from textclf.explanation.attribution import Attribution
from textclf.explanation.methods import INTEGRATED_GRADIENTS, METHODS, OCCLUSION, WEIGHTS
from textclf.models._sklearn import SklearnClassifier
from textclf.runtime.progress import Reporter


@dataclass(frozen=True)
class WeightedToken:
    """A token and how much it supports the label.

    Attributes:
        text: The token, as the model reads it.
        start: Position of its first character in the text.
        end: Position after its last character. Tokens may share a character, such as a ligature.
        weight: Positive if the token supports the label, negative if it opposes it.
    """

    text: str
    start: int
    end: int
    weight: float


@dataclass(frozen=True)
class Explanation:
    """Why a model gives a label its score for one text.

    Attributes:
        index: Position of the text in the given texts, from 0.
        text: The text.
        label: Name of the label that is explained.
        probability: Its probability.
        prediction: Name of the most probable label.
        method: One of `METHODS`.
        score: What the weights explain: the probability (occlusion), the logit
            (integrated-gradients), or the score before calibration (weights).
        baseline: The score without the words: that of a text of padding (integrated-gradients), or
            the bias (weights), to which the weights are added; None for occlusion.
        tokens: The tokens of the text, in order.
    """

    index: int
    text: str
    label: str
    probability: float
    prediction: str
    method: str
    score: float
    baseline: float | None
    tokens: tuple[WeightedToken, ...]


def explain_texts(
    classifier: Any,
    texts: Sequence[str],
    *,
    label: str | None = None,
    method: str | None = None,
    reporter: Reporter,
) -> list[Explanation]:
    """Explain the prediction for each text, or the score of another label.

    Args:
        classifier: `TextClassifier` or `SklearnClassifier`.
        texts: Texts that can be classified.
        label: Name of the label to explain; None for the predicted label of each text.
        method: One of `METHODS`; None for ``weights`` if the model is linear, else ``occlusion``.
        reporter: Prints progress, and notes about tokens that the model does not read.

    Raises:
        RequestError: The label is unknown, or the model does not allow the method.
    """
    names = classifier.label_names
    if label is not None and label not in names:
        raise RequestError(format_unknown("label", str(label), names))
    allowed = _prepare_methods(classifier)
    method = _choose_method([*allowed], method)
    probabilities = classifier.predict_texts(texts)
    predicted = probabilities.argmax(axis=1)
    labels = [*map(int, predicted)] if label is None else [names.index(label)] * len(texts)
    of_labels = probabilities[np.arange(len(texts)), labels]
    if method == WEIGHTS:
        found = linear.explain(allowed[method], texts, labels, names, reporter=reporter)
    elif method == INTEGRATED_GRADIENTS:
        from textclf.explanation import integrated_gradients

        found = integrated_gradients.explain(allowed[method], texts, labels, reporter=reporter)
    else:
        found = occlusion.explain(classifier, texts, labels, of_labels, reporter=reporter)
    return [
        Explanation(
            index=index,
            text=text,
            label=names[chosen],
            probability=float(probability),
            prediction=names[best],
            method=method,
            score=float(attribution.score),
            baseline=attribution.baseline,
            tokens=_list_tokens(attribution),
        )
        for index, (text, chosen, probability, best, attribution) in enumerate(
            zip(texts, labels, of_labels, predicted, found, strict=True)
        )
    ]


def list_methods(classifier: Any) -> list[str]:
    """Return the methods that a classifier allows."""
    return [*_prepare_methods(classifier)]


def _prepare_methods(classifier: Any) -> dict[str, Any]:
    """Return the methods that a classifier allows, each with the model that it needs."""
    network = None
    if not isinstance(classifier, SklearnClassifier):
        from textclf.explanation.integrated_gradients import cut_network

        network = cut_network(classifier)
    linear_model = linear.find_linear_model(classifier)
    needed = {OCCLUSION: classifier, INTEGRATED_GRADIENTS: network, WEIGHTS: linear_model}
    return {method: model for method, model in needed.items() if model is not None}


def _choose_method(allowed: Sequence[str], method: str | None) -> str:
    """Return a method that is allowed, the default one if none is given."""
    if method is not None and method not in METHODS:
        raise RequestError(format_unknown("method", method, METHODS))
    if method is None:
        return WEIGHTS if WEIGHTS in allowed else OCCLUSION
    if method not in allowed:
        raise RequestError(
            f"the method {method} does not apply to this model: choose {' or '.join(allowed)}"
        )
    return method


def _list_tokens(attribution: Attribution) -> tuple[WeightedToken, ...]:
    """Return the tokens of a text with their weights."""
    weighted = zip(attribution.tokens, attribution.weights, strict=True)
    return tuple(WeightedToken(*token, float(weight)) for token, weight in weighted)
