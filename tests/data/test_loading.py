"""Loading by name, and the cache of loaded datasets."""

import re
from dataclasses import replace

import numpy as np
import pytest
from support import PLUGINS, ROWS, collect, load, write_csv

import textclf
from textclf.config.loading import Override
from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset, load_label_names
from textclf.data.overlap import Overlap
from textclf.datasets import bbc
from textclf.errors import DataError
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
def test_dataset_comes_from_the_cache(dataset, loads, monkeypatch, published):
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
        assert list(found.splits[name].texts) == split.texts
    assert len(loads) == 1


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


@pytest.mark.slow
def test_runs_on_parts_of_the_training_split_are_evaluated_on_the_same_examples(cli, tmp_path):
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
    for part in ((), ("--drop-leaked",), ("--set", "dataset.train_per_label=1")):
        assert cli("train", *options, *part).code == 0
    runs = list((tmp_path / "runs").glob("a-*/majority/*/seed-42"))
    rows = [cli("evaluate", run, "--format", "json").json["subset_accuracy"] for run in runs]
    assert len(rows) == 3
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


def configure_file(path, code, **options):
    """Write a dataset file, and return its section of a configuration."""
    path.write_text(code)
    values = {"dataset.name": str(path), **{f"dataset.{k}": v for k, v in options.items()}}
    overrides = [Override(key, value, key) for key, value in values.items()]
    return resolve({"model": {"name": "majority"}}, overrides).dataset


WORDS = (PLUGINS / "words.py").read_text()


uses_files = pytest.mark.usefixtures("forget", "tensorflow")


@uses_files
def test_python_file_is_loaded_with_its_own_keys(tmp_path):
    config = configure_file(tmp_path / "words.py", WORDS, n_texts=10, test_fraction=0.5)
    dataset = load_dataset(config)
    assert [len(split) for split in dataset.splits.values()] == [6, 4, 10]
    assert dataset.label_names == load_label_names(config) == ("fruit", "tool")
    assert ("apple and apple 0", "fruit") in collect(dataset)
    limited = load_dataset(config.model_copy(update={"limit": 4}))
    assert [len(split) for split in limited.splits.values()] == [4, 4, 4]


@uses_files
def test_leaked_texts_of_a_python_file_are_dropped(tmp_path):
    code = """
rows = [(f"text {i}", "ab"[i % 2]) for i in range(20)]
def load(config):
    return {"train": rows, "test": rows[:4]}
"""
    config = configure_file(tmp_path / "leaky.py", code, drop_leaked=True)
    for dropped in (True, False):
        dataset = load_dataset(config.model_copy(update={"drop_leaked": dropped}))
        assert len(dataset.test) == 4
        assert bool(set(dataset.train.texts) & set(dataset.test.texts)) is not dropped


@uses_files
def test_python_file_is_read_again_for_each_load_and_not_cached(tmp_path):
    source = tmp_path / "source.txt"
    code = f"""
def load(config):
    with open({str(source)!r}) as file:
        for line in file:
            yield tuple(line.strip().split(";"))
"""
    config = configure_file(tmp_path / "lines.py", code)
    digests = []
    for word in ("old", "new"):
        source.write_text("".join(f"{word} text {i};{'ab'[i % 2]}\n" for i in range(12)))
        dataset = load_dataset(config)
        assert all(text.startswith(word) for text, _ in collect(dataset))
        digests.append(dataset.digest)
    assert digests[0] != digests[1]
    assert list_entries() == []
    source.unlink()
    with pytest.raises(DataError) as info:
        load_dataset(config)
    path = tmp_path / "lines.py"
    assert str(info.value) == (f"{path} cannot read its data: {source}: No such file or directory")


@uses_files
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("ConnectionError('no network')", "no network"),
        ("TimeoutError", "TimeoutError"),
        ("OSError(28, 'No space left on device')", "No space left on device"),
    ],
)
def test_error_of_the_system_in_a_python_file_is_one_line(tmp_path, error, reason):
    code = f"def load(config):\n    raise {error}\n    yield"
    config = configure_file(tmp_path / "mine.py", code)
    with pytest.raises(DataError) as info:
        load_dataset(config)
    assert str(info.value) == f"{tmp_path / 'mine.py'} cannot read its data: {reason}"


@uses_files
def test_python_file_may_return_a_dataset_of_its_own(tmp_path):
    code = """
import numpy as np
import textclf

def load(config):
    splits = [
        textclf.Split.from_lists([f"{name} {i}" for i in range(n)], np.arange(n) % 2)
        for name, n in (("train", 6), ("validation", 4), ("test", 2))
    ]
    return textclf.TextDataset("mine", ("yes", "no"), *splits, vocabulary=("train", "test"))
"""
    dataset = load_dataset(configure_file(tmp_path / "mine.py", code))
    assert [len(split) for split in dataset.splits.values()] == [6, 4, 2]
    assert (dataset.label_names, dataset.vocabulary) == (("yes", "no"), ("train", "test"))
    assert list(dataset.test.texts) == ["test 0", "test 1"]


@uses_files
def test_dataset_of_a_package_is_loaded_like_a_file(install):
    install({"words.py": WORDS}, {"datasets": {"words": "my_package.words"}})
    config = resolve({"dataset": {"name": "words", "n_texts": 6}, "model": {"name": "majority"}})
    dataset = load_dataset(config.dataset)
    assert sum(len(split) for split in dataset.splits.values()) == 12
    assert dataset.name == "words"


@uses_files
def test_source_of_a_python_file_is_described(tmp_path):
    code = 'ABOUT = {"license": "CC0", "source": "https://example.org"}\ndef load(config): ...'
    assert describe_source(configure_file(tmp_path / "mine.py", code)) == {
        "download": "not stated",
        "source": "https://example.org",
        "license": "CC0",
        "citation": "not stated",
    }


def test_bug_of_a_dataset_file_is_one_line_with_its_line(tmp_path, forget):
    path = tmp_path / "broken.py"
    path.write_text("def load(config):\n    yield 'text', {}['label']\n")
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))} line 2: KeyError: 'label'$"):
        textclf.load_dataset(path)


def test_training_examples_per_label_are_taken_after_the_limit(loads):
    whole = load_dataset(configure())
    one = load_dataset(configure(train_per_label=1))
    assert np.bincount(one.train.labels).tolist() == [1, 1, 1]
    assert set(one.train.index) < set(load_dataset(configure(train_per_label=3)).train.index)
    assert one.validation is whole.validation
    assert one.test is whole.test
    limited = load_dataset(configure(limit=6))
    both = load_dataset(configure(limit=6, train_per_label=1))
    assert set(both.train.index) < set(limited.train.index)
    assert both.test.digest(both.label_names) == limited.test.digest(both.label_names)
    assert both.notes == (
        "dataset.train_per_label: 3 of 6 training examples are used, at most 1 per label",
    )


def test_cut_splits_of_a_file_do_not_depend_on_the_examples_per_label(tmp_path):
    path = write_csv(tmp_path / "rows.csv")
    whole, part = load(path), load(path, train_per_label=2)
    assert np.bincount(part.train.labels).tolist() == [2, 2]
    for name in ("validation", "test"):
        assert list(part.splits[name].texts) == list(whole.splits[name].texts)
