"""Normalizes texts exactly as `tokens.normalize_text` does, as TensorFlow operations.

TensorFlow has no operation for Unicode normalization. These use tables of the Unicode version of
this Python, so that an exported model takes raw text. NFKC follows Unicode Standard Annex 15:
compatibility decomposition, canonical ordering, canonical composition.
"""

from typing import Any

import numpy.typing as npt
import tensorflow as tf

from textclf.text.tokens import APOSTROPHES
from textclf.text.unicode_tables import (
    CASED,
    CODE_BITS,
    IGNORABLE,
    Expansions,
    Ranges,
    list_alphanumeric,
    list_case_kinds,
    list_classes,
    list_decompositions,
    list_lower_cases,
    list_pairs,
    list_seconds,
)

CAPITAL_SIGMA, FINAL_SIGMA = 0x3A3, 0x3C2
DOT_ABOVE = 0x307


def normalize(texts: tf.Tensor) -> tf.Tensor:
    """Normalize <string>[batch], UTF-8; ASCII texts stay as they are.

    Bytes that are not UTF-8 become U+FFFD.
    """
    index = tf.where(~tf.strings.regex_full_match(texts, r"[\x00-\x7f]*"))
    return tf.cond(
        tf.size(index) > 0,
        lambda: tf.tensor_scatter_nd_update(texts, index, _normalize(tf.gather_nd(texts, index))),
        lambda: texts,
    )


def _normalize(texts: tf.Tensor) -> tf.Tensor:
    decoded = tf.strings.unicode_decode(texts, "UTF-8")
    rows, codes = decoded.value_rowids(), decoded.flat_values
    rows, codes = _expand(rows, codes, list_decompositions())
    rows, codes = _compose(rows, _sort_marks(rows, codes))
    rows, codes = _lower(rows, codes)
    for apostrophe in APOSTROPHES:
        codes = _replace_apostrophes(rows, codes, ord(apostrophe))
    # The lower case of the Turkish capital letter.
    is_dotted = (codes == DOT_ABOVE) & (_shift(codes, 1) == ord("i")) & (_shift(rows, 1) == rows)
    rows, codes = rows[~is_dotted], codes[~is_dotted]
    n_texts = tf.size(texts, tf.int64)
    ragged = tf.RaggedTensor.from_value_rowids(codes, rows, n_texts, validate=False)
    return tf.strings.unicode_encode(ragged, "UTF-8")


def _expand(
    rows: tf.Tensor, codes: tf.Tensor, expansions: Expansions
) -> tuple[tf.Tensor, tf.Tensor]:
    """Replace characters by their expansions.

    Args:
        rows: <int64>[characters], number of the text of each character.
        codes: <int32>[characters].
        expansions: What is replaced.
    """
    index, is_known = _find(expansions.codes, codes)
    lengths = tf.where(is_known, tf.gather(expansions.lengths, index), 1)
    ends = tf.cumsum(lengths)
    source = tf.repeat(tf.range(tf.size(codes)), lengths)
    offset = tf.range(tf.size(source)) - tf.gather(ends - lengths, source)
    position = tf.gather(tf.gather(expansions.starts, index), source) + offset
    # The position of a character without an expansion is not used, but has to exist.
    position = tf.minimum(position, len(expansions.values) - 1)
    values = tf.gather(expansions.values, position)
    expanded = tf.where(tf.gather(is_known, source), values, tf.gather(codes, source))
    return tf.gather(rows, source), expanded


