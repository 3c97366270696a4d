"""Normalization in a graph: the same as in Python, for every character and in every context."""

# ruff: noqa: RUF001 - characters that look like others on purpose

import random
import unicodedata

import numpy as np
import pytest
import tensorflow as tf

from textclf.text import normalizer, unicode_tables
from textclf.text.tokens import normalize_text

CHARACTERS = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
ASSIGNED = [c for c in CHARACTERS if unicodedata.category(c) != "Cn"]
MARKS = [c for c in ASSIGNED if unicodedata.combining(c)]
JAMO = [chr(code) for code in range(0x1100, 0x1200)]
INDIC = [chr(code) for start in (0x900, 0x1000, 0x11000) for code in range(start, start + 0x500)]
SPECIAL = "aAıİiI\u0307Σςσ’ʼ'´…\u00a0 .1\u0345\u0301\u0323é\u1ebf"

CONTEXTS = ("{}", "a{}b", "é{}\u0307\u0323", "AΣ{}", "A{}Σ", "a’{}ʼb’", "{0}{0}\u0301")


@pytest.fixture(scope="module")
def normalize():
    """Return a function that normalizes texts in a graph, which is traced once."""
    signature = [tf.TensorSpec([None], tf.string)]
    traced = tf.function(normalizer.normalize, input_signature=signature)

    def normalize_batches(texts):
        batches = (texts[start : start + 4096] for start in range(0, len(texts), 4096))
        return [text.decode() for batch in batches for text in traced(tf.constant(batch)).numpy()]

    return normalize_batches


def make_random_texts(n):
    """Return short texts, most of which are made of characters that interact."""
    rng = random.Random(0)
    pools = [ASSIGNED, MARKS, JAMO, INDIC, SPECIAL, SPECIAL]
    texts = []
    for _ in range(n):
        pool = rng.choice(pools)
        length = rng.randint(0, 12)
        texts.append("".join(rng.choice(rng.choice([pool, pool, SPECIAL])) for _ in range(length)))
    return texts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain ASCII Text",
        "don’t ‘quote’ it…",
        "l´été\u00a0À",
        "ΟΔΟΣ ΟΔΟΣ’ Σ ΑΣΑ",
        "İstanbul’da I\u0307",
        "Việt Nam Vie\u0323\u0302t",
        "\u1112\u1161\u11ab\u1100\u1173\u11af",
        "ﬁ ½ ① ｱﾞ ㌔",
        "e\u0323\u0301\u0301\u0323",
        "\u0344x\u0fb3\u0f71",
        "\u0301 begins with a mark",
    ],
)
def test_texts_are_normalized_as_in_python(normalize, text):
    assert normalize([text]) == [normalize_text(text)]


def test_ascii_texts_stay_as_they_are_beside_others(normalize):
    texts = ["UPPER", "É", "", "\x00A\x7f", "e\u0301"]
    assert normalize(texts) == ["UPPER", "é", "", "\x00A\x7f", "é"]


def test_characters_do_not_act_across_texts(normalize):
    assert normalize(["é", "\u0301", "AΣ", "A", "é’", "s", "i", "\u0307"]) == [
        *("é", "\u0301", "aς", "A", "é’", "s", "i", "\u0307")
    ]


def test_bytes_that_are_not_unicode_are_replaced():
    assert normalizer.normalize(tf.constant([b"\xff\xc3A"])).numpy()[0].decode() == "\ufffd\ufffda"


def test_many_random_texts_are_normalized_as_in_python(normalize):
    texts = make_random_texts(5_000)
    assert normalize(texts) == [*map(normalize_text, texts)]


def test_seconds_of_pairs_begin_no_other_pair():
    keys = unicode_tables.list_pairs().keys
    firsts, seconds = set((keys >> 21).tolist()), set((keys % 2**21).tolist())
    assert len(keys) > 12_000
    assert not any(unicodedata.combining(chr(code)) == 0 for code in firsts & seconds)
    assert np.all(np.diff(keys) > 0)


@pytest.mark.slow
@pytest.mark.parametrize("context", CONTEXTS)
def test_every_character_is_normalized_as_in_python(normalize, context):
    texts = [context.format(character) for character in CHARACTERS]
    assert normalize(texts) == [*map(normalize_text, texts)]


@pytest.mark.slow
def test_200_000_random_texts_are_normalized_as_in_python(normalize):
    texts = make_random_texts(200_000)
    assert normalize(texts) == [*map(normalize_text, texts)]
