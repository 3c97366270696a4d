"""Every test of text starts TensorFlow; a small encoder."""

import pytest


@pytest.fixture(autouse=True)
def started(tensorflow):
    """TensorFlow is started before each test."""


@pytest.fixture
def make_encoder():
    """A function that makes an encoder of 7 ids, of which 4, 5 and 6 are the words a, b and c."""
    from textclf.text.encoder import TextEncoder

    def make(**options):
        defaults = {"num_words": 7, "sequence_length": 4, "vocabulary": ["a", "b", "c", "d", "e"]}
        return TextEncoder(**{**defaults, **options})

    return make
