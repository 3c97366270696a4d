"""Baseline model: TF-IDF of words and a linear support vector machine."""

from typing import Any

from pydantic import Field, PositiveFloat

from textclf.config.schema import Count, ModelConfig
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, format_reason
from textclf.models._sklearn import SklearnClassifier

TAKES = "text"


class Config(ModelConfig):
    """Hyperparameters of scikit-learn's ``TfidfVectorizer`` and ``LinearSVC``."""

    min_df: Count = Field(default=2, description="ignore words that occur in fewer training texts")
    max_ngram: Count = Field(default=1, description="maximum length of an n-gram, in words")
    C: PositiveFloat = Field(default=0.5, description="inverse of the regularization strength")


def make_vectorizer(config: Config) -> Any:
    """Return an unfitted TfidfVectorizer; words have two or more characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        sublinear_tf=True,
        min_df=config.min_df,
        ngram_range=(1, config.max_ngram),
        stop_words=["br"],  # What remains of HTML line breaks.
    )


def make_svc(config: Config, *, seed: int) -> Any:
    """Return an unfitted LinearSVC."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=config.C, random_state=seed)


def fit(config: Config, dataset: TextDataset, *, seed: int) -> SklearnClassifier:
    """Fit vectorizer and classifier on the training split.

    Raises:
        RequestError: No word occurs often enough, or there is only one label.
    """
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(make_vectorizer(config), make_svc(config, seed=seed))
    try:
        pipeline.fit(dataset.train.texts, dataset.train.labels)
    except ValueError as error:
        raise RequestError(f"tfidf-svc cannot be fitted: {format_reason(error)}") from error
    return SklearnClassifier(pipeline, dataset.label_names)
