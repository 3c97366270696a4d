"""Files and folders as datasets."""

import errno
import gzip
import json
import os
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from support import ROWS, collect, load, write_csv, write_parquet, write_xlsx

from textclf.config.resolve import resolve
from textclf.errors import DataError, RequestError
from textclf.runs.directory import RunDirectory
from textclf.storage.cache import list_entries

OPTIONS = ["--set", "training.epochs=1", "--set", "text.num_words=50", "--quiet"]


def write_all(folder):
    """Write the same rows in each format; return the files."""
    objects = [{"text": text, "label": label} for text, label in ROWS]
    lines = "".join(json.dumps(row) + "\n" for row in objects)
    tabs = "".join(f"{text}\t{label}\n" for text, label in [("text", "label"), *ROWS])
    fasttext = "".join(f"__label__{label} {text}\n" for text, label in ROWS)
    contents = {"jsonl": lines, "ndjson": lines, "json": json.dumps(objects), "ft.txt": fasttext}
    contents |= {"tsv": tabs, "tab": tabs, "txt": tabs}
    for suffix, content in contents.items():
        (folder / f"a.{suffix}").write_text(content)
    write_csv(folder / "a.csv")
    write_parquet(folder / "a.parquet")
    write_xlsx(folder / "a.xlsx", {"one": [["text", "label"], *ROWS]})
    for path in sorted(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        with zipfile.ZipFile(path.with_name(f"{path.name}.zip"), "w") as archive:
            archive.write(path, path.name)
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
    assert len(paths) == 31
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
    (tmp_path / "test.csv").rename(tmp_path / "exam.csv")
    dataset = load(tmp_path, test_fraction=0.5)
    assert [len(split) for split in dataset.splits.values()] == [2, 2, 4]
    assert dataset.notes[0] == "not read: exam.csv"
    (tmp_path / "exam.csv").rename(tmp_path / "testing.csv")
    assert len(load(tmp_path).test) == 8


def test_label_folders_in_train_and_test(tmp_path):
    for part, rows in (("train", ROWS[:12]), ("test", ROWS[12:])):
        write_folders(tmp_path / part, rows)
        (tmp_path / part / "urls.txt").write_text("a file without a label")
    dataset = load(tmp_path)
    assert collect(dataset) == sorted(ROWS)
    assert len(dataset.test) == 8


@pytest.mark.parametrize("kind", ["tables", "folders"])
def test_tables_and_folders_beside_the_splits_are_said(tmp_path, kind):
    for part, rows in (("train", ROWS[:12]), ("test", ROWS[12:])):
        if kind == "tables":
            write_csv(tmp_path / f"{part}.csv", rows)
        else:
            write_folders(tmp_path / part, rows)
    write_csv(tmp_path / "exam.csv")
    write_folders(tmp_path / "extra", ROWS[:2])
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "._train.csv").write_text("hidden")
    (tmp_path / "images").mkdir()
    dataset = load(tmp_path)
    assert collect(dataset) == sorted(ROWS)
    assert dataset.notes[0] == "not read: exam.csv, extra"


@pytest.mark.parametrize("part", ["", "train"])
def test_other_files_in_label_folders_are_said(tmp_path, part):
    folder = tmp_path / "classes"
    write_folders(folder / part, ROWS)
    (folder / part / "bad" / "deep").mkdir()
    (folder / part / "bad" / "deep" / "one.txt").write_text("too deep")
    (folder / part / "good" / "page.html").write_text("another format")
    (folder / part / "good" / ".hidden.html").write_text("hidden")
    dataset = load(folder)
    assert collect(dataset) == sorted(ROWS)
    example = Path("bad", "deep", "one.txt")
    assert dataset.notes[0] == (
        f"not read: 2 of the files in label folders, such as {example}; only .txt files directly in"
        " these folders are"
    )


def test_text_files_may_have_a_suffix_in_capitals(tmp_path):
    write_folders(tmp_path / "classes", ROWS)
    first = tmp_path / "classes" / "good" / "00.txt"
    first.rename(first.with_suffix(".TXT"))
    dataset = load(tmp_path / "classes")
    assert collect(dataset) == sorted(ROWS)
    assert not [note for note in dataset.notes if note.startswith("not read")]


def test_table_beside_label_folders_is_not_read(tmp_path):
    write_folders(tmp_path / "classes", ROWS)
    write_csv(tmp_path / "classes" / "metadata.csv", [("more", "good")])
    assert collect(load(tmp_path / "classes")) == sorted(ROWS)


@pytest.mark.parametrize("name", ["~$a.csv", "~nobody-here.csv"])
def test_name_that_begins_like_a_home_folder_is_a_file_if_it_exists(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / name)
    assert collect(load(name)) == sorted(ROWS)


