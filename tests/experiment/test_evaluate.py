import csv
import io
import shutil

import numpy as np
import pytest
from support import write_csv

import textclf
from textclf import registry
from textclf.data.loading import load_dataset
from textclf.evaluation.metrics import Evaluation
from textclf.runs.directory import RunDirectory


@pytest.fixture
def run(smoke_run, tmp_path):
    return RunDirectory(shutil.copytree(smoke_run, tmp_path / "copy"))


def test_evaluations_of_the_test_set_are_counted(cli, run):
    assert run.read_meta()["test_evaluations"] == 1
    cli("evaluate", run.path)
    cli("evaluate", run.path, "--split", "validation")
    assert run.read_meta()["test_evaluations"] == 2


def test_labels_with_few_examples_are_marked(cli, run):
    answer = cli("evaluate", run.path, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert list(rows[0]) == ["name", "support", "precision", "recall", "f1", "note"]
    assert len(rows) == 5
    for row in rows:
        assert row["note"] == ("few examples" if int(row["support"]) < 10 else "")


@pytest.fixture(scope="module")
def own_rows(smoke_run):
    """The test split of the small run, as texts and names of labels."""
    dataset = load_dataset(textclf.load_run(smoke_run).config.dataset)
    names = [dataset.label_names[label] for label in dataset.test.labels]
    return list(zip(dataset.test.texts, names, strict=True))


@pytest.fixture(scope="module")
def star_run(tensorflow, tmp_path_factory):
    """A run of ``tfidf-svc`` with the labels 1 and 2, in columns with unusual names."""
    folder = tmp_path_factory.mktemp("stars")
    rows = [(f"{word} number {i}", star) for i in range(20) for word, star in STARS.items()]
    path = write_csv(folder / "a.csv", rows, header="opinion,grade")
    columns = {"dataset.text_column": "opinion", "dataset.label_column": "grade"}
    run = textclf.train("tfidf-svc", path, overrides=columns, run_root=folder, quiet=True)
    path.unlink()  # The model is enough to evaluate it on another file.
    return run


STARS = {"good": "2", "bad": "1"}


def list_values(evaluation):
    """Return all values of an evaluation that do not depend on where the examples are."""
    return {name: getattr(evaluation, name) for name in Evaluation.__dataclass_fields__}


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_own_test_split_as_a_file_gives_identical_metrics(own_rows, run, smoke_run, tmp_path):
    before = read_files(smoke_run)
    path = write_csv(tmp_path / "test.csv", own_rows)
    found = textclf.evaluate(smoke_run, path, n_errors=64, quiet=True)
    assert read_files(smoke_run) == before  # The evaluation is not counted.
    split = textclf.evaluate(run.path, n_errors=64, quiet=True)
    labels = [label for _, label in own_rows]
    most_frequent = max(map(labels.count, labels)) / len(labels)
    assert list_values(found) == {**list_values(split), "majority_accuracy": most_frequent}
    assert (found.split, found.file, found.subset_accuracy) == (None, str(path), [])
    assert (split.split, split.file) == ("test", None)
    assert len(found.errors) == len(split.errors) > 0
    for in_file, in_split in zip(found.errors, split.errors, strict=True):
        assert (in_file.text, in_file.label) == own_rows[in_file.index]
        assert vars(in_file).keys() == vars(in_split).keys()
        for key in vars(in_file).keys() - {"index", "position"}:
            assert getattr(in_file, key) == getattr(in_split, key)


def test_errors_are_those_of_the_stored_predictions(run):
    stored = run.read_predictions()
    errors = textclf.evaluate(run.path, n_errors=1_000, quiet=True).errors
    predicted = stored.probabilities.argmax(axis=1)
    incorrect = np.flatnonzero(predicted != stored.label)
    assert {error.index for error in errors} == set(stored.index[incorrect].tolist())
    names = textclf.load_run(run.path).label_names
    for error in errors:
        (i,) = np.flatnonzero(stored.index == error.index)
        assert (error.label, error.prediction) == (names[stored.label[i]], names[predicted[i]])
        probabilities = stored.probabilities[i]
        assert error.probability == pytest.approx(probabilities.max(), abs=1e-5)
        assert error.label_probability == pytest.approx(probabilities[stored.label[i]], abs=1e-5)
        assert error.position is None
    order = [error.probability for error in errors]
    assert order == sorted(order, reverse=True)


def test_examples_with_unknown_labels_are_left_out_and_counted(own_rows, smoke_run, tmp_path):
    known = textclf.evaluate(smoke_run, write_csv(tmp_path / "a.csv", own_rows), quiet=True)
    unknown = [("a picture", "photo")] * 3 + [("a picture that moves", "film")]
    path = write_csv(tmp_path / "b.csv", [*unknown[:2], *own_rows, *unknown[2:]])
    found = textclf.evaluate(smoke_run, path, n_errors=1, quiet=True)
    assert list_values(found) == list_values(known)
    assert found.n_unknown == 4
    assert found.unknown_labels == {"photo": 3, "film": 1}
    assert own_rows[found.errors[0].index - 2][0] == found.errors[0].text
    assert known.n_unknown == 0


def test_positions_are_lines_of_the_file(smoke_run, tmp_path):
    texts = ["one\ntwo", "three"]
    predicted = textclf.load_run(smoke_run).predict(texts)
    incorrect = ["tech" if label != "tech" else "sports" for label in predicted]
    path = write_csv(tmp_path / "a.csv", zip(texts, incorrect, strict=True))
    errors = textclf.evaluate(smoke_run, path, n_errors=5, quiet=True).errors
    found = {error.text: error.position for error in errors}
    assert found == {"one\ntwo": "line 2", "three": "line 4"}


def test_numbers_are_labels_as_in_training(star_run, tmp_path):
    rows = [("good one", "2.0"), ("bad one", "1.0"), ("bad two", "2")]
    found = textclf.evaluate(star_run, write_csv(tmp_path / "a.csv", rows), quiet=True)
    assert found.confusion_matrix == [[1, 0], [1, 1]]
    assert found.metrics["accuracy"] == 2 / 3
    assert found.majority_accuracy == 2 / 3  # Of the label 2, the most frequent one of the file.


def test_one_example_is_evaluated(star_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("good one", "2")])
    found = textclf.evaluate(star_run, path, output=tmp_path / "out", quiet=True)
    assert found.metrics["accuracy"] == found.metrics["macro_f1"] == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "confusion.png",
        "calibration.png",
    }


