"""What a token is: the same in Python and in TensorFlow, for every character."""

# ruff: noqa: RUF001 - characters that look like others on purpose

import os
import random
import subprocess
import sys
import unicodedata

import pytest
import tensorflow as tf

from textclf.text.tokenizer import tokenize
from textclf.text.tokens import (
    FILTERS,
    TOKENS,
    normalize_text,
    split_text,
)

CODES = [code for code in range(0x20100) if not 0xD800 <= code < 0xE000]
FAMILY, GERMANY, FRANCE = "👨\u200d👩\u200d👧", "🇩🇪", "🇫🇷"


def split_in_graph(texts, split):
    rows = tokenize(tf.constant(texts), split).to_list()
    return [[word.decode() for word in row] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("split", TOKENS)
def test_every_character_is_split_alike_in_python_and_in_the_graph(split):
    texts = [
        " ".join(f"A{chr(c)}b {chr(c)} {chr(c)}{chr(c)}1" for c in CODES[start : start + 256])
        for start in range(0, len(CODES), 256)
    ]
    normalized = [*map(normalize_text, texts)]
    for given in (texts, normalized):
        assert split_in_graph(given, split) == [split_text(text, split) for text in given]


@pytest.mark.parametrize("split", TOKENS)
def test_random_texts_are_split_alike_in_python_and_in_the_graph(split):
    alphabet = [*"aZé1 '’.<>/\n\t#", "<br />", "<BR>", "e\u0301", "\u200d", "\u200c", "\ufe0f"]
    alphabet += ["\u20e3", *GERMANY, *FAMILY, *"👍🏽©日本ーかサ々ไทยที่ကိုहिßİΣﬁ½…´\x00\x85", "ｱﾞ"]
    alphabet += ["\U000e0067", "\U00020000"]
    rng = random.Random(7)
    texts = [normalize_text("".join(rng.choices(alphabet, k=12))) for _ in range(3_000)]
    assert split_in_graph(texts, split) == [split_text(text, split) for text in texts]


@pytest.mark.parametrize("split", TOKENS)
def test_ascii_punctuation_is_that_of_keras(split):
    ascii_text = "".join(f"x{chr(code)}y " for code in range(128))
    keras_filters = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'
    controls = "".join(map(chr, [*range(32), 127]))
    expected = ascii_text.lower()
    for character in keras_filters + controls:
        expected = expected.replace(character, " ")
    words = expected.split()
    if split == "characters":
        words = [character for word in words for character in word]
    assert split_text(ascii_text, split) == words
    assert "'" not in FILTERS


def test_punctuation_and_spaces_of_all_scripts_separate_words():
    categories = {code: unicodedata.category(chr(code)) for code in CODES if code > 127}
    separating = [chr(c) for c, category in categories.items() if category[0] in "PZ"]
    assert len(separating) > 700
    for character in separating:
        assert split_text(f"x{character}y") == ["x", "y"], hex(ord(character))
    letters = [chr(c) for c, category in categories.items() if category in {"Lu", "Ll"}]
    for letter in letters:
        assert split_text(f"x{letter}y") == [f"x{letter}y"], hex(ord(letter))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don’t “stop”—now… sail、mast。", ["don't", "stop", "now", "sail", "mast"]),
        (
            "rock ‘n’ roll, ’90s, the boys’ l´été",
            ["rock", "n", "roll", "90s", "the", "boys", "l'été"],
        ),
        ("п’ять пʼять п'ять", ["п'ять"] * 3),
        ("tab\tand\u00a0no\u2028break\x96dash\x85", ["tab", "and", "no", "break", "dash"]),
        ("سؤال، جواب؟ نعم", ["سؤال", "جواب", "نعم"]),
        ("नाव हवा। हिन्दी॥", ["नाव", "हवा", "हिन्दी"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ÉCOLE Straße İI ΣΟΦΟΣ", ["école", "straße", "ii", "σοφος"]),
        ("İSTANBUL istanbul", ["istanbul", "istanbul"]),
        ("ｆｕｌｌ ﬁne ﾊﾞｽ ２", ["full", "fine", "バ", "ス", "2"]),
        ("soft\u00adhy\u200bphen\ufeff \u200eleft", ["softhyphen", "left"]),
        ("£5m 20° Acme® C++ №5", ["£5m", "20", "°", "acme", "®", "c", "no5"]),
        ("x ¨ y ´ z", ["x", "y", "z"]),
    ],
)
def test_words_of_languages_with_spaces(text, tokens):
    assert split_text(normalize_text(text)) == tokens
    assert split_in_graph([normalize_text(text)], "auto") == [tokens]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("船锚港，浪海。", ["船", "锚", "港", "浪", "海"]),
        ("新しいiPhone15を買った", [*"新しい", "iphone15", *"を買った"]),
        ("パーティー・人々", [*"パーティー", "人", "々"]),
        ("ไปที่นั่น", ["ไ", "ป", "ที่", "นั่", "น"]),
        ("ສະບາຍດີ", ["ສ", "ະ", "ບ", "າ", "ຍ", "ດີ"]),
        ("ភាសាខ្មែរ", ["ភា", "សា", "ខ្", "មែ", "រ"]),
        ("မြန်မာ", ["မြ", "န်", "မာ"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("𠀀𠀁", ["𠀀", "𠀁"]),
    ],
)
def test_scripts_without_spaces_are_split_by_character(text, tokens):
    assert split_text(normalize_text(text)) == tokens
    assert split_in_graph([normalize_text(text)], "auto") == [tokens]
    whole = split_text(normalize_text(text), "words")
    assert all(len(word) > 1 for word in whole)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("great👍🏽👍", ["great", "👍🏽", "👍"]),
        (f"{FAMILY}{FAMILY}ok", [FAMILY, FAMILY, "ok"]),
        (f"{GERMANY}{FRANCE}x", [GERMANY, FRANCE, "x"]),
        ("🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007fgo", None),
        ("I ❤️ it, i ❤ it", ["i", "❤", "it", "i", "❤", "it"]),
        ("🏳️‍🌈 ♂ 🤷‍♂️", ["🏳\u200d🌈", "♂", "🤷\u200d♂"]),
        ("1️⃣2️⃣", ["1\u20e3", "2\u20e3"]),
        ("new \U0001fae8\U0001faef", ["new", "\U0001fae8", "\U0001faef"]),
    ],
)
@pytest.mark.parametrize("split", ["auto", "words"])
def test_emoji_are_tokens(text, tokens, split):
    tokens = tokens or [text[:-2], "go"]
    assert split_text(normalize_text(text), split) == tokens
    assert split_in_graph([normalize_text(text)], split) == [tokens]


