"""Evaluates predictions, and evaluates the saved model of a finished run again."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from textclf.data.dataset import Split, TextDataset
from textclf.data.loading import load_dataset
from textclf.errors import RunError
from textclf.evaluation.metrics import Evaluation, SubsetAccuracy, evaluate
from textclf.evaluation.subsets import select_subsets
from textclf.runs.directory import RunDirectory
from textclf.runtime.progress import Reporter


def evaluate_predictions(dataset: TextDataset, split: Split, probabilities: Any) -> Evaluation:
    """Evaluate probabilities <float>[n, labels] of the examples of a split."""
    majority_label = int(np.bincount(dataset.train.labels).argmax())
    return evaluate(split.labels, probabilities, dataset.label_names, majority_label=majority_label)


@dataclass(frozen=True)
class SplitEvaluation(Evaluation):
    """The evaluation of a saved model on a split.

    Attributes:
        split: ``train``, ``validation`` or ``test``.
        subset_accuracy: Unless the split is ``train``, the accuracy with and without texts that
            appear in another split or under several labels.
    """

    split: str
    subset_accuracy: list[SubsetAccuracy]


def evaluate_run(
    run: RunDirectory, *, split: str, reporter: Reporter, trust_code: bool = False
) -> SplitEvaluation:
    """Evaluate the saved model of a finished run, from raw text.

    Args:
        run: Finished run.
        split: ``train``, ``validation`` or ``test``.
        reporter: Prints progress.
        trust_code: Whether to execute the Python files of the run, if its dataset or its model
            needs them.

    Raises:
        RequestError: The dataset needs a Python file that is not trusted.
        RunError: The run is not finished or damaged, or its dataset has changed.
    """
    classifier = run.read_model(trust_code=trust_code)
    config = run.read_config(trust_code=trust_code).dataset
    reporter.info(f"loading {config.name}")
    dataset = load_dataset(config)
    run.check_dataset(dataset.digest)
    examples = dataset.splits[split]
    reporter.info(f"predicting {len(examples):,} examples")
    probabilities = classifier.predict_texts(examples.texts)
    evaluation = evaluate_predictions(dataset, examples, probabilities)
    clean: list[SubsetAccuracy] = []
    if split != "train":
        correct = probabilities.argmax(axis=1) == examples.labels
        # The published splits, so that runs with and without leaked texts use the same examples.
        published = dataset
        if config.drop_leaked:
            published = load_dataset(config.model_copy(update={"drop_leaked": False}))
        masks = select_subsets(published, split)
        clean = [SubsetAccuracy.of(name, correct[mask]) for name, mask in masks.items()]
    if split == "test":
        try:
            run.note_test_evaluation()
        except RunError as error:  # The run may be read-only.
            reporter.info(f"this test evaluation is not counted: {error}")
    return SplitEvaluation(**vars(evaluation), split=split, subset_accuracy=clean)
