"""A linear Keras network over n-grams, with its coefficients for each label."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from textclf.explanation.attribution import FloatArray
from textclf.explanation.vectorizer import Occurrence
from textclf.text.ngrams import NgramEncoder
from textclf.text.spans import Token, find_tokens
from textclf.text.sparse_dense import SparseDense
from textclf.text.tokens import normalize_text


def find_linear_network(classifier: Any) -> "LinearNetwork | None":
    """Return the network of a `TextClassifier`, if it has one layer, over n-grams."""
    layers = [layer for layer in classifier.network.layers if layer.weights]
    if not isinstance(classifier.encoder, NgramEncoder) or len(layers) != 1:
        return None
    (layer,) = layers
    if not isinstance(layer, SparseDense) or layer.activation is not None:
        return None
    return LinearNetwork(classifier.encoder, layer)


class LinearNetwork:
    """The coefficients of a linear layer over n-grams, and the n-grams of a text.

    For two labels, the score of the second is that of the layer, and that of the first its
    negative.

    Args:
        encoder: Finds the n-grams.
        layer: Computes the scores.
    """

    def __init__(self, encoder: NgramEncoder, layer: SparseDense) -> None:
        self._encoder = encoder
        scale = layer.scale.numpy() if layer.is_scaled else 1.0
        self._coefficients = layer.kernel.numpy() * scale
        self._biases = layer.bias.numpy()

    def find_coefficients(self, label: int) -> tuple[FloatArray, float]:
        """Return the coefficients of a label, <float>[features], and its bias."""
        is_binary = len(self._biases) == 1
        column = 0 if is_binary else label
        sign = -1 if is_binary and label == 0 else 1
        return sign * self._coefficients[:, column], sign * float(self._biases[column])

    def read(self, text: str) -> tuple[list[Token], list[Occurrence], dict[int, float]]:
        """Return the tokens of a text, its n-grams, and the value of each feature."""
        texts = tf.constant([normalize_text(text)])
        _, positions, found = self._encoder.find_occurrences(texts)
        weights = self._encoder.weigh(positions).numpy()
        occurrences = [
            Occurrence(int(feature), float(weights[start]), range(start, start + length))
            for start, features in enumerate(found.numpy())
            for length, feature in enumerate(features, 1)
            if feature >= 0
        ]
        row = {name: values[0].numpy().tolist() for name, values in self._encoder(texts).items()}
        pairs = zip(row["features"], row["values"], strict=True)
        values = {feature: value for feature, value in pairs if value}
        return find_tokens(text, self._encoder.split), occurrences, values

    def format_features(self, features: Sequence[int]) -> list[str]:
        """Return n-grams by their positions."""
        return self._encoder.format_ngrams(features)
