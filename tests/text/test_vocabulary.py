"""Counting words."""

from textclf.text import vocabulary
from textclf.text.vocabulary import count_words


def test_words_are_ranked_by_count_and_then_by_alphabet():
    assert count_words(["b a", "c a", "b d"], max_words=3) == ("a", "b", "c")


def test_words_that_occurred_once_are_forgotten_if_there_are_too_many(monkeypatch):
    monkeypatch.setattr(vocabulary, "BATCH_SIZE", 2)
    monkeypatch.setattr(vocabulary, "MAX_COUNTED", 6)
    texts = [f"often often twice{i // 2} once{i}" for i in range(8)]
    assert count_words(texts, max_words=3) == ("often", "twice0", "twice1")
