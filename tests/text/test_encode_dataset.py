"""Encoding a dataset: its vocabulary, and token ids from the cache."""

import hashlib
import zipfile
from dataclasses import replace

import keras
import numpy as np
import pytest
from support import QUIET, encode

from textclf.config.schema import TextConfig
from textclf.data.text_store import StoredTexts
from textclf.storage.cache import list_entries
from textclf.text import encode_dataset as module
from textclf.text.encode_dataset import build_encoder, encode_dataset, list_token_notes

CONFIG = TextConfig(num_words=50, sequence_length=5)


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))


def test_vocabulary_comes_from_the_training_texts_only(dataset):
    encoder = build_encoder(dataset, CONFIG)
    assert sorted(encoder.vocabulary) == sorted(
        {word for text in dataset.train.texts for word in text.split()}
    )


def test_published_vocabulary_is_preferred(dataset):
    published = replace(dataset, vocabulary=("fig", "axe", "red"))
    config = TextConfig(num_words=6, sequence_length=5)
    assert build_encoder(published, config).vocabulary == ("fig", "axe")


@pytest.mark.slow
def test_token_ids_are_those_of_the_encoder_and_come_from_the_cache(dataset, monkeypatch):
    def check():
        encoder, inputs = encode_dataset(dataset, CONFIG, "token_ids", None, reporter=QUIET)
        expected = build_encoder(dataset, CONFIG)
        assert encoder.get_config() == expected.get_config()
        assert encoder.vocabulary == expected.vocabulary
        assert list(inputs) == list(dataset.splits)
        for name, split in dataset.splits.items():
            assert np.array_equal(inputs[name], encode(expected, split.texts))

    check()
    assert [entry[0].name[:4] for entry in list_entries()] == ["ids-"]
    with monkeypatch.context() as patch:
        patch.setattr(module, "encode_batches", None)
        check()
    other = TextConfig(num_words=50, sequence_length=6)
    encode_dataset(dataset, other, "token_ids", None, reporter=QUIET)
    encode_dataset(replace(dataset, vocabulary=("fig",)), CONFIG, "token_ids", None, reporter=QUIET)
    assert len(list_entries()) == 3


def test_texts_are_passed_through_without_an_encoder(dataset):
    stored = replace(dataset, test=replace(dataset.test, texts=StoredTexts.write(["a"] * 9)))
    encoder, inputs = encode_dataset(stored, CONFIG, "text", None, reporter=QUIET)
    assert isinstance(encoder, keras.layers.Identity)
    assert inputs["train"].tolist() == dataset.train.texts
    assert inputs["test"] is stored.test.texts
    assert list_entries() == []


@pytest.mark.slow
def test_features_of_an_encoder_are_computed_for_every_split(dataset):
    encoder = build_encoder(dataset, CONFIG)
    given, inputs = encode_dataset(dataset, CONFIG, "text", encoder, reporter=QUIET)
    assert given is encoder
    for name, split in dataset.splits.items():
        assert np.array_equal(inputs[name], encode(encoder, split.texts))
    assert list_entries() == []


@pytest.mark.slow
def test_run_from_the_cache_has_the_same_bytes(cli, tmp_path):
    train = ["train", "--model", "cnn", "--dataset", "bbc", "--smoke", "--quiet", "--run-dir"]
    assert cli(*train, "cold").code == 0
    assert [entry[0].name[:4] for entry in list_entries()] == ["ids-"]
    assert cli(*train, "warm").code == 0
    cold, warm = (tmp_path / name / "predictions.npz" for name in ("cold", "warm"))
    assert cold.read_bytes() == warm.read_bytes()
    weights = []
    for name in ("cold", "warm"):
        with zipfile.ZipFile(tmp_path / name / "model.keras") as archive:
            weights.append(archive.read("model.weights.h5"))
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("ids", "notes"),
    [
        # 0 is padding, 1 the start, and 2 an unknown token: 1 of 10, and then 2 of 10.
        ([[1, 2, 4, 4, 4, 4], [0, 1, 4, 4, 4, 4], [0, 0, 0, 0, 1, 4]], []),
        (
            [[1, 2, 2, 4, 4, 4], [1, 4, 4, 4, 4, 4]],
            ["20% of the test tokens are unknown: no training text contains them"],
        ),
        (
            [[0, 0, 0, 0, 1, 4], [0, 0, 0, 0, 1, 4], [1, 4, 4, 4, 4, 4]],
            [
                "67% of the test examples have one token; if spaces do not separate their words,"
                " set text.split=characters"
            ],
        ),
        ([[0, 0, 0, 0, 1, 4], [1, 4, 4, 4, 4, 4]], []),
        ([[0, 0, 0, 0, 0, 1]], []),
    ],
    ids=["few unknown", "unknown", "one token", "half one token", "empty text"],
)
def test_notes_about_test_tokens(make_encoder, ids, notes, monkeypatch):
    encoder = make_encoder(vocabulary=["a"])
    assert list_token_notes(np.array(ids, np.int32), encoder) == notes
    monkeypatch.setattr(module, "BLOCK_SIZE", 1)
    assert list_token_notes(np.array(ids, np.int32), encoder) == notes


def test_note_about_unknown_tokens_names_the_size_of_a_full_vocabulary(make_encoder):
    [note] = list_token_notes(np.array([[1, 2, 4]]), make_encoder())
    assert note == "50% of the test tokens are unknown: text.num_words is 7"


def test_note_about_single_tokens_does_not_ask_for_the_characters_that_are_used(make_encoder):
    [note] = list_token_notes(np.array([[0, 1, 4]]), make_encoder(split="characters"))
    assert note == "100% of the test examples have one token"


@pytest.mark.slow
def test_training_says_that_tokens_are_unknown(cli, tmp_path):
    rows = [f"{hashlib.md5(bytes([i])).hexdigest()},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "own.csv").write_text("text,label\n" + "\n".join(rows))
    done = cli("train", "--model", "mlp", "--dataset", "own.csv", "--set", "training.epochs=1")
    assert done.code == 0
    assert "note: 100% of the test tokens are unknown: no training text contains them" in done.err
    assert "note: 100% of the test examples have one token" in done.err
