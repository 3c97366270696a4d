"""Datasets that are no file of the package: paths, tensorflow-datasets, Hugging Face."""

import json

import numpy as np
import pytest
from support import ROWS, collect, load, write_csv, write_parquet

from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset
from textclf.data.overlap import Places
from textclf.errors import DataError, RequestError

WORDS = ["--set", "training.epochs=1", "--set", "text.num_words=50", "--quiet"]


def test_every_command_takes_a_file(cli, tmp_path):
    write_csv(tmp_path / "a.csv", header="words,kind")
    columns = ["--text-column", "words", "--label-column", "kind"]
    document = cli("datasets", "a.csv", *columns, "--format", "json").json
    assert document["texts"] == {"train": 12, "validation": 4, "test": 4}
    assert document["labels"][0] == {"label": "bad", "train": 6, "validation": 2, "test": 2}
    train = cli("train", "--model", "mlp", "--dataset", "a.csv", *columns, *WORDS)
    assert train.code == 0
    run = next((tmp_path / "runs").glob("a.csv/mlp/*/seed-42"))
    answer = cli("evaluate", run, "--format", "json").json
    assert [row["texts"] for row in answer["clean_accuracy"]] == [
        *("all", "not_leaked", "not_contradictory", "clean")
    ]
    assert cli("predict", run, "good number", "--top", "2", "--format", "json").json[0][
        "label"
    ] in {"good", "bad"}
    assert cli("reproduce", run, "--quiet").code == 0
    compare = cli(
        "compare", "--dataset", "a.csv", *columns, "--model", "mlp", *WORDS, "--format", "json"
    )
    assert {row["model"] for row in compare.json} == {"mlp", "majority", "tfidf-svc"}
    assert {row["dataset"] for row in compare.json} == {"a.csv"}
    assert (
        "finished before"
        in cli(
            "train", "--model", "mlp", "--dataset", tmp_path / "a.csv", *columns, *WORDS[:-1]
        ).err
    )
    assert cli("models", "mlp", "--dataset", "a.csv", *columns).code == 0
    config = "dataset:\n  name: a.csv\n  text_column: words\n  label_column: kind\n"
    (tmp_path / "c.yaml").write_text(config + "model: {name: majority}\n")
    assert cli("train", "--config", "c.yaml", "--quiet").code == 0


def test_the_content_of_a_file_is_part_of_the_fingerprint(tmp_path):
    def fingerprint(path):
        return resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).fingerprint

    path = write_csv(tmp_path / "a.csv")
    first = fingerprint(path)
    (tmp_path / "b").mkdir()
    assert fingerprint(path.rename(tmp_path / "b" / "a.csv")) == first
    assert fingerprint(write_csv(tmp_path / "a.csv", [*ROWS, ("more", "good")])) != first


def test_a_file_that_has_changed_is_not_the_dataset_of_a_run(cli, tmp_path):
    write_csv(tmp_path / "a.csv")
    assert cli("train", "--model", "mlp", "--dataset", "a.csv", *WORDS).code == 0
    run = next((tmp_path / "runs").glob("a.csv/mlp/*/seed-42"))
    write_csv(tmp_path / "a.csv", ROWS[:-1])
    line = cli("evaluate", run).error_line
    assert line == (
        f"{tmp_path / 'a.csv'} has changed since the configuration was made: put it back, or train"
        " on the new content, which is another run"
    )
    (tmp_path / "a.csv").unlink()
    assert "a.csv: No such file or directory" in cli("evaluate", run).error_line
    assert cli("compare", "runs").code == 0
    assert cli("predict", run, "good").code == 0


