"""Repeats how a vectorizer of scikit-learn reads a text, with the positions in the text."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from textclf.models._sklearn import SklearnClassifier
from textclf.text.spans import Token, align, find_tokens
from textclf.text.tokens import normalize_text


class Occurrence(NamedTuple):
    """An n-gram in a text.

    Attributes:
        feature: Position of the n-gram in the features.
        weight: Weight of the occurrence in the value of the feature.
        members: Position of each token, or of the token of each character, of the n-gram.
    """

    feature: int
    weight: float
    members: Sequence[int]


def find_vectorizer(classifier: Any) -> "Vectorizer | None":
    """Return the first step of a pipeline, if it is a vectorizer that can be repeated."""
    if not isinstance(classifier, SklearnClassifier):
        return None
    from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer

    first = classifier.pipeline[0]
    if type(first) not in {CountVectorizer, TfidfVectorizer} or first.input != "content":
        return None
    has_pattern = first.analyzer == "word" and first.tokenizer is None
    # A pattern that matches nothing finds words without a position.
    if first.analyzer == "char_wb" or (has_pattern and not re.match(first.token_pattern, "")):
        return Vectorizer(first, is_normalized=classifier.takes_normalized_text)
    return None


class Vectorizer:
    """A fitted ``CountVectorizer`` or ``TfidfVectorizer`` of words, or of characters in words.

    Args:
        vectorizer: The vectorizer; its ``analyzer`` is ``word`` or ``char_wb``.
        is_normalized: Whether it takes what `normalize_text` returns.
    """

    def __init__(self, vectorizer: Any, *, is_normalized: bool) -> None:
        self.analyzer = vectorizer.analyzer
        self._vectorizer = vectorizer
        self._preprocess = vectorizer.build_preprocessor()
        self._is_normalized = is_normalized

    def _prepare(self, text: str) -> str:
        """Return a raw text as it is searched for words or characters."""
        prepared: str = self._preprocess(normalize_text(text) if self._is_normalized else text)
        return prepared

    def find_words(self, text: str) -> list[Token]:
        """Return the words of a raw text, including stop words."""
        aligned = align(text, self._prepare)
        pattern = re.compile(self._vectorizer.token_pattern)
        group = pattern.groups  # As in `findall`, the group if there is one.
        return [
            # The group may be empty or missing, but not the match.
            Token(
                match[group] or "",
                *aligned.locate(range(*match.span(group if match[group] else 0))),
            )
            for match in pattern.finditer(aligned.text)
        ]

    def find_ngrams(self, text: str) -> tuple[list[Token], list[Occurrence]]:
        """Return the tokens of a raw text and the occurrences of known n-grams."""
        if self.analyzer == "word":
            tokens = self.find_words(text)
            ngrams = self._list_word_ngrams(tokens)
        else:
            aligned = align(text, self._prepare)
            tokens = _cover(text, aligned.text, aligned.spans)
            ngrams = self._list_character_ngrams(aligned.text, _find_owners(tokens, aligned.spans))
        known = self._vectorizer.vocabulary_
        return tokens, [
            Occurrence(known[ngram], 1.0, members) for ngram, members in ngrams if ngram in known
        ]

    def _list_word_ngrams(self, tokens: Sequence[Token]) -> Iterator[tuple[str, list[int]]]:
        """Yield each n-gram of words, without stop words, and the positions of its tokens."""
        ignored = self._vectorizer.get_stop_words() or ()
        kept = [i for i, token in enumerate(tokens) if token.text not in ignored]
        least, most = self._vectorizer.ngram_range
        for n in range(least, most + 1):
            for start in range(len(kept) - n + 1):
                members = kept[start : start + n]
                yield " ".join(tokens[i].text for i in members), members

    def _list_character_ngrams(
        self, text: str, owners: Sequence[int | None]
    ) -> Iterator[tuple[str, list[int]]]:
        """Yield each n-gram of characters, and the token of each of its characters.

        An n-gram that is only a space at the end of a word belongs to the whole word. A word that
        is shorter than n is yielded for each n, which changes no share of its weight.

        Args:
            text: What `_prepare` returned.
            owners: Position of the token of each character; None for a space.
        """
        least, most = self._vectorizer.ngram_range
        for word in re.finditer(r"\S+", text):
            padded = f" {word[0]} "
            of_padded = [None, *owners[word.start() : word.end()], None]
            of_word = [owner for owner in of_padded if owner is not None]
            for n in range(least, most + 1):
                for start in range(max(1, len(padded) - n + 1)):
                    members = [i for i in of_padded[start : start + n] if i is not None]
                    yield padded[start : start + n], members or of_word


def _cover(text: str, prepared: str, spans: Sequence[tuple[int, int]]) -> list[Token]:
    """Return the tokens of a raw text, with those of `find_tokens` and all other characters.

    Args:
        text: A raw text.
        prepared: What a vectorizer searches.
        spans: Start and end of the raw characters of each of its characters.
    """
    tokens = find_tokens(text)
    covered = {i for token in tokens for i in range(token.start, token.end)}
    for character, (start, end) in zip(prepared, spans, strict=True):
        if not character.isspace() and covered.isdisjoint(range(start, end)):
            tokens.append(Token(text[start:end], start, end))
            covered.update(range(start, end))
    return sorted(tokens, key=lambda token: (token.start, token.end))


def _find_owners(tokens: Sequence[Token], spans: Sequence[tuple[int, int]]) -> list[int | None]:
    """Return the position of the first token that shares a raw character with each span."""
    owners: dict[int, int] = {}
    for i, token in enumerate(tokens):
        for position in range(token.start, token.end):
            owners.setdefault(position, i)
    return [next((owners[i] for i in range(*span) if i in owners), None) for span in spans]
