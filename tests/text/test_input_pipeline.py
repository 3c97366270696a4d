"""Batches of texts and their encodings: the same from memory and from files."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from support import QUIET, encode

from textclf.config.resolve import resolve
from textclf.data.text_store import StoredTexts
from textclf.models._build import build_model
from textclf.runtime import backend
from textclf.storage.arrays import write_batches
from textclf.text import input_pipeline
from textclf.text.classifier import predict
from textclf.text.encode_dataset import encode_dataset
from textclf.text.input_pipeline import as_rows, batch_in_order, encode_batches, gather_from
from textclf.training.batches import Examples, TrainingData
from textclf.training.loop import train

ROWS = np.arange(30, dtype=np.float32).reshape(10, 3)
TEXTS = [f"téxt {i}" for i in range(10)]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("limit", [0, 1_000_000], ids=["file", "memory"])
@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: write_batches([ROWS]), ROWS.tolist()),
        (lambda: as_rows(TEXTS), [text.encode() for text in TEXTS]),
        (lambda: as_rows(StoredTexts.write(TEXTS)), [text.encode() for text in TEXTS]),
    ],
    ids=["array", "texts", "stored texts"],
)
def test_rows_are_gathered_and_batched(monkeypatch, limit, make, expected):
    monkeypatch.setattr(input_pipeline, "MAX_BYTES_IN_MEMORY", limit)
    rows = make()
    found = gather_from(rows)(tf.constant([7, 0, 7], tf.int64)).numpy().tolist()
    assert found == [expected[i] for i in (7, 0, 7)]
    batches = [batch.numpy().tolist() for batch in batch_in_order(rows, 4)]
    assert [len(batch) for batch in batches] == [4, 4, 2]
    assert sum(batches, []) == expected  # noqa: RUF017 - three short lists


def test_every_text_is_encoded_in_order(make_encoder, monkeypatch):
    texts = ["a", "b", "c", "a b", ""]
    whole = encode(make_encoder(), texts)
    monkeypatch.setattr(input_pipeline, "ENCODE_BATCH_SIZE", 2)
    assert np.array_equal(encode(make_encoder(), texts), whole)
    assert whole.shape == (5, 4)


class Texts(list):
    """A list that can have a weak reference."""


def test_texts_are_not_kept_if_encoding_stops(make_encoder, monkeypatch):
    monkeypatch.setattr(input_pipeline, "ENCODE_BATCH_SIZE", 2)
    texts = Texts(["a", "b", "c", "a b", ""])
    batches = encode_batches(make_encoder(), texts)
    next(batches)
    batches.close()
    kept = weakref.ref(texts)
    del texts
    gc.collect()
    assert kept() is None


def test_encoding_does_not_slow_later_training_down(make_encoder, monkeypatch):
    # On Python 3.11, each generator dataset calls mallopt, which lasts as long as the process.
    monkeypatch.setattr(tf.data.Dataset, "from_generator", None)
    assert len(encode(make_encoder(), ["a", "b"])) == 2


class NoCheckpoint:
    """A store that keeps nothing."""

    def read_checkpoint(self):
        return None

    def write_checkpoint(self, checkpoint):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mlp", "hub"])
def test_training_from_files_gives_the_same_network(dataset, name, monkeypatch, hub_cache):
    config = resolve(
        {
            "dataset": {"name": "bbc"},
            "model": {"name": name},
            "text": {"num_words": 40, "sequence_length": 8},
            "training": {"epochs": 2, "batch_size": 8},
        }
    )

    def fit(data):
        """Return the probabilities of the test split, which show any difference in a weight."""
        backend.set_seed(1)
        model = build_model(config, n_labels=3)
        _, inputs = encode_dataset(data, config.text, model.takes, model.encoder, reporter=QUIET)
        examples = [
            Examples(inputs[split], data.splits[split].labels) for split in ("train", "validation")
        ]
        training_data = TrainingData(*examples, data.label_names)
        train(model.network, training_data, config.training, seed=1, store=NoCheckpoint())
        return predict(model.network, inputs["test"])

    in_memory = fit(dataset)
    stored = {
        split: replace(examples, texts=StoredTexts.write(examples.texts))
        for split, examples in dataset.splits.items()
    }
    monkeypatch.setattr(input_pipeline, "MAX_BYTES_IN_MEMORY", 0)
    assert np.array_equal(fit(replace(dataset, **stored)), in_memory)
