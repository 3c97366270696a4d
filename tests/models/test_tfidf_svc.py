"""The baseline model of words, and of characters if no word is frequent."""

import hashlib
import random

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.errors import RequestError
from textclf.models import tfidf_svc
from textclf.models._sklearn import SklearnClassifier
from textclf.testing import make_dataset

LABELS = [0, 1] * 20

TEXTS = {
    "unique": [hashlib.md5(bytes([i])).hexdigest() + "xy"[label] for i, label in enumerate(LABELS)],
    "letters": [" ".join(random.Random(i).choices("abcd", k=5)) + " x" * i for i in LABELS],
    "digits": [" ".join(random.Random(i).choices("1234", k=5)) + " 9" * i for i in LABELS],
}
"""Texts without a frequent word of two characters, of which the last one depends on the label."""

NOTE = (
    "no word of two or more characters occurs in at least 2 texts: tfidf-svc uses n-grams of 1 to 3"
    " characters"
)


def make(texts, labels):
    split = Split.from_lists(texts, labels)
    return TextDataset("own", ("sea", "bake"), split, split, split)


def fit(dataset, **keys):
    model = {"name": "tfidf-svc", **keys}
    config = resolve({"dataset": {"name": "bbc"}, "model": model})
    return tfidf_svc.fit(config.model, dataset, seed=1)


@pytest.mark.parametrize("kind", TEXTS)
def test_characters_are_used_if_no_word_is_frequent(tmp_path, kind):
    dataset = make(TEXTS[kind], LABELS)
    classifier = fit(dataset)
    assert classifier.note == NOTE
    probabilities = classifier.predict_texts(dataset.test.texts)
    assert probabilities.argmax(axis=1).tolist() == LABELS
    classifier.save(tmp_path / "model.skops")
    loaded = SklearnClassifier.load(tmp_path / "model.skops")
    assert np.array_equal(loaded.predict_texts(dataset.test.texts), probabilities)


def test_words_are_used_as_before():
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    dataset = make_dataset()
    classifier = fit(dataset)
    plain = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2, stop_words=["br"]),
        LinearSVC(C=0.5, random_state=1),
    ).fit(dataset.train.texts, dataset.train.labels)
    assert classifier.note is None
    assert repr(classifier.pipeline) == repr(plain)
    assert classifier.pipeline[0].vocabulary_ == plain[0].vocabulary_
    assert np.array_equal(classifier.pipeline[1].coef_, plain[1].coef_)


def test_the_note_names_the_smallest_number_of_texts():
    dataset = make_dataset()
    assert fit(dataset, min_df=1).note is None
    assert "in at least 900 texts:" in fit(dataset, min_df=900).note


@pytest.mark.parametrize(
    ("texts", "labels", "reason"),
    [
        (
            ["one text", "other text"],
            [1, 1],
            "all training examples have the label 'bake', and it needs two labels",
        ),
        (["", " "], [0, 1], "all training texts are empty"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(texts, labels, reason):
    with pytest.raises(RequestError) as info:
        fit(make(texts, labels))
    assert str(info.value) == f"tfidf-svc cannot be fitted: {reason}"
