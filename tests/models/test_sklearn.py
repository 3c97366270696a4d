"""Classifiers made of scikit-learn pipelines."""

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

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
