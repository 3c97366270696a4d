"""Many texts: blocks, texts that cannot be classified, thresholds, and what is written."""

import csv
import io
import json
import os
import threading
from types import SimpleNamespace

import numpy as np
import pytest

import textclf
from textclf.data.tabular import FileConfig
from textclf.data.text_source import list_texts, open_file, open_stream
from textclf.errors import DataError, RequestError
from textclf.experiment import predict
from textclf.experiment.predict import PredictionOptions, find_problem, predict_source
from textclf.runtime.progress import Reporter

TEXTS = ["Shares fell as oil prices rose", "", "The striker scored twice", " \u200b\n", "Votes"]


class Model:
    """Gives the probability of ``yes`` that a text is, such as ``0.7``."""

    def __init__(self):
        self.calls = []

    def predict_texts(self, texts):
        self.calls.append(list(texts))
        values = np.array([float(text.split()[0]) for text in texts], np.float32)
        return np.stack([1 - values, values], axis=1)


@pytest.fixture
def fake_run():
    """A run whose model says what each text says."""
    directory = SimpleNamespace(has_network=False)
    return SimpleNamespace(label_names=("no", "yes"), directory=directory, model=Model())


def run_source(run, source, output=None, **options):
    return predict_source(
        run, source, output, PredictionOptions(**options), reporter=Reporter(quiet=True)
    )


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return [*csv.reader(file)]


def test_file_gets_the_predictions_of_its_texts(smoke_run, tmp_path, capsys):
    (tmp_path / "a.csv").write_text(
        "id,text\n" + "".join(f'0{i},"{text}"\n' for i, text in enumerate(TEXTS))
    )
    result = textclf.predict_file(
        smoke_run, tmp_path / "a.csv", tmp_path / "b.csv", probabilities=True, device="cpu"
    )
    run = textclf.load_run(smoke_run)
    texts = [TEXTS[0], TEXTS[2], TEXTS[4]]
    header, *rows = read_csv(tmp_path / "b.csv")
    assert header == ["id", "text", "prediction", "probability", *run.label_names]
    assert [row[:2] for row in rows] == [[f"0{i}", text] for i, text in enumerate(TEXTS)]
    assert [rows[i][2:] for i in (1, 3)] == [[""] * 7] * 2
    classified = [rows[i] for i in (0, 2, 4)]
    assert [row[2] for row in classified] == run.predict(texts)
    expected = run.predict_proba(texts)
    assert np.array_equal(np.array([row[4:] for row in classified], np.float32), expected)
    assert np.array_equal(np.float32([row[3] for row in classified]), expected.max(axis=1))
    assert max(len(row[3]) for row in rows) < 13  # The digits of a float32.
    assert (result.n_texts, result.not_classified) == (5, {"empty": 2})
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert lines[0] == (
        f"reading {tmp_path / 'a.csv'}: text from 'text'; delimiter ','; encoding utf-8"
    )
    assert lines[-2].startswith(f"wrote 5 rows to {tmp_path / 'b.csv'} (")
    assert lines[-1] == "2 of 5 texts are not classified: 2 empty"


