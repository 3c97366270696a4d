"""The n-grams that scikit-learn models share; `test_tfidf_svc` has more."""

import zipfile

import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from textclf.models._sklearn import SklearnClassifier
from textclf.models._vectorizer import fit_vectorizer

TEXTS = ["1 2 3", "2 1 3"] * 9
OPTIONS = {"min_df": 2, "max_ngram": 2}


def test_a_word_may_have_one_character():
    vectorizer, features, note = fit_vectorizer("own", TEXTS, token_pattern=r"\w+", **OPTIONS)
    assert {*vectorizer.vocabulary_} == {"1", "2", "3", "1 2", "2 3", "2 1", "1 3"}
    assert (features.shape, note) == ((18, 7), None)


@pytest.mark.parametrize(
    ("pattern", "word"), [({}, "word of two or more characters"), ({"token_pattern": "x"}, "word")]
)
def test_the_note_says_which_words_are_rare(pattern, word):
    vectorizer, _, note = fit_vectorizer("own", TEXTS, **pattern, **OPTIONS)
    assert vectorizer.analyzer == "char_wb"
    expected = f"no {word} occurs in at least 2 texts: own uses n-grams of 1 to 3 characters"
    assert note == expected


def test_a_saved_vocabulary_is_small(tmp_path):
    texts = [f"word{i} other{i}" for i in range(300)] * 2
    vectorizer, features, _ = fit_vectorizer("own", texts, max_features=800, **OPTIONS)
    svc = LinearSVC().fit(features, [0] * 300 + [1] * 300)
    path = tmp_path / "model.skops"
    SklearnClassifier(make_pipeline(vectorizer, svc), ("a", "b")).save(path)
    with zipfile.ZipFile(path) as archive:
        assert len(archive.namelist()) < 20  # Not one for each of 800 n-grams.
    assert path.stat().st_size < 100 * 800
