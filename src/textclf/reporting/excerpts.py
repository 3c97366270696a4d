"""The start of a text, in which the words that carry its prediction are highlighted."""

from collections.abc import Sequence
from dataclasses import dataclass

from textclf.explanation.explain import Explanation, WeightedToken
from textclf.explanation.methods import OCCLUSION
from textclf.tables import format_start

MAX_CHARACTERS = 300
"""Characters of a text that are shown."""

STRENGTHS = (1 / 10, 1 / 3, 2 / 3)
"""Weight that a word of each strength exceeds, relative to the largest of the text."""

N_WORDS = 5
"""Words that are named, on each side."""

WORD_WIDTH = 40
"""Width to which each is shortened."""

SMALL_CHANGE = 0.01
"""If no single word changes the probability by as much, the page says so."""


@dataclass(frozen=True)
class Piece:
    """A part of a text.

    Attributes:
        text: The part.
        style: CSS class of a word: ``f1`` to ``f3`` if it supports the prediction, ``a1`` to ``a3``
            if it opposes it, by strength; otherwise empty.
    """

    text: str
    style: str


@dataclass(frozen=True)
class Excerpt:
    """The start of a text, with highlighted words.

    Attributes:
        pieces: Parts of the text.
        is_cut: Whether the text continues.
        supporting: The words of the whole text that support the prediction most.
        opposing: Those that oppose it most.
        has_small_changes: Whether these words change the probability little, one at a time.
    """

    pieces: list[Piece]
    is_cut: bool
    supporting: list[str]
    opposing: list[str]
    has_small_changes: bool

    @classmethod
    def of(
        cls, text: str, explanation: Explanation | None = None, *, limit: int = MAX_CHARACTERS
    ) -> "Excerpt":
        """Cut a text after a number of characters, and highlight its words if it is explained."""
        tokens = explanation.tokens if explanation else ()
        largest = max((abs(token.weight) for token in tokens), default=0.0)
        is_occluded = explanation is not None and explanation.method == OCCLUSION
        supporting, opposing = _name_words(tokens)
        return cls(
            _highlight(text[:limit], tokens, largest),
            len(text) > limit,
            supporting,
            opposing,
            is_occluded and largest < SMALL_CHANGE,
        )


def _name_words(tokens: Sequence[WeightedToken]) -> tuple[list[str], list[str]]:
    """Return the words with the largest total weights, those that support and that oppose."""
    totals: dict[str, float] = {}
    for token in tokens:
        totals[token.text] = totals.get(token.text, 0.0) + token.weight
    least = STRENGTHS[0] * max(map(abs, totals.values()), default=0.0)
    words = sorted(totals, key=lambda word: (-abs(totals[word]), word))
    strong = [word for word in words if abs(totals[word]) > least]
    supporting = [word for word in strong if totals[word] > 0]
    opposing = [word for word in strong if totals[word] < 0]
    shorten = format_start(WORD_WIDTH)
    return [*map(shorten, supporting[:N_WORDS])], [*map(shorten, opposing[:N_WORDS])]


def _highlight(text: str, tokens: Sequence[WeightedToken], largest: float) -> list[Piece]:
    """Cut the start of a text into pieces with and without weight.

    Args:
        text: The start of the text.
        tokens: The tokens of the whole text.
        largest: The largest absolute weight.
    """
    pieces, done = [], 0
    for token in sorted(tokens, key=lambda token: token.start):
        strength = sum(abs(token.weight) > least * largest for least in STRENGTHS)
        first, last = max(token.start, done), min(token.end, len(text))
        if not strength or first >= last:
            continue
        pieces.append(Piece(text[done:first], ""))
        pieces.append(Piece(text[first:last], f"{'f' if token.weight > 0 else 'a'}{strength}"))
        done = last
    pieces.append(Piece(text[done:], ""))
    return [piece for piece in pieces if piece.text]
