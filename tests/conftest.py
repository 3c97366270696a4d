"""What the tests share: the command line in this process, a small dataset, real-data marks."""

import functools
import hashlib
import http.server
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from support import WORDS, Answer, make_dataset

from textclf.cli import main
from textclf.data.dataset import TextDataset
from textclf.runtime import backend

# Now, since Keras reads KERAS_HOME when it is imported, and some tests change that.
backend.start("cpu")

REAL_DATA = os.environ.get("TEXTCLF_REAL_DATA") == "1"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("real_data") and not REAL_DATA:
            reason = "needs the real Reuters and IMDB files; set TEXTCLF_REAL_DATA=1"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def cli(capfd, monkeypatch, tmp_path):
    """Run ``textclf`` with words, in an empty folder, and return its answer."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Answer:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return Answer(int(exit_info.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def dataset() -> TextDataset:
    return make_dataset()


@pytest.fixture
def server(tmp_path):
    """A local web server; returns its address, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()

    class QuietHandler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *words):
            pass

    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as http_server:
        thread = threading.Thread(target=http_server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http_server.server_port}/", folder
        http_server.shutdown()
        thread.join()


@pytest.fixture(scope="session", autouse=True)
def hub_cache(tmp_path_factory) -> Path:
    """A cache that holds the default text embedding of ``hub``, as if it had been downloaded.

    It is laid out as gnews-swivel-20dim (20,000 words and one row for all others, 20 numbers each),
    with random numbers in it.
    """
    from textclf.hub.handles import SHORT_NAMES, TFHUB
    from textclf.hub.word_vectors import Vectors, write_text_embedding

    folder = tmp_path_factory.mktemp("tfhub")
    # Processes that tests start use it too; nothing reaches the caches of who runs the tests.
    os.environ["TFHUB_CACHE_DIR"] = str(folder)
    os.environ["TEXTCLF_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    words = [word for words in WORDS.values() for word in words]
    tokens = tuple(words + [f"word{i}" for i in range(20_000 - len(words))])
    matrix = np.random.default_rng(0).normal(size=(len(tokens), 20)).astype(np.float32)
    address = TFHUB + SHORT_NAMES["gnews-swivel-20dim"]
    place = folder / hashlib.sha1(address.encode()).hexdigest()  # As tensorflow_hub names it.
    write_text_embedding(Vectors(tokens, matrix), place)
    return folder


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """A finished run of ``mlp`` on ``bbc``: a small one, which tests must not change."""
    from textclf.config.loading import SMOKE, Override
    from textclf.config.resolve import resolve
    from textclf.experiment.run import Settings, run_experiment
    from textclf.runs.directory import RunDirectory
    from textclf.runtime.progress import Reporter

    tree = {"dataset": {"name": "bbc"}, "model": {"name": "mlp"}, "text": {"num_words": 500}}
    config = resolve(tree, [*SMOKE, Override("training.epochs", 3, "test")])
    run = RunDirectory.of(config, tmp_path_factory.mktemp("runs"))
    run_experiment(config, run, Settings(Reporter(quiet=True), device="cpu"))
    return run.path
