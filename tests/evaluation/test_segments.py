import numpy as np
import pytest

from textclf.evaluation.metrics import accuracy_interval
from textclf.evaluation.segments import (
    Condition,
    _describe,
    _measure,
    find_weak_segments,
    measure_texts,
)


def test_texts_are_measured_by_words_digits_capitals_and_unknown_words(tensorflow):
    training = ["the cat sat", "on 12 mats", "Ärger"]
    texts = ["The dog sat.", "12 cats ON", "", "ÄRGER"]
    measured = measure_texts(texts, training)
    expected = [
        [3, 0 / 10, 1 / 10, 1 / 3],
        [3, 2 / 8, 2 / 8, 1 / 3],
        [0, 0, 0, 0],
        [1, 0, 1, 0],
    ]
    assert measured.tolist() == pytest.approx(np.array(expected))


def make_properties(n):
    """Return properties of n texts; the number of words is drawn from 0 to 99."""
    generator = np.random.default_rng(3)
    properties = generator.random((n, 4))
    properties[:, 0] = generator.integers(0, 100, n)
    return properties


def test_a_segment_with_many_errors_is_found():
    properties = make_properties(2_000)
    is_long = properties[:, 0] > 69
    chance = np.random.default_rng(4).random(2_000)
    correct = np.where(is_long, chance < 0.5, chance < 0.95)
    (segment,) = find_weak_segments(properties, correct)
    assert segment.description == "more than 69 words"
    inside = correct[segment.positions]
    assert is_long[segment.positions].all()
    assert segment.n_examples == len(inside) > 250
    assert segment.accuracy == inside.mean()
    assert segment.interval == accuracy_interval(int(inside.sum()), len(inside))
    assert segment.interval[1] < segment.other_accuracy
    fitted = np.random.default_rng(0).permutation(2_000)[:1_000]
    assert not set(segment.positions) & set(fitted)


def test_random_errors_are_not_a_segment():
    n_found = 0
    for seed in range(20):
        correct = np.random.default_rng(seed).random(1_000) < 0.8
        n_found += len(find_weak_segments(make_properties(1_000), correct))
    assert n_found <= 1


@pytest.mark.parametrize(("n", "correct"), [(1_000, True), (1_000, False), (20, True), (0, True)])
def test_no_segment_without_differences(n, correct):
    assert find_weak_segments(make_properties(n), np.full(n, correct)) == []


def test_conditions_are_readable():
    conditions = [
        Condition(3, True, 0.0912),
        Condition(0, False, 1_050),
        Condition(0, True, 212),
        Condition(1, False, 0.05),
    ]
    assert _describe(conditions) == (
        "more than 212 and at most 1,050 words, at most 5.0% digits"
        " and more than 9.1% unknown words"
    )


@pytest.mark.parametrize(("n_conditions", "text"), [(1, "at most 9 words"), (2, None)])
def test_one_or_two_conditions_are_joined(n_conditions, text):
    conditions = [Condition(0, False, 9), Condition(3, True, 0.25)][:n_conditions]
    assert _describe(conditions) == (text or "at most 9 words and more than 25.0% unknown words")


@pytest.mark.parametrize("limit", [-1, 100])
def test_a_condition_that_all_or_none_of_the_texts_meet_has_no_result(limit):
    properties, correct = make_properties(50), np.arange(50) % 2 == 0
    assert _measure([Condition(0, True, limit)], properties, correct, np.arange(50)) is None
