"""One configuration and its dataset to a fitted classifier: a network, or a scikit-learn floor."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textclf.config.resolve import ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, TextclfError
from textclf.models._build import build_network, find_fit
from textclf.runs.directory import RunDirectory
from textclf.runtime import backend
from textclf.runtime.progress import Phases
from textclf.training.history import History
from textclf.training.interrupt import finish_the_step

if TYPE_CHECKING:
    from textclf.models._sklearn import EstimatorClassifier
    from textclf.text.encoder import TextClassifier


@dataclass(frozen=True)
class Fitted:
    """What fitting leaves.

    Attributes:
        classifier: raw text to probabilities.
        history: the epochs of a network; None for a floor, which has none.
        probabilities: <float32>[test texts, labels].
        train_seconds: seconds of fitting; of a network, those of all epochs, resumed ones included.
    """

    classifier: "TextClassifier | EstimatorClassifier"
    history: History | None
    probabilities: npt.NDArray[np.float32]
    train_seconds: float


def build(config: ExperimentConfig, dataset: TextDataset, *, phases: Phases) -> Any:
    """Build the network of a configuration; None for a floor, which has none.

    Raises:
        TextclfError: it cannot be built as configured.
    """
    if find_fit(config.model.name):
        return None
    with _enough_memory(), phases("build", f"building {config.model.name}"):
        backend.set_seed(config.seed)
        strategy = backend.find_strategy(config.training.strategy)
        with strategy.scope():
            network = build_network(config, n_labels=len(dataset.label_names))
        if config.training.strategy:
            n_devices = strategy.num_replicas_in_sync
            _check_shares(config, network, n_devices, n_texts=len(dataset.train))
            phases.reporter.say(f"each batch is shared among {n_devices} device(s)")
        return network


def fit(
    config: ExperimentConfig,
    dataset: TextDataset,
    network: Any,
    run: RunDirectory,
    *,
    phases: Phases,
    tensorboard: bool = False,
) -> Fitted:
    """Fit the model of a configuration and predict the test texts; labels of these are not seen.

    Args:
        config: what to fit.
        dataset: on which texts.
        network: what `build` returned.
        run: keeps checkpoints, and event files.
        phases: is told what goes on.
        tensorboard: whether to write event files.
    """
    fit_floor = find_fit(config.model.name)
    if fit_floor is None:
        return _fit_network(config, dataset, network, run, phases=phases, tensorboard=tensorboard)
    with phases("train", f"fitting {config.model.name} on {len(dataset.train):,} texts"):
        classifier = fit_floor(config.model, dataset, seed=config.seed)
    with phases("predict", f"predicting {len(dataset.test):,} test texts"):
        probabilities = classifier.predict_texts(dataset.test.texts)
    return Fitted(classifier, None, probabilities, phases.seconds["train"])


def _fit_network(
    config: ExperimentConfig,
    dataset: TextDataset,
    network: Any,
    run: RunDirectory,
    *,
    phases: Phases,
    tensorboard: bool,
) -> Fitted:
    """Encode the texts, fit the network, and predict the test texts."""
    import keras

    from textclf.text import encode_dataset as encodings
    from textclf.text import encoder as text
    from textclf.training import loop as training

    with phases("text", f"encoding {sum(map(len, dataset.splits.values())):,} texts"):
        encoder, network, inputs = encodings.encode_dataset(network, config.text, dataset)
    epochs, n_used = config.training.epochs, training.count_used(network, len(dataset.train))
    with (
        _enough_memory(),
        phases("train", f"training on {len(dataset.train):,} texts"),
        phases.reporter.training(
            epochs=epochs, steps=config.training.count_steps(n_used)
        ) as display,
        finish_the_step(phases.reporter) as interruption,
    ):
        callbacks = [display, interruption]
        if tensorboard:
            folder = str(run.tensorboard_path)
            callbacks.append(keras.callbacks.TensorBoard(folder, write_graph=False))
        history = training.train(
            network,
            training.TrainingData(
                training.Examples(inputs["train"], dataset.train.labels),
                training.Examples(inputs["validation"], dataset.validation.labels),
                dataset.label_names,
            ),
            config.training,
            seed=config.seed,
            store=run,
            callbacks=callbacks,
        )
    classifier = text.TextClassifier.without_optimizer(encoder, network, dataset.label_names)
    with phases("predict", f"predicting {len(dataset.test):,} test texts"):
        probabilities = text.predict(classifier.network, inputs["test"])
    return Fitted(classifier, history, probabilities, history.train_seconds)


def _check_shares(config: ExperimentConfig, network: Any, n_devices: int, *, n_texts: int) -> None:
    """Refuse what cannot be shared among devices: Keras wants a share for each, and no texts."""
    key, batch_size = "training.strategy mirrored", config.training.batch_size
    if network.inputs[0].dtype == "string":
        raise RequestError(f"{key}: {config.model.name} takes raw texts, which stay on one device")
    if n_devices == 1:
        raise RequestError(
            f"{key}: there is one device, and nothing to share; leave it out, or, with"
            " --executor ray, --set resources.gpus=2"
        )
    if batch_size % n_devices or n_texts < n_devices:
        raise RequestError(
            f"{key}: training.batch_size {batch_size}, of {n_texts:,} texts, has no equal shares"
            f" for {n_devices} devices; set a multiple of {n_devices}"
        )


@contextlib.contextmanager
def _enough_memory() -> Iterator[None]:
    """Turn TensorFlow's many lines about memory into one."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        raise TextclfError(
            "the model does not fit into memory: lower its sizes (textclf models NAME), or"
            " --set training.batch_size"
        ) from error
