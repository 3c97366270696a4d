"""The baseline model of words, and of characters if no word is frequent."""

# ruff: noqa: RUF001 - characters that look like others on purpose

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


WORDS = {
    "Chinese": ("船锚港浪海风", "烤油包面炉盐", ""),
    "Thai": (["เรือ", "ทะเล", "คลื่น"], ["ขนมปัง", "เนย", "เกลือ"], ""),
    "Hindi": (["नाव", "लहर", "समुद्र"], ["रोटी", "नमक", "चूल्हा"], " "),
}
"""Words of each label, and what separates them."""

FOREIGN_NOTE = (
    "scikit-learn does not find the words of many texts (scripts without spaces, or with combining"
    " characters): tfidf-svc uses n-grams of 1 to 3 characters"
)


def draw(language):
    *words, separator = WORDS[language]
    return [
        separator.join(random.Random(i).choices(words[label], k=6))
        for i, label in enumerate(LABELS)
    ]


@pytest.mark.parametrize("language", WORDS)
def test_characters_are_used_for_texts_without_words_for_scikit_learn(language, tmp_path):
    dataset = make(draw(language), LABELS)
    classifier = fit(dataset)
    assert classifier.note == FOREIGN_NOTE
    assert classifier.pipeline[0].min_df == 2
    probabilities = classifier.predict_texts(draw(language))
    assert probabilities.argmax(axis=1).tolist() == LABELS
    classifier.save(tmp_path / "model.skops")
    loaded = SklearnClassifier.load(tmp_path / "model.skops")
    assert np.array_equal(loaded.predict_texts(draw(language)), probabilities)


@pytest.mark.parametrize(
    ("n_chinese", "is_character"), [(0, False), (4, False), (5, True)], ids=["0", "4 of 40", "5"]
)
def test_words_are_used_unless_more_than_a_tenth_of_the_texts_have_none(n_chinese, is_character):
    english = ["the café by the sea", "bread and butter of 海"] * 20
    texts = [*draw("Chinese")[:n_chinese], *english[n_chinese:]]
    assert bool(fit(make(texts, LABELS)).note) is is_character


def test_typographic_and_decomposed_texts_are_those_of_plain_ones():
    texts = ["the café isn't far", "fresh bread, naïve baker"] * 20
    classifier = fit(make(texts, LABELS))
    forms = ["the café isn't far", "the\u00a0cafe\u0301 isn’t “far”…", "ＴＨＥ CAFÉ isn´t far"]
    rows = classifier.predict_texts(forms)
    assert np.array_equal(rows, np.stack([rows[0]] * 3))


def test_classifiers_that_were_saved_before_get_the_texts_as_they_are(tmp_path):
    import skops.io

    classifier = fit(make(["the café by the sea", "fresh bread"] * 20, LABELS))
    path = tmp_path / "model.skops"
    classifier.save(path)
    content = skops.io.load(path)
    assert content.pop("takes_normalized_text") is True
    skops.io.dump(content, path)
    before, now = SklearnClassifier.load(path), classifier
    text = ["the cafe\u0301"]
    assert not np.array_equal(before.predict_texts(text), now.predict_texts(text))
    assert np.array_equal(before.predict_texts(["the café"]), now.predict_texts(text))
