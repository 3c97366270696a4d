"""Features of texts that take long: each is computed once, and cached by its content."""

import itertools
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from support import QUIET

from textclf.data.dataset import Split, TextDataset
from textclf.data.text_store import StoredTexts
from textclf.runtime.progress import ForwardingReporter
from textclf.storage.cache import clear_entries, entries_folder, list_entries
from textclf.text import feature_cache
from textclf.text.feature_cache import CachedEncoder, encode_once

DIM = 3


@pytest.fixture(autouse=True)
def small_parts(tmp_path, monkeypatch):
    """An empty cache, in which a part has four texts."""
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(feature_cache, "PART_SIZE", 4)


def compute(text):
    """Return the features of a text, <float32>[DIM]."""
    return np.float32([len(text), sum(text.encode()), 1 / (1 + len(text))])


class Encoder:
    """Counts the texts that it encodes, and fails at one of them."""

    dim = DIM

    def __init__(self, name="a", fails_at=None, seconds=0.0):
        self.feature_key = {"name": name}
        self.fails_at = fails_at
        self.seconds = seconds
        self.seen = []
        self.n_calls = 0

    def encode_each(self, texts):
        self.n_calls += 1
        for text in texts:
            if text == self.fails_at:
                raise KeyboardInterrupt
            time.sleep(self.seconds)
            self.seen.append(text)
            yield compute(text)


def make_dataset(train, validation=("v",), test=("t",)):
    splits = [
        Split(list(texts), np.zeros(len(texts), np.int64), np.arange(len(texts)))
        for texts in (train, validation, test)
    ]
    return TextDataset("letters", ("a", "b"), *splits)


def encode(encoder, *texts, reporter=QUIET):
    """Check the features of all splits, and return the texts that were computed."""
    dataset = make_dataset(*texts) if isinstance(texts[0], list) else texts[0]
    encoder.seen.clear()
    features = encode_once(dataset, encoder, reporter=reporter)
    assert list(features) == list(dataset.splits)
    for name, split in dataset.splits.items():
        expected = np.stack([compute(text) for text in split.texts])
        assert features[name].dtype == np.float32
        assert features[name].tobytes() == expected.tobytes()
    return list(encoder.seen)


TEXTS = [f"text {number}" for number in range(10)]


def test_the_fake_has_the_interface_of_an_encoder():
    assert isinstance(Encoder(), CachedEncoder)


def test_each_text_is_computed_once_in_the_order_of_the_dataset():
    encoder = Encoder()
    train, test = [*TEXTS, TEXTS[3]], ["other", TEXTS[0], "other", "é\n\0", ""]
    assert encode(encoder, train, ["v"], test) == [*TEXTS, "v", "other", "é\n\0", ""]
    assert encode(encoder, train, ["v"], test) == []
    assert encode(Encoder(), train, ["v"], test) == []


def test_all_parts_are_computed_in_one_call():
    """Each call of a real encoder traces a graph."""
    encoder = Encoder()
    encode(encoder, TEXTS)
    assert (encoder.n_calls, len(list_entries())) == (1, 3)
    encode(encoder, TEXTS)
    assert encoder.n_calls == 1


class EagerEncoder(Encoder):
    """Takes texts in blocks, like an encoder that tokenizes several at once."""

    def encode_each(self, texts):
        while block := [*itertools.islice(texts, 7)]:
            yield from super().encode_each(block)


def test_texts_that_are_taken_in_blocks_are_not_mixed_up():
    assert encode(EagerEncoder(), TEXTS) == [*TEXTS, "v", "t"]
    assert encode(Encoder(), TEXTS) == []


def test_other_splits_limits_and_orders_share_features():
    assert sorted(encode(Encoder(), TEXTS)) == sorted([*TEXTS, "v", "t"])
    assert encode(Encoder(), TEXTS[7:2:-1], ["t"], TEXTS[:2]) == []
    assert encode(Encoder(), ["new", *TEXTS[::-1]]) == ["new"]
    assert encode(Encoder(), ["new"], TEXTS[:1], ["newer"]) == ["newer"]


def test_features_in_files_are_those_in_memory():
    dataset = make_dataset(TEXTS)
    stored = replace(dataset, train=replace(dataset.train, texts=StoredTexts.write(TEXTS)))
    assert encode(Encoder(), stored) == [*TEXTS, "v", "t"]
    assert isinstance(encode_once(stored, Encoder(), reporter=QUIET)["train"], np.memmap)
    assert encode(Encoder(), dataset) == []


def test_another_encoder_has_other_features():
    encode(Encoder("a"), TEXTS)
    assert len(encode(Encoder("b"), TEXTS)) == 12


@pytest.mark.parametrize("damage", ["cut", "remove"])
def test_a_damaged_part_is_computed_again(damage):
    encode(Encoder(), TEXTS)
    assert len(list_entries()) == 3
    path = sorted(entries_folder().glob("*/features.npy"))[0]
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
    else:
        path.unlink()
    assert len(encode(Encoder(), TEXTS)) == 4
    assert encode(Encoder(), TEXTS) == []


def test_an_interrupted_process_keeps_the_parts_that_are_complete():
    encoder = Encoder(fails_at=TEXTS[9])
    with pytest.raises(KeyboardInterrupt):
        encode_once(make_dataset(TEXTS), encoder, reporter=QUIET)
    assert encoder.seen == TEXTS[:9]
    assert encode(Encoder(), TEXTS) == [*TEXTS[8:], "v", "t"]


def test_a_cache_that_cannot_be_written_gives_the_same_features(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    for _ in range(2):
        assert encode(Encoder(), TEXTS) == [*TEXTS, "v", "t"]


def test_a_cache_that_is_too_small_gives_the_same_features(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", "0.001")  # Less than two parts.
    encode(Encoder(), TEXTS)
    assert len(list_entries()) < 3
    encode(Encoder(), TEXTS)


def test_features_that_are_in_two_parts_are_used_once():
    """Two processes that cannot lock a cache may both compute a text."""
    encode(Encoder(), TEXTS)
    for folder, _, _ in list_entries():
        shutil.copytree(folder, folder.with_name(f"{folder.name}-again"))
    assert len(list_entries()) == 6
    messages = []
    reporter = ForwardingReporter(lambda message: messages.append(message.text))
    assert encode(Encoder(), [*TEXTS, "new"], reporter=reporter) == ["new"]
    assert messages[0] == "12 of 13 are in the cache"


def test_runs_that_start_together_compute_each_text_once():
    """The lock of a cache keeps threads apart as it does processes."""
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda _: encode(Encoder(seconds=0.02), TEXTS), range(3)))
    assert sorted(map(len, seen)) == [0, 0, 12]


def test_progress_names_what_is_in_the_cache_and_the_time_left(monkeypatch):
    messages = []
    reporter = ForwardingReporter(lambda message: messages.append(message.text))
    monkeypatch.setattr("textclf.runtime.progress.LINE_SECONDS", 0.0)
    encode(Encoder(seconds=0.001), TEXTS, reporter=reporter)
    assert messages[0] == "1 of 12 texts done, 0 s left"
    assert len(messages) == 11
    messages.clear()
    encode(Encoder(), [*TEXTS, "new"], reporter=reporter)
    assert messages[0] == "12 of 13 are in the cache"
    clear_entries()
    messages.clear()
    encode(Encoder(), TEXTS, reporter=reporter)
    assert "in the cache" not in messages[0]
