"""``textclf predict``: texts from arguments and from standard input."""

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
        (b"good\n\nbad\n", "text 2 of 3 is empty"),
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
        f"{text} is a file or folder: give texts, or - to read one text per line of standard input"
    )


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