def test_characters_keep_their_marks_and_emoji_their_sequences():
    text = normalize_text(f"été हिन्दी {FAMILY}")
    assert split_text(text, "characters") == ["é", "t", "é", "हि", "न्", "दी", FAMILY]
    assert split_in_graph([text], "characters") == [split_text(text, "characters")]


@pytest.mark.parametrize("text", ["plain ASCII, as it is\x00!", "", "don't <br /> I"])
def test_ascii_texts_stay_as_they_are(text):
    assert normalize_text(text) is text


@pytest.mark.parametrize("text", ["Ángström ñandú", "ガギグ", "한국어", "Việt Nam", "Ψυχή"])
def test_composed_and_decomposed_texts_are_the_same(text):
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    assert {normalize_text(form) for form in forms} == {normalize_text(text)}


def test_normalizing_twice_changes_nothing():
    for start in range(0, len(CODES), 16):
        text = " ".join(f"a{chr(code)}b" for code in CODES[start : start + 16])
        once = normalize_text(text)
        assert normalize_text(once) == once


def test_no_accent_becomes_a_token():
    alone = [chr(c) for c in CODES if c > 127 and unicodedata.category(chr(c)) == "Sk"]
    accents = [c for c in alone if unicodedata.normalize("NFKC", c)[0] == " "]
    missed = {c for c in accents if split_text(normalize_text(f"x {c} y")) != ["x", "y"]}
    assert not missed & {*map(chr, range(0x300))}


@pytest.mark.slow
def test_lower_case_does_not_depend_on_the_language_of_the_system():
    code = (
        "import tensorflow as tf; from textclf.text.tokenizer import tokenize;"
        " from textclf.text.tokens import normalize_text;"
        " print(tokenize(tf.constant([normalize_text('TITLE \\u00cd')])).to_list())"
    )
    environment = {**os.environ, "LC_ALL": "tr_TR.UTF-8"}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[[b'title', b'\\xc3\\xad']]"
