"""Texts in files: they are read as they were written, in any order."""

import numpy as np
import pytest

from textclf.data import text_store
from textclf.data.text_store import StoredTexts, list_texts
from textclf.errors import RequestError

TEXTS = ["first", "", "zwölf\nBoxkämpfer", "👩‍👩‍👧 ok", "nul\0", "last"]


def write_from_iterator(texts):
    return StoredTexts.write(iter(texts))


@pytest.fixture(params=[write_from_iterator, StoredTexts.write], ids=["iterator", "list"])
def store(request, tmp_path, monkeypatch):
    """A function that writes texts to a file, which is read in blocks of two texts."""
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(text_store, "BLOCK_SIZE", 2)
    return request.param


def test_texts_are_a_sequence(store):
    texts = store(TEXTS)
    assert list(texts) == TEXTS
    assert len(texts) == 6
    assert [texts[i] for i in (-1, 0, 2)] == ["last", "first", TEXTS[2]]
    assert texts[1:4] == TEXTS[1:4]
    assert texts[::-2] == TEXTS[::-2]
    with pytest.raises(IndexError):
        texts[6]


def test_texts_are_taken_in_any_order(store):
    texts = store(TEXTS)
    chosen = texts.take(np.array([5, 0, 3]))
    assert list(chosen) == ["last", "first", TEXTS[3]]
    assert list(chosen.take(np.array([2, 2]))) == [TEXTS[3]] * 2
    assert chosen.read(np.array([1, 0])) == [b"first", b"last"]
    assert [part.is_whole for part in (texts, chosen, texts.take(np.arange(6)))] == [
        *(True, False, True)
    ]


def test_no_texts_and_lone_surrogates_are_kept(store):
    assert list(store([])) == []
    assert list(store(["a\ud800", "b"])) == ["a\ud800", "b"]


def test_texts_are_listed_except_those_of_a_file(store):
    assert list_texts(iter(TEXTS)) == TEXTS
    assert list_texts(np.array(TEXTS[:3])) == TEXTS[:3]
    texts = store(TEXTS)
    assert list_texts(texts) is texts


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("good", "expected a list of texts, got one text: write [text]"),
        (b"good", "expected a list of texts, got bytes: b'good'"),
        (None, "expected a list of texts, got NoneType: None"),
        (["good", 3], "expected texts, got int: 3"),
        (["good", None], "expected texts, got NoneType: None"),
    ],
)
def test_what_is_not_a_list_of_texts_is_refused(texts, message):
    with pytest.raises(RequestError) as info:
        list_texts(texts)
    assert str(info.value) == message
