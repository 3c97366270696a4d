"""Finds the tokens of a raw text, and which of its characters each of them comes from.

A model reads normalized text, which may be longer or shorter than the raw text: one function
aligns both, and another repeats the substitutions of `tokens.split_text` with the positions.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from textclf.text.tokens import (
    APOSTROPHES,
    IGNORED,
    LINE_BREAK,
    MARKS,
    SEPARATORS,
    TOKENS,
    normalize_text,
)

CHUNK = re.compile(r"\s+|\S+")

CLUSTER = re.compile(f".[{MARKS}\u1160-\u11ff\uff9e\uff9f]*", re.DOTALL)
"""A character with what may be composed with it: combining characters, Korean vowels and final
consonants, and the sound marks of halfwidth katakana."""

CONTEXTUAL = str.maketrans(dict.fromkeys(APOSTROPHES, "'") | {"\u03c2": "\u03c3"})
"""What normalization does to a character because of its neighbors: apostrophes, final sigma."""

SPACE = -1
"""Position of a space that is not in the text."""


class Token(NamedTuple):
    """A token, and the positions of its first character and after its last in the raw text."""

    text: str
    start: int
    end: int


class AlignedText(NamedTuple):
    """A transformed text, and for each of its characters the positions in the raw text.

    Attributes:
        text: The transformed text.
        spans: Start and end of the raw characters that became each character.
    """

    text: str
    spans: list[tuple[int, int]]

    def locate(self, positions: Iterable[int]) -> tuple[int, int]:
        """Return start and end of the raw characters that became the characters at positions."""
        starts, ends = zip(*(self.spans[position] for position in positions), strict=True)
        return min(starts), max(ends)


def align(text: str, transform: Callable[[str], str] = normalize_text) -> AlignedText:
    """Transform a text, and find which raw characters became each character.

    Each raw character with its combining characters is transformed by itself. If that differs from
    the transformation of the surrounding white-space-separated chunk or of the whole text, all of
    its characters are said to come from the whole chunk or text.

    Args:
        text: Any text.
        transform: Changes characters, but not their order, such as `normalize_text`.
    """
    transformed = transform(text)
    folded, spans = [], []
    for start, chunk in _match(CHUNK, text):
        whole = _fold(transform(chunk))
        parts = [(at, part, _fold(transform(part))) for at, part in _match(CLUSTER, chunk)]
        if "".join(new for _, _, new in parts) != whole:
            parts = [(0, chunk, whole)]
        folded.append(whole)
        for at, part, new in parts:
            spans += [(start + at, start + at + len(part))] * len(new)
    if "".join(folded) != _fold(transformed):
        spans = [(0, len(text))] * len(transformed)
    return AlignedText(transformed, spans)


def _match(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Yield the position and the text of each match."""
    return ((match.start(), match[0]) for match in pattern.finditer(text))


def _fold(text: str) -> str:
    """Return a text of the same length, without differences that depend on the context."""
    # One character at a time, because a capital letter with a dot becomes two characters.
    lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lowered.translate(CONTEXTUAL)


def find_tokens(text: str, split: str = "auto") -> list[Token]:
    """Return the tokens of a raw text, which are those of `split_text(normalize_text(text))`.

    Tokens may share a raw character, for example if each part of a ligature is a token.

    Args:
        text: A raw text.
        split: ``words``, ``characters`` or ``auto``, as in `TextConfig`.
    """
    aligned = align(text)
    current, positions = aligned.text, list(range(len(aligned.text)))
    for pattern, replacement in (
        (LINE_BREAK, " "),
        (IGNORED, ""),
        (SEPARATORS, " "),
        (TOKENS[split], r" \g<0> "),
    ):
        current, positions = _substitute(pattern, replacement, current, positions)
    return [
        Token(
            # As bytes, like `split_text`, because only ASCII letters may still be in upper case.
            match[0].encode().lower().decode(),
            *aligned.locate(positions[match.start() : match.end()]),
        )
        for match in re.finditer(r"\S+", current)
    ]


def _substitute(
    pattern: str, replacement: str, text: str, positions: list[int]
) -> tuple[str, list[int]]:
    """Do what `re.sub` does, and keep the position of each character.

    Args:
        pattern: Regular expression.
        replacement: Spaces, or the match between spaces.
        text: Text.
        positions: Position of each character; `SPACE` for a space that was added.
    """
    before, kept, after = replacement.partition(r"\g<0>")
    texts, moved, end = [], [], 0
    for match in re.finditer(pattern, text):
        texts += [text[end : match.start()], before, match[0] if kept else "", after]
        moved += positions[end : match.start()] + [SPACE] * len(before)
        moved += (positions[match.start() : match.end()] if kept else []) + [SPACE] * len(after)
        end = match.end()
    return "".join(texts) + text[end:], moved + positions[end:]
