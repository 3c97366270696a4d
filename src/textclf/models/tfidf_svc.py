"""TF-IDF of words and a linear support vector machine."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field, PositiveFloat

from textclf.config.schema import Count, ModelConfig
from textclf.data.dataset import TextDataset
from textclf.models import _vectorizer
from textclf.models._sklearn import SklearnClassifier, check_labels
from textclf.text.tokens import normalize_text

TAKES = "text"
DEFAULTS = {"evaluation": {"calibration": "temperature-prior"}}
SEARCH = {
    "model.min_df": {"low": 2, "high": 6},
    "model.max_ngram": {"low": 1, "high": 2},
    "model.C": {"low": 0.05, "high": 2.0, "log": True},
}


class Config(ModelConfig):
    """Hyperparameters of scikit-learn's ``TfidfVectorizer`` and ``LinearSVC``."""

    min_df: Count = Field(default=2, description="ignore words that occur in fewer training texts")
    max_ngram: Count = Field(default=1, description="maximum length of an n-gram, in words")
    C: PositiveFloat = Field(default=0.5, description="inverse of the regularization strength")


def fit_vectorizer(config: Config, texts: Sequence[str]) -> tuple[Any, Any, str | None]:
    """Fit a vectorizer with sublinear TF-IDF weights; see `_vectorizer.fit_vectorizer`."""
    return _vectorizer.fit_vectorizer(
        "tfidf-svc", texts, min_df=config.min_df, max_ngram=config.max_ngram, sublinear_tf=True
    )


def make_svc(config: Config, *, seed: int) -> Any:
    """Return an unfitted LinearSVC."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=config.C, random_state=seed)


def fit(config: Config, dataset: TextDataset, *, seed: int) -> SklearnClassifier:
    """Fit vectorizer and classifier on the training split.

    Raises:
        RequestError: There is only one label, or all texts are empty.
    """
    from sklearn.pipeline import make_pipeline

    check_labels("tfidf-svc", dataset)
    texts = [*map(normalize_text, dataset.train.texts)]
    vectorizer, features, note = fit_vectorizer(config, texts)
    svc = make_svc(config, seed=seed).fit(features, dataset.train.labels)
    return SklearnClassifier(
        make_pipeline(vectorizer, svc),
        dataset.label_names,
        takes_normalized_text=True,
        note=note,
    )
