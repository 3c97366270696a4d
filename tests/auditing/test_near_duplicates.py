import itertools
import random
import unicodedata

import pytest
from support import load_script

from textclf.auditing.near_duplicates import (
    MIN_SIMILARITY,
    ShingledTexts,
    find_near_duplicates,
    measure_similarity,
)
from textclf.data.overlap import hash_texts

pytestmark = pytest.mark.usefixtures("tensorflow")


def find(texts):
    return find_near_duplicates(ShingledTexts.of(texts).shingles, hash_texts(texts))


def test_texts_with_a_tenth_of_their_words_replaced_are_found():
    """Replaces words in 500 texts of 10 to 200 words; at least 95% of the copies are found."""
    rng = random.Random(0)
    vocabulary = [f"word{i}" for i in range(2_000)]
    texts = [" ".join(rng.choices(vocabulary, k=rng.randrange(10, 200))) for _ in range(2_000)]
    replace_words = load_script("benchmarks/plant_near_duplicates").replace_words
    copies = [replace_words(text, vocabulary, rng) for text in texts[:500]]
    for text, copy in zip(texts, copies, strict=False):
        pairs = list(zip(text.split(), copy.split(), strict=True))
        assert 0 < sum(a != b for a, b in pairs) <= max(1, round(len(pairs) / 10))
    found = {near.position: near.other for near in find(texts + copies)}
    n_correct = sum(found.get(2_000 + number) == number for number in range(500))
    assert n_correct >= 475
    assert set(found) <= set(range(2_000, 2_500))


def test_similarity_is_the_jaccard_similarity_of_word_pairs():
    one, other = ["a", "b", "c", "d", "e", "f"], ["a", "b", "c", "x", "e", "f"]
    pairs = [set(itertools.pairwise(words)) for words in (one, other)]
    expected = len(pairs[0] & pairs[1]) / len(pairs[0] | pairs[1])
    shingled = ShingledTexts.of([" ".join(one), " ".join(other), "b a"])
    first, second, reversed_pair = shingled.shingles
    assert measure_similarity(first, second) == pytest.approx(expected)
    assert measure_similarity(first, reversed_pair) == 0
    assert shingled.lengths.tolist() == [6, 6, 2]


def test_many_similar_texts_do_not_need_all_pairs():
    texts = [
        f"dear customer number {i} your parcel is on its way to you today" for i in range(1_000)
    ]
    found = find(texts)
    assert len(found) == 999
    assert all(near.similarity >= MIN_SIMILARITY for near in found)
    assert {near.other for near in found} == {0}  # All are equally similar; the first one counts.
    assert find(texts[:1]) == []


def test_texts_without_spaces_are_compared_by_pairs_of_characters():
    texts = ["船锚港浪海风烤油包面炉盐", "船锚港浪海风烤油包面炉糖", "天地玄黄宇宙洪荒日月盈昃"]
    shingled = ShingledTexts.of(texts)
    assert shingled.lengths.tolist() == [12, 12, 12]
    [found] = find(texts)
    assert (found.position, found.other) == (1, 0)


def test_composed_and_decomposed_texts_have_the_same_pairs():
    text = "l'été à la mer déjà passé"
    texts = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    one, other = ShingledTexts.of(texts).shingles
    assert measure_similarity(one, other) == 1
