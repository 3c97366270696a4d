"""The real Reuters and IMDB files; these tests run if TEXTCLF_REAL_DATA=1."""

import collections
import json
import shutil

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset

# TensorFlow first, because one test changes KERAS_HOME, which Keras reads when it is imported.
pytestmark = [pytest.mark.real_data, pytest.mark.usefixtures("tensorflow")]


def configure(name, **text):
    return resolve({"dataset": {"name": name}, "model": {"name": "mlp"}, "text": text})


@pytest.fixture(scope="module")
def reuters(tensorflow):
    return load_dataset(configure("reuters").dataset)


@pytest.fixture(scope="module")
def imdb(tensorflow):
    return load_dataset(configure("imdb").dataset)


@pytest.mark.parametrize("num_words", [15_000, 1_000, 30_983])
def test_reuters_ids_are_those_of_keras_bit_for_bit(reuters, num_words):
    import keras
    from support import encode

    from textclf.text.encode_dataset import build_encoder

    encoder = build_encoder(reuters, configure("reuters", num_words=num_words).text)
    ours = np.concatenate([encode(encoder, split.texts) for split in reuters.splits.values()])
    (train, train_labels), (test, test_labels) = keras.datasets.reuters.load_data(
        num_words=num_words
    )
    theirs = keras.utils.pad_sequences(np.concatenate([train, test]), maxlen=120)
    assert ours.shape == (11_228, 120)
    assert ours.dtype == theirs.dtype
    assert ours.tobytes() == theirs.tobytes()
    labels = np.concatenate([split.labels for split in reuters.splits.values()])
    assert np.array_equal(labels, np.concatenate([train_labels, test_labels]))


def test_reuters_splits_and_labels(reuters):
    import keras

    assert [len(split) for split in reuters.splits.values()] == [7_000, 1_982, 2_246]
    assert reuters.label_names == tuple(keras.datasets.reuters.get_label_names())
    assert len(reuters.label_names) == 46


def test_imdb_splits_are_in_the_official_order(imdb):
    assert [len(split) for split in imdb.splits.values()] == [15_000, 10_000, 25_000]
    assert imdb.train.texts[0].startswith("This was an absolutely terrible movie.")
    assert imdb.train.labels[:10].tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0]
    assert np.bincount(imdb.test.labels).tolist() == [12_500, 12_500]


def test_line_breaks_of_imdb_are_not_words(imdb):
    from textclf.text.vocabulary import count_words

    assert sum("<br />" in text for text in imdb.train.texts) > 5_000
    words = count_words(imdb.train.texts[:3_000], split="auto", max_words=200)
    assert words[0] == "the"
    assert "br" not in words


def test_counted_words_are_those_of_plain_python(imdb):
    from textclf.text.vocabulary import count_words

    texts = [text for text in imdb.train.texts[:2_000] if text.isascii()]
    counts = collections.Counter()
    for text in (text.replace("<br />", " ").lower() for text in texts):
        counts.update("".join(c if c.isalnum() or c in "' " else " " for c in text).split())
    expected = sorted(counts, key=lambda word: (-counts[word], word))[:500]
    assert list(count_words(texts, split="auto", max_words=500)) == expected


@pytest.mark.parametrize("damage", ["truncated", "noise"])
def test_damaged_reuters_file_is_one_line(cli, tmp_path, monkeypatch, damage):
    from textclf.datasets import reuters as module

    folder = shutil.copytree(module._folder(), tmp_path / "keras" / "datasets")
    path = folder / "reuters.npz"
    content = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(
        content[:-100] if damage == "truncated" else content[:50] + b"?" + content[51:]
    )
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(module, "ORIGIN", "http://127.0.0.1:9/")
    result = cli("train", "--model", "mlp", "--dataset", "reuters", "--smoke")
    assert result.code == 1
    assert f"cannot get reuters.npz ({path} is damaged)" in result.error_line


def test_damaged_imdb_records_are_one_line(cli, tmp_path, monkeypatch):
    from textclf.datasets import imdb as module

    folder = tmp_path / "tfds"
    shutil.copytree(module._folder(), folder / module.SUBFOLDER)
    record = next(folder.rglob("*test.tfrecord*"))
    record.chmod(0o644)
    record.write_bytes(record.read_bytes()[:100_000])
    monkeypatch.setenv("TFDS_DATA_DIR", str(folder))
    result = cli("datasets", "imdb")
    assert result.code == 1
    assert f"cannot read {folder / module.SUBFOLDER}: " in result.error_line
    assert result.error_line.endswith("delete the folder to download it again")


@pytest.mark.parametrize("dataset", ["reuters", "imdb"])
def test_smoke_run_on_real_data(cli, tmp_path, dataset):
    result = cli("train", "--model", "mlp", "--dataset", dataset, "--smoke", "--format", "json")
    assert result.code == 0
    assert result.json[0]["n_examples"] == 64
    content = json.loads(next(tmp_path.rglob("evaluation.json")).read_text())
    assert len(content["per_class"]) == {"reuters": 46, "imdb": 2}[dataset]
