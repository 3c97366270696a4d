"""Builds the model of a configuration, and names the baseline models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textclf.config.schema import ExperimentConfig
from textclf.registry import load_module

LINEAR_BASELINE = "tfidf-svc"
CHANCE_BASELINE = "majority"
BASELINES = (LINEAR_BASELINE, CHANCE_BASELINE)
"""Models that are added to every comparison that trains models."""


@dataclass(frozen=True)
class BuiltModel:
    """An untrained network and what it takes.

    Attributes:
        takes: ``token_ids`` or ``text``.
        encoder: Layer that is not trained, whose output for each text is computed once; None if
            the network takes token ids or texts.
        network: keras.Model, token ids, the encoder's output or texts to probabilities
            <float32>[batch, n_labels].
    """

    takes: str
    encoder: Any
    network: Any


def find_fit(name: str) -> Callable[..., Any] | None:
    """Return the function ``fit`` of a model that is not a network; None for a network."""
    fit: Callable[..., Any] | None = getattr(load_module("models", name), "fit", None)
    return fit


def build_model(config: ExperimentConfig, *, n_labels: int) -> BuiltModel:
    """Build the network of a configuration, with the configured precision."""
    import keras

    module = load_module("models", config.model.name)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.training.precision)
    try:
        built = module.build(config.model, text=config.text, n_labels=n_labels)
    finally:
        keras.config.set_dtype_policy(before)
    encoder, network = built if module.TAKES == "text" else (None, built)
    return BuiltModel(module.TAKES, encoder, network)
