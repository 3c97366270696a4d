"""Contract tests for models and datasets, built-in ones and your own.

Example:
    >>> from textclf.testing import check_model
    >>> def test_my_model():
    ...     check_model("./my_model.py")
"""

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textclf.api import make_dataset_config
from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.config.schema import ExperimentConfig
from textclf.config.tuned_keys import find_model_space
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import describe_source, load_dataset, load_label_names
from textclf.errors import format_error
from textclf.models._build import BuiltModel, build_model, find_fit, takes_train
from textclf.models._calibration import Calibration, append_calibration
from textclf.registry import find_packages, load_module
from textclf.runs.model_file import load_model
from textclf.runtime import backend
from textclf.runtime.progress import Reporter

WORDS = {
    "fruit": ["apple", "pear", "plum", "fig"],
    "tool": ["saw", "nail", "file", "axe"],
    "color": ["red", "blue", "green", "grey"],
}
"""Words of the texts of each label of `make_dataset`."""

TOLERANCE = 1e-5
"""Allowed difference of the sum of probabilities from 1, and of a loaded model's from the saved."""


def make_dataset(n_labels: int = 3) -> TextDataset:
    """Return a dataset of 30, 12 and 9 examples, whose words determine the two or three labels."""
    names = tuple(WORDS)[:n_labels]
    train, validation, test = (make_split(n, names) for n in (30, 12, 9))
    return TextDataset("words", names, train, validation, test)


def make_split(n_texts: int, names: tuple[str, ...]) -> Split:
    """Return texts of growing length; text i has label i modulo the number of names."""
    labels = [i % len(names) for i in range(n_texts)]
    texts = [
        " ".join(WORDS[names[label]][(i + j) % 4] for j in range(3 + i % 5))
        for i, label in enumerate(labels)
    ]
    return Split.from_lists(texts, labels)


def check_model(name: str | Path, *, overrides: Mapping[str, Any] | None = None) -> None:
    """Check that a model keeps its contract, with two and with three labels.

    A network must train every weight, return probabilities, work in bfloat16, and predict the same
    after it was saved and loaded. Any other model must fit, and predict the same after it was saved
    and loaded. Neither needs a download.

    Args:
        name: Name or Python file.
        overrides: Values of the configuration, such as ``{"model.units": 8}``.

    Raises:
        AssertionError: The model breaks its contract; the message says how.
        TextclfError: It cannot be imported or built.
    """
    backend.import_tensorflow()
    for n_labels in (2, 3):
        config = make_model_config(name, overrides=overrides)
        check_signature(config)
        if find_fit(config.model):
            check_fitting(config, n_labels)
        else:
            check_training(config, n_labels)
            try:
                check_precision(make_model_config(name, "mixed_bfloat16", overrides), n_labels)
            except AssertionError as error:
                raise AssertionError(f"training.precision mixed_bfloat16: {error}") from error


def make_model_config(
    name: str | Path, precision: str = "float32", overrides: Mapping[str, Any] | None = None
) -> ExperimentConfig:
    """Return a configuration with a small vocabulary, short sequences and two epochs."""
    tree = {
        "dataset": {"name": "bbc"},
        "text": {"num_words": 40, "sequence_length": 16},
        "training": {"epochs": 2, "batch_size": 8, "precision": precision},
    }
    given = {"model.name": str(name), **(overrides or {})}
    return resolve(tree, [Override(key, value, key) for key, value in given.items()])


def check_signature(config: ExperimentConfig) -> None:
    """Check the arguments of ``build`` or ``fit``, and that the search space is valid."""
    module = load_module("models", config.model.name, config.model.code)
    fit = find_fit(config.model)
    expected = ["config", "dataset", "seed"] if fit else ["config", "text", "n_labels"]
    if takes_train(config.model):
        expected.append("train")
    given = list(inspect.signature(fit or module.build).parameters)
    _require(given == expected, f"the arguments must be {expected}, not {given}")
    _require(bool((module.__doc__ or "").strip()), "it has no docstring, which is its summary")
    find_model_space(config)  # Raises an error if it is invalid.


