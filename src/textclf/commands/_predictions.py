"""Texts and a saved model to rows of labels and probabilities."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from textclf.errors import RequestError
from textclf.storage import limits
from textclf.tables import Column, number, shorten

if TYPE_CHECKING:
    from textclf.text.encoder import TextClassifier

SHOWN_CHARACTERS = 60


_shorten = shorten(SHOWN_CHARACTERS)

COLUMNS = (
    Column("text", "text", _shorten),
    Column("rank", "rank", numeric=True),
    Column("label", "label"),
    Column("probability", "probability", number(4), numeric=True),
)


def read_lines(stream: BinaryIO) -> list[str]:
    """Read UTF-8 texts, one a line.

    Raises:
        RequestError: a line is no UTF-8.
        LimitError: there is too much.
    """
    lines = []
    content = stream.read(limits.FILE.n_bytes + 1)
    limits.FILE.check(len(content), "standard input")
    for place, line in enumerate(content.splitlines(), start=1):
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise RequestError(f"line {place} of standard input is not UTF-8: {error}") from error
    return lines


def decode_arguments(texts: Sequence[str]) -> list[str]:
    """Read arguments as UTF-8, also where the locale is another one, such as C."""
    return [os.fsencode(text).decode("utf-8", "surrogateescape") for text in texts]


def check_texts(texts: Sequence[str]) -> None:
    """Refuse texts that cannot be classified.

    Raises:
        RequestError: there is no text, or one is nothing but white space or no Unicode text.
        LimitError: one is too long.
    """
    if not texts:
        raise RequestError("no text given: standard input is empty")
    for place, text in enumerate(texts, start=1):
        if not text.strip():
            raise RequestError(f"text {place} of {len(texts)} is empty: every text needs a word")
        size = len(text.encode("utf-8", "surrogatepass"))
        limits.TEXT.check(size, f"text {place} of {len(texts)}")
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise RequestError(f"text {place} of {len(texts)} is not UTF-8: {_shorten(text)!r}")


def predict_rows(
    classifier: "TextClassifier", texts: Sequence[str], *, top: int
) -> list[dict[str, Any]]:
    """Classify texts.

    Args:
        classifier: raw text to probabilities.
        texts: raw texts.
        top: labels for each text, the most probable first; all where there are fewer.

    Returns:
        Rows with the keys of `COLUMNS`.
    """
    return [
        {
            "text": text,
            "rank": rank,
            "label": classifier.label_names[label],
            "probability": float(probabilities[label]),
        }
        for text, probabilities in zip(texts, classifier.predict_texts(texts), strict=True)
        for rank, label in enumerate((-probabilities).argsort(kind="stable")[:top], start=1)
    ]
