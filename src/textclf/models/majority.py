"""Floor: always answers the most frequent label, as probable as it is in training."""

from textclf.config.schema import ModelParameters
from textclf.data.dataset import TextDataset
from textclf.models._sklearn import EstimatorClassifier


class Parameters(ModelParameters):
    """There is nothing to set."""


def fit(parameters: Parameters, dataset: TextDataset, *, seed: int) -> EstimatorClassifier:  # noqa: ARG001
    """Count the training labels."""
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(DummyClassifier(strategy="prior"))
    pipeline.fit(dataset.train.texts, dataset.train.labels)
    return EstimatorClassifier(pipeline, dataset.label_names)