def check_training(config: ExperimentConfig, n_labels: int) -> None:
    """Check that two epochs change every weight, and that the saved network predicts the same."""
    from textclf.models._vectors import fill_embedding
    from textclf.text.classifier import TextClassifier, predict

    dataset = make_dataset(n_labels)
    model = _build(config, dataset)
    encoder, inputs = _encode(dataset, config, model)
    fill_embedding(model.network, encoder, inputs["train"], config.model)
    _check_that_weights_change(model, inputs, dataset, config)
    probabilities = predict(model.network, inputs["test"])
    _check_probabilities(probabilities, len(dataset.test), n_labels)
    network = append_calibration(model.network, make_calibration(n_labels))
    classifier = TextClassifier.without_optimizer(encoder, network, dataset.label_names)
    probabilities = predict(classifier.network, inputs["test"])
    _check_probabilities(probabilities, len(dataset.test), n_labels)
    _check_saving(config, classifier, dataset, probabilities)


def _encode(dataset: TextDataset, config: ExperimentConfig, model: BuiltModel) -> tuple[Any, Any]:
    """Return the encoder of a model, and what the network takes, by split."""
    from textclf.text.encode_dataset import encode_dataset

    reporter = Reporter(quiet=True)
    return encode_dataset(dataset, config.text, model.takes, model.encoder, reporter=reporter)


def make_calibration(n_labels: int) -> Calibration:
    """Return a calibration that changes every probability."""
    return Calibration(2.0, 0.25, tuple(np.arange(1, n_labels + 1) / sum(range(n_labels + 1))))


def check_precision(config: ExperimentConfig, n_labels: int) -> None:
    """Check that a network computes in bfloat16, and keeps weights and probabilities in float32."""
    from textclf.text.classifier import TextClassifier

    dataset = make_dataset(n_labels)
    model = _build(config, dataset)
    network = model.network
    encoder, inputs = _encode(dataset, config, model)
    # An Input follows the precision by itself, and the last layer returns float32.
    layers = [layer for layer in network.layers if layer.weights]
    types = {layer.compute_dtype for layer in layers}
    is_followed = "bfloat16" in types or len(layers) < 2
    _require(is_followed, f"its layers compute in {sorted(types)}")
    types = {weight.dtype for weight in network.weights}
    _require(types <= {"float32", "uint32"}, f"its weights are {types}")
    _check_that_weights_change(model, inputs, dataset, config)
    classifier = TextClassifier.without_optimizer(encoder, network, dataset.label_names)
    probabilities = classifier.predict_texts(dataset.test.texts)
    _check_probabilities(probabilities, len(dataset.test), n_labels)
    _check_saving(config, classifier, dataset, probabilities)


def check_fitting(config: ExperimentConfig, n_labels: int) -> None:
    """Check that a model that is not a network fits, and predicts the same after loading."""
    dataset, fit = make_dataset(n_labels), find_fit(config.model)
    _require(fit is not None, "it does not define fit")
    classifier = fit(config.model, dataset, seed=1)  # type: ignore[misc]
    classifier.calibration = make_calibration(n_labels)
    probabilities = classifier.predict_texts(dataset.test.texts)
    _check_probabilities(probabilities, len(dataset.test), n_labels)
    _check_saving(config, classifier, dataset, probabilities)


