"""Files and folders as datasets."""

import errno
import gzip
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from support import ROWS, collect, load, write_csv, write_parquet

from textclf.config.resolve import resolve
from textclf.errors import DataError, RequestError
from textclf.runs.directory import RunDirectory

OPTIONS = ["--set", "training.epochs=1", "--set", "text.num_words=50", "--quiet"]


def write_all(folder):
    """Write the same rows in each format; return the files."""
    as_json = "".join(json.dumps({"text": t, "label": n}) + "\n" for t, n in ROWS)
    (folder / "a.jsonl").write_text(as_json)
    (folder / "a.tsv").write_text("text\tlabel\n" + "".join(f"{t}\t{n}\n" for t, n in ROWS))
    write_csv(folder / "a.csv")
    write_parquet(folder / "a.parquet")
    for path in sorted(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    write_folders(folder / "classes", ROWS)
    return sorted(folder.iterdir())


def write_folders(folder, rows):
    """Write a folder of text files for each label."""
    for number, (text, name) in enumerate(rows):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / f"{number:02}.txt").write_text(text)


def test_every_format_gives_the_same_rows(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    paths = write_all(files)
    assert len(paths) == 9
    for path in paths:
        dataset = load(path)
        assert collect(dataset) == sorted(ROWS)
        assert dataset.label_names == ("bad", "good")
        assert [len(split) for split in dataset.splits.values()] == [12, 4, 4]
        for split in dataset.splits.values():
            assert set(Counter(split.labels.tolist()).values()) == {len(split) // 2}


def test_official_splits_are_used(tmp_path):
    rows = [ROWS[:8], ROWS[8:12], ROWS[12:]]
    for name, part in zip(("train", "dev", "test"), rows, strict=True):
        write_csv(tmp_path / f"{name}.csv", part)
    dataset = load(tmp_path)
    assert [list(split.texts) for split in dataset.splits.values()] == [
        [text for text, _ in part] for part in rows
    ]
    assert dataset.test.index.tolist() == list(range(8))
    (tmp_path / "dev.csv").unlink()
    dataset = load(tmp_path, validation_fraction=0.25)
    assert [len(split) for split in dataset.splits.values()] == [6, 2, 8]
    (tmp_path / "test.csv").rename(tmp_path / "testing.csv")
    assert [len(s) for s in load(tmp_path, test_fraction=0.5).splits.values()] == [2, 2, 4]


def test_label_folders_in_train_and_test(tmp_path):
    for part, rows in (("train", ROWS[:12]), ("test", ROWS[12:])):
        write_folders(tmp_path / part, rows)
        (tmp_path / part / "urls.txt").write_text("a file without a label")
    dataset = load(tmp_path)
    assert collect(dataset) == sorted(ROWS)
    assert len(dataset.test) == 8


def test_text_file_in_another_encoding(tmp_path):
    folder = tmp_path / "classes"
    write_folders(folder, ROWS)
    (folder / "bad" / "latin.txt").write_bytes("café".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt is not utf-8: .*; try --set dataset\.encod"):
        load(folder)
    assert ("café", "bad") in collect(load(folder, encoding="latin-1"))
    with pytest.raises(RequestError, match=r"dataset\.encoding: .*latin-99.*; use a name such as"):
        load(folder, encoding="latin-99")


@pytest.mark.usefixtures("tensorflow")
def test_every_command_takes_a_file(cli, tmp_path):
    write_csv(tmp_path / "a.csv", header="words,kind")
    columns = ["--text-column", "words", "--label-column", "kind"]
    document = cli("datasets", "a.csv", *columns, "--format", "json").json
    assert document["n_examples"] == {"train": 12, "validation": 4, "test": 4}
    assert document["labels"][0] == {"label": "bad", "train": 6, "validation": 2, "test": 2}
    train = cli("train", "--model", "mlp", "--dataset", "a.csv", *columns, *OPTIONS)
    assert train.code == 0
    run = next((tmp_path / "runs").glob("a-*/mlp/*/seed-42"))
    document = cli("evaluate", run, "--format", "json").json
    assert [row["subset"] for row in document["subset_accuracy"]] == [
        *("all", "not_leaked", "not_conflicting", "clean")
    ]
    predictions = cli("predict", run, "good number", "--top", "2", "--format", "json").json
    assert predictions[0]["label"] in {"good", "bad"}
    assert cli("reproduce", run, "--quiet").code == 0
    compare = cli(
        "compare", "--dataset", "a.csv", *columns, "--model", "mlp", *OPTIONS, "--format", "json"
    )
    assert {row["model"] for row in compare.json} == {"mlp", "majority", "tfidf-svc"}
    assert {row["dataset"] for row in compare.json} == {f"{tmp_path.name}/a.csv"}
    again = cli("train", "--model", "mlp", "--dataset", tmp_path / "a.csv", *columns, *OPTIONS[:-1])
    assert "already finished" in again.err
    assert cli("models", "mlp", "--dataset", "a.csv", *columns).code == 0
    config = "dataset:\n  name: a.csv\n  text_column: words\n  label_column: kind\n"
    (tmp_path / "c.yaml").write_text(config + "model: {name: majority}\n")
    assert cli("train", "--config", "c.yaml", "--quiet").code == 0


def fingerprint(path):
    return resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).fingerprint


def test_content_of_a_file_is_part_of_the_fingerprint(tmp_path):
    path = write_csv(tmp_path / "a.csv")
    first = fingerprint(path)
    (tmp_path / "b").mkdir()
    assert fingerprint(path.rename(tmp_path / "b" / "a.csv")) == first
    assert fingerprint(write_csv(tmp_path / "a.csv", [*ROWS, ("more", "good")])) != first


def test_files_of_the_same_name_have_different_names_and_folders(tmp_path):
    names, folders = [], []
    for language in ("en", "de"):
        (tmp_path / language).mkdir()
        path = write_csv(tmp_path / language / "data.csv", [*ROWS, (language, "good")])
        config = resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}})
        names.append(config.dataset.short_name)
        folders.append(RunDirectory.of(config, Path("runs")).path.parts[1])
        assert folders[-1] == f"data-{config.dataset.digest[:8]}"
    assert names == ["en/data.csv", "de/data.csv"]
    assert len(set(folders)) == 2