def _sort_marks(rows: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Sort the marks after each character by their canonical combining classes."""
    classes = _look_up(list_classes(), codes)
    is_unsorted = (classes > 0) & (_shift(classes, 1) > classes) & (_shift(rows, 1) == rows)

    def sort() -> tf.Tensor:
        begins = (classes == 0) | (_shift(rows, 1) != rows)
        keys = tf.cumsum(tf.cast(begins, tf.int64)) * 256 + tf.cast(classes, tf.int64)
        return tf.gather(codes, tf.argsort(keys, stable=True))

    return tf.cond(tf.reduce_any(is_unsorted), sort, lambda: codes)


def _compose(rows: tf.Tensor, codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Compose characters with the marks after them, one mark of each character per round."""

    def compose_once(
        rows: tf.Tensor, codes: tf.Tensor, _: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        starters, marks, composites = _find_composites(rows, codes)
        codes = tf.tensor_scatter_nd_update(codes, starters[:, None], composites)
        is_kept = tf.tensor_scatter_nd_update(
            tf.fill(tf.shape(codes), True), marks[:, None], tf.fill(tf.shape(marks), False)
        )
        return rows[is_kept], codes[is_kept], tf.size(marks) > 0

    rows, codes, _ = tf.while_loop(
        lambda rows, codes, is_changed: is_changed,  # noqa: ARG005
        compose_once,
        (rows, codes, tf.constant(True)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([None]), tf.TensorShape([])),
    )
    return rows, codes


def _find_composites(rows: tf.Tensor, codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Find the first mark that each character is composed with.

    Returns:
        The positions of the characters and of the marks, <int32>[pairs], and their composites.
    """
    classes = _look_up(list_classes(), codes)
    starters = tf.cast(tf.where(classes == 0)[:, 0], tf.int32)
    marks = tf.cast(tf.where(_look_up(list_seconds(), codes) > 0)[:, 0], tf.int32)
    before = tf.searchsorted(starters, marks) - 1  # The last starter before each mark.
    has_starter = before >= 0
    marks, before = marks[has_starter], tf.gather(starters, before[has_starter])
    # A mark is blocked by one of the same class, and a starter by any mark, before it.
    last = tf.gather(classes, marks - 1)
    is_free = (before == marks - 1) | (last < tf.gather(classes, marks))
    is_free &= tf.gather(rows, before) == tf.gather(rows, marks)
    marks, before = marks[is_free], before[is_free]
    pairs = list_pairs()
    index, is_known = _find(
        pairs.keys, _make_key(tf.gather(codes, before), tf.gather(codes, marks))
    )
    marks, before, index = marks[is_known], before[is_known], index[is_known]
    is_first = before != _shift(before, 1)
    composites = tf.gather(pairs.composites, index[is_first])
    return before[is_first], marks[is_first], composites


def _lower(rows: tf.Tensor, codes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Convert to lower case, in which a sigma at the end of a word has a form of its own."""

    def finish_sigmas() -> tf.Tensor:
        kinds = _look_up(list_case_kinds(), codes)
        kept = tf.where(kinds != IGNORABLE)[:, 0]
        sigmas = tf.where(codes == CAPITAL_SIGMA)[:, 0]
        index = tf.searchsorted(kept, sigmas, out_type=tf.int64)  # A sigma is itself kept.

        def is_cased(neighbor: tf.Tensor) -> tf.Tensor:
            exists = (neighbor >= 0) & (neighbor < tf.size(kept, tf.int64))
            position = tf.gather(kept, tf.where(exists, neighbor, 0))
            in_row = tf.gather(rows, position) == tf.gather(rows, sigmas)
            return exists & in_row & (tf.gather(kinds, position) == CASED)

        final = sigmas[is_cased(index - 1) & ~is_cased(index + 1)]
        values = tf.fill(tf.shape(final), FINAL_SIGMA)
        return tf.tensor_scatter_nd_update(codes, final[:, None], values)

    codes = tf.cond(tf.reduce_any(codes == CAPITAL_SIGMA), finish_sigmas, lambda: codes)
    return _expand(rows, codes, list_lower_cases())


def _replace_apostrophes(rows: tf.Tensor, codes: tf.Tensor, apostrophe: int) -> tf.Tensor:
    """Replace an apostrophe between letters or digits by that of ASCII."""

    def is_letter(step: int) -> tf.Tensor:
        neighbors = tf.maximum(tf.gather(_shift(codes, step), found), 0)
        in_row = tf.gather(_shift(rows, step), found) == tf.gather(rows, found)
        is_alphanumeric = _look_up(list_alphanumeric(), neighbors) > 0
        return in_row & is_alphanumeric & (neighbors != apostrophe)

    found = tf.where(codes == apostrophe)[:, 0]
    inside = found[is_letter(1) & is_letter(-1)]
    values = tf.fill(tf.shape(inside), ord("'"))
    return tf.tensor_scatter_nd_update(codes, inside[:, None], values)


def _shift(values: tf.Tensor, step: int) -> tf.Tensor:
    """Return the value before each one (step 1) or after it (step -1); -1 at the end."""
    if step == 1:
        return tf.concat([[tf.constant(-1, values.dtype)], values[:-1]], axis=0)[: tf.size(values)]
    return tf.concat([values[1:], [tf.constant(-1, values.dtype)]], axis=0)[: tf.size(values)]


def _find(known: npt.NDArray[Any], values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the position of each value in sorted ones, and whether it is there."""
    index = tf.minimum(tf.searchsorted(known, values), len(known) - 1)
    return index, tf.gather(known, index) == values


def _look_up(ranges: Ranges, codes: tf.Tensor) -> tf.Tensor:
    """Return the property of each character, <int32>[characters]."""
    return tf.gather(ranges.values, tf.searchsorted(ranges.starts, codes, side="right") - 1)


def _make_key(first: Any, second: Any) -> tf.Tensor:
    """Return the key of each pair of characters, <int64>[pairs]."""
    return tf.cast(first, tf.int64) * 2**CODE_BITS + tf.cast(second, tf.int64)