def test_without_an_output_predictions_are_returned(smoke_run):
    result = textclf.predict_file(smoke_run, TEXTS, device="cpu", quiet=True)
    run = textclf.load_run(smoke_run)
    assert result.texts == TEXTS
    assert [result.predictions[i] for i in (1, 3)] == [None, None]
    assert result.predictions[0] == run.predict(TEXTS[:1])[0]
    assert np.isnan(result.probabilities[[1, 3]]).all()
    assert result.probabilities[4] == pytest.approx(run.predict_proba(TEXTS[4:])[0], abs=1e-6)


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet", "a.tsv"])
def test_every_format_can_be_written(fake_run, tmp_path, name):
    path = tmp_path / name
    run_source(fake_run, list_texts(["0.75", " ", "0.25"]), path, probabilities=True)
    if name == "a.jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    elif name == "a.parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path).to_pylist()
    else:
        with path.open(newline="") as file:
            rows = [*csv.DictReader(file, delimiter="\t")]
        rows = [{key: value or None for key, value in row.items()} for row in rows]
        for row in rows:
            row.update(
                {k: v and float(v) for k, v in row.items() if k not in {"text", "prediction"}}
            )
    keys = ["text", "prediction", "probability", "no", "yes"]
    assert [[row[key] for key in keys] for row in rows] == [
        ["0.75", "yes", 0.75, 0.25, 0.75],
        [" ", None, None, None, None],
        ["0.25", "no", 0.75, 0.75, 0.25],
    ]
    assert [*rows[0]] == keys


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a", None),
        ("", "empty"),
        (None, "empty"),
        (" \t\n\xa0\u2003", "empty"),
        ("\ufeff\u200b", "empty"),
        ("\u200b \n\u2060\u3000\u200b", "empty"),
        (5, "not a text"),
        (["a"], "not a text"),
        ("a\ud800", "not Unicode"),
        ("x" * 2_000, None),
        ("x" * 2_001, "longer than 0.002 MB"),
        ("é" * 1_001, "longer than 0.002 MB"),
    ],
)
def test_why_a_text_cannot_be_classified(monkeypatch, text, problem):
    monkeypatch.setenv("TEXTCLF_MAX_TEXT_MB", "0.002")
    assert find_problem(text) == problem


def test_row_that_is_too_long_keeps_its_place(fake_run, tmp_path, capsys):
    long = "0.5 " * 1_000_000
    (tmp_path / "a.csv").write_text(f'text,id\n0.75,1\n"{long}",2\n,3\n0.25,4\n')
    (tmp_path / "a.txt").write_text(f"0.75\n{long}\n\n0.25\n")
    for name in ("a.csv", "a.txt"):
        source = open_file(tmp_path / name, FileConfig(name="x"), ())
        result = run_source(fake_run, source, tmp_path / "b.csv")
        rows = read_csv(tmp_path / "b.csv")[1:]
        assert [row[-2] for row in rows] == ["yes", "", "", "no"]
        assert len(rows[1][0]) == 4_000_000
        assert result.not_classified == {"empty": 1, "longer than 1 MB": 1}
        expected = "2 of 4 texts are not classified: 1 empty, 1 longer than 1 MB\n"
        assert capsys.readouterr().err == expected


def test_blocks_are_whole_batches_of_texts_that_are_classified(fake_run, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BATCH_SIZE", 4)
    monkeypatch.setattr(predict, "BLOCK_SIZE", 8)
    texts = ["", *(f"0.{i:02}" for i in range(10)), *[""] * 9, "0.5"]
    result = run_source(fake_run, list_texts(texts))
    assert [len(call) for call in fake_run.model.calls] == [8, 2, 1]
    assert [text for call in fake_run.model.calls for text in call] == [t for t in texts if t]
    expected = [None if not t else "yes" if float(t) > 0.5 else "no" for t in texts]
    assert result.predictions == expected
    assert result.n_texts == 21


@pytest.mark.parametrize(("n_characters", "sizes"), [(20, [4, 4, 2]), (1, [1] * 10)])
def test_blocks_of_long_texts_are_smaller(fake_run, monkeypatch, n_characters, sizes):
    monkeypatch.setattr(predict, "BATCH_SIZE", 4)
    monkeypatch.setattr(predict, "BLOCK_CHARACTERS", n_characters)
    monkeypatch.setattr(predict, "MAX_BLOCK_CHARACTERS", 10 * n_characters)
    run_source(fake_run, list_texts(["0.5 ".ljust(11)] * 10))
    assert [len(call) for call in fake_run.model.calls] == sizes


@pytest.mark.parametrize("unknown", [None, "unsure"])
def test_prediction_below_the_threshold_is_left_out(fake_run, tmp_path, capsys, unknown):
    # NumPy would compare a float64 that is a little larger than the probability.
    options = PredictionOptions(threshold=np.nextafter(0.7, 1), unknown=unknown)
    path, texts = tmp_path / "a.csv", ["0.7", "0.69", "0.3", "", "0.9"]
    predict_source(fake_run, list_texts(texts), path, options, reporter=Reporter())
    rows = read_csv(path)[1:]
    other = unknown or ""
    assert [row[1] for row in rows] == ["yes", other, "no", "", "yes"]
    assert [row[2] for row in rows] == ["0.7", "0.69", "0.7", "", "0.9"]
    left_out = "1 of 5 texts has no label with a probability of 0.7 or more"
    left_out += ": 'unsure'" if unknown else ""
    assert left_out in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "threshold 1.5: expected a probability, 0 to 1"),
        ({"threshold": float("nan")}, "threshold nan: expected a probability, 0 to 1"),
        ({"threshold": "0.5"}, "threshold '0.5': expected a probability, 0 to 1"),
        ({"unknown": "x"}, "unknown 'x' needs a threshold, below which it is written"),
        (
            {"unknown": "yes", "threshold": 0.5},
            "unknown 'yes' is a label of the model; choose another",
        ),
    ],
)
def test_options_that_are_not_valid_are_refused(options, message):
    with pytest.raises(RequestError) as info:
        PredictionOptions(**options).check(["no", "yes"])
    assert str(info.value) == message


