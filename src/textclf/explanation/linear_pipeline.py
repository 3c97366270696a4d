"""A linear model of scikit-learn over n-grams, with its coefficients for each label."""

from collections.abc import Sequence

import numpy as np

from textclf.explanation.attribution import FloatArray
from textclf.explanation.vectorizer import Occurrence, Vectorizer, find_vectorizer
from textclf.models._sklearn import SklearnClassifier
from textclf.text.spans import Token
from textclf.text.tokens import normalize_text


def find_linear_pipeline(classifier: SklearnClassifier) -> "LinearPipeline | None":
    """Return the pipeline of a classifier, if it is a vectorizer and a linear classifier."""
    from sklearn.linear_model._base import LinearClassifierMixin

    vectorizer = find_vectorizer(classifier)
    if vectorizer is None or len(classifier.pipeline) != 2:
        return None
    # Its decisions are products with the coefficients; those of SVC are of pairs of labels.
    if not isinstance(classifier.pipeline[1], LinearClassifierMixin):
        return None
    return LinearPipeline(classifier, vectorizer)


class LinearPipeline:
    """The coefficients of a pipeline, and the n-grams of a text.

    For two labels, the score of the second is the decision, and that of the first its negative.

    Args:
        classifier: Its pipeline is a vectorizer and a linear classifier.
        vectorizer: The vectorizer.
    """

    def __init__(self, classifier: SklearnClassifier, vectorizer: Vectorizer) -> None:
        self._classifier = classifier
        self._vectorizer = vectorizer
        self._estimator = classifier.pipeline[1]

    def find_coefficients(self, label: int) -> tuple[FloatArray, float] | None:
        """Return the coefficients of a label, <float>[features], and its bias.

        None if no training example has the label.
        """
        known = [*self._estimator.classes_]
        if label not in known:
            return None
        coefficients = self._estimator.coef_
        biases = np.broadcast_to(self._estimator.intercept_, len(coefficients))
        is_binary = len(coefficients) == 1
        row = 0 if is_binary else known.index(label)
        sign = -1 if is_binary and label == known[0] else 1
        return sign * coefficients[row], sign * float(biases[row])

    def read(self, text: str) -> tuple[list[Token], list[Occurrence], dict[int, float]]:
        """Return the tokens of a text, its n-grams, and the value of each feature."""
        tokens, occurrences = self._vectorizer.find_ngrams(text)
        prepared = normalize_text(text) if self._classifier.takes_normalized_text else text
        row = self._classifier.pipeline[0].transform([prepared]).tocoo()
        return tokens, occurrences, dict(zip(row.col.tolist(), row.data.tolist(), strict=True))

    def format_features(self, features: Sequence[int]) -> list[str]:
        """Return n-grams by their positions."""
        names = self._classifier.pipeline[0].get_feature_names_out()
        return [str(names[feature]) for feature in features]
