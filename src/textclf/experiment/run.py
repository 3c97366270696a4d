"""Runs one experiment: the only place that composes the steps from a dataset to a finished run."""

import gc
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from textclf.config.schema import DatasetConfig, ExperimentConfig
from textclf.data.dataset import TextDataset
from textclf.data.loading import load_dataset
from textclf.data.summary import list_notes
from textclf.errors import PrunedError, RequestError, format_install, format_unknown
from textclf.evaluation.metrics import Evaluation
from textclf.evaluation.temperature import CALIBRATION_METRICS, CalibrationReport
from textclf.experiment.device import has_network, start_device
from textclf.experiment.evaluate import evaluate_predictions, format_title
from textclf.experiment.fit import Validated, build, fit, predict_test
from textclf.experiment.fitted import Fitted
from textclf.models._build import BuiltModel
from textclf.runs.directory import RunDirectory
from textclf.runs.result import Fit, Predictions, Result
from textclf.runtime.machine import (
    ENVIRONMENT_FIELDS,
    count_processors,
    describe_environment,
    measure_peak_memory,
)
from textclf.runtime.progress import Phases, Reporter
from textclf.training.history import PruningRule

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class RunContext:
    """How a run is executed; nothing in it decides the result.

    Attributes:
        reporter: Prints progress.
        device: ``auto``, ``cpu`` or ``gpu``.
        threads: TensorFlow's threads; None for those of the configuration, or all processors.
        tensorboard: Whether to write TensorBoard event files into the run directory.
        force: Whether to repeat a finished run.
        validate_only: Whether to stop before the test split is predicted, as trials do.
        pruning: When to stop a run that is worse than earlier ones; None never stops.
        command: Command line, for ``meta.json``.
        is_temporary: Whether the run directory is removed in any case, so that nothing resumes.
        load: Loads the dataset of a configuration.
        lock_timeout_seconds: How long to wait for a process that uses the run directory.
    """

    reporter: Reporter
    device: str = "auto"
    threads: int | None = None
    tensorboard: bool = False
    force: bool = False
    validate_only: bool = False
    pruning: PruningRule | None = None
    command: str = ""
    is_temporary: bool = False
    load: Callable[[DatasetConfig], TextDataset] = load_dataset
    lock_timeout_seconds: float = 0


def run_experiment(config: ExperimentConfig, run: RunDirectory, context: RunContext) -> Result:
    """Train, evaluate and write one run, or return the result of a finished one.

    A new run that fails before its first checkpoint leaves nothing behind.

    Returns:
        The result on the test split; on the validation split if the context says so.

    Raises:
        PrunedError: The run is worse than earlier ones.
        TextclfError: Any expected error.
    """
    if context.tensorboard and find_spec("tensorboard") is None:
        raise RequestError(f"--tensorboard needs TensorBoard: {format_install('tensorboard')}")
    with run.lock_for_training(timeout_seconds=context.lock_timeout_seconds):
        run.check(config, force=context.force)
        if (result := _read_existing(run, context)) is not None:
            return result
        phases = Phases(context.reporter)
        try:
            dataset, model, meta = _prepare(config, run, context, phases)
            callbacks = _make_callbacks(run, context)
            validated = fit(config, dataset, model, run, phases=phases, callbacks=callbacks)
            del model
            result = _validate(config, dataset, run, validated, keep=context.validate_only)
            if context.validate_only:
                return result
            fitted = predict_test(config, dataset, validated, run, phases=phases)
            gc.collect()  # Keras's graphs contain reference cycles.
            return _record(config, dataset, run, fitted, phases, meta)
        except PrunedError:
            run.remove_checkpoint()
            raise
        except KeyboardInterrupt:
            if not context.is_temporary:
                context.reporter.info(
                    "run the same command again to resume after the last complete epoch"
                )
            raise


def _read_existing(run: RunDirectory, context: RunContext) -> Result | None:
    """Return the result of an earlier run in a directory; None if there is none to use."""
    if context.force:
        return None
    if context.validate_only and (run.is_validated or run.is_finished):
        return run.read_validation()
    if not run.is_finished:
        return None
    context.reporter.info(f"already finished (--force repeats it): {run.path}")
    return run.read_result()


def _prepare(
    config: ExperimentConfig, run: RunDirectory, context: RunContext, phases: Phases
) -> tuple[TextDataset, BuiltModel | None, dict[str, Any]]:
    """Start the device, load the dataset, build the model, and prepare the directory.

    An earlier run is replaced last, when nothing that the user can correct is in the way.
    """
    threads = context.threads or config.resources.cpus
    with phases("start", f"preparing {run.path}"):
        device = start_device(
            context.device,
            is_network=has_network([config]),
            reporter=context.reporter,
            threads=threads,
        )
    with phases("data", f"loading {config.dataset.name}"):
        dataset = context.load(config.dataset)
    _check_class_weight(config, dataset)
    for note in list_notes(dataset):
        context.reporter.note(note)
    model = build(config, dataset, phases=phases)
    test_evaluations = run.count_test_evaluations()
    run.prepare(config, force=context.force)
    meta = {
        **describe_environment(config.model.packages),
        "command": context.command,
        "device": device,
        "n_threads": threads or count_processors(),
        "n_devices": model.network.distribute_strategy.num_replicas_in_sync if model else 1,
        "dataset_digest": dataset.digest,
        "config": config.model_dump(mode="json"),
        "test_evaluations": test_evaluations,
    }
    if not run.has_checkpoint:
        run.write_meta(meta)
    else:
        begun = run.read_meta()
        if changed := [field for field in ENVIRONMENT_FIELDS if begun.get(field) != meta[field]]:
            names = ", ".join(changed)
            context.reporter.info(f"resuming with different {names}: last digits may differ")
            meta |= dict.fromkeys(changed)
    run.check_dataset(dataset.digest)
    return dataset, model, meta