@pytest.mark.parametrize(
    ("name", "stem"),
    [("data.csv", "data"), ("A b.TSV", "A b"), ("v1.2", "v1.2"), ("x" * 251 + ".csv", "x" * 50)],
)
def test_folder_of_runs_has_the_stem_of_a_file_and_the_name_of_a_folder(tmp_path, name, stem):
    path = tmp_path / name
    if path.suffix == ".2":
        write_csv((path.mkdir(), path)[1] / "train.csv")
    else:
        write_csv(path)
    dataset = resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).dataset
    assert dataset.folder_name == f"{stem}-{dataset.digest[:8]}"
    assert dataset.short_name == f"{tmp_path.name}/{name}"


def test_moved_file_keeps_its_runs(cli, tmp_path):
    write_csv(tmp_path / "a.csv")
    train = ["train", "--model", "majority", "--dataset"]
    assert cli(*train, "a.csv").code == 0
    (tmp_path / "new").mkdir()
    (tmp_path / "a.csv").rename(tmp_path / "new" / "a.csv")
    assert "already finished" in cli(*train, "new/a.csv").err


def test_same_bytes_in_another_format_are_another_dataset(tmp_path):
    content = "text\tlabel\n" + "".join(f"{text}\t{name}\n" for text, name in ROWS)
    for name in ("a.tsv", "a.csv"):
        (tmp_path / name).write_text(content)
    assert fingerprint(tmp_path / "a.tsv") != fingerprint(tmp_path / "a.csv")
    assert collect(load(tmp_path / "a.tsv")) == sorted(ROWS)
    with pytest.raises(DataError, match="no column has a usual name"):
        load(tmp_path / "a.csv")


@pytest.mark.usefixtures("tensorflow")
def test_changed_file_is_not_the_dataset_of_a_run(cli, tmp_path):
    write_csv(tmp_path / "a.csv")
    assert cli("train", "--model", "mlp", "--dataset", "a.csv", *OPTIONS).code == 0
    run = next((tmp_path / "runs").glob("a-*/mlp/*/seed-42"))
    write_csv(tmp_path / "a.csv", ROWS[:-1])
    line = cli("evaluate", run).error_line
    assert line == (
        f"{tmp_path / 'a.csv'} has changed since the configuration was made: restore it, or train"
        " a new run on the new content"
    )
    (tmp_path / "a.csv").unlink()
    assert f"a.csv: {os.strerror(errno.ENOENT)}" in cli("evaluate", run).error_line
    assert cli("compare", "runs").code == 0
    assert cli("predict", run, "good").code == 0


def test_labels_without_test_examples_are_reported(cli, tmp_path):
    for part, labels in (("train", "abc"), ("test", "ab")):
        write_csv(tmp_path / f"{part}.csv", [(f"t{i}", labels[i % len(labels)]) for i in range(45)])
    result = cli("train", "--model", "majority", "--dataset", tmp_path)
    assert "1 of 3 labels have no test examples: 'c'" in result.err


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gone.csv", "gone.csv in "),
        ("./reuters", f": {os.strerror(errno.ENOENT)}"),
        ("~nobody-here/a.csv", "~nobody-here/a.csv in "),
        ("./" + "a" * 5_000, f": {os.strerror(errno.ENAMETOOLONG)}"),
        ("flat", "train: it contains no folder of .txt files for a label"),
        ("reutres", "unknown dataset 'reutres': did you mean 'reuters'?"),
        ("reutres", "; or give a path, such as ./reviews.csv"),
        ("/dev/null", "/dev/null is neither a file nor a folder"),
        ("a.txt", "a.txt: expected a folder, or a file that ends in .csv, .tsv, .jsonl, .parquet"),
        (
            "empty",
            "empty contains neither a .csv, .tsv, .jsonl, .parquet file nor a folder of .txt files",
        ),
        ("two", "one.csv, or name them train and test"),
        ("test", "no file or folder named train is beside "),
        ("twice", "train.csv and training.csv both name the train split"),
    ],
)
def test_path_without_a_dataset_is_refused(cli, tmp_path, name, message):
    (tmp_path / "a.txt").write_text("text")
    for folder in ("empty", "two", "test", "twice", "flat/train"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "flat" / "train" / "a.txt").write_text("text")
    write_csv(tmp_path / "two" / "one.csv")
    write_csv(tmp_path / "test" / "test.csv")
    write_csv(tmp_path / "twice" / "train.csv")
    write_csv(tmp_path / "twice" / "training.csv")
    result = cli("train", "--model", "mlp", "--dataset", name, "--quiet")
    assert result.code in {1, 2}
    assert message in result.error_line
