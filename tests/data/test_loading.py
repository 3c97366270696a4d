"""Loading by name: texts are read only if they are needed."""

from dataclasses import replace

import numpy as np
import pytest
from support import ROWS, load, write_csv

from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset, load_label_names
from textclf.data.overlap import Overlap
from textclf.datasets import bbc
from textclf.storage.cache import list_entries


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))


def configure(**options):
    return resolve({"dataset": {"name": "bbc", **options}, "model": {"name": "mlp"}}).dataset


@pytest.fixture
def loads(dataset, monkeypatch):
    """Load the small dataset instead of ``bbc``; return a list with an item for each load."""
    configs = []

    def load(config):
        configs.append(config)
        return dataset

    monkeypatch.setattr(bbc, "load", load)
    return configs


def set_digest(monkeypatch, digest):
    monkeypatch.setattr(bbc, "source_digest", lambda config: digest, raising=False)


@pytest.mark.parametrize("published", [None, ("fig", "axe")])
def test_texts_are_not_read_if_labels_come_from_the_cache(dataset, loads, monkeypatch, published):
    set_digest(monkeypatch, "1")
    dataset = replace(dataset, vocabulary=published)
    monkeypatch.setattr(bbc, "load", lambda config: loads.append(config) or dataset)
    load_dataset(configure())
    found = load_dataset(configure())
    assert len(loads) == 1
    assert (found.digest, found.label_names) == (dataset.digest, dataset.label_names)
    assert found.vocabulary == published
    for name, split in dataset.splits.items():
        assert np.array_equal(found.splits[name].labels, split.labels)
        assert np.array_equal(found.splits[name].index, split.index)
        assert len(found.splits[name].texts) == len(split)
    assert len(loads) == 1
    # The first text that is needed loads all of them, once.
    assert list(found.test.texts) == dataset.test.texts
    assert found.train.texts[3] == dataset.train.texts[3]
    assert found.train.texts[1:3] == dataset.train.texts[1:3]
    assert len(loads) == 2


def test_cache_depends_on_the_source_and_the_configuration(dataset, loads, monkeypatch):
    set_digest(monkeypatch, "1")
    load_dataset(configure())
    small = load_dataset(configure(limit=6))
    assert len(small.train) == 6
    assert len(list(small.train.texts)) == 6
    assert len(loads) == 2
    set_digest(monkeypatch, "2")
    load_dataset(configure())
    assert len(loads) == 3
    assert len(list_entries()) == 3


def test_dataset_without_a_source_digest_is_always_loaded(dataset, loads, monkeypatch):
    for digest in (None, None):
        set_digest(monkeypatch, digest)
        assert load_dataset(configure()).digest == dataset.digest
    assert len(loads) == 2
    assert list_entries() == []


def test_runs_with_and_without_leaked_texts_are_evaluated_on_the_same_examples(cli, tmp_path):
    path = tmp_path / "a.csv"
    path.mkdir()
    for part, rows in (("train", ROWS), ("dev", ROWS[2:5]), ("test", [*ROWS[:3], ("new", "good")])):
        write_csv(path / f"{part}.csv", rows)
    plain, dropped = load(path), load(path, drop_leaked=True)
    assert list(plain.test.texts) == list(dropped.test.texts)
    held_out = {*plain.test.texts, *plain.validation.texts}
    assert list(dropped.train.texts) == [t for t in plain.train.texts if t not in held_out]
    assert 0 < len(dropped.train) < len(plain.train)
    options = ["--model", "majority", "--dataset", "a.csv", "--quiet"]
    assert cli("train", *options).code == cli("train", *options, "--drop-leaked").code == 0
    runs = list((tmp_path / "runs").glob("a.csv/majority/*/seed-42"))
    rows = [cli("evaluate", run, "--format", "json").json["subset_accuracy"] for run in runs]
    assert len(rows) == 2
    n_leaked = int(Overlap.of(plain).leaked[-len(plain.test) :].sum())
    for found in rows:  # The same examples, with and without leaked training texts.
        assert [row["n_examples"] for row in found[:2]] == [
            len(plain.test),
            len(plain.test) - n_leaked,
        ]


def test_dropping_every_training_text_is_one_line(cli, tmp_path):
    for part in ("train", "test"):
        write_csv(tmp_path / f"{part}.csv", ROWS)
    result = cli("train", "--model", "majority", "--dataset", tmp_path, "--drop-leaked", "--quiet")
    assert result.code == 1
    assert result.error_line.startswith("dataset.drop_leaked leaves no training example of ")


def test_label_names_are_known_without_the_texts(loads):
    names = ("business", "entertainment", "politics", "sports", "tech")
    assert load_label_names(configure()) == names
    assert loads == []


def test_every_source_is_described_alike(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    config = resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).dataset
    for described in (describe_source(configure()), describe_source(config)):
        assert set(described) == {"download", "source", "license", "citation"}
        assert all(described.values())
    assert describe_source(config)["source"] == str(path)
