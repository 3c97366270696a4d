"""Datasets of Hugging Face, in local folders."""

import json
import shutil
import sys

import pytest
from support import ROWS, collect, write_parquet

from textclf.config.resolve import resolve
from textclf.data.loading import describe_source, load_dataset
from textclf.errors import DataError


def configure(name, **options):
    tree = {"dataset": {"name": f"hf:{name}", **options}, "model": {"name": "mlp"}}
    return resolve(tree).dataset


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


NAMES = {"text": {"dtype": "string", "_type": "Value"}}
NAMES |= {"label": {"names": ["bad ", "good"], "_type": "ClassLabel"}}
METADATA = {"huggingface": json.dumps({"info": {"features": NAMES}})}
NUMBERED = [(text, int(name == "good")) for text, name in ROWS]


@pytest.mark.parametrize("hidden", [-1, None])
def test_hidden_labels_are_left_out_and_counted(folder, hidden):
    write_parquet(folder / "train.parquet", [("hidden", hidden), *NUMBERED], METADATA)
    write_parquet(folder / "test.parquet", NUMBERED[:4], METADATA)
    dataset = load_dataset(configure(folder))
    assert collect(dataset) == sorted([*ROWS, *ROWS[:4]])
    assert dataset.label_names == ("bad", "good")
    note = "train: no label in 1 of 21 examples (example 1), which are left out"
    assert note in dataset.notes


def test_validation_split_takes_the_place_of_a_test_split_without_labels(cli, folder):
    write_parquet(folder / "train.parquet", NUMBERED[:14], METADATA)
    write_parquet(folder / "test.parquet", [(f"secret {i}", -1) for i in range(5)], METADATA)
    dataset = load_dataset(configure(folder))
    assert collect(dataset) == sorted(ROWS[:14])
    assert dataset.notes[0] == "the test split has no labels, and is left out"
    write_parquet(folder / "validation.parquet", NUMBERED[14:], METADATA)
    dataset = load_dataset(configure(folder))
    assert sorted(dataset.test.texts) == sorted(text for text, _ in ROWS[14:])
    said = "the validation split is the test split instead"
    assert said in cli("datasets", f"hf:{folder}").out


@pytest.mark.parametrize("files", [["set.py"], ["set.py", "train.csv"]])
def test_dataset_with_a_loading_script_gets_the_revision_of_its_tables(folder, files):
    for name in files:
        (folder / name).write_text("raise SystemExit('executed')")
    with pytest.raises(DataError) as info:
        load_dataset(configure(folder))
    assert str(info.value) == (
        f"cannot get hf:{folder}: Dataset scripts are no longer supported, but found set.py; the"
        " hub may have its tables: add --set dataset.revision=refs/convert/parquet"
    )


def test_configuration_is_a_folder_in_the_revision_of_tables(folder):
    for name, rows in (("plain", ROWS[:10]), ("short", ROWS[10:])):
        for split in ("train", "test"):
            (folder / name / split).mkdir(parents=True)
            write_parquet(folder / name / split / "0000.parquet", rows)
    options = {"revision": "refs/convert/parquet"}
    assert collect(load_dataset(configure(folder, config="plain", **options))) == sorted(
        ROWS[:10] * 2
    )
    with pytest.raises(DataError) as info:
        load_dataset(configure(folder, **options))
    assert str(info.value) == (
        f"hf:{folder} has several configurations: add --set dataset.config=NAME, one of plain,"
        " short"
    )
    shutil.rmtree(folder / "short")
    assert collect(load_dataset(configure(folder, **options))) == sorted(ROWS[:10] * 2)


def test_missing_extra_is_one_line(cli, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)  # Importing it fails.
    result = cli("datasets", "hf:stanfordnlp/imdb")
    assert result.code == 2
    assert (
        result.error_line == "--dataset hf:stanfordnlp/imdb needs pip install 'textclf-keras[hf]'"
    )


def test_dataset_without_a_name_is_refused(cli):
    result = cli("datasets", "hf:")
    assert result.code == 2
    assert result.error_line.startswith("--dataset hf: needs a name, such as hf:")
