"""Encodings: byte-order marks, and suggestions for bytes that are not UTF-8."""

import io
import re
from pathlib import Path

import pytest

from textclf.errors import DataError, LimitError, RequestError
from textclf.storage.encodings import find_codec, name_codec, open_text, read_lines

PATH = Path("a.csv")


def read(content, encoding="utf-8"):
    with open_text(io.BytesIO(content), encoding, PATH) as text:
        return text.read()


@pytest.mark.parametrize(
    ("encoding", "head", "codec"),
    [
        ("utf-8", b"text", "utf-8-sig"),
        ("UTF8", "\ufefftext".encode(), "utf-8-sig"),
        ("utf-8", "text".encode("utf-16"), "utf-16"),
        ("utf-8", "\ufefftext".encode("utf-16-be"), "utf-16"),
        ("utf-8", "text".encode("utf-32"), "utf-32"),
        ("utf-8", "\ufefftext".encode("utf-32-be"), "utf-32"),
        ("utf-8", b"", "utf-8-sig"),
        ("cp1252", "text".encode("utf-16"), "utf-16"),
        ("cp1252", "\ufefftext".encode(), "utf-8-sig"),
        ("utf-16-le", "text".encode("utf-16"), "utf-16"),
        ("latin-1", b"text", "latin-1"),
        ("utf-16-le", "text".encode("utf-16-le"), "utf-16-le"),
    ],
)
def test_mark_has_precedence(encoding, head, codec):
    assert find_codec(encoding, head) == codec


def test_unknown_encoding_is_refused():
    with pytest.raises(
        RequestError, match=r"dataset\.encoding: unknown encoding 'latin-99'; use a name such as"
    ):
        find_codec("latin-99", b"text")
    for encoding in ("rot13", "undefined", "utf-8\0", "\ud800"):
        with pytest.raises(RequestError, match="unknown encoding '"):
            find_codec(encoding, b"text")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_text_is_opened_without_its_mark_and_with_its_line_ends(encoding):
    text = "é\r\nx\ny\rz"
    with open_text(io.BytesIO(text.encode(encoding)), "utf-8", PATH) as opened:
        assert opened.read() == text
        assert name_codec(opened.encoding) == encoding.removesuffix("-sig")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognized(encoding):
    content = "text,label\n".encode(encoding)
    with pytest.raises(DataError, match=rf"^a\.csv is not utf-8; .*encoding={encoding}$"):
        read(content, "utf-8")
    assert read(content, encoding) == "text,label\n"


def test_some_nul_characters_are_text():
    assert read(b"text\0,label\n") == "text\0,label\n"


def test_line_that_would_fill_the_memory_is_refused(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.001")
    lines = ["one\n", "x" * 49_998 + "\n", "three"]
    assert list(read_lines(PATH, io.StringIO("".join(lines)))) == lines
    lines[1] = f"x{lines[1]}"
    with pytest.raises(LimitError, match=r"^a\.csv line 2 is larger than the limit"):
        list(read_lines(PATH, io.StringIO("".join(lines))))


def explain(*lines, encoding="utf-8"):
    with pytest.raises(DataError) as info:
        read(b"".join(lines), encoding)
    return str(info.value)


@pytest.mark.parametrize(
    "text",
    [
        "“quoted” text — and more,sea",
        "5 € for the café,sea",
        "größer als die Straße,sea",
        "smørrebrød på bordet,sea",
        "¿qué pasó en el año?,sea",
    ],
)
def test_cp1252_is_suggested_for_western_texts_with_what_they_would_be(text):
    assert explain(b"text,label\n", f"{text}\n".encode("cp1252")) == (
        f"a.csv line 2 is not utf-8; if it should contain '{text}', add --set"
        " dataset.encoding=cp1252"
    )


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("cp1251", "съешь ещё этих мягких французских булок"),
        ("koi8-r", "съешь ещё этих мягких французских булок"),
        ("cp1253", "η γρήγορη καφέ αλεπού πηδάει"),
        ("cp1254", "istanbul güneşli bir gün"),
        ("cp1255", "שלום עולם מה שלומך היום"),
        ("cp1256", "مرحبا بالعالم كيف حالك اليوم"),
        ("cp932", "こんにちは世界、今日はいい天気ですね"),
        ("euc-jp", "こんにちは世界、今日はいい天気ですね"),
        ("gb18030", "今天天气很好,我们去海边"),
        ("big5", "今天天氣很好我們去海邊"),
        ("cp949", "안녕하세요 오늘 날씨가 좋네요"),
        ("mac-roman", "the café “quoted” text"),
    ],
)
def test_encoding_of_other_texts_is_among_the_suggestions(encoding, text):
    message = explain(b"text,label\n", *[f"{text},sea\n".encode(encoding)] * 20)
    match = re.fullmatch(
        r"a\.csv line 2 is not utf-8; if it should contain '.*', add --set"
        r" dataset\.encoding=([\w-]+)(?: \(or (.*)\))?",
        message,
    )
    assert match, message
    assert encoding in [match[1], *(match[2] or "").split(", ")]


def test_excerpt_begins_with_a_word():
    line = "the quick brown fox jumps over the lazy dog, crème brûlée is eaten after all,sea\n"
    assert explain(b"text,label\n", line.encode("cp1252")) == (
        "a.csv line 2 is not utf-8; if it should contain 'the lazy dog, crème brûlée is eaten', add"
        " --set dataset.encoding=cp1252"
    )


@pytest.mark.parametrize("word", ["abcdefghijklmnopqrstuvwxyé", "abcdefghijklmnopqrstuvwxyé z"])
def test_excerpt_contains_what_is_in_another_encoding(word):
    assert f"if it should contain '{word[5:]},sea', add" in explain(
        f"{word},sea\n".encode("cp1252")
    )


@pytest.mark.parametrize("encoding", ["ascii", "utf-32", "idna"])
@pytest.mark.parametrize("text", ["über,sea", "кот,sea"])
def test_utf_8_is_suggested_for_what_it_is(encoding, text):
    assert explain(f"{text}\n".encode(), encoding=encoding) == (
        f"a.csv line 1 is not {encoding}; if it should contain '{text}', add --set"
        " dataset.encoding=utf-8"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "punycode"])
def test_encoding_that_is_wrong_for_every_line_is_one_line(encoding):
    message = explain("text,label\nüber,sea\n".encode(), encoding=encoding)
    assert message.startswith("a.csv ")
    assert f" is not {encoding}; " in message
    assert "\n" not in message


def test_line_that_differs_from_the_others_is_not_another_encoding():
    lines = [b"x,y\n", "café,sea\n".encode(), "crème,sea\n".encode("cp1252")]
    assert explain(*lines) == (
        "a.csv line 3 is not utf-8, unlike other lines; correct it, perhaps to 'crème,sea'"
    )


def test_bytes_that_fit_no_encoding_are_refused_without_a_suggestion():
    remedy = "give another dataset.encoding, or restore the file"
    assert explain(b"text\n", bytes(range(128, 256))) == f"a.csv line 2 is not utf-8; {remedy}"
    cut = "text,label\n".encode("utf-16")[:-1]
    assert explain(cut) == (
        "a.csv is not utf-16; give another dataset.encoding, such as utf-16-le, or restore the file"
    )
    assert explain(b"text,label\n", encoding="utf-16").startswith("a.csv is not utf-16; ")
