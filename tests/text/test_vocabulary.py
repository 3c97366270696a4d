"""Counting words."""

from textclf.text import vocabulary
from textclf.text.vocabulary import count_words


def test_words_are_ranked_by_count_and_then_by_alphabet():
    texts = ["b a", "c a", "b d"]
    assert count_words(texts, split="auto", max_words=3) == ("a", "b", "c")


def test_texts_are_normalized_and_split_as_configured():
    texts = ["É e\u0301 日本", "日"]
    assert count_words(texts, split="auto", max_words=9) == ("é", "日", "本")
    assert count_words(texts, split="words", max_words=9) == ("é", "日", "日本")


def test_words_that_occurred_once_are_forgotten_if_there_are_too_many(monkeypatch):
    monkeypatch.setattr(vocabulary, "BATCH_SIZE", 2)
    monkeypatch.setattr(vocabulary, "MAX_COUNTED", 6)
    texts = [f"often often twice{i // 2} once{i}" for i in range(8)]
    assert count_words(texts, split="auto", max_words=3) == ("often", "twice0", "twice1")
