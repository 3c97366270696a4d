"""Names, loading and replacing of models."""

import asyncio
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import textclf
from textclf.errors import RequestError, RunError
from textclf.runtime.progress import Reporter
from textclf.serving import served_models
from textclf.serving.served_models import make_loader, name_runs

PREDICT = "/v1/models/cnn:predict"


@pytest.fixture
def named(monkeypatch):
    """Return a function that names runs with the given parts and returns the names."""

    def name(*runs):
        parts = {Path(str(i)): run for i, run in enumerate(runs)}
        monkeypatch.setattr(served_models, "_list_name_parts", parts.__getitem__)
        arguments = [
            (run, path) if isinstance(run, str) else (None, path) for path, run in parts.items()
        ]
        found = name_runs(arguments)
        assert [*found.values()] == [*parts]
        return [*found]

    return name


def test_a_model_is_called_like_its_model(named):
    first, second = (["cnn", "bbc", "f1", "", "seed-1"], ["hub", "bbc", "f1", "", "seed-1"])
    assert named(first, second) == ["cnn", "hub"]


def test_models_of_one_name_have_the_parts_that_differ(named):
    def run(*parts):
        return ["cnn", *parts]

    assert named(run("bbc", "f1", "", "seed-1"), run("imdb", "f1", "", "seed-1")) == [
        "bbc-cnn",
        "imdb-cnn",
    ]
    assert named(run("bbc", "f1", "", "seed-1"), run("bbc", "f1", "", "seed-2")) == [
        "bbc-cnn-seed-1",
        "bbc-cnn-seed-2",
    ]
    assert named(run("bbc", "f1", "fold-1", "seed-1"), run("bbc", "f2", "fold-1", "seed-1")) == [
        "bbc-cnn-f1",
        "bbc-cnn-f2",
    ]
    assert named(run("bbc", "f1", "fold-1", "seed-1"), run("bbc", "f1", "fold-2", "seed-1")) == [
        "bbc-cnn-fold-1",
        "bbc-cnn-fold-2",
    ]


def test_a_given_name_is_kept(named):
    assert named("news", ["cnn", "bbc", "f1", "", "seed-1"]) == ["news", "cnn"]


@pytest.mark.parametrize(
    ("runs", "problem"),
    [
        (["a", "a"], "the name a is given 2 times: name each run, NAME=RUN"),
        ([["cnn", "bbc", "f1", "", "seed-1"]] * 2, "the name bbc-cnn is given 2 times"),
        (
            ["a:b"],
            "'a:b' is not a name of a model: use up to 100 letters, digits, '.', '_' and '-',"
            " beginning with a letter or digit, as in NAME=RUN",
        ),
        ([".."], "'..' is not a name of a model"),
        (["a/b"], "'a/b' is not a name of a model"),
        ([""], "'' is not a name of a model"),
        (["a" * 101], "is not a name of a model"),
    ],
)
def test_names_that_cannot_be_used(named, runs, problem):
    with pytest.raises(RequestError) as caught:
        named(*runs)
    assert problem in str(caught.value)


def test_the_parts_of_a_name_are_those_of_the_configuration(smoke_run):
    model, dataset, fingerprint, fold, seed = served_models._list_name_parts(smoke_run)
    assert (model, dataset, fold, seed) == ("mlp", "bbc", "", "seed-42")
    assert fingerprint == smoke_run.parent.name


def test_no_model_that_can_be_loaded_is_an_error(serve):
    with pytest.raises(RunError, match="OSError: Input/output error; OSError"):
        serve("cnn", "hub", broken=["cnn", "hub"])


def test_a_model_whose_probabilities_are_not_numbers_is_not_served(serve, monkeypatch):
    monkeypatch.setattr(np, "isfinite", np.zeros_like)
    with pytest.raises(RunError, match="predicts probabilities that are not numbers"):
        serve()


def test_a_model_is_warmed_up_with_the_sizes_of_batches(serve):
    assert serve().classifiers["cnn"].batches == [1, 2, 64]


def test_a_reload_replaces_models_and_ends_the_old_threads(serve):
    server = serve()
    old, classifier = server.models.slots["cnn"].model, server.classifiers["cnn"]
    asyncio.run(server.models.reload())
    assert server.classifiers["cnn"] is not classifier
    assert server.client.post(PREDICT, json={"instances": ["a"]}).status_code == 200
    assert (len(classifier.batches), len(server.classifiers["cnn"].batches)) == (3, 4)
    for worker in (old._predictions, old._explanations):
        worker._thread.join(5)
        assert not worker._thread.is_alive()
    status = server.client.get("/v1/models/cnn").json()["model_version_status"][0]
    assert status["version"] == "2"


def test_a_reload_keeps_a_model_that_cannot_be_loaded_again(serve):
    broken = []
    server = serve(broken=broken)
    broken.append("cnn")
    asyncio.run(server.models.reload())
    assert server.client.post(PREDICT, json={"instances": ["a"]}).status_code == 200
    assert server.client.get("/healthz").status_code == 200
    [line] = server.log.find("load_failed")
    assert (line["level"], line["model"]) == ("error", "cnn")
    text = server.client.get("/metrics").text
    assert 'textclf_model_loads_total{model="cnn",result="failed"} 1.0\n' in text


def test_a_reload_serves_a_model_that_could_not_be_loaded_before(serve):
    broken = ["hub"]
    server = serve("cnn", "hub", broken=broken)
    assert server.client.get("/healthz").status_code == 503
    broken.clear()
    asyncio.run(server.models.reload())
    assert server.client.get("/healthz").status_code == 200


def test_a_loaded_run_predicts_as_the_run_itself(smoke_run, tmp_path):
    run = shutil.copytree(smoke_run, tmp_path / "run")
    load = make_loader(device="cpu", trust_code=False, reporter=Reporter(quiet=True))
    texts = ["Shares fell as oil prices rose", "The striker scored twice"]
    expected = textclf.load_run(run).predict_proba(texts)
    assert load(tmp_path).predict_texts(texts).tolist() == expected.tolist()
    assert math.isclose(expected.sum(), 2, rel_tol=1e-5)