def test_columns_of_the_run_are_read_if_the_file_has_them(star_run, tmp_path):
    rows = [("bad", "good", "1", "2"), ("bad", "good", "1", "2")]
    path = write_csv(tmp_path / "a.csv", rows, header="text,opinion,label,grade")
    assert textclf.evaluate(star_run, path, quiet=True).confusion_matrix == [[0, 0], [0, 2]]
    others = {"dataset.text_column": "text", "dataset.label_column": "label"}
    found = textclf.evaluate(star_run, path, overrides=others, quiet=True)
    assert found.confusion_matrix == [[2, 0], [0, 0]]
    usual = write_csv(tmp_path / "b.csv", [("bad", "2")])
    assert textclf.evaluate(star_run, usual, quiet=True).confusion_matrix == [[0, 0], [1, 0]]


def test_folder_of_texts_per_label_is_evaluated(star_run, tmp_path):
    for name, text in {"1/a": "bad", "1/b": "good", "2/c": "good", "3/d": "good"}.items():
        path = tmp_path / "texts" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    found = textclf.evaluate(star_run, tmp_path / "texts", n_errors=9, quiet=True)
    assert found.confusion_matrix == [[1, 1], [0, 1]]
    assert found.unknown_labels == {"3": 1}
    assert [error.position for error in found.errors] == ["1/b.txt"]


@pytest.mark.usefixtures("forget")
def test_file_is_evaluated_without_executing_the_dataset_of_the_run(code_runs, tmp_path):
    run = textclf.load_run(code_runs["average"])
    path = write_csv(tmp_path / "a.csv", [("apple", run.label_names[0]), ("apple", "other")])
    found = textclf.evaluate(run, path, quiet=True)
    assert (found.n_examples, found.n_unknown) == (1, 1)
    assert registry._loaded == {}


