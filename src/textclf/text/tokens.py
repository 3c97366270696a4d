"""Defines what a token is: how texts are normalized, and the patterns that split them.

`tokenizer` splits with TensorFlow, and `split_text` in Python. Both use the patterns of this
module, which Python and RE2, TensorFlow's library for regular expressions, read alike.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable

TOKENS_VERSION = 1
"""Part of the name of cached token ids; raise it if a text gets other tokens."""

LINE_BREAK = r"<[Bb][Rr][\t\n\f\r ]*/?>"
"""An HTML line break."""

FILTERS = r"""!"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\x00-\x1f\x7f"""
"""The filters of Keras's Tokenizer, with which the texts of keras.datasets were cleaned, and
control characters."""

UNSPACED_BLOCKS = (
    *((0x0E00, 0x0E7F), (0x0E80, 0x0EFF)),  # Thai and Lao.
    *((0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F)),  # Burmese.
    (0x1780, 0x17FF),  # Khmer.
    *((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x1B000, 0x1B16F)),  # Hiragana and katakana.
    *((0x3000, 0x303F), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)),  # Han.
)
"""Scripts that do not separate words by spaces, in planes 0 and 1."""

APOSTROPHES = "\u2019\u02bc"
"""A quotation mark and a letter that are written for an apostrophe."""

FREQUENT = {"\u00b4": "\u2019", "\u2026": "...", "\u00a0": " "}
"""An accent that is typed for an apostrophe; and what NFKC does to the ellipsis and the no-break
space, because it takes five times as long for a text that contains one."""

IGNORED = (
    "[\u00ad\u034f\u061c\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff]+"
)
"""Invisible characters that do not change a word, for hyphenation, direction and variants of
letters. The joiners U+200C and U+200D belong to words."""

_RUNS = [
    (category, (run := [*codes])[0], run[-1])
    for category, codes in itertools.groupby(
        range(0x80, 0x20000), key=lambda code: unicodedata.category(chr(code))
    )
]
"""Category, first and last of consecutive characters outside ASCII, in planes 0 and 1."""


def _list_ranges(*categories: str, blocks: Iterable[tuple[int, int]] = ((0x80, 0x1FFFF),)) -> str:
    """Return the characters of Unicode categories in blocks, as ranges in a character class.

    Args:
        categories: Categories such as ``Cc``, or what several begin with.
        blocks: First and last character of each block; by default, all outside ASCII.
    """
    return "".join(
        f"{chr(max(first, low))}-{chr(min(last, high))}"
        for low, high in blocks
        for category, first, last in _RUNS
        if category.startswith(categories) and first <= high and last >= low
    )


MARKS = _list_ranges("M") + "\U000e0100-\U000e01ef"
"""Combining characters, which belong to the character before them."""

UNSPACED = _list_ranges("L", "N", blocks=UNSPACED_BLOCKS) + "\U00020000-\U0003ffff"
"""Letters and digits of scripts that do not separate words by spaces, and Han in planes 2 and 3."""

SEPARATORS = f"[{FILTERS}{_list_ranges('P', 'Z', 'Cc')}][{MARKS}]*| [{MARKS}]+"
"""A character between words: `FILTERS`, and outside ASCII all punctuation, spaces and control
characters (the categories P, Z and Cc); also the accents on it, because NFKC makes an accent
without a letter a space with an accent."""

SYMBOLS = _list_ranges("So") + "\U0001f000-\U0001faff\u2194\u25fd\u25fe"
"""Emoji and other symbols: the category So, the blocks in which new emoji are still assigned, and
emoji that are mathematical symbols in Unicode."""

_TAIL = f"[{MARKS}\u200c\u200d]*"
_EMOJI = f"[{SYMBOLS}][{MARKS}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_SYMBOL = f"[\U0001f1e6-\U0001f1ff]{{2}}|[0-9]\u20e3|{_EMOJI}(?:\u200d{_EMOJI})*"

TOKENS = {
    "words": _SYMBOL,
    "auto": f"{_SYMBOL}|[{UNSPACED}]{_TAIL}",
    "characters": f"{_SYMBOL}|[^ ]{_TAIL}",
}
"""What is a token although no space surrounds it, by `TextConfig.split`: emoji and other symbols,
with what joins them; characters, with their combining characters."""


def normalize_text(text: str) -> str:
    """Return a text as an encoder takes it; an ASCII text stays as it is.

    Characters are composed (NFKC) and in lower case, and apostrophes between letters are ASCII.
    TensorFlow has no operation for it.
    """
    if text.isascii():
        return text
    for character, plain in FREQUENT.items():
        text = text.replace(character, plain)
    text = unicodedata.normalize("NFKC", text).lower()
    for apostrophe in APOSTROPHES:
        if apostrophe in text:
            text = _replace_apostrophes(text, apostrophe)
    return text.replace("i\u0307", "i")  # The lower case of the Turkish capital letter.


def _replace_apostrophes(text: str, apostrophe: str) -> str:
    """Replace an apostrophe between letters or digits by that of ASCII."""
    # Faster than a regular expression, which looks behind every character.
    parts = text.split(apostrophe)
    joined = parts[0]
    for before, after in itertools.pairwise(parts):
        is_inside = before[-1:].isalnum() and after[:1].isalnum()
        joined += ("'" if is_inside else apostrophe) + after
    return joined


def split_text(text: str, split: str = "auto") -> list[str]:
    """Split a normalized text into tokens, exactly as `tokenizer.tokenize` does.

    Args:
        text: What `normalize_text` returned.
        split: ``words``, ``characters`` or ``auto``, as in `TextConfig`.
    """
    visible = re.sub(IGNORED, "", re.sub(LINE_BREAK, " ", text))
    spaced = re.sub(TOKENS[split], r" \g<0> ", re.sub(SEPARATORS, " ", visible))
    # As bytes, because only ASCII letters may still be in upper case.
    return spaced.encode().lower().decode().split()
