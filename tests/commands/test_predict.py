"""``textclf predict``: texts from arguments, from standard input and from files."""

import io
import re

import pytest

from textclf import registry


def test_labels_are_ranked_by_probability(cli, smoke_run, monkeypatch):
    result = cli("predict", smoke_run, "one text", "-", "--top", "5", "--format", "json")
    assert result.code == 0
    assert [row["text"] for row in result.json] == ["one text"] * 5 + ["-"] * 5
    assert [row["rank"] for row in result.json[:5]] == [1, 2, 3, 4, 5]
    probabilities = [row["probability"] for row in result.json[:5]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("one text\nété\n".encode())))
    piped = cli("predict", smoke_run, "-", "--format", "json").json
    assert [row["text"] for row in piped] == ["one text", "été"]
    assert piped[0]["probability"] == pytest.approx(probabilities[0], abs=1e-6)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no text given: standard input is empty"),
        (b"good\nb\xffd\n", "line 2 of standard input is not UTF-8"),
    ],
)
def test_invalid_standard_input_is_refused(cli, smoke_run, monkeypatch, content, message):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    result = cli("predict", smoke_run, "-")
    assert result.code == 2
    assert message in result.error_line


@pytest.mark.parametrize("text", ["reviews.csv", "./data", "data/", "data/reviews"])
def test_path_of_a_file_or_folder_is_not_a_text(cli, smoke_run, tmp_path, text):
    (tmp_path / "data" / "reviews").mkdir(parents=True)
    (tmp_path / "reviews.csv").write_text("text,label\n")
    result = cli("predict", smoke_run, "a text", text)
    assert (result.code, result.out) == (2, "")
    assert result.error_line == (
        f"{text} is a file or folder: give one file, or texts, or - to read one text per line of"
        " standard input"
    )


@pytest.mark.parametrize("text", ["./data", "data/"])
def test_folder_is_not_a_file(cli, smoke_run, tmp_path, text):
    (tmp_path / "data").mkdir()
    result = cli("predict", smoke_run, text)
    assert (result.code, result.out) == (2, "")
    assert result.error_line == "data is a folder; give a file, or - to read standard input"


def test_text_that_only_looks_like_a_path_is_classified(cli, smoke_run, tmp_path):
    (tmp_path / "data").mkdir()
    texts = ["data", "gone.csv", "and/or", "x" * 5_000, "a\nb."]
    rows = cli("predict", smoke_run, *texts, "--format", "json").json
    assert [row["text"] for row in rows] == texts


def test_byte_order_mark_of_standard_input_is_not_part_of_the_text(cli, smoke_run, monkeypatch):
    content = "\ufeffone text\n\ufefftwo\n".encode()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    rows = cli("predict", smoke_run, "-", "--format", "json").json
    assert [row["text"] for row in rows] == ["one text", "\ufefftwo"]


def test_text_that_begins_with_a_hyphen_is_classified_after_two_hyphens(cli, smoke_run):
    rows = cli("predict", smoke_run, "--format", "json", "--", "-5 degrees", "--top").json
    assert [row["text"] for row in rows] == ["-5 degrees", "--top"]


def test_text_that_cannot_be_classified_keeps_its_place(cli, smoke_run, monkeypatch):
    result = cli("predict", smoke_run, "one", " ", "two", "--format", "json")
    assert result.code == 0
    assert [row["text"] for row in result.json] == ["one", " ", "two"]
    assert result.json[1] == {"text": " ", "rank": 1, "label": None, "probability": None}
    assert result.err == "1 of 3 texts is not classified: 1 empty\n"
    content = b"one\r\n\n" + b"x" * 1_500_000 + b"\ntwo"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    result = cli("predict", smoke_run, "-", "--top", "2", "--quiet", "--format", "csv")
    rows = [line.split(",") for line in result.out.splitlines()[1:]]
    assert [row[1] for row in rows] == ["1", "2", "1", "1", "1", "2"]
    assert [bool(row[2]) for row in rows] == [True, True, False, False, True, True]
    assert result.err == "2 of 4 texts are not classified: 1 empty, 1 longer than 1 MB\n"


@pytest.mark.parametrize("name", ["reviews.csv", "./reviews.csv", "reviews"])
def test_single_argument_that_is_a_file_is_read(cli, smoke_run, tmp_path, name):
    (tmp_path / name).write_text("id,review\n1,one text\n2,\n")
    result = cli("predict", smoke_run, name, "--format", "json")
    assert [row["text"] for row in result.json] == ["one text", ""]
    shown = name.removeprefix("./")
    assert result.err.splitlines() == [
        f"reading {shown}: text from 'review'; delimiter ','; encoding utf-8",
        "1 of 2 texts is not classified: 1 empty",
    ]


