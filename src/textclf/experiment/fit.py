"""Builds and fits the model of a configuration: a network, or a scikit-learn baseline model."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from textclf.config.schema import ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, TextclfError
from textclf.experiment.fitted import (
    Fitted,
    FittedNetwork,
    FittedPipeline,
    Probabilities,
    calibrate,
)
from textclf.models._build import BuiltModel, build_model, find_fit, fit_model
from textclf.models._calibration import Calibration
from textclf.models._layers import SequenceConfig
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Fit
from textclf.runtime import backend
from textclf.runtime.progress import Phases, Reporter
from textclf.training.history import CheckpointStore, History
from textclf.training.interrupt import stop_after_step

if TYPE_CHECKING:
    from textclf.models._vectors import Coverage


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
            model = build_model(config, n_labels=len(dataset.label_names), train=dataset.train)
        _check_vectors(config, model)
        if config.training.strategy:
            n_devices = strategy.num_replicas_in_sync
            _check_mirrored(config, model, n_devices, n_examples=len(dataset.train))
            phases.reporter.info(f"each batch is split over {n_devices} devices")
        return model


@dataclass(frozen=True)
class Validated:
    """A model that was fitted on the training split, before anything sees the test split.

    Attributes:
        fitted: The model.
        calibration: Its calibration; None without one.
        probabilities: Calibrated, <float32>[validation examples, labels].
    """

    fitted: FittedPipeline | FittedNetwork
    calibration: Calibration | None
    probabilities: Probabilities


def fit(
    config: ExperimentConfig,
    dataset: TextDataset,
    model: BuiltModel | None,
    run: RunDirectory,
    *,
    phases: Phases,
    callbacks: Sequence[Any] = (),
) -> Validated:
    """Fit the model of a configuration on the training split, and calibrate it.

    Args:
        config: Configuration of the run.
        dataset: Its dataset.
        model: What `build` returned.
        run: Run directory, whose checkpoint or fitted model is used if there is one.
        phases: Reports progress.
        callbacks: Keras callbacks of the training, besides the display.
    """
    fitted: FittedPipeline | FittedNetwork | None = None
    if model is None:
        fitted = _read_pipeline(dataset, run)
    if fitted is None:
        fitted = _fit_once(config, dataset, model, run, phases=phases, callbacks=callbacks)
    calibration, method, n_examples = None, config.evaluation.calibration, len(dataset.validation)
    with phases("validate", f"predicting {n_examples:,} validation examples"):
        if method != "none":
            calibration = calibrate(method, fitted, dataset)
        return Validated(fitted, calibration, fitted.predict_validation(calibration))


def predict_test(
    config: ExperimentConfig,
    dataset: TextDataset,
    validated: Validated,
    run: RunDirectory,
    *,
    phases: Phases,
) -> Fitted:
    """Predict the test split, after fitting the model again with ``training.refit``.

    It is then fitted on training and validation examples together.

    Args:
        config: Configuration of the run.
        dataset: Its dataset.
        validated: What `fit` returned.
        run: Run directory for the checkpoints of the second fit.
        phases: Reports progress.
    """
    fitted = validated.fitted
    fits = [Fit(("train",), len(dataset.train), fitted.n_epochs)]
    seconds, history = fitted.train_seconds, fitted.history
    if config.training.refit:
        fitted, refit = _refit(config, dataset, history, run, phases=phases)
        fits.append(refit)
        seconds += fitted.train_seconds
    with phases("predict", f"predicting {len(dataset.test):,} test examples"):
        predicted = fitted.predict_test(validated.calibration)
    return replace(predicted, history=history, train_seconds=seconds, fits=tuple(fits))


def _refit(
    config: ExperimentConfig,
    dataset: TextDataset,
    history: History | None,
    run: RunDirectory,
    *,
    phases: Phases,
) -> tuple[FittedPipeline | FittedNetwork, Fit]:
    """Fit the model from the start, on training and validation examples together.

    A network is trained for the number of epochs that gave the weights of the first fit.
    """
    phases.reporter.info("fitting again on training and validation examples together")
    joined = replace(dataset, train=dataset.train.join(dataset.validation))
    n_epochs, training = None, config.training
    if history:
        n_epochs = history.best_epoch if training.restore_best_weights else len(history.rows)
    # Nothing is validated, so that no epoch is the best.
    training = training.model_copy(update={"patience": None, "restore_best_weights": False})
    config = config.model_copy(update={"training": training})
    model = build(config, joined, phases=phases)
    fitted = _fit_once(config, joined, model, run.refit_store, phases=phases, n_epochs=n_epochs)
    return fitted, Fit(("train", "validation"), len(joined.train), n_epochs)


def _fit_once(
    config: ExperimentConfig,
    dataset: TextDataset,
    model: BuiltModel | None,
    store: CheckpointStore,
    *,
    phases: Phases,
    n_epochs: int | None = None,
    callbacks: Sequence[Any] = (),
) -> FittedPipeline | FittedNetwork:
    """Fit a model on the training split; with ``n_epochs``, a network without validation."""
    if model is None:
        return _fit_pipeline(config, dataset, phases=phases)
    return _fit_network(
        config, dataset, model, store, phases=phases, n_epochs=n_epochs, callbacks=callbacks
    )


def _read_pipeline(dataset: TextDataset, run: RunDirectory) -> FittedPipeline | None:
    """Return the scikit-learn model of a run that has been validated, but not evaluated."""
    classifier = run.read_fitted_pipeline()
    if classifier is None:
        return None
    return FittedPipeline(classifier, dataset, run.read_validation().train_seconds)


def _fit_pipeline(
    config: ExperimentConfig, dataset: TextDataset, *, phases: Phases
) -> FittedPipeline:
    """Fit a scikit-learn model."""
    before = phases.seconds.get("train", 0.0)
    with phases("train", f"fitting {config.model.short_name} on {len(dataset.train):,} examples"):
        classifier = fit_model(config, dataset)
        if classifier.note:
            phases.reporter.note(classifier.note)
    return FittedPipeline(classifier, dataset, phases.seconds["train"] - before)


def _fit_network(
    config: ExperimentConfig,
    dataset: TextDataset,
    model: BuiltModel,
    store: CheckpointStore,
    *,
    phases: Phases,
    n_epochs: int | None,
    callbacks: Sequence[Any],
) -> FittedNetwork:
    """Encode the texts, and train the network; with ``n_epochs``, without validation."""
    from textclf.text.classifier import TextClassifier
    from textclf.text.encode_dataset import encode_dataset, list_token_notes
    from textclf.text.encoder import TextEncoder
    from textclf.training.batches import Examples, TrainingData
    from textclf.training.loop import count_used, train

    with phases("text", f"encoding {sum(map(len, dataset.splits.values())):,} texts"):
        encoder, inputs = encode_dataset(
            dataset, config.text, model.takes, model.encoder, reporter=phases.reporter
        )
    if isinstance(encoder, TextEncoder):
        for note in list_token_notes(inputs["test"], encoder):
            phases.reporter.note(note)
    coverage = _fill_embedding(config, model, encoder, inputs["train"], phases.reporter)
    data = TrainingData(
        Examples(inputs["train"], dataset.train.labels),
        None if n_epochs else Examples(inputs["validation"], dataset.validation.labels),
        dataset.label_names,
    )
    steps = config.training.count_steps(count_used(model.network, len(dataset.train)))
    with (
        _explaining_memory_errors(),
        phases("train", f"training on {len(dataset.train):,} examples"),
        phases.reporter.training(epochs=n_epochs or config.training.epochs, steps=steps) as display,
        stop_after_step(phases.reporter) as interrupt,
    ):
        history = train(
            model.network,
            data,
            config.training,
            loss=model.loss,
            seed=config.seed,
            store=store,
            n_epochs=n_epochs,
            callbacks=[display, interrupt, *callbacks],
        )
    classifier = TextClassifier.without_optimizer(encoder, model.network, dataset.label_names)
    return FittedNetwork(classifier, inputs, history, coverage)


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


def _check_vectors(config: ExperimentConfig, model: BuiltModel) -> None:
    """Refuse pretrained vectors for a network that has no embedding of tokens."""
    if not isinstance(config.model, SequenceConfig) or config.model.vectors is None:
        return
    from textclf.models._vectors import find_embedding

    if model.takes != "token_ids":
        raise RequestError(
            f"model.vectors: {config.model.short_name} does not take token ids; leave it out"
        )
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
