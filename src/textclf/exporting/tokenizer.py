"""Describes how a classifier reads texts, for the tokenizer that is exported with it."""

import functools
import itertools
import sys
import unicodedata
from collections.abc import Iterable
from typing import Any

from textclf.exporting import word_pieces
from textclf.models._sklearn import SklearnClassifier
from textclf.text import tokens


def describe_tokenizer(classifier: Any) -> dict[str, Any]:
    """Return the content of ``tokenizer.json``, which `portable.tokenizer` reads.

    Args:
        classifier: A classifier for which `find_problem` returns None.
    """
    description = {
        "unicode_version": unicodedata.unidata_version,
        "unassigned": _list_unassigned(),
        "frequent": tokens.FREQUENT,
        "apostrophes": tokens.APOSTROPHES,
    }
    if isinstance(classifier, SklearnClassifier):
        return description | _describe_vectorizer(classifier)
    if tokenizer := find_preset_tokenizer(classifier):
        return description | word_pieces.describe_word_pieces(tokenizer)
    from textclf.text.encoder import TextEncoder

    encoder = classifier.encoder
    describe = _describe_token_ids if isinstance(encoder, TextEncoder) else _describe_ngrams
    return description | describe(encoder) | {"replacements": _list_replacements(encoder.split)}


def find_problem(classifier: Any) -> str | None:
    """Return why the texts of a classifier cannot be read without textclf; None if they can."""
    if isinstance(classifier, SklearnClassifier):
        return _find_vectorizer_problem(find_vectorizer(classifier.pipeline))
    if tokenizer := find_preset_tokenizer(classifier):
        return word_pieces.find_problem(tokenizer)
    from textclf.text.encoder import TextEncoder
    from textclf.text.ngrams import NgramEncoder

    encoder = classifier.encoder
    if not isinstance(encoder, TextEncoder | NgramEncoder):
        return "the network has a layer that reads raw text, which needs TensorFlow"
    if encoder.split is None:
        return "the model was trained by an earlier version, which split texts differently"
    return None


def find_preset_tokenizer(classifier: Any) -> Any | None:
    """Return the `PresetTokenizer` of a classifier with a pretrained encoder; None without one.

    The class is recognized by its name, because its module imports KerasHub.
    """
    encoder = getattr(classifier, "encoder", None)
    tokenizer = getattr(encoder, "tokenizer", encoder)
    return tokenizer if type(tokenizer).__name__ == "PresetTokenizer" else None


@functools.cache
def _list_unassigned() -> str:
    """Return a character class of the code points that are unassigned in this Python."""
    codes = range(sys.maxunicode + 1)
    runs = itertools.groupby(codes, key=lambda code: unicodedata.category(chr(code)) == "Cn")
    ranges = ([*run] for is_unassigned, run in runs if is_unassigned)
    return f"[{''.join(f'{chr(run[0])}-{chr(run[-1])}' for run in ranges)}]"


def _list_replacements(split: str) -> list[tuple[str, str]]:
    """Return the patterns of `tokens.split_text`, and what each is replaced by."""
    return [
        (tokens.LINE_BREAK, " "),
        (tokens.IGNORED, ""),
        (tokens.SEPARATORS, " "),
        (tokens.TOKENS[split], r" \g<0> "),
    ]


def _describe_token_ids(encoder: Any) -> dict[str, Any]:
    """Return the settings of a `TextEncoder`."""
    from textclf.text import encoder as ids

    return {
        "kind": "token-ids",
        "sequence_length": encoder.sequence_length,
        "padding": encoder.padding,
        "truncating": encoder.truncating,
        "padding_id": ids.PADDING_ID,
        "start_id": ids.START_ID,
        "unknown_id": ids.UNKNOWN_ID,
        "first_word_id": ids.FIRST_WORD_ID,
        "vocabulary": encoder.vocabulary,
    }


def _describe_ngrams(encoder: Any) -> dict[str, Any]:
    """Return the settings of an `NgramEncoder`."""
    vocabulary = encoder.format_ngrams(range(encoder.n_features))
    return {
        "kind": "ngrams",
        "max_ngram": encoder.max_ngram,
        "position_decay": encoder.position_decay,
        "position_min_weight": encoder.position_min_weight,
        "vocabulary": vocabulary,
        "idf": _shorten(encoder.idf),
    }


def _describe_vectorizer(classifier: SklearnClassifier) -> dict[str, Any]:
    """Return the settings of the vectorizer of a pipeline."""
    vectorizer = find_vectorizer(classifier.pipeline)
    terms: dict[str, int] = vectorizer.vocabulary_
    has_idf = getattr(vectorizer, "use_idf", False)
    return {
        "kind": "scikit-learn",
        "is_normalized": classifier.takes_normalized_text,
        "lowercase": vectorizer.lowercase,
        "analyzer": vectorizer.analyzer,
        "token_pattern": vectorizer.token_pattern,
        "stop_words": sorted(vectorizer.get_stop_words() or ()),
        "ngram_range": vectorizer.ngram_range,
        "binary": vectorizer.binary,
        "sublinear_tf": getattr(vectorizer, "sublinear_tf", False),
        "norm": getattr(vectorizer, "norm", None),
        "vocabulary": sorted(terms, key=terms.__getitem__),
        "idf": _shorten(vectorizer.idf_) if has_idf else None,
    }


def find_vectorizer(pipeline: Any) -> Any:
    """Return the first step of a pipeline; one that finds nothing if it is the only step."""
    if len(pipeline) > 1:
        return pipeline[0]
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer()
    vectorizer.vocabulary_ = {}
    return vectorizer


def _find_vectorizer_problem(vectorizer: Any) -> str | None:
    """Return what `portable.tokenizer` cannot do that a vectorizer does."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    name = type(vectorizer).__name__
    if type(vectorizer) not in {CountVectorizer, TfidfVectorizer}:
        return f"the pipeline begins with {name}; expected CountVectorizer or TfidfVectorizer"
    if vectorizer.analyzer not in {"word", "char", "char_wb"}:
        return f"{name} has analyzer={vectorizer.analyzer!r}"
    defaults = {"input": "content", "preprocessor": None, "tokenizer": None, "strip_accents": None}
    for setting, default in defaults.items():
        if getattr(vectorizer, setting) != default:
            return f"{name} has {setting}={getattr(vectorizer, setting)!r}"
    return None


def _shorten(values: Iterable[float]) -> list[float]:
    """Return values with the digits of a float32, which take half the space."""
    return [float(f"{value:.9g}") for value in values]
