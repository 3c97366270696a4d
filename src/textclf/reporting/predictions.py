"""The predictions of a run on the test split, beside its examples."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from textclf.data.dataset import IntArray, Split, TextDataset
from textclf.evaluation.errors import rank_errors
from textclf.runs.run import Run


@dataclass(frozen=True)
class LabeledPredictions:
    """The predictions of a run on the test split, beside its examples.

    Attributes:
        label_names: Name of each label, in the order of the run.
        examples: The test split, with labels in that order.
        probabilities: <float32>[examples, labels].
        label_counts: <int64>[labels], number of training examples of each label.
    """

    label_names: tuple[str, ...]
    examples: Split
    probabilities: npt.NDArray[np.float32]
    label_counts: IntArray

    @classmethod
    def of(cls, run: Run, dataset: TextDataset) -> "LabeledPredictions":
        """Read the predictions of a run, whose labels may be in another order."""
        names, test = run.label_names, dataset.test
        order = np.array([names.index(name) for name in dataset.label_names])
        return cls(
            names,
            Split(test.texts, order[test.labels], test.index),
            run.predictions.probabilities,
            np.bincount(order[dataset.train.labels], minlength=len(names)),
        )

    @cached_property
    def predicted(self) -> IntArray:
        """<int64>[examples], predicted label of each example."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @cached_property
    def confidence(self) -> npt.NDArray[np.float32]:
        """<float32>[examples], probability of the predicted label."""
        return np.asarray(self.probabilities.max(axis=1))

    @cached_property
    def correct(self) -> npt.NDArray[np.bool_]:
        """<bool>[examples], whether the prediction is correct."""
        return np.asarray(self.predicted == self.examples.labels)

    @cached_property
    def errors(self) -> IntArray:
        """<int64>[errors], positions of the incorrect predictions, the most confident first."""
        return rank_errors(self.examples.labels, self.probabilities)