def test_file_is_classified_into_a_file(cli, smoke_run, tmp_path):
    (tmp_path / "a.csv").write_text("a;b\n007;one text\n;\n")
    arguments = ("predict", smoke_run, "a.csv", "--text-column", "b", "--probabilities")
    result = cli(*arguments, "-o", "b.tsv")
    assert (result.code, result.out) == (0, "")
    reading, wrote, problems, next_command = result.err.splitlines()
    assert reading == "reading a.csv: text from 'b'; delimiter ';'; encoding utf-8"
    assert re.fullmatch(r"wrote 2 rows to b\.tsv \([\d,]+ rows per second\)", wrote)
    assert problems == "1 of 2 texts is not classified: 1 empty"
    assert next_command.startswith("next: textclf evaluate ")
    header, first, second = (
        line.split("\t") for line in (tmp_path / "b.tsv").read_text().splitlines()
    )
    assert header[:5] == ["a", "b", "prediction", "probability", "business"]
    assert first[:2] == ["007", "one text"]
    assert float(first[3]) == max(map(float, first[4:]))
    assert second == [""] * 9
    assert cli(*arguments, "-o", "b.tsv", "--quiet").err == f"{problems}\n"


def test_lines_are_written_to_a_file(cli, smoke_run, tmp_path, monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO("one\n\ntwo é".encode("cp1252")))
    monkeypatch.setattr("sys.stdin", stream)
    result = cli("predict", smoke_run, "-", "-o", "a.csv", "--set", "dataset.encoding=cp1252")
    assert result.code == 0
    lines = (tmp_path / "a.csv").read_text("utf-8").splitlines()
    assert lines[0] == "text,prediction,probability"
    assert [line.split(",")[0] for line in lines[1:]] == ["one", "", "two é"]
    assert lines[2] == ",,"


def test_prediction_below_the_threshold_has_no_label(cli, smoke_run):
    rows = cli("predict", smoke_run, "one", "--threshold", "1", "--format", "json").json
    assert rows[0]["label"] is None
    assert 0 < rows[0]["probability"] < 1
    unknown = ("--threshold", "1", "--unknown", "unsure")
    result = cli("predict", smoke_run, "one", *unknown, "--format", "json")
    assert result.json == [{**rows[0], "label": "unsure"}]
    assert "1 of 1 text has no label with a probability of 1 or more" in result.err
    rows = cli("predict", smoke_run, "one", "--threshold", "0", "--format", "json").json
    assert rows[0]["label"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "--probabilities"], "--probabilities needs --output, the file to write"),
        (["a", "--unknown", "x"], "--unknown needs --threshold, below which it is written"),
        (["a", "--threshold", "2"], "'--threshold': 2.0 is not in the range"),
        (["a", "--top", "2", "--threshold", "0.5"], "give either --top or --threshold"),
        (
            ["a", "--top", "2", "-o", "a.csv"],
            "give either --top or --output; --probabilities writes all labels",
        ),
        (["a", "--unknown", "sports", "--threshold", "1"], "'sports' is a label of the model"),
        (["a", "-o", "a.txt"], "cannot write a.txt: expected a file that ends in .csv, .tsv,"),
        (["in.csv", "-o", "in.csv"], "cannot write in.csv: it is the file that is read"),
        (["im.csv", "-o", "a.csv"], "im.csv does not exist; "),
        (["im.csv"], "im.csv does not exist; "),
        (["a", "--text-column", "x"], "--text-column x says how a file is read: give a file"),
        (["-", "--column-names", "x"], "--column-names x says how a file is read: give a file"),
        (["-", "--set", "dataset.quoting=none"], "--set dataset.quoting=none says how a file is"),
        (["a", "--set", "dataset.encoding=cp1252"], "--set dataset.encoding=cp1252 says how a"),
        (["in.csv", "--set", "dataset.limit=3"], "unknown key 'dataset.limit'"),
        (["in.csv", "--text-column", "x"], "in.csv: no column is named 'x'"),
    ],
)
def test_options_that_do_not_apply_are_refused(cli, smoke_run, tmp_path, arguments, message):
    (tmp_path / "in.csv").write_text("text\na\n")
    result = cli("predict", smoke_run, *arguments)
    assert result.code in {1, 2}
    assert message in result.error_line
    assert [path.name for path in tmp_path.iterdir()] == ["in.csv"]


def test_text_that_is_not_utf_8_is_refused(cli, smoke_run):
    result = cli("predict", smoke_run, "one", "caf\udce9")
    assert result.code == 2
    assert result.error_line.startswith("text 2 of 2 is not UTF-8: ")


TEXTS = ["apple and pear", "saw and nail"]


def test_model_with_layers_of_keras_only_needs_no_python_file(cli, code_runs, forget):
    rows = cli("predict", code_runs["average"], *TEXTS, "--format", "json").json
    assert [row["text"] for row in rows] == TEXTS
    assert registry._loaded == {}


@pytest.mark.parametrize(("name", "type_name"), [("scaled", "Scale"), ("bayes", "Reverse")])
def test_model_with_types_of_its_own_is_loaded_with_permission(
    cli, code_runs, forget, name, type_name
):
    path = code_runs[name]
    arguments = ["predict", path, *TEXTS, "--format", "json"]
    result = cli(*arguments)
    assert result.code == 1
    assert re.fullmatch(
        rf"{re.escape(str(path))}/model\.\w+ needs {type_name}, which the Python file of the model"
        r" defines; if you trust that file, add --trust-code \(in Python, trust_code=True\)",
        result.error_line,
    )
    assert registry._loaded == {}
    rows = cli(*arguments, "--trust-code").json
    assert [row["text"] for row in rows] == TEXTS
    if name == "bayes":
        assert [row["label"] for row in rows] == ["fruit", "tool"]
