"""Builds and fits the model of a configuration: a network, or a scikit-learn baseline model."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.config.schema import ExperimentConfig
from textclf.data.dataset import Split, TextDataset
from textclf.errors import RequestError, TextclfError
from textclf.evaluation.calibration import fit_scale
from textclf.models._build import BuiltModel, build_model, find_fit, fit_model
from textclf.models._layers import SequenceConfig
from textclf.models._sklearn import SklearnClassifier
from textclf.runs.directory import RunDirectory
from textclf.runtime import backend
from textclf.runtime.progress import Phases, Reporter
from textclf.training.history import History
from textclf.training.interrupt import stop_after_step

if TYPE_CHECKING:
    from textclf.models._vectors import Coverage
    from textclf.text.classifier import TextClassifier


@dataclass(frozen=True)
class Fitted:
    """A fitted model and its predictions.

    Attributes:
        classifier: Raw text to probabilities.
        history: Epochs of a network; None for a scikit-learn model.
        probabilities: <float32>[test examples, labels].
        train_seconds: Seconds of fitting; for a network, of all epochs, including resumed ones.
        coverage: How many words have a pretrained vector; None without ``model.vectors``.
    """

    classifier: "TextClassifier | SklearnClassifier"
    history: History | None
    probabilities: npt.NDArray[np.float32]
    train_seconds: float
    coverage: "Coverage | None" = None


def build(config: ExperimentConfig, dataset: TextDataset, *, phases: Phases) -> BuiltModel | None:
    """Build the network of a configuration; None for a scikit-learn model.

    Raises:
        TextclfError: The network cannot be built as configured.
    """
    if find_fit(config.model):
        return None
    with _explaining_memory_errors(), phases("build", f"building {config.model.short_name}"):
        backend.set_seed(config.seed)
        strategy = backend.find_strategy(config.training.strategy)
        with strategy.scope():
            model = build_model(config, n_labels=len(dataset.label_names))
        _check_vectors(config, model)
        if config.training.strategy:
            n_devices = strategy.num_replicas_in_sync
            _check_mirrored(config, model, n_devices, n_examples=len(dataset.train))
            phases.reporter.info(f"each batch is split over {n_devices} devices")
        return model


def fit(
    config: ExperimentConfig,
    dataset: TextDataset,
    model: BuiltModel | None,
    run: RunDirectory,
    *,
    phases: Phases,
    tensorboard: bool = False,
) -> Fitted:
    """Fit the model of a configuration and predict the test split, whose labels are not seen.

    Args:
        config: Configuration of the run.
        dataset: Its dataset.
        model: What `build` returned.
        run: Run directory for checkpoints and event files.
        phases: Reports progress.
        tensorboard: Whether to write TensorBoard event files.
    """
    if model is not None:
        return _fit_network(config, dataset, model, run, phases=phases, tensorboard=tensorboard)
    with phases("train", f"fitting {config.model.short_name} on {len(dataset.train):,} examples"):
        classifier = fit_model(config, dataset)
        if classifier.note:
            phases.reporter.note(classifier.note)
        _calibrate(classifier, dataset.validation)
    with phases("predict", f"predicting {len(dataset.test):,} test examples"):
        probabilities = classifier.predict_texts(dataset.test.texts)
    return Fitted(classifier, None, probabilities, phases.seconds["train"])


def _calibrate(classifier: SklearnClassifier, validation: Split) -> None:
    """Set the scale that fits the validation labels best."""
    if classifier.needs_calibration:
        classes = classifier.pipeline.classes_
        known = np.isin(validation.labels, classes)
        decisions = classifier.decide_texts(validation.texts)[known]
        labels = np.searchsorted(classes, validation.labels[known])
        classifier.scale = fit_scale(decisions, labels)


def _fit_network(
    config: ExperimentConfig,
    dataset: TextDataset,
    model: BuiltModel,
    run: RunDirectory,
    *,
    phases: Phases,
    tensorboard: bool,
) -> Fitted:
    """Encode the texts, train the network, and predict the test split."""
    from textclf.text.classifier import TextClassifier, predict
    from textclf.text.encode_dataset import encode_dataset, list_token_notes
    from textclf.text.encoder import TextEncoder
    from textclf.training.batches import Examples, TrainingData
    from textclf.training.loop import count_used, train

    with phases("text", f"encoding {sum(map(len, dataset.splits.values())):,} texts"):
        encoder, inputs = encode_dataset(
            dataset, config.text, takes=model.takes, encoder=model.encoder
        )
    if isinstance(encoder, TextEncoder):
        for note in list_token_notes(inputs["test"], encoder):
            phases.reporter.note(note)
    coverage = _fill_embedding(config, model, encoder, inputs["train"], phases.reporter)
    data = TrainingData(
        Examples(inputs["train"], dataset.train.labels),
        Examples(inputs["validation"], dataset.validation.labels),
        dataset.label_names,
    )
    steps = config.training.count_steps(count_used(model.network, len(dataset.train)))
    with (
        _explaining_memory_errors(),
        phases("train", f"training on {len(dataset.train):,} examples"),
        phases.reporter.training(epochs=config.training.epochs, steps=steps) as display,
        stop_after_step(phases.reporter) as interrupt,
    ):
        callbacks = [display, interrupt, *(_tensorboard(run) if tensorboard else ())]
        history = train(
            model.network,
            data,
            config.training,
            seed=config.seed,
            store=run,
            callbacks=callbacks,
        )
    classifier = TextClassifier.without_optimizer(encoder, model.network, dataset.label_names)
    with phases("predict", f"predicting {len(dataset.test):,} test examples"):
        probabilities = predict(classifier.network, inputs["test"])
    return Fitted(classifier, history, probabilities, history.train_seconds, coverage)


def _fill_embedding(
    config: ExperimentConfig, model: BuiltModel, encoder: Any, train_ids: Any, reporter: Reporter
) -> "Coverage | None":
    """Fill in pretrained vectors, if there are any, and report how many words have one."""
    from textclf.models._vectors import fill_embedding

    coverage = fill_embedding(model.network, encoder, train_ids, config.model)
    if coverage and coverage.is_low:
        reporter.warning(f"WARNING: {coverage.describe()}")
    elif coverage:
        reporter.note(coverage.describe())
    return coverage


def _tensorboard(run: RunDirectory) -> list[Any]:
    import keras

    return [keras.callbacks.TensorBoard(str(run.tensorboard_path), write_graph=False)]


def _check_vectors(config: ExperimentConfig, model: BuiltModel) -> None:
    """Refuse pretrained vectors for a network that has no embedding of tokens."""
    if not isinstance(config.model, SequenceConfig) or config.model.vectors is None:
        return
    from textclf.models._vectors import find_embedding

    if model.takes != "token_ids":
        raise RequestError(f"model.vectors: {config.model.short_name} does not take token ids")
    find_embedding(model.network, config.model.short_name)


def _check_mirrored(
    config: ExperimentConfig, model: BuiltModel, n_devices: int, *, n_examples: int
) -> None:
    """Refuse what Keras cannot split evenly over devices, and text, which stays on one device."""
    key, batch_size = "training.strategy mirrored", config.training.batch_size
    if model.takes == "text":
        name = config.model.short_name
        raise RequestError(f"{key}: {name} takes raw text, which stays on one device")
    if n_devices == 1:
        raise RequestError(
            f"{key}: there is only one device; leave it out, or, with --executor ray,"
            " --set resources.gpus=2"
        )
    if batch_size % n_devices or n_examples < n_devices:
        raise RequestError(
            f"{key}: training.batch_size {batch_size} with {n_examples:,} training examples cannot"
            f" be split evenly over {n_devices} devices; set a multiple of {n_devices}"
        )


@contextlib.contextmanager
def _explaining_memory_errors() -> Iterator[None]:
    """Turn TensorFlow's long messages about memory into one line."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise TextclfError(
            "the model does not fit into memory: reduce its size (see textclf models NAME) or"
            " --set training.batch_size"
        ) from error