def test_drop_leaked_leaves_the_test_as_it_is(cli, tmp_path):
    path = tmp_path / "a.csv"
    path.mkdir()
    for part, rows in (("train", ROWS), ("dev", ROWS[2:5]), ("test", [*ROWS[:3], ("new", "good")])):
        write_csv(path / f"{part}.csv", rows)
    plain, dropped = load(path), load(path, drop_leaked=True)
    assert list(plain.test.texts) == list(dropped.test.texts)
    held_out = {*plain.test.texts, *plain.validation.texts}
    assert list(dropped.train.texts) == [t for t in plain.train.texts if t not in held_out]
    assert 0 < len(dropped.train) < len(plain.train)
    words = ["--model", "majority", "--dataset", "a.csv", "--quiet"]
    assert cli("train", *words).code == cli("train", *words, "--drop-leaked").code == 0
    runs = list((tmp_path / "runs").glob("a.csv/majority/*/seed-42"))
    rows = [cli("evaluate", run, "--format", "json").json["clean_accuracy"] for run in runs]
    assert len(rows) == 2
    n_leaked = int(Places.of(plain).find_leaked("test").sum())
    for found in rows:  # The same texts, whichever the training texts were.
        assert [row["n_examples"] for row in found[:2]] == [
            len(plain.test),
            len(plain.test) - n_leaked,
        ]


def test_equal_texts_come_into_the_same_split(tmp_path):
    rows = [(text, name) for text, name in ROWS for _ in range(3)]
    dataset = load(write_csv(tmp_path / "a.csv", [*rows, (ROWS[0][0].upper(), "bad")]))
    assert sum(map(len, dataset.splits.values())) == 61
    assert not any(Places.of(dataset).find_leaked(name).any() for name in dataset.splits)
    assert all(len(split) >= 9 for split in dataset.splits.values())


def test_to_drop_every_training_text_is_one_line(cli, tmp_path):
    for part in ("train", "test"):
        write_csv(tmp_path / f"{part}.csv", ROWS)
    answer = cli("train", "--model", "majority", "--dataset", tmp_path, "--drop-leaked", "--quiet")
    assert answer.code == 1
    assert answer.error_line.startswith("dataset.drop_leaked leaves nothing: each training text of")


