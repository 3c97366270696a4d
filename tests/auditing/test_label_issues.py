import hashlib

import numpy as np
import pytest

from textclf.auditing.label_issues import cross_validate, find_label_issues
from textclf.runtime.progress import Reporter
from textclf.testing import WORDS

QUIET = Reporter(quiet=True)


def test_exchanged_labels_are_found():
    rng = np.random.default_rng(0)
    names = list(WORDS)
    labels = np.arange(300) % 3
    texts = [" ".join(rng.choice(WORDS[names[label]], 6)) for label in labels]
    given = labels.copy()
    exchanged = rng.choice(300, 15, replace=False)
    given[exchanged] = (given[exchanged] + 1) % 3
    issues = find_label_issues(given, cross_validate(texts, given, 3, reporter=QUIET))
    assert set(issues.positions.tolist()) == set(exchanged.tolist())
    assert issues.likely_labels.tolist() == labels[issues.positions].tolist()
    assert (np.diff(issues.margins) <= 0).all()


def test_confident_learning_on_a_small_case():
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.8, 0.2]])
    labels = np.array([0, 0, 0, 1, 1])
    # The thresholds are 0.6 for label 0 and 0.4 for label 1.
    issues = find_label_issues(labels, probabilities)
    assert issues.positions.tolist() == [2, 4]
    assert issues.likely_labels.tolist() == [1, 0]
    assert issues.margins == pytest.approx([0.6, 0.6])


def test_no_issue_is_found_if_all_labels_are_equally_likely():
    labels = np.array([0, 0, 0, 1, 1])
    assert not len(find_label_issues(labels, np.full((5, 2), 0.5)).positions)


def test_cross_validation_accepts_labels_with_one_example_or_none():
    probabilities = cross_validate(
        ["aa bb", "bb aa", "cc dd", "dd cc", "ee ff"] * 2,
        np.array([0, 0, 1, 1, 2, 0, 0, 1, 1, 1]),
        4,
        reporter=QUIET,
    )
    assert probabilities.shape == (10, 4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(10))


def test_characters_are_used_if_no_word_is_frequent(capsys):
    labels = np.arange(200) % 2
    texts = [f"{'xyz'[label * 2]}{i:03}" for i, label in enumerate(labels.tolist())]
    given = labels.copy()
    given[7] = 0
    probabilities = cross_validate(texts, given, 2, reporter=Reporter())
    assert find_label_issues(given, probabilities).positions.tolist() == [7]
    assert capsys.readouterr().err == (
        "note: no word of two or more characters occurs in at least 2 texts: tfidf-svc uses n-grams"
        " of 1 to 3 characters\n"
    )


def test_characters_that_say_nothing_about_the_labels_give_no_label_issue():
    labels = np.array([0, 1] * 30)
    digests = [hashlib.sha256(bytes([i])).hexdigest() for i in range(60)]
    for texts in (["a", "!", ""] * 20, digests):
        probabilities = cross_validate(texts, labels, 2, reporter=QUIET)
        assert not len(find_label_issues(labels, probabilities).positions)
