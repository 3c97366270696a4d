"""Builds the model of a configuration, and names the baseline models."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textclf.config.schema import ExperimentConfig, ModelConfig
from textclf.data.dataset import Split, TextDataset
from textclf.errors import RequestError
from textclf.models._sklearn import SklearnClassifier
from textclf.registry import guard_code, list_built_in, load_module

LINEAR_BASELINE = "tfidf-svc"
CHANCE_BASELINE = "majority"
BASELINES = (LINEAR_BASELINE, CHANCE_BASELINE)
"""Baseline models that are added to every comparison that trains models."""


@dataclass(frozen=True)
class BuiltModel:
    """An untrained network and what it takes.

    Attributes:
        takes: ``token_ids`` or ``text``.
        encoder: Layer that is not trained, whose output for each text is computed once; None if
            the network takes token ids or texts.
        network: keras.Model, token ids, the encoder's output or texts to probabilities
            <float32>[batch, n_labels].
        loss: Keras loss of the scores, which the last layer of the network turns into
            probabilities; None for the cross-entropy of the probabilities.
    """

    takes: str
    encoder: Any
    network: Any
    loss: Any = None


def find_fit(model: ModelConfig) -> Callable[..., Any] | None:
    """Return the function ``fit`` of a model that is not a network; None for a network."""
    fit: Callable[..., Any] | None = getattr(
        load_module("models", model.name, model.code), "fit", None
    )
    return fit


def is_baseline(name: str) -> bool:
    """Return whether a model is a built-in baseline model; plug-ins are judged like networks."""
    return name in list_built_in("models") and hasattr(load_module("models", name), "fit")


def fit_model(config: ExperimentConfig, dataset: TextDataset) -> SklearnClassifier:
    """Fit the model of a configuration that is not a network.

    Raises:
        RequestError: A model that is not built in fails, or returns something else.
    """
    module = load_module("models", config.model.name, config.model.code)
    with guard_code(module):
        classifier = module.fit(config.model, dataset, seed=config.seed)
    if not isinstance(classifier, SklearnClassifier):
        raise RequestError(
            f"{config.model.name}: fit must return a textclf.SklearnClassifier, got"
            f" {type(classifier).__name__}"
        )
    return classifier


def takes_train(model: ModelConfig) -> bool:
    """Return whether a network is built from the training split."""
    module = load_module("models", model.name, model.code)
    return hasattr(module, "build") and "train" in inspect.signature(module.build).parameters


def build_model(
    config: ExperimentConfig, *, n_labels: int, train: Split | None = None
) -> BuiltModel:
    """Build the network of a configuration, with the configured precision.

    Args:
        config: Configuration.
        n_labels: Number of labels.
        train: Training split; it may be None if `takes_train` returns False.

    Raises:
        RequestError: A model that is not built in does not return such a network.
    """
    import keras

    module = load_module("models", config.model.name, config.model.code)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.training.precision)
    try:
        with guard_code(module):
            given = {"train": train} if takes_train(config.model) else {}
            built = module.build(config.model, text=config.text, n_labels=n_labels, **given)
            loss = module.make_loss(config.model) if hasattr(module, "make_loss") else None
    finally:
        keras.config.set_dtype_policy(before)
    name = config.model.name
    if module.TAKES == "text" and not (isinstance(built, tuple) and len(built) == 2):
        raise RequestError(
            f"{name}: build must return an encoder or None, and a network, because TAKES is text;"
            f" got {type(built).__name__}"
        )
    encoder, network = built if module.TAKES == "text" else (None, built)
    _check_network(name, network, (None, n_labels))
    if config.model.code and module.TAKES == "token_ids":
        _check_probabilities(name, network)
    return BuiltModel(module.TAKES, encoder, network, loss)


def _check_probabilities(name: str, network: Any) -> None:
    """Raise RequestError unless a network of token ids returns probabilities."""
    import numpy as np

    rows = np.asarray(network(np.zeros((2, *network.input_shape[1:]), np.int32)), np.float32)
    if (rows < 0).any() or np.abs(rows.sum(axis=1) - 1).max() > 0.01:
        raise RequestError(
            f"{name}: build must return probabilities, not negative and with the sum 1 for each"
            f" text, got {rows[0].min():.3g} as the smallest and {rows[0].sum():.3g} as the sum;"
            " end with a softmax activation"
        )


def _check_network(name: str, network: Any, expected: tuple[None, int]) -> None:
    """Raise RequestError unless a network has this output shape, and can be saved."""
    import keras

    shape = getattr(network, "output_shape", None)  # A Sequential without an Input has none.
    if not isinstance(network, keras.Model) or shape != expected:
        raise RequestError(
            f"{name}: build must return a keras.Model that begins with keras.Input and has output"
            f" shape {expected}, got {shape or type(network).__name__}"
        )
    try:
        network.get_config()
    except NotImplementedError as error:  # Now, rather than after training.
        reason = " ".join(str(error).split()).partition(". Please")[0]
        raise RequestError(f"{name}: the network cannot be saved: {reason}") from error
