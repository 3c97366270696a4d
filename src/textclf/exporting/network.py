"""The part of a network after the tokenizer, as a TensorFlow function that converters take."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from textclf.errors import RequestError, format_error
from textclf.runtime.backend import holding_back_stderr


def find_problem(classifier: Any) -> str | None:
    """Return why a network cannot be converted without its tokenizer; None if it can."""
    from textclf.exporting import tokenizer
    from textclf.text.ngrams import NgramEncoder

    if problem := tokenizer.find_problem(classifier):
        return f"{problem}; choose --format saved-model"
    layers = classifier.network.layers
    transformer = getattr(classifier.encoder, "transformer", None)
    computing = [*layers, transformer] if transformer else layers
    others = sorted({layer.compute_dtype for layer in computing} - {"float32"})
    if others:
        return (
            f"the network computes in {others[0]}, and only float32 can be converted; choose"
            " --format saved-model, or train with training.precision=float32"
        )
    if isinstance(classifier.encoder, NgramEncoder) and len(_find_sparse_layers(layers)) != 1:
        return "the network does not have exactly one SparseDense; choose --format saved-model"
    return None


def _find_sparse_layers(layers: Sequence[Any]) -> list[Any]:
    from textclf.text.sparse_dense import SparseDense

    return [layer for layer in layers if isinstance(layer, SparseDense)]


def make_function(classifier: Any, *, batch: int | None) -> Any:
    """Return a tf.function from what the tokenizer returns to ``probabilities``.

    It takes ``token_ids`` <int32>[batch, length], or ``features`` <int32>[batch, n] and ``values``
    <float32>[batch, n], which are 0 where a text has fewer n-grams.

    Args:
        classifier: Classifier for which `find_problem` returns None.
        batch: Number of texts; None for any.
    """
    import tensorflow as tf

    from textclf.text.ngrams import NgramEncoder

    network = classifier.network
    if isinstance(classifier.encoder, NgramEncoder):
        return _make_ngram_function(network, batch)
    embed = getattr(classifier.encoder, "embed", None)  # Of a frozen pretrained encoder.
    if embed:
        length = classifier.encoder.tokenizer.preprocessor.sequence_length
    else:
        length = network.input_shape[1]

    @tf.function(input_signature=[tf.TensorSpec([batch, length], tf.int32, "token_ids")])  # type: ignore[untyped-decorator]
    def classify(token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = embed(token_ids) if embed else token_ids
        return {"probabilities": network(inputs, training=False)}

    return classify


def _make_ngram_function(network: Any, batch: int | None) -> Any:
    """Return the function of a network over n-grams."""
    import keras
    import tensorflow as tf

    (layer,) = _find_sparse_layers(network.layers)
    rest = keras.Model(layer.output, network.output)
    # An array, because a tensor would become an input of the function.
    kernel = (layer.kernel * layer.scale if layer.is_scaled else layer.kernel).numpy()
    activation = keras.activations.get(layer.activation)
    inputs = [
        tf.TensorSpec([batch, None], tf.int32, "features"),
        tf.TensorSpec([batch, None], tf.float32, "values"),
    ]

    @tf.function(input_signature=inputs)  # type: ignore[untyped-decorator]
    def classify(features: tf.Tensor, values: tf.Tensor) -> dict[str, tf.Tensor]:
        # Not as `SparseDense`, whose operations converters do not know.
        weighted = tf.gather(tf.constant(kernel), features) * tf.expand_dims(values, -1)
        outputs = activation(tf.reduce_sum(weighted, axis=1) + layer.bias)
        return {"probabilities": rest(outputs, training=False)}

    return classify


@contextlib.contextmanager
def converting(name: str) -> Iterator[None]:
    """Turn a failure to convert a network in the block into a RequestError.

    Args:
        name: Name of the format.
    """
    try:
        with holding_back_stderr(shows_after_error=False):
            yield
    except OSError:  # Such as a full disk, which says nothing about the network.
        raise
    except Exception as error:  # Converters raise all kinds of errors for unknown operations.
        operation = re.search(r"'tf\.(\w+)' op", str(error))
        reason = f"the operation {operation[1]} is unknown" if operation else format_error(error)
        raise RequestError(
            f"--format {name}: the network cannot be converted ({reason}); choose --format"
            " saved-model"
        ) from error
