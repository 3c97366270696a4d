"""Linear models in NumPy arrays, as example.py computes their probabilities."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from textclf.exporting import numpy_arrays
from textclf.exporting.export import _write_files
from textclf.exporting.formats import FORMATS
from textclf.exporting.parity import load_example
from textclf.models._calibration import Calibration, append_calibration
from textclf.models._layers import convert_scores
from textclf.models._sklearn import SklearnClassifier
from textclf.text.classifier import TextClassifier
from textclf.text.ngrams import NgramEncoder
from textclf.text.sparse_dense import SparseDense

LABEL_NAMES = ("dry", "fruit", "tool", "color")
TEXTS = ["apple pear plum", "saw Nail saw", "red blue apple", "pear Äpfel", "nail", "blue saw red"]
TEXTS += ["", "unknown", "apple " * 200 + "nail"]
CALIBRATION = Calibration(0.05, 0.2, (0.1, 0.2, 0.3, 0.4))
"""With so high a temperature, differences between the smallest probabilities matter."""


def export(classifier, folder):
    """Write a classifier, and return that of example.py."""
    assert numpy_arrays.find_problem(classifier) is None
    _write_files(classifier, folder, FORMATS["numpy"], None)
    (folder / "export.json").write_text(json.dumps({"label_names": classifier.label_names}))
    return load_example(folder)


def check(classifier, folder):
    example = export(classifier, folder)
    expected = classifier.predict_texts(TEXTS)
    predicted = example.predict(TEXTS)
    assert (predicted.dtype, example.label_names) == (np.float32, [*classifier.label_names])
    np.testing.assert_allclose(predicted, expected, rtol=0, atol=1e-6)
    assert example.predict([]).shape == (0, len(expected[0]))
    return expected


ESTIMATORS = {
    "svc": LinearSVC(),
    "svc without intercept": LinearSVC(fit_intercept=False),
    "logistic": LogisticRegression(C=100),
    "ridge": RidgeClassifier(),
    "sgd hinge": SGDClassifier(random_state=1),
    "sgd log": SGDClassifier(loss="log_loss", random_state=1),
    "naive Bayes": MultinomialNB(alpha=0.001),
    "complement": ComplementNB(),
    "prior": DummyClassifier(),
    "uniform": DummyClassifier(strategy="uniform"),
}


@pytest.mark.parametrize("calibration", [None, CALIBRATION], ids=["raw", "calibrated"])
@pytest.mark.parametrize("labels", [[1, 2, 3, 1, 1, 3], [3, 1, 3, 1, 1, 1]], ids=["3", "2"])
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize("vectorizer", [TfidfVectorizer(), CountVectorizer()])
def test_probabilities_equal_those_of_the_pipeline(
    vectorizer, estimator, labels, calibration, tmp_path
):
    """The label 0 has no training example."""
    pipeline = make_pipeline(vectorizer, estimator).fit(TEXTS[:6], labels)
    classifier = SklearnClassifier(
        pipeline, LABEL_NAMES, calibration=calibration, takes_normalized_text=True
    )
    probabilities = check(classifier, tmp_path)
    assert np.allclose(probabilities[:, 0], 0.02 if calibration else 0)


def test_a_pipeline_without_vectorizer_predicts_the_prior(tmp_path):
    pipeline = make_pipeline(DummyClassifier()).fit(TEXTS[:6], [1, 2, 3, 3, 3, 1])
    probabilities = check(SklearnClassifier(pipeline, LABEL_NAMES), tmp_path)
    assert np.allclose(probabilities, [0, 1 / 3, 1 / 6, 1 / 2])


@pytest.mark.parametrize(
    ("vectorizer", "dtype"), [(TfidfVectorizer(), "float32"), (CountVectorizer(), "float64")]
)
def test_weights_of_rows_of_unit_length_are_float32(vectorizer, dtype, tmp_path):
    pipeline = make_pipeline(vectorizer, LinearSVC()).fit(TEXTS[:6], [1, 2, 3, 1, 2, 3])
    numpy_arrays.write(SklearnClassifier(pipeline, LABEL_NAMES), tmp_path)
    arrays = np.load(tmp_path / "model.npz", allow_pickle=False)
    assert arrays["weights"].dtype == dtype
    assert arrays["labels"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (
            [TfidfVectorizer(), BernoulliNB()],
            "the pipeline ends with BernoulliNB; expected one of ComplementNB, DummyClassifier,"
            " LinearSVC, LogisticRegression, MultinomialNB, RidgeClassifier, SGDClassifier",
        ),
        (
            [CountVectorizer(), TfidfTransformer(), LinearSVC()],
            "the pipeline has a step between vectorizer and LinearSVC: TfidfTransformer",
        ),
        (
            [CountVectorizer(), SGDClassifier(loss="modified_huber")],
            "the probabilities of SGDClassifier with loss='modified_huber' cannot be written",
        ),
        (
            [DummyClassifier(strategy="stratified")],
            "the probabilities of DummyClassifier with strategy='stratified' cannot be written",
        ),
        (
            [CountVectorizer(strip_accents="ascii"), LinearSVC()],
            "CountVectorizer has strip_accents='ascii'",
        ),
    ],
)
def test_other_pipelines_are_refused_by_name(steps, problem):
    classifier = SklearnClassifier(make_pipeline(*steps), LABEL_NAMES)
    assert numpy_arrays.find_problem(classifier) == problem


def make_network(*, n_labels, is_scaled):
    """Return a network like that of `ngram`, with random weights."""
    keras.utils.set_random_seed(3)
    inputs = {
        "features": keras.Input((None,), dtype="int32", name="features"),
        "values": keras.Input((None,), dtype="float32", name="values"),
    }
    n_scores = 1 if n_labels == 2 else n_labels
    layer = SparseDense(n_scores, n_features=6, kernel_initializer="normal", is_scaled=is_scaled)
    network = keras.Model(inputs, convert_scores(layer(inputs)))
    layer.bias.assign(tf.random.normal(layer.bias.shape))
    layer.kernel.assign(30 * layer.kernel)
    if is_scaled:
        layer.scale.assign(tf.random.normal(layer.scale.shape))
    return network


@pytest.mark.parametrize("is_calibrated", [True, False])
@pytest.mark.parametrize(("n_labels", "is_scaled"), [(2, True), (4, False)])
def test_probabilities_equal_those_of_a_network_of_ngrams(
    n_labels, is_scaled, is_calibrated, tmp_path
):
    encoder = NgramEncoder(
        position_decay=4,
        words=["apple", "red", "saw", "äpfel"],
        keys=[np.array([8, 9])],
        idf=[1, 2, 3, 4, 5, 6],
    )
    network = make_network(n_labels=n_labels, is_scaled=is_scaled)
    if is_calibrated:
        calibration = Calibration(0.3, 0.1, (0.5, 0.5, 0.0, 0.0)[:n_labels])
        network = append_calibration(network, calibration)
    classifier = TextClassifier(encoder, network, LABEL_NAMES[:n_labels])
    probabilities = check(classifier, tmp_path)
    assert len(np.unique(probabilities[:, 0])) > 4


def test_other_networks_are_refused_by_the_name_of_a_layer():
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    classifier = SimpleNamespace(network=network)
    assert numpy_arrays.find_problem(classifier) == (
        "the network has a layer Dense, and only linear models can be written as arrays;"
        " choose --format saved-model"
    )
