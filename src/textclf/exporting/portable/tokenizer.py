"""Turns texts into the inputs of an exported model; needs nothing but Python.

tokenizer = Tokenizer.load("tokenizer.json")
rows = tokenizer.encode(["A text.", "Another text."])
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import operator
import re
import unicodedata
from collections import Counter, defaultdict
from ctypes import c_float
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

SMALLEST_NORMAL = 2.0**-126
"""The smallest normal float32. Models treat smaller sums as zero."""

NONCHARACTER = "\uffff"
"""A code point that no version of Unicode will assign, so that it is never part of a word."""


class Tokenizer:
    """Normalizes texts; each subclass makes other inputs of them.

    Args:
        settings: The content of ``tokenizer.json``.

    Raises:
        ValueError: This Python has an older version of Unicode.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        needed, found = settings["unicode_version"], unicodedata.unidata_version
        if _parse_version(found) < _parse_version(needed):
            raise ValueError(
                f"this Python has Unicode {found}, and the model was exported with Unicode"
                f" {needed}: use a newer Python"
            )
        self._settings = settings
        self._unassigned = re.compile(f"({settings['unassigned']})")

    @staticmethod
    def load(path: str | Path) -> Tokenizer:
        """Read the tokenizer that a file describes."""
        settings = json.loads(Path(path).read_text(encoding="utf-8"))
        return KINDS[settings["kind"]](settings)

    def encode(self, texts: Iterable[str]) -> list[Any]:
        """Return the inputs of the model for each text; see `encode_text`."""
        if isinstance(texts, str):
            raise TypeError("expected a list of texts, not one text")
        return [self.encode_text(text) for text in texts]

    def encode_text(self, text: str) -> Any:
        """Return the inputs of the model for one text."""
        raise NotImplementedError

    def normalize(self, text: str) -> str:
        """Return a text composed (NFKC), in lower case and with ASCII apostrophes in words.

        An ASCII text stays as it is.
        """
        return text if text.isascii() else self._change(text, self._normalize_assigned)

    def _change(self, text: str, change: Callable[[str], str]) -> str:
        """Change a text, except code points that were unassigned when the model was exported.

        A newer Python may know them, and would compose them or change them to lower case.
        """
        if text.isascii():
            return change(text)
        parts = self._unassigned.split(text)
        parts[::2] = map(change, parts[::2])
        return "".join(parts)

    def _normalize_assigned(self, text: str) -> str:
        for character, plain in self._settings["frequent"].items():
            text = text.replace(character, plain)
        text = unicodedata.normalize("NFKC", text).lower()
        for apostrophe in self._settings["apostrophes"]:
            if apostrophe in text:
                text = _replace_apostrophes(text, apostrophe)
        return text.replace("i\u0307", "i")  # The lower case of the Turkish capital letter.


class TokenSplitter(Tokenizer):
    """Splits texts into tokens."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._replacements = [
            (re.compile(pattern), replacement) for pattern, replacement in settings["replacements"]
        ]

    def split(self, text: str) -> list[str]:
        """Return the tokens of a text."""
        text = self.normalize(text)
        for pattern, replacement in self._replacements:
            text = pattern.sub(replacement, text)
        # As bytes, because only ASCII letters may still be in upper case.
        return text.encode().lower().decode().split()


class TokenIds(TokenSplitter):
    """Makes a row of token ids of each text."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        words = settings["vocabulary"]
        self._ids = {word: id_ for id_, word in enumerate(words, settings["first_word_id"])}

    def encode_text(self, text: str) -> list[int]:
        """Return ``sequence_length`` ids."""
        settings = self._settings
        length, unknown = settings["sequence_length"], settings["unknown_id"]
        ids = [self._ids.get(token, unknown) for token in self.split(text)]
        ids.insert(0, settings["start_id"])
        ids = ids[-length:] if settings["truncating"] == "pre" else ids[:length]
        padding = [settings["padding_id"]] * (length - len(ids))
        return padding + ids if settings["padding"] == "pre" else ids + padding


