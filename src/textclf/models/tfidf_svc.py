"""Baseline model: TF-IDF of words and a linear support vector machine."""

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import Field, PositiveFloat

from textclf.config.schema import Count, ModelConfig
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError, format_count
from textclf.models._sklearn import SklearnClassifier
from textclf.text.tokens import MARKS, UNSPACED, normalize_text

TAKES = "text"

MAX_CHARACTERS = 3
"""Maximum length of an n-gram of characters."""

MAX_UNSEPARATED = 0.1
"""Fraction of the characters of a text, and of the texts, up to which words are used."""

UNSEPARATED = re.compile(f"[{UNSPACED}{MARKS}]")


class Config(ModelConfig):
    """Hyperparameters of scikit-learn's ``TfidfVectorizer`` and ``LinearSVC``."""

    min_df: Count = Field(default=2, description="ignore words that occur in fewer training texts")
    max_ngram: Count = Field(default=1, description="maximum length of an n-gram, in words")
    C: PositiveFloat = Field(default=0.5, description="inverse of the regularization strength")


def fit_vectorizer(config: Config, texts: Sequence[str]) -> tuple[Any, Any, str | None]:
    """Fit a TfidfVectorizer of words of two or more characters, or of n-grams of characters.

    Characters are used if many texts are not made of words that scikit-learn can separate, and if
    no word is frequent enough, such as in texts of digits.

    Args:
        config: Hyperparameters.
        texts: Normalized texts.

    Returns:
        The vectorizer, the features <sparse float64>[texts, n-grams], and a sentence for the user
        if they are those of characters.

    Raises:
        RequestError: The texts contain nothing but white space.
    """
    if sum(map(_is_unseparated, texts)) > MAX_UNSEPARATED * len(texts):
        reason = (
            "scikit-learn does not find the words of many texts (scripts without spaces, or with"
            " combining characters)"
        )
        candidates = [_make_vectorizer(config.min_df, characters=True)]
    else:
        reason = (
            "no word of two or more characters occurs in at least"
            f" {format_count(config.min_df, 'text')}"
        )
        candidates = [_make_vectorizer(config.min_df, max_ngram=config.max_ngram)]
    candidates.append(_make_vectorizer(1, characters=True))
    for vectorizer in candidates:
        with contextlib.suppress(ValueError):  # Nothing is frequent enough.
            features = vectorizer.fit_transform(texts)
            if vectorizer.analyzer == "word":
                return vectorizer, features, None
            note = f"{reason}: tfidf-svc uses n-grams of 1 to {MAX_CHARACTERS} characters"
            return vectorizer, features, note
    raise RequestError("tfidf-svc cannot be fitted: all training texts are empty")


def _is_unseparated(text: str) -> bool:
    """Return whether a text has many characters that are not in words for scikit-learn.

    They are those of scripts without spaces, and combining characters, such as the vowel signs of
    Hindi, at which it cuts words.
    """
    if text.isascii():
        return False
    return len(UNSEPARATED.findall(text)) > MAX_UNSEPARATED * len(text)


def _make_vectorizer(min_df: int, *, max_ngram: int = 1, characters: bool = False) -> Any:
    """Return an unfitted TfidfVectorizer."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if characters:
        ngrams = (1, MAX_CHARACTERS)
        return TfidfVectorizer(
            sublinear_tf=True, min_df=min_df, analyzer="char_wb", ngram_range=ngrams
        )
    line_break = ["br"]  # What remains of it.
    return TfidfVectorizer(
        sublinear_tf=True, min_df=min_df, ngram_range=(1, max_ngram), stop_words=line_break
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

    labels = dataset.train.labels
    if (labels == labels[0]).all():
        raise RequestError(
            "tfidf-svc cannot be fitted: all training examples have the label"
            f" {dataset.label_names[labels[0]]!r}, and it needs two labels"
        )
    texts = [*map(normalize_text, dataset.train.texts)]
    vectorizer, features, note = fit_vectorizer(config, texts)
    svc = make_svc(config, seed=seed).fit(features, labels)
    return SklearnClassifier(
        make_pipeline(vectorizer, svc),
        dataset.label_names,
        takes_normalized_text=True,
        note=note,
    )
