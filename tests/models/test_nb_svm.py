"""The baseline model of n-grams with naive Bayes weights."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.svm import LinearSVC

from textclf.config.resolve import resolve
from textclf.data.dataset import Split, TextDataset
from textclf.errors import RequestError
from textclf.models import nb_svm
from textclf.models._naive_bayes import log_count_ratios
from textclf.models._sklearn import SklearnClassifier
from textclf.testing import make_dataset


def make_config(**keys):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "nb-svm", **keys}}
    return resolve(tree).model


def make(texts, labels, names=("sea", "bake")):
    split = Split.from_lists(texts, labels)
    return TextDataset("own", names, split, split, split)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_coefficients_give_the_decisions_of_weighted_features(n_labels):
    dataset, config = make_dataset(n_labels), make_config(C=0.3, alpha=2.0)
    classifier = nb_svm.fit(config, dataset, seed=1)
    vectorizer, svc = classifier.pipeline
    features = vectorizer.transform(dataset.train.texts)
    decisions = svc.decision_function(features).reshape(len(dataset.train), -1)
    for column, label in enumerate(range(n_labels) if n_labels > 2 else [1]):
        has_label = dataset.train.labels == label
        counts = (
            features[rows].toarray().astype(bool).sum(axis=0) for rows in (has_label, ~has_label)
        )
        ratio = log_count_ratios(*counts, alpha=2.0)
        weighted = features.toarray() * ratio
        plain = LinearSVC(C=0.3, random_state=1).fit(sparse.csr_matrix(weighted), has_label)
        expected = plain.decision_function(weighted)
        assert decisions[:, column] == pytest.approx(expected, abs=1e-5)
        assert np.ptp(expected) > 1
    # It is the last label whose plain coefficients would be in the file without the weights.
    assert svc.coef_[-1] == pytest.approx(plain.coef_[0] * ratio, abs=1e-5)
    assert np.abs(svc.coef_[-1] - plain.coef_[0]).max() > 0.1


def test_the_order_of_words_matters(tmp_path):
    texts = ["not good but bad", "not bad but good"] * 20
    dataset = make(texts, [0, 1] * 20)
    classifier = nb_svm.fit(make_config(), dataset, seed=1)
    probabilities = classifier.predict_texts(texts[:2])
    assert probabilities.argmax(axis=1).tolist() == [0, 1]
    classifier.save(tmp_path / "model.skops")
    loaded = SklearnClassifier.load(tmp_path / "model.skops")  # It needs no trusted type.
    assert np.array_equal(loaded.predict_texts(texts[:2]), probabilities)
    unigrams = nb_svm.fit(make_config(max_ngram=1), dataset, seed=1).predict_texts(texts[:2])
    assert np.array_equal(unigrams[0], unigrams[1])


def test_a_label_without_training_examples_has_no_probability():
    dataset = make(["fresh bread", "the sea", "deep water"] * 9, [0, 2, 2] * 9, tuple("abc"))
    probabilities = nb_svm.fit(make_config(), dataset, seed=1).predict_texts(["bread", "water"])
    assert probabilities.argmax(axis=1).tolist() == [0, 2]
    assert probabilities[:, 1].tolist() == [0, 0]


def test_the_rarest_ngrams_are_left_out_if_there_would_be_too_many_weights(monkeypatch):
    dataset = make_dataset(3)
    n_all = nb_svm.fit(make_config(), dataset, seed=1).pipeline[1].coef_.shape[1]
    assert n_all > 7
    monkeypatch.setattr(nb_svm, "MAX_WEIGHTS", 3 * 7 + 2)
    classifier = nb_svm.fit(make_config(), dataset, seed=1)
    assert classifier.pipeline[1].coef_.shape == (3, 7)
    assert classifier.count_params() == 3 * 7 + 3
    monkeypatch.setattr(nb_svm, "MAX_NGRAMS", 5)
    assert nb_svm.fit(make_config(), dataset, seed=1).pipeline[1].coef_.shape == (3, 5)


def test_characters_are_used_for_texts_without_words():
    texts = ["船锚港浪海风", "烤油包面炉盐"] * 20
    classifier = nb_svm.fit(make_config(), make(texts, [0, 1] * 20), seed=1)
    assert classifier.note is not None
    assert classifier.note.endswith("nb-svm uses n-grams of 1 to 3 characters")
    assert classifier.predict_texts(["锚港海", "油面炉"]).argmax(axis=1).tolist() == [0, 1]


def test_what_cannot_be_fitted_is_one_line():
    with pytest.raises(RequestError) as info:
        nb_svm.fit(make_config(), make(["a b", "c d"], [1, 1]), seed=1)
    assert str(info.value) == (
        "nb-svm cannot be fitted: all training examples have the label 'bake', and it needs two"
        " labels"
    )
    with pytest.raises(RequestError, match=r"^nb-svm cannot be fitted: all training texts are emp"):
        nb_svm.fit(make_config(), make([" ", ""], [0, 1]), seed=1)
