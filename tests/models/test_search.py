"""The search space of every model: random points of it can be built and trained."""

import json

import numpy as np
import optuna
import pytest

from textclf.config.loading import SMOKE, Override
from textclf.config.resolve import get_value, resolve, set_values
from textclf.config.search_space import Choices
from textclf.config.tuned_keys import find_search_space
from textclf.data.loading import load_dataset
from textclf.models._build import build_model, find_fit, fit_model
from textclf.registry import list_built_in
from textclf.tuning.distributions import to_distributions

MODELS = [name for name in list_built_in("models") if name != "majority"]
N_POINTS = 50
N_TRAINED, N_FITTED = 3, 12
"""Points that a network and another model are trained with, the two corners first."""


def make_config(name, dataset="bbc", *, smoke=True):
    """Return the configuration of a model, whose text embedding needs no download."""
    overrides = [Override("model.handle", "glove", "test")] if name == "hub" else []
    tree = {"dataset": {"name": dataset}, "model": {"name": name}}
    return resolve(tree, [*overrides, *(SMOKE if smoke else ())])


def draw_points(space):
    """Draw points of a search space, always the same."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    return [study.ask(to_distributions(space)).params for _ in range(N_POINTS)]


@pytest.mark.parametrize("name", MODELS)
def test_defaults_are_in_the_search_space(name):
    for dataset in ("bbc", "reuters", "imdb"):
        config = make_config(name, dataset, smoke=False)
        space = find_search_space(config, {}, [], source="")
        assert 3 <= len(space) <= 6
        for key, distribution in to_distributions(space).items():
            value = distribution.to_internal_repr(get_value(config, key))
            assert distribution._contains(value), (dataset, key)


def check_limits(space, points):
    """Check that points use all of a search space, and nothing else."""
    for key, domain in space.items():
        values = [point[key] for point in points]
        if isinstance(domain, Choices):
            assert set(values) == set(domain.choices)
            continue
        assert domain.low <= min(values) < max(values) <= domain.high
        low, high = np.log((domain.low, domain.high)) if domain.log else domain.corners
        drawn = np.log(values) if domain.log else np.array(values)
        assert 0.3 < ((drawn - low) / (high - low)).mean() < 0.7
        if domain.step:
            steps = (np.array(values) - domain.low) / domain.step
            assert steps == pytest.approx(steps.round())


@pytest.fixture(scope="module")
def smoke_dataset():
    return load_dataset(make_config("mlp").dataset)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_random_points_can_be_trained(name, smoke_dataset, hub_cache):
    base = make_config(name)
    space = find_search_space(base, {}, [], source="")
    points = draw_points(space)
    check_limits(space, points)
    assert len({json.dumps(point) for point in points}) == N_POINTS
    corners = [{key: domain.corners[end] for key, domain in space.items()} for end in (0, -1)]
    for number, point in enumerate([*corners, *points]):
        config = set_values(base, point, f"point {number}")
        assert {key: get_value(config, key) for key in point} == point
        if find_fit(config.model):
            if number >= N_FITTED:
                break
            probabilities = fit_model(config, smoke_dataset).predict_texts(smoke_dataset.test.texts)
            assert np.isfinite(probabilities).all()
        elif number < N_TRAINED:
            train_network(config, smoke_dataset)
        else:
            network = build_network(config, smoke_dataset).network
            assert network.count_params() > 0


def build_network(config, dataset):
    return build_model(config, n_labels=len(dataset.label_names), train=dataset.train)


def train_network(config, dataset):
    """Train a network for the epochs of its configuration, as a run does."""
    from textclf.testing import _encode, _NoCheckpoints
    from textclf.training.batches import Examples, TrainingData
    from textclf.training.loop import train

    built = build_network(config, dataset)
    _, inputs = _encode(dataset, config, built)
    splits = {
        name: Examples(inputs[name], getattr(dataset, name).labels)
        for name in ("train", "validation")
    }
    data = TrainingData(splits["train"], splits["validation"], dataset.label_names)
    store, loss = _NoCheckpoints(), built.loss
    history = train(built.network, data, config.training, loss=loss, seed=1, store=store)
    assert len(history.rows) == config.training.epochs
    assert np.isfinite([row.val_loss for row in history.rows]).all()
