"""Classifiers made of scikit-learn pipelines."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from textclf.errors import RequestError
from textclf.models._sklearn import SklearnClassifier

TEXTS = ["apple pear", "saw nail", "red blue"]


@pytest.mark.parametrize(
    ("estimator", "n_parameters"),
    [(MultinomialNB(), 3 * 6 + 3), (LogisticRegression(), 3 * 6 + 3)],
    ids=["naive Bayes", "linear"],
)
def test_fitted_parameters_are_counted(estimator, n_parameters):
    pipeline = make_pipeline(CountVectorizer(), estimator).fit(TEXTS, [0, 1, 2])
    assert SklearnClassifier(pipeline, ("a", "b", "c")).count_params() == n_parameters


@pytest.mark.parametrize("estimator", [MultinomialNB(), LinearSVC()])
def test_texts_are_checked_and_none_give_an_empty_array(estimator):
    pipeline = make_pipeline(CountVectorizer(), estimator).fit(TEXTS, [0, 1, 2])
    classifier = SklearnClassifier(pipeline, ("a", "b", "c"))
    probabilities = classifier.predict_texts([])
    assert (probabilities.shape, probabilities.dtype) == ((0, 3), np.float32)
    expected = classifier.predict_texts(TEXTS)
    assert expected.argmax(axis=1).tolist() == [0, 1, 2]
    assert np.array_equal(classifier.predict_texts(iter(TEXTS)), expected)
    with pytest.raises(RequestError, match="got one text"):
        classifier.predict_texts("apple pear")