def check_dataset(name: str | Path, *, overrides: Mapping[str, Any] | None = None) -> None:
    """Check that a dataset keeps its contract: three splits, valid labels, the same twice.

    Args:
        name: Name or Python file.
        overrides: Values of the configuration, such as ``{"dataset.limit": 100}``.

    Raises:
        AssertionError: The dataset breaks its contract; the message says how.
        TextclfError: It cannot be imported or loaded.
    """
    config = make_dataset_config(name, overrides or {}).dataset
    module = load_module("datasets", config.name, config.code)
    _require(bool((module.__doc__ or "").strip()), "it has no docstring, which is its summary")
    dataset = load_dataset(config)
    names = dataset.label_names
    _require(len(set(names)) == len(names) >= 2, f"it needs two or more different labels: {names}")
    _require(load_label_names(config) == names, "label_names(config) returns other names")
    for split_name, split in dataset.splits.items():
        n = len(split)
        _require(n > 0, f"{split_name} has no examples")
        _require(len(split.texts) == len(split.index) == n, f"{split_name} has other lengths")
        _require(len(set(split.index.tolist())) == n, f"{split_name} has an index twice")
        is_valid = bool(np.isin(split.labels, np.arange(len(names))).all())
        _require(is_valid, f"{split_name} has labels outside 0 to {len(names) - 1}")
        _require(all(isinstance(t, str) for t in split.texts), f"{split_name}: a text is not str")
    known = {"download", "source", "license", "citation"}
    _require(set(describe_source(config)) == known, f"the keys of ABOUT must be {sorted(known)}")
    again = load_dataset(config).digest
    _require(again == dataset.digest, "loading it twice gives other texts, labels or splits")


class _NoCheckpoints:
    """Keeps no checkpoint, so that training begins at the first epoch."""

    def read_checkpoint(self) -> None:
        """Return None, because there is not a checkpoint to resume from."""

    def write_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing."""


def _build(config: ExperimentConfig, dataset: TextDataset) -> Any:
    backend.set_seed(1)
    return build_model(config, n_labels=len(dataset.label_names), train=dataset.train)


def _check_that_weights_change(
    model: Any, inputs: Mapping[str, Any], dataset: TextDataset, config: ExperimentConfig
) -> None:
    from textclf.training.batches import Examples, TrainingData
    from textclf.training.loop import train

    network = model.network
    data = TrainingData(
        Examples(inputs["train"], dataset.train.labels),
        Examples(inputs["validation"], dataset.validation.labels),
        dataset.label_names,
    )
    before = [weight.numpy() for weight in network.trainable_weights]
    _require(bool(before), "it has no trainable weights")
    train(network, data, config.training, loss=model.loss, seed=1, store=_NoCheckpoints())
    for old, new in zip(before, network.trainable_weights, strict=True):
        _require(bool(np.isfinite(new.numpy()).all()), f"training makes {new.path} infinite or NaN")
        _require(bool((old != new.numpy()).any()), f"training does not change {new.path}")


def _check_probabilities(probabilities: Any, n_texts: int, n_labels: int) -> None:
    _require(
        probabilities.shape == (n_texts, n_labels),
        f"the shape of its probabilities is {probabilities.shape}, not ({n_texts}, {n_labels})",
    )
    _require(probabilities.dtype == np.float32, f"its probabilities are {probabilities.dtype}")
    _require(bool((probabilities >= 0).all()), "a probability is negative")
    worst = float(np.abs(probabilities.sum(axis=1) - 1).max())
    _require(worst <= TOLERANCE, f"its probabilities do not sum to 1 (difference {worst:.2g})")


def _check_saving(
    config: ExperimentConfig, classifier: Any, dataset: TextDataset, probabilities: Any
) -> None:
    packages = find_packages("models", config.model.name, config.model.code)
    with tempfile.TemporaryDirectory(prefix="textclf-") as folder:
        path = Path(folder) / f"model{classifier.file_suffix}"
        try:
            classifier.save(path)
            loaded = load_model(path, packages=packages)
        except Exception as error:
            raise AssertionError(f"it cannot be saved and loaded: {format_error(error)}") from error
    _require(loaded.label_names == dataset.label_names, "the saved model has other label names")
    again = loaded.predict_texts(dataset.test.texts)
    difference = float(np.abs(again - probabilities).max())
    _require(difference <= TOLERANCE, f"the saved model predicts differently, by {difference:.2g}")
    n_parameters = loaded.count_params(), classifier.count_params()
    _require(n_parameters[0] == n_parameters[1], f"saving changes n_parameters: {n_parameters}")


def _require(condition: bool, message: str) -> None:
    """Raise AssertionError unless a condition holds, also if Python removes assertions."""
    if not condition:
        raise AssertionError(message)
