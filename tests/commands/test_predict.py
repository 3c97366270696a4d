"""``textclf predict``: texts from arguments and from standard input."""

import io

import pytest


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
