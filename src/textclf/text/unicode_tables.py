"""Tables of the Unicode version of this Python, as arrays that TensorFlow operations look up."""

import functools
import sys
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from textclf.text.tokens import FREQUENT

N_CODES = sys.maxunicode + 1
SURROGATES = range(0xD800, 0xE000)
CODE_BITS = 21
"""Bits of a code point; two of them are the key of a pair."""

IntArray = npt.NDArray[np.int32]


class Expansions(NamedTuple):
    """Characters that are replaced by one or more others.

    Attributes:
        codes: <int32>[characters], sorted.
        starts: <int32>[characters], where the replacement of each begins.
        lengths: <int32>[characters].
        values: <int32>[all replacements], one after the other.
    """

    codes: IntArray
    starts: IntArray
    lengths: IntArray
    values: IntArray


class Ranges(NamedTuple):
    """A property of all characters, by runs of characters with the same value.

    Attributes:
        starts: <int32>[runs], first character of each run.
        values: <int32>[runs].
    """

    starts: IntArray
    values: IntArray


class Pairs(NamedTuple):
    """Characters and what they are composed of.

    Attributes:
        keys: <int64>[pairs], sorted; ``first * 2**CODE_BITS + second``.
        composites: <int32>[pairs].
    """

    keys: npt.NDArray[np.int64]
    composites: IntArray


NEUTRAL, CASED, IGNORABLE = 0, 1, 2
"""What a character is for the sigma at the end of a word; an ignorable one is skipped."""


def _list_characters() -> Iterator[str]:
    """Yield all characters except surrogates, which UTF-8 cannot encode."""
    return (chr(code) for code in range(N_CODES) if code not in SURROGATES)


def _make_expansions(expand: Callable[[str], str]) -> Expansions:
    expanded = ((c, expand(c)) for c in _list_characters())
    changed = [(ord(c), [*map(ord, value)]) for c, value in expanded if value != c]
    lengths = np.array([len(value) for _, value in changed], np.int32)
    return Expansions(
        np.array([code for code, _ in changed], np.int32),
        (np.cumsum(lengths) - lengths).astype(np.int32),
        lengths,
        np.array([code for _, value in changed for code in value], np.int32),
    )


def _make_ranges(measure: Callable[[str], int]) -> Ranges:
    values = np.zeros(N_CODES, np.int32)
    for character in _list_characters():
        values[ord(character)] = measure(character)
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return Ranges(starts.astype(np.int32), values[starts])


@functools.cache
def list_decompositions() -> Expansions:
    """Return the compatibility decompositions, and the replacements of `FREQUENT`."""

    def decompose(character: str) -> str:
        return unicodedata.normalize("NFKD", FREQUENT.get(character, character))

    return _make_expansions(decompose)


@functools.cache
def list_lower_cases() -> Expansions:
    """Return the lower case of each character that has one."""
    return _make_expansions(str.lower)


@functools.cache
def list_classes() -> Ranges:
    """Return the canonical combining classes."""
    return _make_ranges(unicodedata.combining)


@functools.cache
def list_alphanumeric() -> Ranges:
    """Return whether a character is a letter or a digit."""
    return _make_ranges(str.isalnum)


@functools.cache
def list_case_kinds() -> Ranges:
    """Return `CASED`, `IGNORABLE` or `NEUTRAL`, as Python itself judges them."""

    def judge(character: str) -> int:
        # Python has no function for it, but a sigma after a cased character is a final one.
        if ("1" + character + "Σ").lower().endswith("ς"):
            return CASED
        return IGNORABLE if ("A" + character + "Σ").lower().endswith("ς") else NEUTRAL

    return _make_ranges(judge)


@functools.cache
def list_pairs() -> Pairs:
    """Return all pairs of characters that are composed."""
    pairs = {}
    for composite in _list_characters():
        parts = unicodedata.normalize("NFD", composite)
        # The last part may be all that is not composed with others before it.
        pair = unicodedata.normalize("NFC", parts[:-1]) + parts[-1:]
        if len(pair) == 2 and unicodedata.normalize("NFC", pair) == composite:
            pairs[(ord(pair[0]) << CODE_BITS) + ord(pair[1])] = ord(composite)
    keys = np.array(sorted(pairs), np.int64)
    return Pairs(keys, np.array([pairs[key] for key in keys.tolist()], np.int32))


@functools.cache
def list_seconds() -> Ranges:
    """Return whether a character is the second of a pair.

    None of them is the first of another pair and of combining class 0, so that the order of
    compositions does not matter.
    """
    seconds = set((list_pairs().keys % 2**CODE_BITS).tolist())
    return _make_ranges(lambda character: ord(character) in seconds)