def test_folder_with_splits_is_refused_with_their_names(star_run, tmp_path):
    for name in ("train", "test"):
        write_csv(tmp_path / f"{name}.csv", [("good", "2")])
    names = f"{tmp_path / 'test.csv'} or {tmp_path / 'train.csv'}"
    with pytest.raises(textclf.RequestError, match=rf"several splits: give one of them, {names}$"):
        textclf.evaluate(star_run, tmp_path, quiet=True)


def test_missing_labels_are_refused_or_left_out(star_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("good", "2"), ("bad", ""), ("", "1")])
    problem = r"no label in 1 of 3 examples \(line 3\); .* --set dataset\.missing_labels=drop$"
    with pytest.raises(textclf.DataError, match=problem):
        textclf.evaluate(star_run, path, quiet=True)
    drop = {"dataset.missing_labels": "drop"}
    assert textclf.evaluate(star_run, path, overrides=drop, quiet=True).n_examples == 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"split": "test"}, "give either a file or the split test of the run's dataset"),
        ({"overrides": {"dataset.limit": 3}}, "dataset.limit=3: unknown key 'dataset.limit'"),
        ({"overrides": {"training.epochs": 3}}, "training.epochs=3: unknown key 'training.epochs'"),
        ({"file": None, "overrides": {"dataset.encoding": "ascii"}}, "read: give a file"),
        ({"file": "code.py"}, "code.py is Python code: give a file of labeled texts"),
        ({"file": "reviews.csv"}, "reviews.csv: No such file or directory; check the path"),
        ({"file": None, "split": "dev"}, "unknown split 'dev': choose from test, train, valid"),
        ({"n_errors": -1}, "n_errors=-1: expected 0 or a positive number"),
        ({"output": "a.csv"}, "a.csv is a file; choose a folder for the plots"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(arguments, problem, star_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "a.csv", [("good", "2")])
    (tmp_path / "code.py").write_text("raise SystemExit")
    with pytest.raises(textclf.RequestError) as error:
        textclf.evaluate(star_run, **{"file": "a.csv", "quiet": True, **arguments})
    assert problem in str(error.value)


@pytest.mark.slow
def test_output_is_written_and_replaced(run, own_rows, tmp_path):
    out = tmp_path / "new" / "out"
    textclf.evaluate(run.path, output=out, quiet=True)
    plots = {"confusion.png", "calibration.png"}
    assert {path.name for path in out.iterdir()} == plots
    for name in plots:
        assert (out / name).read_bytes() == (run.path / name).read_bytes()
    path = write_csv(tmp_path / "a.csv", own_rows[:20])
    errors = textclf.evaluate(run.path, path, output=out, n_errors=3, quiet=True).errors
    for name in plots:
        assert (out / name).read_bytes() != (run.path / name).read_bytes()
    with (out / "errors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows == [{key: str(value) for key, value in vars(error).items()} for error in errors]
    assert len(rows) == 3
    textclf.evaluate(run.path, path, output=out, quiet=True)
    assert {path.name for path in out.iterdir()} == plots


def test_name_of_a_file_that_no_font_can_show_is_noted(star_run, tmp_path, capsys):
    path = write_csv(tmp_path / "\U0010ffff.csv", [("good", "2")])
    textclf.evaluate(star_run, path, output=tmp_path / "out")
    assert "note: the plots cannot show the characters of 'tfidf-svc on " in capsys.readouterr().err


def test_output_that_cannot_be_created_is_one_line(star_run, tmp_path):
    path = write_csv(tmp_path / "a.csv", [("good", "2")])
    with pytest.raises(textclf.RunError, match=r"^cannot write .*a\.csv/out: Not a directory"):
        textclf.evaluate(star_run, path, output=path / "out", quiet=True)


def test_run_that_cannot_be_written_is_evaluated(run, monkeypatch, capsys):
    def fail(self):
        raise textclf.RunError("cannot write meta.json")

    monkeypatch.setattr(RunDirectory, "note_test_evaluation", fail)
    assert textclf.evaluate(run.path).split == "test"
    assert "is not counted: cannot write meta.json" in capsys.readouterr().err


def test_run_directory_is_refused_as_output(run):
    before = read_files(run.path)
    with pytest.raises(textclf.RequestError, match="is a run directory, whose plots would be"):
        textclf.evaluate(run.path, output=run.path, quiet=True)
    assert read_files(run.path) == before
