"""Splitting texts into words."""

import pytest
import tensorflow as tf

from textclf.text.tokenizer import tokenize


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's GOOD, really!", ["it's", "good", "really"]),
        ("a<br />b<br>c<BR/>d", ["a", "b", "c", "d"]),
        ("why? oh (why)??", ["why", "oh", "why"]),
        ("what ? mln", ["what", "mln"]),
        ("tab\tand\u00a0no\x00break", ["tab", "and\u00a0no", "break"]),
        ("ÉCOLE Straße 日本", ["école", "straße", "日本"]),
        ("  ... ", []),
        ("", []),
    ],
)
def test_words_are_lower_case_without_punctuation(text, words):
    found = tokenize(tf.constant([text]))
    assert [word.decode() for word in found.flat_values.numpy()] == words


def test_each_text_is_a_row():
    assert tokenize(tf.constant(["A b", "", "c"])).to_list() == [[b"a", b"b"], [], [b"c"]]
