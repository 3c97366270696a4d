"""Arrays and texts in files: what was written is read, in any order, and nothing more is held."""

import gc
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from textclf.config.resolve import resolve
from textclf.data import text_store as stores
from textclf.data.text_store import ArrayWriter, StoredTexts, TextWriter, read_rows, write_batches
from textclf.errors import TextclfError
from textclf.text import input_pipeline as batches
from textclf.training import loop as training

TEXTS = ["first", "", "zwölf\nBoxkämpfer", "👩‍👩‍👧 ok", "nul\0", "last"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "spool"


def store(texts):
    with TextWriter() as writer:
        for start in range(0, len(texts), 4):
            writer.append(texts[start : start + 4])
        return StoredTexts(*writer.finish(), np.arange(len(texts)))


def test_rows_are_read_in_any_order():
    rows = np.arange(60, dtype=np.int32).reshape(20, 3)
    array = write_batches(rows[start : start + 7] for start in range(0, 20, 7))
    assert isinstance(array, np.memmap)
    assert array.dtype == np.int32
    assert np.array_equal(array, rows)
    for places in ([3], [19, 0, 0, 1, 2, 7], [], range(20)):
        wanted = np.array(places, np.int64)
        found = read_rows(array, wanted)
        assert type(found) is np.ndarray
        assert np.array_equal(found, rows[wanted])
    assert np.array_equal(read_rows(array, slice(4, 9)), rows[4:9])
    assert np.array_equal(read_rows(rows, np.array([2, 1])), rows[[2, 1]])


def test_a_file_goes_with_its_array(folder):
    array = write_batches([np.arange(10)])
    half = array[5:]
    assert len(list(folder.glob("*/*.npy"))) == 1
    del array
    gc.collect()
    assert half.tolist() == [5, 6, 7, 8, 9]  # What is in use stays.
    del half
    gc.collect()
    assert list(folder.glob("*/*.npy")) == []


def test_nothing_can_be_written_too():
    with ArrayWriter(np.int64) as writer:
        assert writer.finish().shape == (0,)
    assert list(store([])) == []


def test_texts_are_a_sequence(monkeypatch):
    monkeypatch.setattr(stores, "BLOCK", 2)
    texts = store(TEXTS)
    assert list(texts) == TEXTS
    assert len(texts) == 6
    assert [texts[i] for i in (-1, 0, 2)] == ["last", "first", TEXTS[2]]
    assert texts[1:4] == TEXTS[1:4]
    assert texts[::-2] == TEXTS[::-2]
    chosen = texts.take(np.array([5, 0, 3]))
    assert list(chosen) == ["last", "first", TEXTS[3]]
    assert list(chosen.take(np.array([2, 2]))) == [TEXTS[3]] * 2
    with pytest.raises(IndexError):
        texts[6]


def test_where_the_cache_cannot_be_written_another_folder_is_used(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    assert list(store(TEXTS)) == TEXTS


def test_what_killed_processes_left_is_removed(folder):
    for name in ("gone", "here"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.npy").write_text("")
        (folder / f"{name}.lock").write_text("")
    with FileLock(folder / "here.lock"):
        store(TEXTS)
        assert not (folder / "gone").exists()
        assert not (folder / "gone.lock").exists()
        assert (folder / "here" / "a.npy").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(folder, monkeypatch):
    def fill(writer):
        with writer, Path("/dev/full").open("wb", buffering=0) as full:
            writer._file.close()
            monkeypatch.setattr(writer, "_file", full)
            writer.append(np.zeros(10_000_000))

    with pytest.raises(TextclfError, match=r"No space left on device; TEXTCLF_CACHE_DIR moves it"):
        fill(ArrayWriter(np.uint8))
    assert not list(folder.glob("*/*"))


@pytest.mark.parametrize("model", ["mlp", "hub"])
def test_training_from_files_is_training_from_memory(dataset, model, monkeypatch):
    """The same network, to the last bit, where no row fits into memory."""
    from textclf.models._build import build_network
    from textclf.text.encode_dataset import encode_dataset
    from textclf.text.encoder import predict

    tree = {
        "dataset": {"name": "bbc"},
        "model": {"name": model},
        "text": {"num_words": 40, "sequence_length": 8},
        "training": {"epochs": 2, "batch_size": 8},
    }
    config = resolve(tree)

    class Nowhere:
        def read_checkpoint(self):
            return None

        def write_checkpoint(self, checkpoint):
            pass

    def fit(data):
        from textclf.runtime import backend

        backend.set_seed(1)
        network = build_network(config, n_labels=3)
        _, network, inputs = encode_dataset(network, config.text, data)
        examples = [
            training.Examples(inputs[name], data.splits[name].labels)
            for name in ("train", "validation")
        ]
        training.train(
            network,
            training.TrainingData(*examples, data.label_names),
            config.training,
            seed=1,
            store=Nowhere(),
        )
        return predict(network, inputs["test"])

    in_memory = fit(dataset)
    for split in dataset.splits.values():
        object.__setattr__(split, "texts", store(list(split.texts)))
    monkeypatch.setattr(batches, "IN_MEMORY", 0)
    assert np.array_equal(fit(dataset), in_memory)
