"""Baseline model: TF-IDF of words and a linear support vector machine."""

import contextlib
from collections.abc import Sequence
from typing import Any

from pydantic import Field, PositiveFloat

from textclf.config.schema import Count, ModelConfig
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, format_count
from textclf.models._sklearn import SklearnClassifier

TAKES = "text"

MAX_CHARACTERS = 3
"""Maximum length of an n-gram of characters."""


class Config(ModelConfig):
    """Hyperparameters of scikit-learn's ``TfidfVectorizer`` and ``LinearSVC``."""

    min_df: Count = Field(default=2, description="ignore words that occur in fewer training texts")
    max_ngram: Count = Field(default=1, description="maximum length of an n-gram, in words")
    C: PositiveFloat = Field(default=0.5, description="inverse of the regularization strength")


def fit_vectorizer(config: Config, texts: Sequence[str]) -> tuple[Any, Any, str | None]:
    """Fit a TfidfVectorizer of words of two or more characters.

    If none is frequent enough, such as in texts of digits, it is one of characters.

    Returns:
        The vectorizer, the features <sparse float64>[texts, n-grams], and a sentence for the user
        if they are those of characters.

    Raises:
        RequestError: The texts contain nothing but white space.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(
        sublinear_tf=True,
        min_df=config.min_df,
        ngram_range=(1, config.max_ngram),
        stop_words=["br"],  # What remains of HTML line breaks.
    )
    with contextlib.suppress(ValueError):  # No word is frequent enough.
        return words, words.fit_transform(texts), None
    characters = TfidfVectorizer(
        sublinear_tf=True, analyzer="char_wb", ngram_range=(1, MAX_CHARACTERS)
    )
    try:
        features = characters.fit_transform(texts)
    except ValueError as error:
        raise RequestError("tfidf-svc cannot be fitted: all training texts are empty") from error
    note = (
        "no word of two or more characters occurs in at least"
        f" {format_count(config.min_df, 'text')}: tfidf-svc uses n-grams of 1 to {MAX_CHARACTERS}"
        " characters"
    )
    return characters, features, note


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

    labels = dataset.train.labels
    if (labels == labels[0]).all():
        raise RequestError(
            "tfidf-svc cannot be fitted: all training examples have the label"
            f" {dataset.label_names[labels[0]]!r}, and it needs two labels"
        )
    vectorizer, features, note = fit_vectorizer(config, dataset.train.texts)
    svc = make_svc(config, seed=seed).fit(features, labels)
    return SklearnClassifier(make_pipeline(vectorizer, svc), dataset.label_names, note=note)
