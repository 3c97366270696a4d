"""What is kept on the disk to start faster: it is what was made, or it is made again."""

import json
import shutil
import zipfile

import numpy as np
import pytest

from textclf.config.resolve import resolve
from textclf.data.loading import load_dataset
from textclf.errors import RequestError
from textclf.storage import cache as caching
from textclf.storage.cache import Entry, cached, clear_entries, entries_folder, list_entries


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "arrays"


class Maker:
    """Makes entries, and counts them."""

    def __init__(self):
        self.n_made = 0

    def __call__(self):
        self.n_made += 1
        return Entry({"ids": np.arange(12, dtype=np.int32).reshape(3, 4)}, {"words": ["é", "b"]})


def test_what_was_made_is_read_and_not_made_again(folder):
    make = Maker()
    for _ in range(2):
        entry = cached("ids", {"text": 1}, make)
        assert entry.arrays["ids"].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        assert entry.arrays["ids"].dtype == np.int32
        assert list(entry.facts["words"]) == ["é", "b"]
    assert make.n_made == 1
    assert isinstance(entry.arrays["ids"], np.memmap)
    for kind, key in (("ids", {"text": 2}), ("dataset", {"text": 1})):
        cached(kind, key, make)
    assert make.n_made == 3
    assert len(list_entries()) == 3
    assert not list(folder.glob(".*-*"))


@pytest.mark.parametrize("name", ["ids.npy", "record.json"])
@pytest.mark.parametrize("change", ["flip", "cut", "remove"])
def test_what_is_damaged_is_made_again(folder, name, change):
    make = Maker()
    cached("ids", {}, make)
    path = next(folder.glob(f"*/{name}"))
    content = path.read_bytes()
    if change == "flip":
        path.write_bytes(content[:-20] + bytes([content[-20] ^ 1]) + content[-19:])
    elif change == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    assert cached("ids", {}, make).arrays["ids"][2, 3] == 11
    assert make.n_made == 2
    cached("ids", {}, make)
    assert make.n_made == 2


def test_without_a_place_to_write_all_goes_on(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTCLF_CACHE_DIR", str(tmp_path / "file"))
    make = Maker()
    for n_made in (1, 2):
        assert cached("ids", {}, make).arrays["ids"][2, 3] == 11
        assert make.n_made == n_made


def test_a_cache_of_somebody_else_is_used(monkeypatch):
    make = Maker()
    cached("ids", {}, make)

    def refuse(path):
        raise PermissionError

    monkeypatch.setattr(caching.os, "utime", refuse)
    cached("ids", {}, make)
    assert make.n_made == 1


def test_what_a_killed_process_left_is_cleared_and_not_listed(folder):
    cached("ids", {}, Maker())
    for name in (".123-ids-0", "ids-1"):
        (folder / name).mkdir()
    (folder / ".123-ids-0" / "record.json").write_text("{}")
    assert len(list_entries()) == 1
    clear_entries()
    assert [path for path in folder.iterdir() if path.is_dir()] == []
    assert clear_entries() == 0


def test_a_wrong_limit_is_said_and_what_is_larger_is_not_kept(monkeypatch):
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", "0.00001")
    assert cached("ids", {}, Maker()).arrays["ids"][2, 3] == 11
    assert list_entries() == []
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", "much")
    with pytest.raises(RequestError, match="TEXTCLF_MAX_CACHE_MB=much: expected megabytes"):
        cached("ids", {}, Maker())


def test_a_full_disk_leaves_nothing_and_stops_nothing(folder, monkeypatch):
    def fail(path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("textclf.storage.files._flush", fail)
    assert cached("ids", {}, Maker()).arrays["ids"][2, 3] == 11
    assert list_entries() == []
    assert [path.suffix for path in folder.iterdir()] == [".lock"]


def test_the_last_used_stay_below_the_limit(monkeypatch):
    make = Maker()
    cached("ids", {"number": 0}, make)
    size = list_entries()[0][1]
    monkeypatch.setenv("TEXTCLF_MAX_CACHE_MB", str(3.5 * size / 1e6))
    for number in (1, 2, 0, 3):
        cached("ids", {"number": number}, make)
        # Times of files are coarse: each entry gets one of its own.
        for place, (entry, _, _) in enumerate(list_entries()):
            caching.os.utime(entry / "record.json", (1e9 - place, 1e9 - place))
    assert make.n_made == 4
    assert len(list_entries()) == 3
    for number in (0, 2, 3):
        cached("ids", {"number": number}, make)
    assert make.n_made == 4
    cached("ids", {"number": 1}, make)
    assert make.n_made == 5


def test_a_dataset_is_known_without_its_texts(dataset, monkeypatch):
    from textclf.datasets import bbc

    loaded = []

    def load(options):
        loaded.append(options)
        return dataset

    monkeypatch.setattr(bbc, "load", load)
    monkeypatch.setattr(bbc, "source_digest", lambda options: "1", raising=False)
    options = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}}).dataset
    for published in (None, ("fig", "axe")):
        object.__setattr__(dataset, "vocabulary", published)
        clear_entries()
        loaded.clear()
        load_dataset(options)
        found = load_dataset(options)
        assert len(loaded) == 1
        assert (found.digest, found.label_names) == (dataset.digest, dataset.label_names)
        assert found.vocabulary == published
        for name, split in dataset.splits.items():
            assert np.array_equal(found.splits[name].labels, split.labels)
            assert np.array_equal(found.splits[name].index, split.index)
            assert len(found.splits[name].texts) == len(split)
        assert len(loaded) == 1
        assert list(found.test.texts) == dataset.test.texts
        assert found.train.texts[3] == dataset.train.texts[3]
        assert found.train.texts[1:3] == dataset.train.texts[1:3]
        assert len(loaded) == 2
        small = resolve({"dataset": {"name": "bbc", "subset": 6}, "model": {"name": "mlp"}}).dataset
        assert len(load_dataset(small).train) == 6


def test_a_run_from_the_cache_is_the_same_to_the_last_byte(cli, tmp_path):
    words = ["train", "--model", "cnn", "--dataset", "bbc", "--smoke", "--quiet", "--run-dir"]
    assert cli(*words, "cold").code == 0
    assert [entry[0].name[:4] for entry in list_entries()] == ["ids-"]
    assert cli(*words, "warm").code == 0
    cold, warm = (tmp_path / name / "predictions.npz" for name in ("cold", "warm"))
    assert cold.read_bytes() == warm.read_bytes()
    weights = []
    for name in ("cold", "warm"):
        with zipfile.ZipFile(tmp_path / name / "model.keras") as archive:
            weights.append(archive.read("model.weights.h5"))
    assert weights[0] == weights[1]


def test_the_cache_is_listed_and_cleared(cli):
    cached("ids", {}, Maker())
    rows = cli("cache", "list", "--format", "json").json
    assert [set(row) for row in rows] == [{"entry", "megabytes", "used"}]
    assert rows[0]["megabytes"] == pytest.approx(list_entries()[0][1] / 1e6)
    answer = cli("cache", "clear")
    assert (answer.code, answer.out) == (0, f"0.0 MB removed from {entries_folder()}\n")
    assert cli("cache", "list", "--format", "json").json == []
    shutil.rmtree(entries_folder())
    assert json.loads(cli("cache", "list", "--format", "json").out) == []
