"""Integrated gradients (Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from textclf.errors import format_count
from textclf.explanation.attribution import Attribution, FloatArray
from textclf.runtime.progress import Reporter
from textclf.text.calibration_layer import CalibrationLayer
from textclf.text.encoder import PADDING_ID, START_ID, TextEncoder
from textclf.text.spans import find_tokens
from textclf.text.tokens import normalize_text

MIN_STEPS = 32
MAX_STEPS = 4_096
BATCH_SIZE = 64
"""Points of the path that are computed at once."""

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE = 0.01
"""Allowed difference between the sum of the weights and the change of the logit."""


class GradientNetwork(NamedTuple):
    """A network that is cut after its embedding and before its softmax.

    Attributes:
        encoder: Layer, texts to token ids.
        split: What a token is for it.
        embedding: Layer, token ids to vectors.
        body: keras.Model of the vectors and the token ids, which masks may need.
        make_logits: Turns its output into logits, <float>[batch, labels].
    """

    encoder: TextEncoder
    split: str
    embedding: Any
    body: Any
    make_logits: Callable[[Any], Any]


def cut_network(classifier: Any) -> GradientNetwork | None:
    """Cut the network of a `TextClassifier`; None unless it takes token ids and ends in softmax.

    A calibration after the softmax is left out.
    """
    encoder, network = classifier.encoder, classifier.network
    if not isinstance(encoder, TextEncoder) or encoder.split is None:
        return None
    (ids,) = network.inputs
    embeddings = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Embedding) and layer.input is ids
    ]
    # The path leads through one call of one embedding.
    if len(embeddings) != 1 or len(embeddings[0]._inbound_nodes) != 1:
        return None
    (output,), (*_, before, last) = network.outputs, network.layers
    if isinstance(last, CalibrationLayer):
        output, last = last.input, before
    if last.output is not output:  # An operation follows the last layer.
        return None
    if isinstance(last, keras.layers.Softmax) or _has_softmax(last, keras.layers.Activation):
        make_logits = tf.identity
    elif _has_softmax(last, keras.layers.Dense):
        make_logits = lambda features: _apply_dense(last, features)  # noqa: E731
    else:
        return None
    body = keras.Model([embeddings[0].output, ids], last.input)
    return GradientNetwork(encoder, encoder.split, embeddings[0], body, make_logits)


def _has_softmax(layer: Any, kind: Any) -> bool:
    return isinstance(layer, kind) and layer.activation is keras.activations.softmax


def _apply_dense(layer: Any, features: Any) -> Any:
    """Return the output of a dense layer without its activation."""
    logits = tf.matmul(tf.cast(features, tf.float32), tf.convert_to_tensor(layer.kernel))
    return logits + layer.bias if layer.use_bias else logits


def explain(
    network: GradientNetwork, texts: Sequence[str], labels: Sequence[int], *, reporter: Reporter
) -> list[Attribution]:
    """Explain the logit of a label for each text.

    The logit is the input of the softmax, before calibration. If there are two labels, it is the
    difference to that of the other label. The baseline is a text in which all words are padding.

    Args:
        network: The network.
        texts: Texts.
        labels: Label of each text.
        reporter: Prints progress, how many tokens the network does not read, and for how many texts
            the sum of the weights is not exact enough.
    """
    encoder, integrate = network.encoder, _Integral(network)
    found, n_cut, n_inexact = [], 0, 0
    with reporter.processing(len(texts), unit="texts") as advance:
        for text, label in zip(texts, labels, strict=True):
            ids = encoder(tf.constant([normalize_text(text)]))
            per_position, score, baseline, is_exact = integrate(ids, tf.constant(label))
            tokens = find_tokens(text, network.split)
            positions = encoder.find_positions(len(tokens))
            weights = np.where(positions < 0, 0.0, per_position[positions])
            found.append(Attribution(tokens, weights, score, baseline))
            n_cut += int((positions < 0).sum())
            n_inexact += not is_exact
            advance(1)
    if n_cut:
        length = encoder.sequence_length
        reporter.note(
            f"{format_count(n_cut, 'token')} beyond text.sequence_length {length} cannot change the"
            " prediction: the weight is 0"
        )
    if n_inexact:
        reporter.warning(
            f"{n_inexact:,} of {format_count(len(texts), 'text')}: the sum of the weights differs"
            f" from the change of the logit by more than {RELATIVE_TOLERANCE:.0%} and"
            f" {ABSOLUTE_TOLERANCE:g}, even with {MAX_STEPS:,} steps"
        )
    return found


class _Integral:
    """Integrates the gradient of the logit along the path from the baseline to a text."""

    def __init__(self, network: GradientNetwork) -> None:
        self._network = network
        self._differentiate = tf.function(self._differentiate_eagerly, reduce_retracing=True)

    def __call__(self, ids: tf.Tensor, label: tf.Tensor) -> tuple[FloatArray, float, float, bool]:
        """Return the weight of each position, the score, the baseline, and if the sum is exact."""
        baseline_ids = tf.where(ids == START_ID, START_ID, PADDING_ID)
        start = tf.cast(self._network.embedding(baseline_ids), tf.float32)
        change = tf.cast(self._network.embedding(ids), tf.float32) - start
        ends, _ = self._differentiate(start, change, ids, tf.constant([0.0, 1.0]), label)
        baseline, score = ends.numpy().astype(float)
        allowed = max(RELATIVE_TOLERANCE * abs(score - baseline), ABSOLUTE_TOLERANCE)
        n_steps = MIN_STEPS
        while True:
            weights = self._integrate(start, change, ids, label, n_steps)
            is_exact = bool(abs(weights.sum() - (score - baseline)) <= allowed)
            if is_exact or n_steps >= MAX_STEPS:
                return weights, float(score), float(baseline), is_exact
            n_steps *= 2

    def _integrate(
        self, start: tf.Tensor, change: tf.Tensor, ids: tf.Tensor, label: tf.Tensor, n_steps: int
    ) -> FloatArray:
        """Return the weight of each position by the midpoint rule."""
        midpoints = (np.arange(n_steps, dtype=np.float32) + 0.5) / n_steps
        total = np.zeros(change.shape[1:])
        for first in range(0, n_steps, BATCH_SIZE):
            points = tf.constant(midpoints[first : first + BATCH_SIZE])
            _, gradient = self._differentiate(start, change, ids, points, label)
            total += gradient.numpy()
        weights: FloatArray = (total / n_steps * change[0].numpy()).sum(axis=1)
        return weights

    def _differentiate_eagerly(
        self,
        start: tf.Tensor,
        change: tf.Tensor,
        ids: tf.Tensor,
        points: tf.Tensor,
        label: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the logit at points of the path, and the sum of its gradients.

        Args:
            start: <float32>[1, length, dim], the vectors of the baseline.
            change: <float32>[1, length, dim], what is added to them at the end of the path.
            ids: <int32>[1, length], the token ids of the text.
            points: <float32>[points], from 0 to 1.
            label: <int32>[], the label.

        Returns:
            <float32>[points] and <float32>[length, dim].
        """
        vectors = start + points[:, None, None] * change
        with tf.GradientTape() as tape:
            tape.watch(vectors)
            repeated = tf.repeat(ids, tf.size(points), axis=0)
            output = self._network.body([vectors, repeated])
            logits = tf.cast(self._network.make_logits(output), tf.float32)
            scores = logits[:, label]
            if logits.shape[1] == 2:
                scores -= logits[:, 1 - label]
        return scores, tf.reduce_sum(tape.gradient(scores, vectors), axis=0)
