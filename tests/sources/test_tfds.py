"""Datasets of tensorflow-datasets."""

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset
from textclf.errors import DataError

pytestmark = pytest.mark.usefixtures("tensorflow")


def configure(name, **options):
    return resolve({"dataset": {"name": name, **options}, "model": {"name": "mlp"}}).dataset


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Return a function that prepares a dataset on disk, from labels by split, and its name."""
    import tensorflow_datasets as tfds

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    features = tfds.features.FeaturesDict(
        {
            "idx": np.int32,
            "sentence": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=["neg", "pos"]),
        }
    )

    def prepare(**splits):
        class PlantedReviews(tfds.core.GeneratorBasedBuilder, skip_registration=True):
            VERSION = tfds.core.Version("1.0.0")

            def _info(self):
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, manager):
                return {name: self._generate_examples(splits[name]) for name in splits}

            def _generate_examples(self, labels=()):
                for i, label in enumerate(labels):
                    yield i, {"idx": i, "sentence": f"téxt {i} of {len(labels)}", "label": label}

        PlantedReviews(data_dir=tmp_path / "tfds").download_and_prepare()
        return "tfds:planted_reviews"

    return prepare


@pytest.fixture
def prepared(prepare):
    """The name of a dataset that tensorflow-datasets has prepared on disk."""
    return prepare(train=[0, 1] * 20, validation=[0, 1] * 5)


def test_prepared_dataset_is_loaded_with_its_splits_and_labels(prepared, monkeypatch):
    for _ in range(2):  # The second time from the cache, without TensorFlow.
        dataset = load_dataset(configure(prepared))
        assert dataset.label_names == ("neg", "pos")
        assert [len(split) for split in dataset.splits.values()] == [32, 10, 8]
        assert sorted(dataset.validation.texts) == [f"téxt {i} of 10" for i in range(10)]
        for split in dataset.splits.values():
            for text, label in zip(split.texts, split.labels, strict=True):
                assert int(text.split()[1]) % 2 == label
        monkeypatch.setattr("textclf.sources.tfds.import_tensorflow", pytest.fail)
    source = describe_source(configure(prepared))
    assert source["source"].endswith("/catalog/planted_reviews")
    assert set(source) == {"download", "source", "license", "citation"}


def test_hidden_labels_are_left_out_and_counted(prepare):
    name = prepare(train=[0, 1] * 20 + [-1] * 3, test=[0, 1, -1], unsupervised=[-1] * 9)
    dataset = load_dataset(configure(name))
    assert len(dataset.train) + len(dataset.validation) == 40
    assert len(dataset.test) == 2
    found = {note.partition(" (")[0] for note in dataset.notes}
    assert found >= {"train: no label in 3 of 43 examples", "test: no label in 1 of 3 examples"}


def test_validation_split_takes_the_place_of_a_test_split_without_labels(prepare):
    dataset = load_dataset(configure(prepare(train=[0, 1] * 20, validation=[0, 1], test=[-1] * 5)))
    assert sorted(dataset.test.texts) == ["téxt 0 of 2", "téxt 1 of 2"]
    assert [len(split) for split in dataset.splits.values()] == [32, 8, 2]
    assert dataset.notes[0] == (
        "the test split has no labels, and is left out; the validation split is the test split"
        " instead"
    )


def test_feature_that_is_not_text_is_refused(prepared):
    with pytest.raises(DataError, match="the feature 'idx' is not text; give --text-column"):
        load_dataset(configure(prepared, text_column="idx"))


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("no_such_set", "tensorflow-datasets has no 'no_such_set'"),
        ("", "--dataset tfds: needs a name, such as tfds:"),
    ],
)
def test_unknown_dataset_is_one_line(cli, name, problem):
    result = cli("train", "--model", "mlp", "--dataset", f"tfds:{name}", "--quiet")
    assert result.code == 2
    assert problem in result.error_line


@pytest.mark.real_data
def test_tfds_gives_the_same_imdb():
    ours, theirs = (
        load_dataset(configure(name, limit=64)) for name in ("imdb", "tfds:imdb_reviews/plain_text")
    )
    assert list(theirs.test.texts) == list(ours.test.texts)
    assert np.array_equal(theirs.test.labels, ours.test.labels)
    assert theirs.label_names == ("neg", "pos")