def test_text_file_in_another_encoding(tmp_path):
    folder = tmp_path / "classes"
    write_folders(folder, ROWS)
    (folder / "bad" / "latin.txt").write_bytes("the “café”".encode("cp1252"))
    with pytest.raises(
        DataError,
        match=r"latin\.txt line 1 is not utf-8; if it should contain 'the “café”', add --set"
        r" dataset\.encoding=cp1252",
    ):
        load(folder)
    assert ("the “café”", "bad") in collect(load(folder, encoding="cp1252"))
    with pytest.raises(RequestError, match=r"dataset\.encoding: .*latin-99.*; use a name such as"):
        load(folder, encoding="latin-99")
    (folder / "bad" / "latin.txt").write_bytes("café".encode("utf-16"))
    (folder / "bad" / "mark.txt").write_bytes("crème".encode("utf-8-sig"))
    assert {("café", "bad"), ("crème", "bad")} < set(collect(load(folder)))


@pytest.mark.slow
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


@pytest.mark.posix
def test_link_in_the_place_of_a_file_keeps_its_runs(tmp_path):
    def configure(path):
        config = resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}})
        return config.dataset.name, config.fingerprint, RunDirectory.of(config, Path("runs")).path

    path = write_csv(tmp_path / "reviews.csv")
    before = configure(path)
    assert before[0] == str(path)
    assert before[2].parts[1].startswith("reviews-")
    (tmp_path / "store").mkdir()
    target = path.rename(tmp_path / "store" / "v1.csv")
    path.symlink_to(target)
    assert configure(path) == before
    assert configure(target)[2].parts[1].startswith("v1-")
    assert collect(load(path)) == sorted(ROWS)


def test_one_cache_entry_serves_every_way_to_split_a_file(tmp_path):
    path = write_csv(tmp_path / "a.csv", [*ROWS, *ROWS[:4]])
    sizes = [
        [len(split) for split in load(path, **options).splits.values()]
        for options in (
            {},
            {"limit": 3},
            {"drop_leaked": True},
            {"validation_fraction": 0.1},
            {"test_fraction": 0.4, "limit": 5},
        )
    ]
    assert sizes[1] == [3, 3, 3]
    assert len({tuple(split) for split in sizes}) >= 4
    assert [folder.name.split("-")[0] for folder, _, _ in list_entries()] == ["texts"]
    load(path, text_column="text")
    assert len(list_entries()) == 2


@pytest.mark.parametrize("suffix", [".json", ".pdf"])
@pytest.mark.parametrize("is_cached", [True, False])
def test_file_of_another_format_is_refused_also_if_its_content_is_cached(
    tmp_path, suffix, is_cached
):
    path = write_csv(tmp_path / "a.csv")
    if is_cached:
        load(path)
    with pytest.raises(DataError, match=rf"a\{suffix}"):
        load(path.rename(tmp_path / f"a{suffix}"))


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv", "a.txt", "a.xlsx", "a.parquet"])
@pytest.mark.parametrize("is_cached", [True, False])
def test_file_with_a_wrong_suffix_is_read_by_its_content(tmp_path, name, is_cached):
    path = write_csv(tmp_path / "a.csv")
    if is_cached:
        load(path)
    assert collect(load(path.rename(tmp_path / name))) == sorted(ROWS)
    path = tmp_path / "b.csv"
    path.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert collect(load(path)) == sorted(ROWS)


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


def write_parts(folder, **parts):
    """Write a file for each split: its name without a suffix, its header and its rows."""
    folder.mkdir(exist_ok=True)
    for part, (header, rows) in parts.items():
        write_csv(folder / f"{part}.csv", rows, header)
    return folder


TRAIN = ("id,text,target", [(str(i), text, label) for i, (text, label) in enumerate(ROWS)])


def test_columns_of_the_training_split_apply_to_all_splits(tmp_path):
    # By their usual names, the columns of the test split would be others.
    test = (
        "label,sentence,target,text,id",
        [("9", "no", label, text, "1") for text, label in ROWS],
    )
    dataset = load(write_parts(tmp_path / "a", train=TRAIN, test=test))
    assert dataset.label_names == ("bad", "good")
    assert list(dataset.test.texts) == [text for text, _ in ROWS]
    for part, others in (("train", "'id'"), ("test", "'label', 'sentence', 'id'")):
        note = f"{part}: text from 'text', label from 'target'; not read: {others}; delimiter ','; "
        assert f"{note}encoding utf-8" in dataset.notes
    assert list(load(tmp_path / "a", text_column="id").test.texts) == ["1"] * 20


