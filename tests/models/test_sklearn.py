"""Classifiers made of scikit-learn pipelines."""

import zipfile

import numpy as np
import pytest
import skops.io
from scipy.special import softmax
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from textclf.errors import RequestError
from textclf.models._calibration import Calibration
from textclf.models._sklearn import SklearnClassifier, decide

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


@pytest.mark.parametrize("is_known", [True, False])
def test_files_with_a_scale_predict_the_same_bytes(tmp_path, is_known):
    """Files had a scale before calibrations had a prior."""
    labels = [0, 1, 2] if is_known else [0, 2, 2]
    pipeline = make_pipeline(CountVectorizer(), LinearSVC()).fit(TEXTS, labels)
    content = {"pipeline": pipeline, "label_names": ["a", "b", "c"], "scale": 3.7}
    skops.io.dump(content, tmp_path / "model.skops")
    loaded = SklearnClassifier.load(tmp_path / "model.skops")
    expected = np.zeros((3, 3), np.float32)
    expected[:, pipeline.classes_] = softmax(3.7 * decide(pipeline, TEXTS), axis=1)
    assert loaded.predict_texts(TEXTS).tobytes() == expected.tobytes()


def test_files_with_an_unused_scale_predict_the_probabilities(tmp_path):
    pipeline = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, [0, 1, 2])
    content = {"pipeline": pipeline, "label_names": ["a", "b", "c"], "scale": 3.7}
    skops.io.dump(content, tmp_path / "model.skops")
    found = SklearnClassifier.load(tmp_path / "model.skops").predict_texts(TEXTS)
    assert found.tobytes() == pipeline.predict_proba(TEXTS).astype(np.float32).tobytes()


def test_calibration_is_saved(tmp_path):
    pipeline = make_pipeline(CountVectorizer(), MultinomialNB()).fit(TEXTS, [0, 1, 2])
    calibration = Calibration(2.0, 0.25, (0.5, 0.25, 0.25))
    classifier = SklearnClassifier(pipeline, ("a", "b", "c"), calibration=calibration)
    classifier.save(tmp_path / "model.skops")
    loaded = SklearnClassifier.load(tmp_path / "model.skops")
    assert loaded.calibration == calibration
    assert loaded.predict_texts(TEXTS).tobytes() == classifier.predict_texts(TEXTS).tobytes()


@pytest.mark.parametrize("term", ["b\ud800", "ü", "b c"])
def test_a_vocabulary_is_one_array_in_the_file(tmp_path, term):
    pipeline = make_pipeline(CountVectorizer(token_pattern=r"\S+"), MultinomialNB())
    texts = [f"a {term}", "a a d", f"{term} e"]
    pipeline.fit(texts, [0, 1, 2])
    classifier = SklearnClassifier(pipeline, ("a", "b", "c"))
    expected = classifier.predict_texts(texts).tobytes()
    classifier.save(tmp_path / "model.skops")
    assert classifier.predict_texts(texts).tobytes() == expected  # It still has its vocabulary.
    loaded = SklearnClassifier.load(tmp_path / "model.skops")
    assert loaded.pipeline[0].vocabulary_ == pipeline[0].vocabulary_
    assert loaded.predict_texts(texts).tobytes() == expected
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        assert '"vocabulary_"' not in archive.read("schema.json").decode()
