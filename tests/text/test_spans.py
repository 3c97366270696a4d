"""The tokens of a raw text: those that a model reads, at the right characters."""

# ruff: noqa: RUF001 - characters that look like others on purpose

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from textclf.text.spans import align, find_tokens
from textclf.text.tokens import TOKENS, normalize_text, split_text

FAMILY = "👨\u200d👩\u200d👧"
PIECES = [
    *("a", "B", "Σ", "ς", "ß", "İ", "I", "ı", "i", "é", "e\u0301", "i\u0307", "\u0301", "\u0345"),
    *("ﬁ", "½", "㎏", "…", "´", "¨", "\u00ad", "\u200b", "\u200d", "\ufe0f", "\ufeff", "'", "’"),
    *("<br />", "<BR>", "<", ">", "&", ".", "-", " ", "\n", "\u00a0", "\u3000", "\x00", "\x85"),
    *("日本", "ー", "か\u3099", "ｶﾞ", "ไทย", "ที่", "한", "\u1112\u1161\u11ab", "\u1161", "हि", "ﷺ"),
    *(FAMILY, "🇩🇪", "👍🏽", "3\ufe0f\u20e3", "©", "\U00020000", "\U000e0067", "\u0f71\u0f72"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=40)


@pytest.mark.slow
@pytest.mark.parametrize("split", TOKENS)
@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
@example(text="A" * 3 + "\u0301" * 40 + "Σ ΑΣ’ς")
def test_tokens_are_those_of_the_model_and_lie_in_the_text(split, text):
    tokens = find_tokens(text, split)
    assert [token.text for token in tokens] == split_text(normalize_text(text), split)
    assert all(0 <= token.start < token.end <= len(text) for token in tokens)
    starts = [token.start for token in tokens]
    assert starts == sorted(starts)


@settings(max_examples=500, deadline=None)
@given(text=TEXTS)
def test_aligned_text_is_the_transformed_text(text):
    for transform in (normalize_text, str.lower, lambda raw: normalize_text(raw).upper()):
        aligned = align(text, transform)
        assert aligned.text == transform(text)
        assert len(aligned.spans) == len(aligned.text)
        assert aligned.spans == sorted(aligned.spans)


@pytest.mark.slow
def test_letters_of_all_scripts_are_aligned_one_by_one():
    letters = [
        char for code in range(0x80, 0x20000) if unicodedata.category(char := chr(code))[0] == "L"
    ]
    letters = [char for char in letters if not "\u1160" <= char <= "\u11ff"]
    for start in range(0, len(letters), 100):
        block = letters[start : start + 100]
        text = "x".join(block)
        where = align(text).spans
        covered = {span for span in where if text[slice(*span)] != "x"}
        assert covered >= {
            (2 * i, 2 * i + 1) for i, c in enumerate(block) if c not in "\uff9e\uff9f"
        }


@pytest.mark.parametrize(
    ("text", "split", "spans"),
    [
        (
            "Shares  FELL<br />again.",
            "auto",
            {"shares": "Shares", "fell": "FELL", "again": "again"},
        ),
        ("don’t re\u00adturn", "auto", {"don't": "don’t", "return": "re\u00adturn"}),
        ("\ufeffΟΔΟΣ ΑΣ’Α", "auto", {"οδος": "ΟΔΟΣ", "ασ'α": "ΑΣ’Α"}),
        ("İzmir e\u0301te\u0301!", "auto", {"izmir": "İzmir", "été": "e\u0301te\u0301"}),
        ("日本GO👍🏽", "auto", {"日": "日", "本": "本", "go": "GO", "👍🏽": "👍🏽"}),
        ("日本 GO👍🏽", "words", {"日本": "日本", "go": "GO", "👍🏽": "👍🏽"}),
        ("a\u00a0ﬁn 5㎏", "words", {"a": "a", "fin": "ﬁn", "5kg": "5㎏"}),
        ("ｶﾞ ﬁ", "characters", {"ガ": "ｶﾞ", "f": "ﬁ", "i": "ﬁ"}),
        ("b.\u1112\u1161\u11ab Z", "words", {"b": "b", "한": "\u1112\u1161\u11ab", "z": "Z"}),
        ("x" * 5 + "… wait", "words", {"xxxxx": "xxxxx", "wait": "wait"}),
        ("\x00<BR> !?", "auto", {}),
        ("", "auto", {}),
    ],
)
def test_raw_characters_of_each_token(text, split, spans):
    tokens = find_tokens(text, split)
    assert {token.text: text[token.start : token.end] for token in tokens} == spans
    assert len(tokens) == len(spans)


def test_a_chunk_that_cannot_be_aligned_is_the_origin_of_all_its_characters():
    def double_before_b(text):
        return text.replace("ab", "aab")

    aligned = align("x ab y", double_before_b)
    assert aligned.spans == [(0, 1), (1, 2), *[(2, 4)] * 3, (4, 5), (5, 6)]
    assert align("a b", lambda text: text.replace("a b", "c")).spans == [(0, 3)]