@pytest.mark.parametrize(
    ("name", "probabilities", "remedy"),
    [
        ("prediction", False, "rename it"),
        ("probability", False, "rename it"),
        ("sports", True, "rename it, or leave out --probabilities"),
        ("sports", False, None),
        ("Prediction", True, None),
    ],
)
def test_column_that_would_be_replaced_is_refused(smoke_run, tmp_path, name, probabilities, remedy):
    path, output = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text(f"text,{name}\nVotes,7\n")

    def write():
        textclf.predict_file(
            smoke_run, path, output, probabilities=probabilities, device="cpu", quiet=True
        )

    if remedy is None:
        write()
        assert read_csv(output)[1][:2] == ["Votes", "7"]
        return
    with pytest.raises(RequestError) as info:
        write()
    assert str(info.value) == f"{path} already has a column '{name}': {remedy}"
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_label_that_is_named_like_a_column_is_refused(fake_run, tmp_path):
    fake_run.label_names = ("probability", "yes")
    with pytest.raises(RequestError, match="a label 'probability': leave out --probabilities"):
        run_source(fake_run, list_texts(["0.5"]), tmp_path / "a.csv", probabilities=True)
    run_source(fake_run, list_texts(["0.25"]), tmp_path / "a.csv")
    assert read_csv(tmp_path / "a.csv")[1][1] == "probability"


@pytest.mark.parametrize("content", ["text,id\n", "text\n\n\n"])
def test_table_without_rows_is_refused(smoke_run, tmp_path, content):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(RequestError, match=r"^no text given: .*a\.csv is empty$"):
        textclf.predict_file(smoke_run, tmp_path / "a.csv", tmp_path / "b.csv", quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_empty_list_and_stream_are_refused(fake_run):
    with pytest.raises(RequestError, match=r"^no text given: the list of texts is empty$"):
        run_source(fake_run, list_texts([]))
    with pytest.raises(RequestError, match=r"^no text given: standard input is empty$"):
        run_source(fake_run, open_stream(io.BytesIO(b""), "utf-8"))


def test_texts_may_be_an_array_or_an_iterator(smoke_run):
    expected = textclf.predict_file(smoke_run, ["Votes", "Goal"], quiet=True).predictions
    for texts in (np.array(["Votes", "Goal"]), iter(["Votes", "Goal"])):
        assert textclf.predict_file(smoke_run, texts, quiet=True).predictions == expected


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (5, "expected a path, a binary stream or a list of texts, got 5"),
        (b"Votes", "expected a path, a binary stream or a list of texts, got b'Votes'"),
        (io.StringIO("a"), "expected a binary stream, got one of text: open it with mode 'rb'"),
    ],
)
def test_what_contains_no_texts_is_refused(smoke_run, file, message):
    with pytest.raises(RequestError) as info:
        textclf.predict_file(smoke_run, file, quiet=True)
    assert str(info.value) == message


