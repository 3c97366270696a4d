"""Occlusion: how much the probability of a label falls without one token."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textclf.explanation.attribution import Attribution, FloatArray
from textclf.explanation.vectorizer import find_vectorizer
from textclf.runtime.progress import Reporter
from textclf.text.spans import Token, find_tokens

BLOCK_TEXTS = 1_024
BLOCK_CHARACTERS = 10_000_000
"""Texts without a token, and their characters, with which a block ends."""


def explain(
    classifier: Any,
    texts: Sequence[str],
    labels: Sequence[int],
    probabilities: FloatArray,
    *,
    reporter: Reporter,
) -> list[Attribution]:
    """Explain the probability of a label for each text.

    The weight of a token is the probability of the label, minus its probability if one space
    replaces the token. A token that the classifier does not read, because the text is too long for
    it, has the weight 0.

    Args:
        classifier: `TextClassifier` or `SklearnClassifier`.
        texts: Texts.
        labels: Label of each text.
        probabilities: <float>[texts], its probability.
        reporter: Prints progress.
    """
    tokens = [_find_tokens(classifier, text) for text in texts]
    read = [_find_read(classifier, *each) for each in zip(texts, tokens, strict=True)]
    owners = np.repeat(np.arange(len(texts)), [*map(np.sum, read)])
    chosen, done = np.asarray(labels, int)[owners], 0
    without = np.empty(len(owners))
    with reporter.processing(len(owners), unit="predictions") as advance:
        for block in _cut_blocks(_occlude(texts, tokens, read)):
            rows = classifier.predict_texts(block)
            after = done + len(block)
            without[done:after] = rows[np.arange(len(block)), chosen[done:after]]
            done = after
            advance(len(block))
    is_read = np.concatenate([np.zeros(0, bool), *read])
    differences = np.zeros(len(is_read))
    differences[is_read] = np.asarray(probabilities, float)[owners] - without
    ends = np.cumsum([*map(len, tokens)])
    return [
        Attribution(found, weights, float(probability), None)
        for found, weights, probability in zip(
            tokens, np.split(differences, ends)[: len(texts)], probabilities, strict=True
        )
    ]


def _find_tokens(classifier: Any, text: str) -> list[Token]:
    """Return the tokens that a classifier reads, if they are known, or those of `find_tokens`."""
    vectorizer = find_vectorizer(classifier)
    if vectorizer is not None and vectorizer.analyzer == "word":
        return vectorizer.find_words(text)
    return find_tokens(text, getattr(getattr(classifier, "encoder", None), "split", None) or "auto")


def _find_read(classifier: Any, text: str, tokens: Sequence[Token]) -> npt.NDArray[np.bool_]:
    """Return which tokens of a text a classifier reads, <bool>[tokens]."""
    encoder = getattr(classifier, "encoder", None)
    if count_read := getattr(encoder, "count_read", None):
        n_read: int = count_read(text, [token.start for token in tokens])
        return np.arange(len(tokens)) < n_read
    if find_positions := getattr(encoder, "find_positions", None):
        return np.asarray(find_positions(len(tokens)) >= 0)
    return np.ones(len(tokens), bool)


def _occlude(
    texts: Sequence[str],
    tokens: Sequence[Sequence[Token]],
    read: Sequence[npt.NDArray[np.bool_]],
) -> Iterator[str]:
    """Yield each text once without each of its tokens that are read."""
    for text, found, is_read in zip(texts, tokens, read, strict=True):
        for token in itertools.compress(found, is_read):
            yield f"{text[: token.start]} {text[token.end :]}"


def _cut_blocks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield texts in blocks of limited numbers of texts and characters."""
    block: list[str] = []
    n_characters = 0
    for text in texts:
        block.append(text)
        n_characters += len(text)
        if len(block) == BLOCK_TEXTS or n_characters > BLOCK_CHARACTERS:
            yield block
            block, n_characters = [], 0
    if block:
        yield block
