"""One configuration in, one finished run directory out: the only place that composes the steps."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from textclf.config.resolve import ExperimentConfig
from textclf.config.schema import DatasetOptions
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset
from textclf.data.overlap import select_clean
from textclf.errors import RequestError, RunError, unknown
from textclf.evaluation.metrics import CleanAccuracy, Evaluation, calibration_bins, evaluate
from textclf.experiment.fit import Fitted, build, fit
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Predictions, Result
from textclf.runtime import backend
from textclf.runtime.machine import (
    COMPARED,
    count_processors,
    describe_environment,
    measure_peak_memory,
)
from textclf.runtime.progress import Phases, Reporter

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Settings:
    """How an experiment is carried out; none of it decides the result.

    Attributes:
        reporter: is told what goes on.
        device: ``auto``, ``cpu`` or ``gpu``.
        threads: of TensorFlow; None for those of the configuration, or else all processors.
        tensorboard: whether to write TensorBoard event files into the run directory.
        force: whether to repeat a finished run.
        command: the words that asked for it, for ``meta.json``.
        load: finds the dataset of a configuration.
        lock_seconds: how long to wait for a process that holds the run directory.
    """

    reporter: Reporter
    device: str = "auto"
    threads: int | None = None
    tensorboard: bool = False
    force: bool = False
    command: str = ""
    load: Callable[[DatasetOptions], TextDataset] = load_dataset
    lock_seconds: float = 0


def run_experiment(config: ExperimentConfig, run: RunDirectory, settings: Settings) -> Result:
    """Train, evaluate and write one run; report it where it is finished already.

    Raises:
        TextclfError: anything that a user can cause or meet.
    """
    if settings.tensorboard and find_spec("tensorboard") is None:
        raise RequestError("--tensorboard needs TensorBoard: pip install 'textclf[tensorboard]'")
    with run.lock(seconds=settings.lock_seconds):
        run.check(config, force=settings.force)
        if run.is_finished and not settings.force:
            settings.reporter.say(f"finished before, --force repeats it: {run.path}")
            return run.read_result()
        phases = Phases(settings.reporter)
        try:
            dataset, network, meta = _prepare(config, run, settings, phases)
            fitted = fit(
                config, dataset, network, run, phases=phases, tensorboard=settings.tensorboard
            )
            del network
            gc.collect()  # Keras's graphs refer to each other.
            return _record(config, dataset, run, fitted, phases, meta)
        except KeyboardInterrupt:
            settings.reporter.say("the same command goes on after the last whole epoch")
            raise


def _prepare(
    config: ExperimentConfig, run: RunDirectory, settings: Settings, phases: Phases
) -> tuple[TextDataset, Any, dict[str, Any]]:
    """Start TensorFlow, load the dataset, build the network, and make the directory ready.

    An earlier run is replaced last, when nothing that the user can mend is in the way.
    """
    threads = settings.threads or config.resources.cpus
    with phases("start", f"preparing {run.path}"):
        device = backend.start(settings.device, threads=threads)
    with phases("data", f"loading {config.dataset.name}"):
        dataset = settings.load(config.dataset)
    _check_class_weight(config, dataset)
    for warning in dataset.list_warnings():
        settings.reporter.say(warning)
    network = build(config, dataset, phases=phases)
    n_looks = run.count_test_evaluations()
    run.prepare(config, force=settings.force)
    meta = {
        **describe_environment(),
        "command": settings.command,
        "device": device,
        "threads": threads or count_processors(),
        "devices": network.distribute_strategy.num_replicas_in_sync if network else 1,
        "dataset_digest": dataset.digest,
        "config": config.model_dump(mode="json"),
        "test_evaluations": n_looks,
    }
    if run.read_checkpoint() is None:
        run.write_meta(meta)
    else:
        begun = run.read_meta()
        if changed := [field for field in COMPARED if begun.get(field) != meta[field]]:
            names = ", ".join(changed)
            settings.reporter.say(f"it goes on with other {names}: last digits may differ")
            meta |= dict.fromkeys(changed)
    run.check_dataset(dataset.digest)
    return dataset, network, meta


def _record(
    config: ExperimentConfig,
    dataset: TextDataset,
    run: RunDirectory,
    fitted: Fitted,
    phases: Phases,
    meta: dict[str, Any],
) -> Result:
    """Evaluate on the test texts and write all files, the result last."""
    with phases("evaluate", "evaluating and drawing"):
        evaluation = _evaluate(dataset, dataset.test, fitted.probabilities)
        run.write_pictures(_draw(config, dataset, fitted, evaluation))
    with phases("write", "writing the model and the predictions"):
        run.write_model(fitted.classifier)
        run.write_predictions(
            Predictions(dataset.test.index, dataset.test.labels, fitted.probabilities)
        )
    result = _summarise(config, dataset, fitted, evaluation)
    run.finish(
        result,
        {
            **meta,
            "seconds": phases.seconds,
            "peak_memory_bytes": measure_peak_memory(),
            "test_evaluations": meta["test_evaluations"] + 1,
        },
    )
    return result


def _check_class_weight(config: ExperimentConfig, dataset: TextDataset) -> None:
    weights = config.training.class_weight
    for name in weights if isinstance(weights, dict) else ():
        if name not in dataset.label_names:
            raise RequestError(
                f"training.class_weight: {unknown('label', name, dataset.label_names)}"
            )


def evaluate_run(
    run: RunDirectory, *, split: str, reporter: Reporter
) -> tuple[Evaluation, list[CleanAccuracy]]:
    """Evaluate a finished run's saved model, from raw text.

    Args:
        run: a finished run.
        split: ``train``, ``validation`` or ``test``.
        reporter: is told what goes on.

    Returns:
        The evaluation; and how accurate it is with and without the texts that stand in training
        too or under several labels, but for the split ``train``.

    Raises:
        RunError: the run is not finished, or a file of it is damaged.
    """
    classifier = run.read_model()
    options = run.read_config().dataset
    reporter.say(f"loading {options.name}")
    dataset = load_dataset(options)
    run.check_dataset(dataset.digest)
    examples = dataset.splits[split]
    reporter.say(f"predicting {len(examples):,} texts")
    probabilities = classifier.predict_texts(examples.texts)
    evaluation = _evaluate(dataset, examples, probabilities)
    correct = probabilities.argmax(axis=1) == examples.labels
    clean: list[CleanAccuracy] = []
    if split != "train":
        # As published: runs with and without leaked training texts are measured on the same ones.
        published = load_dataset(options.model_copy(update={"drop_leaked": False}))
        masks = select_clean(published, split)
        clean = [CleanAccuracy.of(name, correct[mask]) for name, mask in masks.items()]
    if split == "test":
        try:
            run.note_test_evaluation()
        except RunError as error:  # The run of somebody else, perhaps: its figures can be seen.
            reporter.say(f"this look at the test texts is not noted: {error}")
    return evaluation, clean


def _evaluate(dataset: TextDataset, split: Split, probabilities: Any) -> Evaluation:
    majority_label = int(np.bincount(dataset.train.labels).argmax())
    return evaluate(split.labels, probabilities, dataset.label_names, majority_label=majority_label)


def _draw(
    config: ExperimentConfig, dataset: TextDataset, fitted: Fitted, evaluation: Evaluation
) -> "dict[str, Figure]":
    from textclf.evaluation import plots

    title = f"{config.model.name} on {config.dataset.short_name}, seed {config.seed}"
    bins = calibration_bins(dataset.test.labels, fitted.probabilities)
    error = evaluation.metrics["expected_calibration_error"]
    accuracy = f"{title}: test accuracy {evaluation.metrics['accuracy']:.1%}"
    history = {"history": plots.plot_history(fitted.history, title)} if fitted.history else {}
    return {
        **history,
        "confusion": plots.plot_confusion(
            evaluation.confusion_matrix, dataset.label_names, accuracy
        ),
        "calibration": plots.plot_calibration(bins, error, title),
    }


def _summarise(
    config: ExperimentConfig, dataset: TextDataset, fitted: Fitted, evaluation: Evaluation
) -> Result:
    history = fitted.history
    epochs_run = len(history.rows) if history else 0
    return Result(
        dataset=config.dataset.short_name,
        model=config.model.name,
        fingerprint=config.fingerprint,
        seed=config.seed,
        split="test",
        split_digest=dataset.test.digest(dataset.label_names),
        best_epoch=history.best_epoch if history else None,
        epochs_run=epochs_run,
        parameters=fitted.classifier.count_params(),
        train_seconds=fitted.train_seconds,
        examples_per_second=len(dataset.train) * max(1, epochs_run) / fitted.train_seconds,
        evaluation=evaluation,
    )