def _check_class_weight(config: ExperimentConfig, dataset: TextDataset) -> None:
    weights = config.training.class_weight
    for name in weights if isinstance(weights, dict) else ():
        if name not in dataset.label_names:
            raise RequestError(
                f"training.class_weight: {format_unknown('label', name, dataset.label_names)}"
            )


def _make_callbacks(run: RunDirectory, context: RunContext) -> list[Any]:
    """Return the Keras callbacks that the context asks for.

    Raises:
        PrunedError: An earlier process should have stopped the run.
    """
    callbacks: list[Any] = []
    if context.tensorboard:
        import keras

        callbacks.append(keras.callbacks.TensorBoard(str(run.tensorboard_path), write_graph=False))
    if context.pruning:
        from textclf.training.callbacks import Prune

        checkpoint = run.read_checkpoint()
        callbacks.append(Prune(context.pruning, checkpoint.rows if checkpoint else ()))
    return callbacks


def _validate(
    config: ExperimentConfig,
    dataset: TextDataset,
    run: RunDirectory,
    validated: Validated,
    *,
    keep: bool,
) -> Result:
    """Evaluate the validation split, and write the result; ``keep`` also writes the model."""
    first = validated.fitted
    evaluation = evaluate_predictions(dataset, dataset.validation, validated.probabilities)
    fits = (Fit(("train",), len(dataset.train), first.n_epochs),)
    described = Fitted(
        first.classifier, first.history, validated.probabilities, first.train_seconds, fits=fits
    )
    result = _summarize(config, dataset, "validation", described, evaluation)
    if keep:
        run.write_fitted(first.classifier)
    run.write_validation(result)
    return result


def _record(
    config: ExperimentConfig,
    dataset: TextDataset,
    run: RunDirectory,
    fitted: Fitted,
    phases: Phases,
    meta: dict[str, Any],
) -> Result:
    """Evaluate the test split and write all files, the result last."""
    from textclf.evaluation.fonts import describe_unshown

    with phases("evaluate", "evaluating and plotting"):
        evaluation = evaluate_predictions(dataset, dataset.test, fitted.probabilities)
        plots = _plot(config, dataset, fitted, evaluation)
        run.write_plots(plots)
        names = [config.dataset.short_name, *dataset.label_names]
        if note := describe_unshown(names, plots.values()):
            phases.reporter.note(note)
    with phases("write", "writing the model and the predictions"):
        run.write_model(fitted.classifier, without_encoder=config.output.model == "head")
        run.write_predictions(
            Predictions(dataset.test.index, dataset.test.labels, fitted.probabilities)
        )
    result = _summarize(config, dataset, "test", fitted, evaluation)
    run.finish(
        result,
        {
            **meta,
            "seconds": {name: round(value, 3) for name, value in phases.seconds.items()},
            "peak_memory_bytes": measure_peak_memory(),
            "test_evaluations": meta["test_evaluations"] + 1,
            "vector_coverage": fitted.coverage.to_json() if fitted.coverage else None,
        },
    )
    return result


def _plot(
    config: ExperimentConfig, dataset: TextDataset, fitted: Fitted, evaluation: Evaluation
) -> "dict[str, Figure]":
    from textclf.evaluation import plots

    title = format_title(config)
    history = {"history": plots.plot_history(fitted.history, title)} if fitted.history else {}
    labels = dataset.test.labels
    return history | plots.plot_evaluation(
        evaluation, labels, fitted.probabilities, title, uncalibrated=fitted.uncalibrated
    )


def _summarize(
    config: ExperimentConfig,
    dataset: TextDataset,
    split: str,
    fitted: Fitted,
    evaluation: Evaluation,
) -> Result:
    """Return the result of a model on a split."""
    history = fitted.history
    n_epochs = len(history.rows) if history else 0
    n_seen = sum(fit.n_examples * (fit.n_epochs or 1) for fit in fitted.fits)
    return Result(
        dataset=config.dataset.short_name,
        model=config.model.short_name,
        fingerprint=config.fingerprint,
        seed=config.seed,
        split=split,
        split_digest=dataset.splits[split].digest(dataset.label_names),
        best_epoch=history.best_epoch if history else None,
        n_epochs=n_epochs,
        n_parameters=fitted.classifier.count_params(),
        train_seconds=fitted.train_seconds,
        examples_per_second=n_seen / fitted.train_seconds,
        evaluation=evaluation,
        calibration=_report_calibration(config, dataset, fitted, evaluation),
        fits=fitted.fits if len(fitted.fits) > 1 else None,
        n_train_examples=fitted.fits[-1].n_examples,
        train_fraction=config.dataset.train_fraction,
        train_per_label=config.dataset.train_per_label,
        folds=config.dataset.folds,
        fold=config.dataset.fold,
    )


def _report_calibration(
    config: ExperimentConfig, dataset: TextDataset, fitted: Fitted, evaluation: Evaluation
) -> CalibrationReport | None:
    """Return how the model was calibrated, and what it changes on the test split."""
    if fitted.calibration is None:
        return None
    before = evaluate_predictions(dataset, dataset.test, fitted.uncalibrated)
    return CalibrationReport(
        method=config.evaluation.calibration,
        temperature=fitted.calibration.temperature,
        prior_weight=fitted.calibration.prior_weight,
        n_validation_examples=len(dataset.validation),
        before={name: before.metrics[name] for name in CALIBRATION_METRICS},
        after={name: evaluation.metrics[name] for name in CALIBRATION_METRICS},
    )