def test_file_of_a_run_is_not_replaced(smoke_run):
    before = (smoke_run / "history.csv").read_bytes()
    with pytest.raises(RequestError, match=r"is a run directory: write history.csv elsewhere$"):
        textclf.predict_file(smoke_run, ["Votes"], smoke_run / "history.csv", quiet=True)
    assert (smoke_run / "history.csv").read_bytes() == before


def test_error_and_interruption_leave_nothing_behind(fake_run, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BLOCK_SIZE", 2)
    stream = io.BytesIO(b"0.1\n0.2\n0.3\n" + b"0" * 2_000_000 + b"\xff\n")
    with pytest.raises(DataError, match=r"^line 4 of standard input is not UTF-8"):
        run_source(fake_run, open_stream(stream, "utf-8"), tmp_path / "a.csv")
    assert fake_run.model.calls == [["0.1", "0.2"]]
    assert [path.name for path in tmp_path.iterdir()] == []
    fake_run.model.predict_texts = interrupt
    with pytest.raises(KeyboardInterrupt):
        run_source(fake_run, list_texts(["0.1"]), tmp_path / "a.csv")
    assert [path.name for path in tmp_path.iterdir()] == []


def interrupt(texts):
    raise KeyboardInterrupt


def test_standard_input_is_classified_before_it_ends(fake_run, tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "BLOCK_SIZE", 2)
    monkeypatch.setattr("textclf.storage.encodings.CHUNK_BYTES", 8)
    reader, writer = os.pipe()
    called, classify = threading.Event(), fake_run.model.predict_texts

    def signal(texts):
        called.set()
        return classify(texts)

    fake_run.model.predict_texts = signal
    with os.fdopen(reader, "rb") as stream, os.fdopen(writer, "wb", buffering=0) as file:
        arguments = (fake_run, open_stream(stream, "utf-8"), tmp_path / "a.csv")
        thread = threading.Thread(target=run_source, args=arguments)
        thread.start()
        file.write(b"0.1\n0.9\n0.2\n0.8\n")
        assert called.wait(timeout=30)
        file.close()
        thread.join(timeout=30)
    assert [row[1] for row in read_csv(tmp_path / "a.csv")[1:]] == ["no", "yes", "no", "yes"]


def test_columns_of_the_training_file_are_the_text(tmp_path):
    rows = [
        f"{i},{word} {word} {i},{label}"
        for i in range(12)
        for word, label in (("up", "a"), ("down", "b"))
    ]
    (tmp_path / "a.csv").write_text("title,opinion,label\n" + "\n".join(rows) + "\n")
    run = textclf.train(
        "tfidf-svc",
        tmp_path / "a.csv",
        overrides={"dataset.text_column": "opinion"},
        run_root=tmp_path / "runs",
        quiet=True,
    )
    (tmp_path / "b.csv").write_text("title,opinion\ndown,up up\n")
    assert textclf.predict_file(run, tmp_path / "b.csv", quiet=True).predictions == ["a"]
    (tmp_path / "c.csv").write_text("title,other\ndown down,up\n")
    assert textclf.predict_file(run, tmp_path / "c.csv", quiet=True).predictions == ["b"]
    overrides = {"dataset.text_column": ["title"]}
    result = textclf.predict_file(run, tmp_path / "b.csv", overrides=overrides, quiet=True)
    assert result.predictions == ["b"]


@pytest.mark.parametrize("key", ["dataset.limit", "training.epochs", "encoding"])
def test_only_keys_of_a_file_are_allowed(smoke_run, tmp_path, key):
    (tmp_path / "a.csv").write_text("text\na\n")
    with pytest.raises(RequestError, match=f"unknown key '{key}': .*dataset.encoding"):
        textclf.predict_file(smoke_run, tmp_path / "a.csv", overrides={key: 1})
