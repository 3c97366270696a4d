"""A small dataset, settings of studies, and executors that are replaced."""

import contextlib
import itertools
import random
from types import SimpleNamespace

import pytest
from support import write_csv
from tuning_support import NETWORK_SPACE, SPACE, FakeExecutor

from textclf.config.resolve import resolve
from textclf.executors._base import ExecutorConfig
from textclf.tuning import tune
from textclf.tuning.study import StudySettings
from textclf.tuning.tune import TuningPlan


@pytest.fixture(scope="session")
def news(tmp_path_factory):
    """A file of 120 texts with different words, of which most tell the label."""
    rng = random.Random(0)
    words = {"good": ["great", "fine", "nice", "superb"], "bad": ["poor", "dull", "sad", "awful"]}
    rows = []
    for i, label in zip(range(120), itertools.cycle(words)):
        kinds = [label if rng.random() < 0.3 else rng.choice([*words]) for _ in range(3)]
        text = [rng.choice(words[kind]) for kind in kinds]
        rows.append((f"{' '.join(text)} w{i} {rng.choice(['film', 'plot', 'actor'])}", label))
    return write_csv(tmp_path_factory.mktemp("news") / "news.csv", rows)


@pytest.fixture
def settings(news):
    """Settings of a study of a scikit-learn model, which takes 50 ms a trial."""
    tree = {"dataset": {"name": str(news)}, "model": {"name": "tfidf-svc"}}
    return StudySettings(resolve(tree), SPACE, (42,), "accuracy")


@pytest.fixture
def network_settings():
    """Settings of a study of a network, for an executor that trains nothing."""
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "cnn"}, "training": {"epochs": 4}}
    return StudySettings(resolve(tree), NETWORK_SPACE, (42,), "accuracy")


@pytest.fixture
def make_plan(tmp_path):
    def make(settings, *, folder="runs", n_trials=6, timeout_seconds=None, **executor):
        root = tmp_path / folder
        where = ExecutorConfig(**executor)
        path = root / "_studies" / settings.default_name
        path.mkdir(parents=True, exist_ok=True)
        return TuningPlan(settings, path, root, n_trials, timeout_seconds, where)

    return make


@pytest.fixture
def fake(monkeypatch):
    """Return a function that replaces the executors by a `FakeExecutor`, which it returns."""

    def replace_executors(root, **options):
        executor = FakeExecutor(root, **options)

        @contextlib.contextmanager
        def opened(root, config):
            yield executor

        module = SimpleNamespace(opened=opened)
        monkeypatch.setattr(tune, "load_module", lambda kind, name: module)
        return executor

    return replace_executors