def test_labels_that_are_not_tested_are_mentioned(cli, tmp_path):
    for part, labels in (("train", "abc"), ("test", "ab")):
        write_csv(tmp_path / f"{part}.csv", [(f"t{i}", labels[i % len(labels)]) for i in range(45)])
    answer = cli("train", "--model", "majority", "--dataset", tmp_path)
    assert "1 of 3 labels have no test texts: 'c'" in answer.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", "gone.csv in "),
        ("./reuters", ": No such file or directory"),
        ("~nobody-here/a.csv", "~nobody-here/a.csv in "),
        ("./" + "a" * 5_000, ": File name too long"),
        ("flat", "train: it holds no folder of .txt files for a label"),
        ("reutres", "unknown dataset 'reutres': did you mean 'reuters'?"),
        ("reutres", "; or a path, such as ./reviews.csv"),
        ("/dev/null", "/dev/null is neither a file nor a folder"),
        ("tfds:no_such_set", "tensorflow-datasets has no 'no_such_set'"),
        ("tfds:", "tensorflow-datasets has no ''"),
        ("a.txt", "a.txt: expected a folder, or a file that ends in .csv, .tsv, .jsonl, .parquet"),
        (
            "empty",
            "empty: it holds no .csv, .tsv, .jsonl, .parquet, and no folder of .txt files",
        ),
        ("two", "name one of its files, or call them train and test: "),
        ("test", "test.csv has no file or folder called train beside it"),
        ("twice", "train.csv and training.csv are both for train"),
    ],
)
def test_what_is_no_dataset(cli, tmp_path, name, message):
    (tmp_path / "a.txt").write_text("text")
    for folder in ("empty", "two", "test", "twice", "flat/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "flat" / "train" / "a.txt").write_text("text")
    write_csv(tmp_path / "two" / "one.csv")
    write_csv(tmp_path / "test" / "test.csv")
    write_csv(tmp_path / "twice" / "train.csv")
    write_csv(tmp_path / "twice" / "training.csv")
    answer = cli("train", "--model", "mlp", "--dataset", name, "--quiet")
    assert answer.code in {1, 2}
    assert message in answer.error_line


def test_shares_have_to_leave_something(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    with pytest.raises(RequestError, match="together they have to be below 1"):
        load(path, test_share=0.5, validation_share=0.5)
    assert [len(s) for s in load(path, test_share=0.3, validation_share=0.1).splits.values()] == [
        *(12, 2, 6)
    ]


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    """A prepared set of tensorflow-datasets, as it lies on the disk of who downloaded it."""
    import tensorflow_datasets as tfds

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    features = tfds.features.FeaturesDict(
        {
            "idx": np.int32,
            "sentence": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["neg", "pos"]),
        }
    )

    class PlantedReviews(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, manager):
            return {"train": self._generate_examples(40), "validation": self._generate_examples(10)}

        def _generate_examples(self, n=0):
            for i in range(n):
                yield i, {"idx": i, "sentence": f"téxt {i} of {n}", "label": i % 2}

    PlantedReviews(data_dir=tmp_path / "tfds").download_and_prepare()
    return "planted_reviews"


def test_tfds(catalog):
    tree = {"dataset": {"name": f"tfds:{catalog}"}, "model": {"name": "mlp"}}
    for _ in range(2):
        dataset = load_dataset(resolve(tree).dataset)
        assert dataset.label_names == ("neg", "pos")
        assert [len(split) for split in dataset.splits.values()] == [32, 10, 8]
        assert sorted(dataset.validation.texts) == [f"téxt {i} of 10" for i in range(10)]
        for split in dataset.splits.values():
            for text, label in zip(split.texts, split.labels, strict=True):
                assert int(text.split()[1]) % 2 == label
    source = describe_source(resolve(tree).dataset)
    assert source["source"].endswith("/catalog/planted_reviews")
    assert set(source) == {"download", "source", "licence", "citation"}
    tree["dataset"]["text_column"] = "idx"
    with pytest.raises(DataError, match="the feature 'idx' is no text; give --text-column"):
        load_dataset(resolve(tree).dataset)


@pytest.mark.real_data
def test_tfds_gives_the_same_imdb():
    names = ("imdb", "tfds:imdb_reviews/plain_text")
    ours, theirs = (
        load_dataset(
            resolve({"dataset": {"name": name, "subset": 64}, "model": {"name": "mlp"}}).dataset
        )
        for name in names
    )
    assert list(theirs.test.texts) == list(ours.test.texts)
    assert np.array_equal(theirs.test.labels, ours.test.labels)
    assert theirs.label_names == ("neg", "pos")


def test_hf(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "set"
    folder.mkdir()
    lines = [json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS]
    (folder / "train.jsonl").write_text("".join(lines[:16]))
    (folder / "test.jsonl").write_text("".join(lines[16:]))
    tree = {"dataset": {"name": f"hf:{folder}"}, "model": {"name": "mlp"}}
    dataset = load_dataset(resolve(tree).dataset)
    assert collect(dataset) == sorted(ROWS)
    assert [len(split) for split in dataset.splits.values()] == [12, 4, 4]
    assert set(describe_source(resolve(tree).dataset)) == {
        *("download", "source", "licence", "citation")
    }
    tree["dataset"]["name"] = f"hf:{tmp_path / 'none'}"
    with pytest.raises(DataError, match="cannot get hf:"):
        load_dataset(resolve(tree).dataset)


def test_a_split_whose_labels_are_secret_is_none(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["bad ", "good"], "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    folder = tmp_path / "set"
    folder.mkdir()
    rows = [(text, int(name == "good")) for text, name in ROWS]
    write_parquet(folder / "train.parquet", rows, metadata)
    write_parquet(folder / "test.parquet", [(f"secret {i}", -1) for i in range(5)], metadata)
    tree = {"dataset": {"name": f"hf:{folder}"}, "model": {"name": "mlp"}}
    dataset = load_dataset(resolve(tree).dataset)
    assert collect(dataset) == sorted(ROWS)
    write_parquet(folder / "train.parquet", [*rows, ("null", None)], metadata)
    with pytest.raises(DataError, match="train text 21: the label is empty"):
        load_dataset(resolve(tree).dataset)


def test_hf_without_its_extra(cli, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    answer = cli("datasets", "hf:stanfordnlp/imdb")
    assert answer.code == 2
    assert answer.error_line == "--dataset hf:stanfordnlp/imdb needs pip install 'textclf[hf]'"
