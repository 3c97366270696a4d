"""Word n-grams as features of scikit-learn models, or n-grams of characters where words fail."""

import contextlib
import re
from collections.abc import Sequence
from typing import Any

from textclf.errors import RequestError, format_count
from textclf.text.tokens import MARKS, UNSPACED

MAX_CHARACTERS = 3
"""Maximum length of an n-gram of characters."""

TWO_CHARACTERS = r"(?u)\b\w\w+\b"
"""The words of scikit-learn."""

MAX_UNSEPARATED = 0.1
"""Fraction of the characters of a text, and of the texts, up to which words are used."""

UNSEPARATED = re.compile(f"[{UNSPACED}{MARKS}]")


def fit_vectorizer(
    name: str,
    texts: Sequence[str],
    *,
    min_df: int,
    max_ngram: int,
    token_pattern: str = TWO_CHARACTERS,
    **options: Any,
) -> tuple[Any, Any, str | None]:
    """Fit a TfidfVectorizer of words, or of n-grams of characters.

    Characters are used if many texts are not made of words that scikit-learn can separate, and if
    no word is frequent enough, such as in texts of digits.

    Args:
        name: Name of the model, for messages.
        texts: Normalized texts.
        min_df: Number of texts in which an n-gram has to occur.
        max_ngram: Maximum length of an n-gram, in words.
        token_pattern: What a word is; by default, two or more characters.
        options: Other arguments of ``TfidfVectorizer``, such as how n-grams are weighted.

    Returns:
        The vectorizer, the features <sparse float64>[texts, n-grams], and a sentence for the user
        if they are those of characters.

    Raises:
        RequestError: The texts contain nothing but white space.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    characters = {"analyzer": "char_wb", "ngram_range": (1, MAX_CHARACTERS), **options}
    if sum(map(_is_unseparated, texts)) > MAX_UNSEPARATED * len(texts):
        reason = (
            "scikit-learn does not find the words of many texts (scripts without spaces, or with"
            " combining characters)"
        )
        candidates = [TfidfVectorizer(min_df=min_df, **characters)]
    else:
        word = "word of two or more characters" if token_pattern == TWO_CHARACTERS else "word"
        reason = f"no {word} occurs in at least {format_count(min_df, 'text')}"
        words = {"ngram_range": (1, max_ngram), "token_pattern": token_pattern, **options}
        line_break = ["br"]  # What remains of it.
        candidates = [TfidfVectorizer(min_df=min_df, stop_words=line_break, **words)]
    candidates.append(TfidfVectorizer(min_df=1, **characters))
    for vectorizer in candidates:
        with contextlib.suppress(ValueError):  # Nothing is frequent enough.
            features = vectorizer.fit_transform(texts)
            if vectorizer.analyzer == "word":
                return vectorizer, features, None
            note = f"{reason}: {name} uses n-grams of 1 to {MAX_CHARACTERS} characters"
            return vectorizer, features, note
    raise RequestError(f"{name} cannot be fitted: all training texts are empty")


def _is_unseparated(text: str) -> bool:
    """Return whether a text has many characters that are not in words for scikit-learn.

    They are those of scripts without spaces, and combining characters, such as the vowel signs of
    Hindi, at which it cuts words.
    """
    if text.isascii():
        return False
    return len(UNSEPARATED.findall(text)) > MAX_UNSEPARATED * len(text)
