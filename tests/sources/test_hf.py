"""Datasets of Hugging Face, in local folders."""

import json
import sys

import pytest
from support import ROWS, collect, write_parquet

from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset
from textclf.errors import DataError


def configure(name):
    return resolve({"dataset": {"name": f"hf:{name}"}, "model": {"name": "mlp"}}).dataset


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for a dataset, and a cache of the library in another folder."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "set"
    folder.mkdir()
    return folder


def test_local_folder_is_loaded_with_its_splits(folder):
    lines = [json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS]
    (folder / "train.jsonl").write_text("".join(lines[:16]))
    (folder / "test.jsonl").write_text("".join(lines[16:]))
    dataset = load_dataset(configure(folder))
    assert collect(dataset) == sorted(ROWS)
    assert [len(split) for split in dataset.splits.values()] == [12, 4, 4]
    assert set(describe_source(configure(folder))) == {
        *("download", "source", "license", "citation")
    }


def test_missing_folder_is_one_line(folder):
    missing = folder / "missing"
    with pytest.raises(DataError, match=f"cannot get hf:{missing}: ") as info:
        load_dataset(configure(missing))
    assert "\n" not in str(info.value)


def test_split_with_hidden_labels_is_left_out(folder):
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["bad ", "good"], "_type": "ClassLabel"},
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    rows = [(text, int(name == "good")) for text, name in ROWS]
    write_parquet(folder / "train.parquet", rows, metadata)
    write_parquet(folder / "test.parquet", [(f"secret {i}", -1) for i in range(5)], metadata)
    assert collect(load_dataset(configure(folder))) == sorted(ROWS)
    write_parquet(folder / "train.parquet", [*rows, ("null", None)], metadata)
    with pytest.raises(DataError, match="train example 21: the label is empty"):
        load_dataset(configure(folder))


def test_missing_extra_is_one_line(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)  # Importing it fails.
    result = cli("datasets", "hf:stanfordnlp/imdb")
    assert result.code == 2
    assert result.error_line == "--dataset hf:stanfordnlp/imdb needs pip install 'textclf[hf]'"


def test_dataset_without_a_name_is_refused(cli):
    result = cli("datasets", "hf:")
    assert result.code == 2
    assert result.error_line.startswith("--dataset hf: needs a name, such as hf:")