class Ngrams(TokenSplitter):
    """Finds the known n-grams of tokens in each text, and their values."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._features = {ngram: i for i, ngram in enumerate(settings["vocabulary"])}

    def encode_text(self, text: str) -> tuple[list[int], list[float]]:
        """Return the positions of the n-grams in the vocabulary, and a row of unit length."""
        tokens = self.split(text)
        weights: dict[int, float] = defaultdict(float)
        for length in range(1, self._settings["max_ngram"] + 1):
            for position, ngram in enumerate(_list_windows(tokens, length)):
                feature = self._features.get(" ".join(ngram))
                if feature is not None:
                    weights[feature] += self._weigh(position)
        idf = self._settings["idf"]
        values = [math.log1p(weight) * idf[feature] for feature, weight in weights.items()]
        squares = sum(value * value for value in values)
        norm = math.sqrt(squares) if squares >= SMALLEST_NORMAL else math.inf
        return list(weights), [value / norm for value in values]

    def _weigh(self, position: int) -> float:
        """Return the weight of an n-gram that begins at a token."""
        decay, least = self._settings["position_decay"], self._settings["position_min_weight"]
        if decay is None:
            return 1.0
        # Rounded to float32, as in the model.
        exponent = c_float(position / c_float(decay).value).value
        return float(least + (1 - least) * math.exp(-exponent))


class WordPieces(Tokenizer):
    """Splits words into pieces as BERT does, and makes a row of token ids of each text."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        pieces = settings["vocabulary"]
        self._ids = {piece: id_ for id_, piece in enumerate(pieces)}
        self._longest = max(map(len, pieces))
        names = ("spaces", "ignored", "accents", "separators")
        self._classes = {name: re.compile(settings[name]) for name in names if settings[name]}
        self._decomposed = str.maketrans(settings["decomposed"] or {})
        self._lowered = str.maketrans(settings["lowered"] or {})
        self._folded = str.maketrans(settings["folded"] or {})

    def encode_text(self, text: str) -> list[int]:
        """Return ``sequence_length`` ids."""
        settings, ids = self._settings, [self._settings["start_id"]]
        length = settings["sequence_length"]
        for word in self._split(text):
            ids += self._find_pieces(word)
            if len(ids) >= length - 1:
                break
        ids = [*ids[: length - 1], settings["end_id"]]
        return ids + [settings["padding_id"]] * (length - len(ids))

    def _split(self, text: str) -> Iterator[str]:
        """Yield the words of a text."""
        text = self._classes["spaces"].sub(" ", text)
        text = self._classes["ignored"].sub("", text)
        if "accents" in self._classes and not text.isascii():
            decomposed = self._change(text, functools.partial(unicodedata.normalize, "NFD"))
            text = self._classes["accents"].sub("", decomposed.translate(self._decomposed))
        text = self._classes["separators"].sub(r" \g<0> ", text.translate(self._lowered))
        for word in text.split(" "):
            if word:
                yield self._fold(word) if self._folded else word

    def _fold(self, word: str) -> str:
        """Return a word in lower case and composed."""
        compose = functools.partial(unicodedata.normalize, "NFC")
        return self._change(word.translate(self._folded), compose)

    def _find_pieces(self, word: str) -> list[int]:
        """Return the ids of the longest pieces of a word, from its beginning."""
        unknown = [self._settings["unknown_id"]]
        if len(word.encode()) > self._settings["max_word_bytes"]:
            return unknown
        ids, start, prefix = [], 0, ""
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                id_ = self._ids.get(prefix + word[start:end])
                if id_ is not None:
                    break
            else:
                return unknown
            ids.append(id_)
            start, prefix = end, self._settings["suffix_indicator"]
        return ids


class ScikitLearn(Tokenizer):
    """Does what a ``CountVectorizer`` or a ``TfidfVectorizer`` of scikit-learn does."""

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings)
        self._features = {ngram: i for i, ngram in enumerate(settings["vocabulary"])}
        self._stop_words = frozenset(settings["stop_words"])
        self._word = re.compile(settings["token_pattern"])

    def encode_text(self, text: str) -> tuple[list[int], list[float]]:
        """Return the positions of the known n-grams in the vocabulary, and their values."""
        settings = self._settings
        if settings["is_normalized"]:
            text = self.normalize(text)
        if settings["lowercase"]:
            text = self._change(text, str.lower)
        found = map(self._features.get, self._list_ngrams(text))
        counts = Counter(feature for feature in found if feature is not None)
        values = [1.0 if settings["binary"] else float(count) for count in counts.values()]
        if settings["sublinear_tf"]:
            values = [1 + math.log(value) for value in values]
        if settings["idf"]:
            idf = map(settings["idf"].__getitem__, counts)
            values = [*map(operator.mul, values, idf)]
        norm = {
            "l1": sum(map(abs, values)),
            "l2": math.sqrt(sum(value * value for value in values)),
        }.get(settings["norm"], 1.0)
        return list(counts), [value / norm for value in values]

    def _list_ngrams(self, text: str) -> Iterator[str]:
        """Yield the n-grams of a text, with repetitions."""
        least, most = self._settings["ngram_range"]
        if self._settings["analyzer"] == "word":
            words = [word for word in self._find_words(text) if word not in self._stop_words]
            for length in range(least, most + 1):
                yield from map(" ".join, _list_windows(words, length))
        elif self._settings["analyzer"] == "char":
            text = re.sub(r"\s\s+", " ", text)
            for length in range(least, most + 1):
                yield from _list_windows(text, length)
        else:  # char_wb
            for word in text.split():
                padded = f" {word} "
                if len(padded) < least:
                    yield padded
                for length in range(least, most + 1):
                    yield from _list_windows(padded, length)

    def _find_words(self, text: str) -> list[str]:
        """Return what the token pattern finds."""
        if text.isascii():
            return self._word.findall(text)
        # A newer Python may know more letters.
        known = self._unassigned.sub(
            lambda match: NONCHARACTER if match[0].isalnum() else match[0], text
        )
        group = self._word.groups  # As in `findall`, the group if there is one.
        return [text[slice(*match.span(group))] for match in self._word.finditer(known)]


KINDS = {
    "token-ids": TokenIds,
    "ngrams": Ngrams,
    "word-pieces": WordPieces,
    "scikit-learn": ScikitLearn,
}


def _parse_version(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _replace_apostrophes(text: str, apostrophe: str) -> str:
    """Replace an apostrophe between letters or digits by that of ASCII."""
    parts = text.split(apostrophe)
    joined = parts[0]
    for before, after in itertools.pairwise(parts):
        is_inside = before[-1:].isalnum() and after[:1].isalnum()
        joined += ("'" if is_inside else apostrophe) + after
    return joined


def _list_windows(items: Sequence[Any], length: int) -> Iterator[Any]:
    """Yield each run of a number of consecutive items."""
    return (items[start : start + length] for start in range(len(items) - length + 1))
