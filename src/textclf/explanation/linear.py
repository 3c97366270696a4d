"""Exact weights of linear models: of each token of a text, and of each feature."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.errors import RequestError, format_unknown
from textclf.explanation.attribution import Attribution, FloatArray
from textclf.explanation.linear_pipeline import LinearPipeline, find_linear_pipeline
from textclf.explanation.vectorizer import Occurrence
from textclf.models._sklearn import SklearnClassifier
from textclf.runtime.progress import Reporter

if TYPE_CHECKING:
    from textclf.explanation.linear_network import LinearNetwork


@dataclass(frozen=True)
class Feature:
    """A feature of a linear model and its coefficient for a label.

    Attributes:
        label: Name of the label.
        text: The n-gram.
        weight: Coefficient of the value of the feature in the score of the label.
    """

    label: str
    text: str
    weight: float


def find_linear_model(classifier: Any) -> "LinearPipeline | LinearNetwork | None":
    """Return the linear model of a classifier; None if it is not linear, or not over n-grams."""
    if isinstance(classifier, SklearnClassifier):
        return find_linear_pipeline(classifier)
    from textclf.explanation.linear_network import find_linear_network

    return find_linear_network(classifier)


def explain(
    model: "LinearPipeline | LinearNetwork",
    texts: Sequence[str],
    labels: Sequence[int],
    names: Sequence[str],
    *,
    reporter: Reporter,
) -> list[Attribution]:
    """Explain the score of a label for each text, before calibration.

    The contribution of an n-gram is its coefficient times its value. It is divided over its
    occurrences by their weight, and equally over the tokens of an occurrence.

    Args:
        model: The linear model.
        texts: Texts.
        labels: Label of each text.
        names: Name of each label.
        reporter: Prints progress.

    Raises:
        RequestError: No training example has the label.
    """
    found = []
    with reporter.processing(len(texts), unit="texts") as advance:
        for text, label in zip(texts, labels, strict=True):
            coefficients, bias = _find_coefficients(model, label, names)
            tokens, occurrences, values = model.read(text)
            parts = {f: float(coefficients[f]) * value for f, value in values.items()}
            weights = _distribute(occurrences, parts, n_tokens=len(tokens))
            found.append(Attribution(tokens, weights, bias + sum(parts.values()), bias))
            advance(1)
    return found


def _find_coefficients(
    model: "LinearPipeline | LinearNetwork", label: int, names: Sequence[str]
) -> tuple[FloatArray, float]:
    """Return the coefficients of a label, <float>[features], and its bias."""
    found = model.find_coefficients(label)
    if found is None:
        raise RequestError(
            f"label '{names[label]}' has no weights, because the model was fitted without examples"
            " of it: choose another label"
        )
    return found


def _distribute(
    occurrences: Sequence[Occurrence], contributions: Mapping[int, float], *, n_tokens: int
) -> FloatArray:
    """Divide the contribution of each feature over the tokens of its occurrences."""
    totals: dict[int, float] = defaultdict(float)
    for occurrence in occurrences:
        totals[occurrence.feature] += occurrence.weight
    weights = np.zeros(n_tokens)
    for feature, weight, members in occurrences:
        if contribution := contributions.get(feature, 0.0):
            share = contribution * weight / totals[feature] / len(members)
            for member in members:
                weights[member] += share
    return weights


def strongest_features(classifier: Any, n: int = 10, *, label: str | None = None) -> list[Feature]:
    """Return the features with the largest coefficients of each label, or of one label.

    Args:
        classifier: Linear `TextClassifier` or `SklearnClassifier`.
        n: Number of features that support a label, and of those that oppose it.
        label: Name of the label; None for all that the model knows.

    Returns:
        For each label up to ``2 * n`` features, by falling coefficient.

    Raises:
        RequestError: The label is unknown, or the model is not linear.
    """
    names = classifier.label_names
    if label is not None and label not in names:
        raise RequestError(format_unknown("label", str(label), names))
    model = find_linear_model(classifier)
    if model is None:
        raise RequestError(
            "features have weights in linear models only, such as ngram, tfidf-svc and nb-svm;"
            " explain single texts"
        )
    features = []
    for i, name in enumerate(names):
        if label == name or (label is None and model.find_coefficients(i) is not None):
            coefficients, _ = _find_coefficients(model, i, names)
            order = np.argsort(-coefficients, kind="stable")
            supporting = [int(j) for j in order[:n] if coefficients[j] > 0]
            opposing = [int(j) for j in order[-n:] if coefficients[j] < 0]
            chosen = [*supporting, *opposing]
            texts = model.format_features(chosen)
            features += [
                Feature(name, text, float(coefficients[j]))
                for text, j in zip(texts, chosen, strict=True)
            ]
    return features
