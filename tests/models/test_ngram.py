"""The n-gram network against scikit-learn's linear support vector machine."""

import numpy as np
import pytest
from support import QUIET

from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.errors import RequestError
from textclf.models._build import build_model
from textclf.runtime import backend
from textclf.testing import make_dataset
from textclf.text.encode_dataset import encode_dataset
from textclf.text.input_pipeline import encode_batches, write_rows
from textclf.training.batches import Examples, TrainingData
from textclf.training.loop import train

pytestmark = pytest.mark.usefixtures("tensorflow")


def configure(**values):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "ngram"}}
    return resolve(tree, [Override(key, value, key) for key, value in values.items()])


class NoStore:
    def read_checkpoint(self):
        return None

    def write_checkpoint(self, checkpoint):
        pass


def fit(dataset, **values):
    config = configure(**values)
    backend.set_seed(1)
    model = build_model(config, n_labels=len(dataset.label_names), train=dataset.train)
    encoder, inputs = encode_dataset(dataset, config.text, "text", model.encoder, reporter=QUIET)
    data = TrainingData(
        Examples(inputs["train"], dataset.train.labels),
        Examples(inputs["validation"], dataset.validation.labels),
        dataset.label_names,
    )
    train(model.network, data, config.training, loss=model.loss, seed=1, store=NoStore())
    return model.network, encoder, inputs


def to_dense(rows, n_features):
    dense = np.zeros((len(rows), n_features))
    features, values = rows.read(np.arange(len(rows)))
    for row, columns, numbers in zip(dense, features, values, strict=True):
        row[columns[numbers > 0]] = numbers[numbers > 0]
    return dense


def encode_split(encoder, split):
    return write_rows(encode_batches(encoder, split.texts))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_labels", "ratio"), [(2, "naive-bayes"), (3, "ones"), (3, "naive-bayes")]
)
def test_weights_are_those_of_a_linear_svc(n_labels, ratio):
    from sklearn.svm import LinearSVC

    dataset = make_dataset(n_labels)
    settings = {"training.epochs": 40, "training.batch_size": 4}
    network, encoder, inputs = fit(dataset, **settings, **{"model.ratio": ratio, "model.C": 0.3})
    layer = network.get_layer("scores")
    rows = to_dense(inputs["train"], encoder.n_features)
    for column in range(layer.units):
        label = 1 if n_labels == 2 else column
        scale = layer.scale.numpy()[:, column] if ratio == "naive-bayes" else 1.0
        # A large intercept_scaling, because liblinear also penalizes the intercept.
        svc = LinearSVC(C=0.3, intercept_scaling=100, tol=1e-8, max_iter=100_000, random_state=1)
        svc.fit(rows * scale, dataset.train.labels == label)
        kernel = layer.kernel.numpy()[:, column]
        assert kernel == pytest.approx(svc.coef_[0], abs=0.03)
        assert float(layer.bias.numpy()[column]) == pytest.approx(svc.intercept_[0], abs=0.03)


@pytest.mark.parametrize("n_labels", [2, 3])
def test_the_scale_is_the_ratio_of_each_label_against_all_others(n_labels):
    dataset = make_dataset(n_labels)
    config = configure(**{"model.ratio": "naive-bayes"})
    model = build_model(config, n_labels=n_labels, train=dataset.train)
    layer = model.network.get_layer("scores")
    rows = to_dense(encode_split(model.encoder, dataset.train), model.encoder.n_features) > 0
    for column, label in enumerate([1] if n_labels == 2 else range(n_labels)):
        has_label = dataset.train.labels == label
        p, q = 1 + rows[has_label].sum(axis=0), 1 + rows[~has_label].sum(axis=0)
        expected = np.log((p / p.sum()) / (q / q.sum()))
        assert layer.scale.numpy()[:, column] == pytest.approx(expected, rel=1e-5, abs=1e-6)
        assert np.ptp(expected) > 1


def test_hidden_units_need_ratio_ones():
    with pytest.raises(RequestError, match=r"model\.units: needs model\.ratio ones"):
        configure(**{"model.units": 4, "model.ratio": "naive-bayes"})
    assert configure(**{"model.units": 4}).model.units == 4


def test_a_minimum_weight_needs_a_decay():
    with pytest.raises(RequestError, match=r"model\.position_min_weight: needs"):
        configure(**{"model.position_min_weight": 0.5})
    configure(**{"model.position_min_weight": 0.5, "model.position_decay": 40.0})


def test_label_smoothing_needs_the_cross_entropy():
    dataset = make_dataset()
    with pytest.raises(RequestError) as error:
        fit(dataset, **{"training.label_smoothing": 0.1})
    assert str(error.value) == (
        "training.label_smoothing 0.1 needs the cross-entropy loss: leave it out, or set"
        " model.loss=cross-entropy if the model has that key"
    )
    fit(dataset, **{"training.label_smoothing": 0.1, "model.loss": "cross-entropy"})
