"""Models: each file is one, found by its name.

A model module has a docstring whose first line is its summary, ``Parameters`` and ``build``; and,
where they suit it, ``DEFAULTS`` for other sections of the configuration.
"""

from typing import Any

from textclf.config import ExperimentConfig
from textclf.registry import load_module


def build_network(config: ExperimentConfig, *, n_labels: int) -> Any:
    """Build the Keras model of a configuration: token ids to class probabilities.

    Returns:
        keras.Model, <int32>[batch, sequence_length] to <float32>[batch, n_labels].
    """
    module = load_module("models", config.model.name)
    return module.build(config.model, text=config.text, n_labels=n_labels)
