"""Models: each file is one, found by its name.

A model module has a docstring whose first line is its summary and ``Parameters``; and, where they
suit it, ``DEFAULTS`` for other sections of the configuration. A network has ``build``, which makes
a Keras model of token ids; any other classifier has ``fit``, which takes the parameters, the
dataset and the seed, and uses neither the section ``text`` nor ``training``. A network may also
take raw texts: then its input has the type ``string``.
"""

from collections.abc import Callable
from typing import Any

from textclf.config.resolve import ExperimentConfig
from textclf.registry import load_module

LINEAR_FLOOR = "tfidf-svc"
CHANCE_FLOOR = "majority"
FLOORS = (LINEAR_FLOOR, CHANCE_FLOOR)
"""Models that take part whenever others are run for a comparison."""


def find_fit(name: str) -> Callable[..., Any] | None:
    """Return the ``fit`` of a model that is no network; None for a network."""
    fit: Callable[..., Any] | None = getattr(load_module("models", name), "fit", None)
    return fit


def build_network(config: ExperimentConfig, *, n_labels: int) -> Any:
    """Build the Keras model of a configuration: token ids, or raw texts, to class probabilities.

    Returns:
        keras.Model, <int32>[batch, sequence_length], or <string>[batch], to
        <float32>[batch, n_labels].
    """
    import keras

    module = load_module("models", config.model.name)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.training.precision)
    try:
        return module.build(config.model, text=config.text, n_labels=n_labels)
    finally:
        keras.config.set_dtype_policy(before)
