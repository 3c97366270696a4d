"""Describes how the WordPiece tokenizer of a preset reads texts, for the exported tokenizer.

The tables of code points are made with TensorFlow, whose version of Unicode is not Python's.
"""

import functools
import itertools
import sys
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any

SURROGATES = range(0xD800, 0xE000)
"""Halves of surrogate pairs, which a text does not contain."""

MAX_WORD_BYTES = 100
"""Longest word in UTF-8 that TensorFlow's tokenizer splits; longer ones are unknown."""

SEPARATORS = (
    r"[!-/:-@\[-`{-~\p{P}\x{4E00}-\x{9FFF}\x{3400}-\x{4DBF}\x{20000}-\x{2A6DF}\x{2A700}-\x{2B73F}"
    r"\x{2B740}-\x{2B81F}\x{2B820}-\x{2CEAF}\x{F900}-\x{FAFF}\x{2F800}-\x{2FA1F}]"
)
"""Pattern of TensorFlow for punctuation and Chinese characters, each of which is a word."""


def find_problem(tokenizer: Any) -> str | None:
    """Return why the texts of a preset cannot be read without TensorFlow; None if they can.

    Args:
        tokenizer: A `PresetTokenizer`.
    """
    if not tokenizer.has_word_pieces:
        name = type(tokenizer.preprocessor.tokenizer).__name__
        return f"the tokenizer of the preset is {name}, and only WordPiece can be exported"
    pieces = tokenizer.preprocessor.tokenizer
    if not (pieces.split and pieces.split_on_cjk) or pieces.special_tokens_in_strings:
        return (
            "the tokenizer of the preset does not split words as BERT does, or reads special tokens"
            " in texts"
        )
    return None


def describe_word_pieces(tokenizer: Any) -> dict[str, Any]:
    """Return the settings of a tokenizer as JSON for the class `WordPieces`.

    Args:
        tokenizer: A `PresetTokenizer` for which `find_problem` returns None.
    """
    pieces = tokenizer.preprocessor.tokenizer
    tables = _list_tables()
    strips = tokenizer.strip_accents or pieces.strip_accents
    return {
        "kind": "word-pieces",
        "sequence_length": tokenizer.preprocessor.sequence_length,
        "padding_id": pieces.pad_token_id,
        "start_id": pieces.start_token_id,
        "end_id": pieces.end_token_id,
        "unknown_id": pieces.token_to_id(pieces.oov_token),
        "suffix_indicator": pieces.suffix_indicator,
        "max_word_bytes": MAX_WORD_BYTES,
        "vocabulary": pieces.get_vocabulary(),
        "spaces": tables["spaces"],
        "ignored": tables["ignored"],
        "separators": tables["separators"],
        "accents": tables["accents"] if strips else None,
        "decomposed": tables["decomposed"] if strips else None,
        "lowered": tables["lowered"] if tokenizer.lowercase else None,
        "folded": tables["folded"] if pieces.lowercase else None,
    }


@functools.cache
def _list_tables() -> dict[str, Any]:
    """Return character classes, and maps from code points to what replaces them."""
    import tensorflow as tf

    from textclf.encoders.tokenizer import clean, decompose, fold_case, lower

    characters = [chr(code) for code in range(sys.maxunicode + 1) if code not in SURROGATES]
    codes = tf.constant(characters)

    def list_pairs(change: Callable[[tf.Tensor], tf.Tensor]) -> Iterable[tuple[str, str]]:
        return zip(characters, (text.decode() for text in change(codes).numpy()), strict=True)

    def find(pattern: str) -> str:
        found = tf.strings.regex_full_match(codes, pattern).numpy()
        return _format_class(itertools.compress(characters, found))

    cleaned = [*list_pairs(clean)]
    return {
        "spaces": _format_class(one for one, text in cleaned if text == " "),
        "ignored": _format_class(one for one, text in cleaned if not text),
        "separators": find(SEPARATORS),
        "accents": find(r"\p{Mn}"),
        # Python decomposes the others itself.
        "decomposed": {
            a: b for a, b in list_pairs(decompose) if unicodedata.normalize("NFD", a) != b
        },
        "lowered": {a: b for a, b in list_pairs(lower) if a != b},
        "folded": {a: b for a, b in list_pairs(fold_case) if a != b},
    }


def _format_class(characters: Iterable[str]) -> str:
    """Return sorted characters as a class of a regular expression, which consists of ranges."""
    runs: list[list[int]] = []
    for code in map(ord, characters):
        if runs and runs[-1][1] + 1 == code:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    ranges = (rf"\U{first:08x}-\U{last:08x}" for first, last in runs)
    return f"[{''.join(ranges)}]"
