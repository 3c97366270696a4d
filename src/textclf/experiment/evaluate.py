"""Evaluates predictions, and evaluates the saved model of a finished run again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.config.schema import ExperimentConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset
from textclf.data.matched_rows import MatchedRows
from textclf.errors import RequestError, RunError, format_list
from textclf.evaluation.errors import IncorrectPrediction, list_errors
from textclf.evaluation.metrics import Evaluation, SubsetAccuracy, evaluate
from textclf.evaluation.subsets import select_subsets
from textclf.evaluation.summary import ERROR_COLUMNS
from textclf.evaluation.thresholds import ThresholdAccuracy, measure_thresholds
from textclf.experiment.device import start_device
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter
from textclf.sources import path as files
from textclf.storage.files import format_os_error, write_text
from textclf.tables import format_table

N_NAMED = 5
"""Unknown labels that a message names."""


def evaluate_predictions(dataset: TextDataset, split: Split, probabilities: Any) -> Evaluation:
    """Evaluate probabilities <float>[n, labels] of the examples of a split."""
    majority_label = int(np.bincount(dataset.train.labels).argmax())
    return evaluate(split.labels, probabilities, dataset.label_names, majority_label=majority_label)


@dataclass(frozen=True)
class SplitEvaluation(Evaluation):
    """The evaluation of a saved model on a split of its dataset, or on a file.

    Attributes:
        split: ``train``, ``validation`` or ``test``; None for a file.
        file: Path of the file or folder; None for a split.
        n_unknown: Number of examples of the file that are left out, because the model does not
            know their labels.
        unknown_labels: These numbers by label, the most frequent first.
        subset_accuracy: For validation and test, the accuracy with and without texts that appear
            in another split or under several labels; otherwise empty.
        thresholds: Coverage and accuracy of the predictions that several thresholds keep.
        errors: The most confident incorrect predictions, as many as were asked for.
    """

    split: str | None
    file: str | None
    n_unknown: int
    unknown_labels: Mapping[str, int]
    subset_accuracy: list[SubsetAccuracy]
    thresholds: list[ThresholdAccuracy]
    errors: list[IncorrectPrediction]


@dataclass(frozen=True)
class EvaluationContext:
    """How a model is evaluated, and what is written.

    Attributes:
        reporter: Prints progress.
        device: ``auto``, ``cpu`` or ``gpu``.
        trust_code: Whether to execute the Python files of the run, if its dataset or its model
            needs them.
        n_errors: Number of incorrect predictions to list.
        output: Folder for the plots and the listed predictions; None writes nothing.
    """

    reporter: Reporter
    device: str = "auto"
    trust_code: bool = False
    n_errors: int = 0
    output: Path | None = None


def evaluate_run(run: RunDirectory, split: str, context: EvaluationContext) -> SplitEvaluation:
    """Evaluate the saved model of a finished run on a split of its dataset, from raw text.

    Args:
        run: Finished run.
        split: ``train``, ``validation`` or ``test``.
        context: How it is evaluated.

    Raises:
        RequestError: The dataset needs a Python file that is not trusted.
        RunError: The run is not finished or damaged, or its dataset has changed.
    """
    reporter = context.reporter
    classifier = _load_model(run, context)
    config = run.read_config(trust_code=context.trust_code)
    reporter.info(f"loading {config.dataset.name}")
    dataset = load_dataset(config.dataset)
    run.check_dataset(dataset.digest)
    examples = dataset.splits[split]
    if split == "validation" and config.training.refit:
        reporter.note("the model was fitted on these examples too, because of training.refit")
    probabilities = _predict(classifier, examples, context)
    evaluation = SplitEvaluation(
        **vars(evaluate_predictions(dataset, examples, probabilities)),
        split=split,
        file=None,
        n_unknown=0,
        unknown_labels={},
        subset_accuracy=measure_subsets(
            config, dataset, split, probabilities.argmax(axis=1) == examples.labels
        ),
        thresholds=measure_thresholds(examples.labels, probabilities),
        errors=list_errors(examples, probabilities, dataset.label_names, context.n_errors),
    )
    _write(evaluation, examples, probabilities, format_title(config), context)
    if split == "test":
        try:
            run.note_test_evaluation()
        except RunError as error:  # The run may be read-only.
            reporter.info(f"this test evaluation is not counted: {error}")
    return evaluation


def evaluate_file(
    run: RunDirectory, file: files.Config, context: EvaluationContext
) -> SplitEvaluation:
    """Evaluate the saved model of a finished run on a file of labeled texts.

    Args:
        run: Finished run.
        file: The file, or a folder of text files per label.
        context: How it is evaluated.

    Raises:
        DataError: The file cannot be read, or the model knows none of its labels.
        RunError: The run is not finished or damaged.
    """
    reporter = context.reporter
    classifier = _load_model(run, context)
    config, names = run.read_config(), classifier.label_names
    reporter.info(f"loading {file.name}")
    rows = files.load_matched(file, names, trained=config.dataset)
    _report_rows(rows, reporter)
    examples = rows.examples
    probabilities = _predict(classifier, examples, context)
    majority_label = int(np.bincount(examples.labels).argmax())
    evaluation = SplitEvaluation(
        **vars(evaluate(examples.labels, probabilities, names, majority_label=majority_label)),
        split=None,
        file=file.name,
        n_unknown=sum(rows.unknown_labels.values()),
        unknown_labels=rows.unknown_labels,
        subset_accuracy=[],
        thresholds=measure_thresholds(examples.labels, probabilities),
        errors=list_errors(
            examples, probabilities, names, context.n_errors, positions=rows.positions
        ),
    )
    title = f"{format_title(config)}\n{file.short_name}"
    _write(evaluation, examples, probabilities, title, context)
    return evaluation


def _report_rows(rows: MatchedRows, reporter: Reporter) -> None:
    """Report what was noticed in a file, and how many of its examples are left out."""
    for note in rows.notes:
        reporter.note(note)
    if n_unknown := sum(rows.unknown_labels.values()):
        named = [f"{name!r} ({n:,})" for name, n in rows.unknown_labels.items()]
        reporter.warning(
            f"left out {n_unknown:,} of {n_unknown + len(rows.examples):,} examples, whose labels"
            f" the model does not know: {format_list(named, N_NAMED)}"
        )


def format_title(config: ExperimentConfig) -> str:
    """Return which model the plots of a run are about."""
    dataset = config.dataset
    fold = f", fold {dataset.fold} of {dataset.folds}" if dataset.fold else ""
    return f"{config.model.short_name} on {dataset.short_name}{fold}, seed {config.seed}"


def check_folder(output: Path) -> None:
    """Raise RequestError if a folder is not one for the files of an evaluation."""
    if RunDirectory(output).is_begun:
        raise RequestError(
            f"{output} is a run directory, whose plots would be replaced; choose another folder"
        )
    if output.is_file():
        raise RequestError(f"{output} is a file; choose a folder for the plots")


def _load_model(run: RunDirectory, context: EvaluationContext) -> Any:
    """Start the device that the model of a run needs, and load the model."""
    context.reporter.info(f"loading the model of {run.path}")
    start_device(context.device, is_network=run.has_network, reporter=context.reporter)
    return run.read_model(trust_code=context.trust_code)


def _predict(classifier: Any, examples: Split, context: EvaluationContext) -> Any:
    """Return the probabilities of all labels, <float32>[n, labels].

    Raises:
        RunError: The output folder cannot be created; after the prediction, its result was lost.
    """
    if context.output is not None:
        try:
            context.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(format_os_error("write", context.output, error)) from error
    context.reporter.info(f"predicting {len(examples):,} examples")
    return classifier.predict_texts(examples.texts)


def measure_subsets(
    config: ExperimentConfig, dataset: TextDataset, split: str, correct: npt.NDArray[np.bool_]
) -> list[SubsetAccuracy]:
    """Return the accuracy with and without texts that appear elsewhere; empty for ``train``.

    Args:
        config: Configuration of the run.
        dataset: Its dataset.
        split: ``train``, ``validation`` or ``test``.
        correct: <bool>[n], whether each prediction for the split is correct.
    """
    if split == "train":
        return []
    # The published splits, so that runs with different training examples use the same ones.
    published = dataset
    whole = config.dataset.whole.model_copy(update={"drop_leaked": False})
    if whole != config.dataset:
        published = load_dataset(whole)
    masks = select_subsets(published, split)
    return [SubsetAccuracy.of(name, correct[mask]) for name, mask in masks.items()]


def _write(
    evaluation: SplitEvaluation,
    examples: Split,
    probabilities: Any,
    title: str,
    context: EvaluationContext,
) -> None:
    """Write the plots of an evaluation, and its incorrect predictions if they were asked for."""
    if context.output is None:
        return
    from textclf.evaluation.fonts import describe_unshown
    from textclf.evaluation.plots import plot_evaluation, write_plots

    plots = plot_evaluation(
        evaluation, examples.labels, probabilities, title, split=evaluation.split
    )
    write_plots(plots, context.output)
    names = [title, *(scores.name for scores in evaluation.per_class)]
    if note := describe_unshown(names, plots.values()):
        context.reporter.note(note)
    if context.n_errors:
        rows = [asdict(error) for error in evaluation.errors]
        written = format_table(rows, ERROR_COLUMNS, "csv")
        write_text(context.output / "errors.csv", f"{written}\n")
    else:  # Those of an earlier evaluation are not of this one.
        (context.output / "errors.csv").unlink(missing_ok=True)
    context.reporter.info(f"see {context.output}")
