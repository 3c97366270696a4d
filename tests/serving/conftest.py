"""An application whose model is computed from the length of a text."""

import threading
from collections import namedtuple

import numpy as np
import pytest
from starlette.testclient import TestClient

from textclf.explanation.explain import Explanation, WeightedToken
from textclf.serving import served_models
from textclf.serving.app import make_app
from textclf.serving.metrics import Metrics
from textclf.serving.options import ServerOptions
from textclf.serving.served_models import ServedModels

Server = namedtuple("Server", "client models log metrics classifiers")


class FakeClassifier:
    """The probability of ``long`` is a hundredth of the length of a text.

    ``batches`` are the numbers of texts; ``error`` is raised instead of a prediction, and
    ``is_free`` is cleared to delay predictions.
    """

    label_names = ("short", "long")

    def __init__(self):
        self.batches, self.error = [], None
        self.is_free, self.has_begun = threading.Event(), threading.Event()
        self.is_free.set()

    def predict_texts(self, texts):
        self.has_begun.set()
        assert self.is_free.wait(5)
        self.batches.append(len(texts))
        if self.error:
            raise self.error
        long = np.array([min(len(text), 100) / 100 for text in texts], np.float32)
        return np.stack([1 - long, long], axis=1)


class FakeLog:
    """Keeps lines."""

    def __init__(self):
        self.lines = []

    def write(self, level, event, **fields):
        self.lines.append({"level": level, "event": event, **fields})

    def find(self, event):
        return [line for line in self.lines if line["event"] == event]


def explain_fake(classifier, texts, *, reporter):
    return [
        Explanation(
            i,
            text,
            "long",
            0.5,
            "long",
            "occlusion",
            0.5,
            None,
            (WeightedToken(text[:3].lower(), 0, 3, 0.25),),
        )
        for i, text in enumerate(texts)
    ]


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """Return a function that makes an application with models of the given names, and a client."""
    monkeypatch.setattr(served_models, "explain_texts", explain_fake)
    opened = []

    def start(*names, options=None, broken=(), is_loopback=True):
        options, metrics, log = options or ServerOptions(), Metrics(), FakeLog()
        classifiers = {}

        def load(path):
            if path.name in broken:
                raise OSError(5, "Input/output error")
            classifiers[path.name] = FakeClassifier()
            return classifiers[path.name]

        paths = {name: tmp_path / name for name in names or ("cnn",)}
        models = ServedModels(paths, load, options=options, metrics=metrics, log=log)
        models.load_all()
        opened.append(models)
        app = make_app(models, options, metrics=metrics, log=log, is_loopback=is_loopback)
        client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
        return Server(client, models, log, metrics, classifiers)

    yield start
    for models in opened:
        models.close()
