"""Splitting texts in the graph; `test_tokens` compares it with Python."""

import pytest
import tensorflow as tf

from textclf.text.tokenizer import tokenize, tokenize_as_before


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
def test_models_that_were_saved_before_split_at_ascii_characters_only(text, words):
    found = tokenize_as_before(tf.constant([text]))
    assert [word.decode() for word in found.flat_values.numpy()] == words


def test_each_text_is_a_row():
    assert tokenize(tf.constant(["A b", "", "c"])).to_list() == [[b"a", b"b"], [], [b"c"]]
