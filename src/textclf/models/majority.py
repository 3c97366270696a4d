"""Always predicts the most frequent training label."""

from textclf.config.schema import ModelConfig
from textclf.data.dataset import TextDataset
from textclf.models._sklearn import SklearnClassifier

TAKES = "text"


def fit(config: ModelConfig, dataset: TextDataset, *, seed: int) -> SklearnClassifier:  # noqa: ARG001
    """Count the training labels; their frequencies are the probabilities."""
    from sklearn.dummy import DummyClassifier
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(DummyClassifier(strategy="prior"))
    pipeline.fit(dataset.train.texts, dataset.train.labels)
    return SklearnClassifier(pipeline, dataset.label_names)