@pytest.mark.parametrize("header", ["id,text", "id,text,label"])
def test_split_without_the_label_column_is_refused(cli, tmp_path, header):
    rows = [(str(i), text, "1")[: header.count(",") + 1] for i, (text, _) in enumerate(ROWS)]
    folder = write_parts(tmp_path / "kaggle", train=TRAIN, test=(header, rows))
    message = (
        f"{folder / 'test.csv'} has no column 'target', which {folder / 'train.csv'} has; if these"
        f" texts have no labels to evaluate with, give {folder / 'train.csv'} instead, and classify"
        " them with `textclf predict`"
    )
    for command in (["datasets"], ["train", "--model", "majority", "--dataset"]):
        result = cli(*command, folder)
        assert (result.code, result.error_line) == (1, message)
    assert collect(load(folder / "train.csv")) == sorted(ROWS)


def test_split_without_the_text_column_is_refused(tmp_path):
    folder = write_parts(tmp_path / "a", train=TRAIN, test=("id,body,target", [("1", "x", "y")]))
    with pytest.raises(
        DataError, match=r"test\.csv: no column is named 'text'; --text-column is on"
    ):
        load(folder)


def test_splits_may_have_different_formats(tmp_path):
    folder = write_parts(tmp_path / "a", train=TRAIN)
    lines = [json.dumps({"target": label, "text": text}) for text, label in ROWS[:4]]
    (folder / "test.jsonl").write_text("\n".join(lines))
    (folder / "valid.tsv").write_text("target\ttext\ngood\tx\n")
    (folder / "README.md").write_text("about")
    (folder / "notes.txt").write_text("text\tlabel\n")
    (folder / ".train.csv.swp").write_text("x")
    dataset = load(folder)
    assert [len(split) for split in dataset.splits.values()] == [20, 1, 4]
    assert list(dataset.test.texts) == [text for text, _ in ROWS[:4]]


def test_labels_that_are_not_in_every_split_are_said(cli, tmp_path):
    def label(labels):
        return "text,label", [(f"{labels} {i}", labels[i % len(labels)]) for i in range(60)]

    folder = write_parts(tmp_path / "a", train=label("abc"), dev=label("b"), test=label("abd"))
    notes = [
        "labels without training examples, which are never predicted: 'd' (1 of 4 labels)",
        "labels without test examples: 'c' (1 of 4 labels)",
        "the validation split has only one label, 'b'",
    ]
    train = cli("train", "--model", "majority", "--dataset", folder)
    assert train.code == 0
    for result in (train.err, cli("datasets", folder).out, cli("audit", folder).out):
        said = " ".join(result.split())
        assert [note in said for note in notes] == [True] * 3


@pytest.mark.parametrize("name", ["unsup", "Unlabeled"])
def test_folder_of_texts_without_a_label_is_left_out(tmp_path, name):
    for part, rows in (("train", ROWS[:12]), ("test", ROWS[12:])):
        write_folders(tmp_path / part, rows)
    write_folders(tmp_path / "train", [(f"unlabeled {i}", name) for i in range(50)])
    dataset = load(tmp_path)
    assert collect(dataset) == sorted(ROWS)
    assert f"train: the folder {name} has no label, and is left out" in dataset.notes
    # A label of the test split too, or of a folder without splits, is one.
    write_folders(tmp_path / "test", [(f"test {i}", name) for i in range(5)])
    assert name in load(tmp_path).label_names
    assert name in load(tmp_path / "train").label_names


@pytest.mark.parametrize("name", ["other", "neutral"])
def test_other_label_of_the_training_split_only_is_kept(tmp_path, name):
    for part, rows in (("train", [*ROWS, *[(f"x {i}", name) for i in range(9)]]), ("test", ROWS)):
        write_folders(tmp_path / part, rows)
    assert load(tmp_path).label_names == tuple(sorted(["bad", "good", name]))


@pytest.mark.posix
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
        ("a.pdf", "a.pdf: expected a folder, or a file that ends in .csv, .tsv, .tab, .txt, "),
        ("a.txt", "a.txt: only one column, 'text'; a text and a label are expected, with one"),
        ("empty", "empty contains neither a table (.csv, .tsv, .tab, .txt, .json, .jsonl, "),
        ("empty", ") nor a folder of .txt files for each label"),
        ("two", "one.csv, or name them train and test"),
        ("test", "no file or folder named train is beside "),
        ("twice", "train.csv and training.csv both name the train split"),
    ],
)
def test_path_without_a_dataset_is_refused(cli, tmp_path, name, message):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "a.pdf").write_text("text")
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
