import pytest

from textclf.explanation.explain import Explanation, WeightedToken
from textclf.reporting.excerpts import MAX_CHARACTERS, Excerpt


def explain(text, weights, method="weights"):
    """Explain a text of words, one weight for each."""
    tokens, start = [], 0
    for word, weight in zip(text.split(), weights, strict=True):
        start = text.index(word, start)
        tokens.append(WeightedToken(word.lower(), start, start + len(word), weight))
        start += len(word)
    return Explanation(0, text, "a", 0.9, "a", method, 1.0, None, tuple(tokens))


def test_words_are_highlighted_by_strength():
    text = "Oil prices rose, but slowly today"
    excerpt = Excerpt.of(text, explain(text, [3.0, 1.5, -0.6, 0.2, 0.0, -2.5]))
    pieces = [(piece.text, piece.style) for piece in excerpt.pieces]
    assert pieces == [
        *(("Oil", "f3"), (" ", ""), ("prices", "f2"), (" ", ""), ("rose,", "a1")),
        *((" but slowly ", ""), ("today", "a3")),
    ]
    assert excerpt.supporting == ["oil", "prices"]
    assert excerpt.opposing == ["today", "rose,"]
    assert not excerpt.is_cut


def test_weights_of_equal_words_are_added():
    text = "no no yes maybe"
    excerpt = Excerpt.of(text, explain(text, [0.5, 0.6, 1.0, 0.05]))
    assert excerpt.supporting == ["no", "yes"]


def test_long_texts_and_words_are_cut():
    text = "x" * (MAX_CHARACTERS - 2) + " " + "word" * 30
    excerpt = Excerpt.of(text, explain(text, [1.0, -1.0]))
    assert "".join(piece.text for piece in excerpt.pieces) == text[:MAX_CHARACTERS]
    assert [piece.text for piece in excerpt.pieces][-1] == "w"
    assert excerpt.is_cut
    assert excerpt.opposing == ["word" * 9 + "w..."]


def test_tokens_that_share_a_character_are_shown_once():
    tokens = (WeightedToken("f", 0, 1, 1.0), WeightedToken("i", 0, 1, 1.0))
    excerpt = Excerpt.of("\ufb01 x", Explanation(0, "", "a", 0.9, "a", "weights", 1.0, 0.0, tokens))
    assert "".join(piece.text for piece in excerpt.pieces) == "\ufb01 x"


@pytest.mark.parametrize(
    ("method", "weight", "expected"),
    [("occlusion", 0.009, True), ("occlusion", -0.02, False), ("weights", 0.009, False)],
)
def test_small_changes_of_the_probability_are_noted(method, weight, expected):
    excerpt = Excerpt.of("word", explain("word", [weight], method))
    assert excerpt.has_small_changes is expected


def test_texts_without_an_explanation_are_plain():
    excerpt = Excerpt.of("a b")
    assert [(piece.text, piece.style) for piece in excerpt.pieces] == [("a b", "")]
    assert (excerpt.supporting, excerpt.opposing) == ([], [])
    assert Excerpt.of("").pieces == []


def test_words_without_weight_are_plain():
    excerpt = Excerpt.of("a b", explain("a b", [0.0, 0.0]))
    assert [piece.style for piece in excerpt.pieces] == [""]
    assert excerpt.supporting == []
