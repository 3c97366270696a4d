"""``textclf explain``: tables, JSON, colors, features, and what is refused."""

import io
import json
import re

import pytest
from support import write_csv

import textclf
from textclf.commands.explain import OPPOSING, SUPPORTING, choose_colors, paint_text
from textclf.explanation.explain import Explanation, WeightedToken

TEXT = "Shares fell, as OIL prices rose"


@pytest.fixture(scope="module")
def linear_run(tmp_path_factory):
    """A run of ``tfidf-svc``."""
    folder = tmp_path_factory.mktemp("linear")
    path = write_csv(folder / "own.csv")
    return textclf.train("tfidf-svc", path, run_dir=folder / "run", quiet=True).path


def make_explanation(text, *weights):
    """Return an explanation in which each word of a text has one of the weights."""
    words = zip(re.finditer(r"\S+", text), weights, strict=True)
    tokens = [WeightedToken(word[0], *word.span(), weight) for word, weight in words]
    return Explanation(0, text, "a", 0.5, "a", "occlusion", 0.5, None, tuple(tokens))


def test_json_has_every_token_of_every_text(cli, smoke_run, monkeypatch):
    result = cli("explain", smoke_run, TEXT, "-", "--label", "tech", "--format", "json")
    assert (result.code, result.err) == (0, "")
    first, second = result.json
    assert list(first) == [
        *("index", "text", "label", "probability", "prediction"),
        *("method", "score", "baseline", "tokens"),
    ]
    assert (first["text"], first["label"], first["method"]) == (TEXT, "tech", "occlusion")
    assert [TEXT[t["start"] : t["end"]] for t in first["tokens"]] == re.findall(r"\w+", TEXT)
    assert [t["text"] for t in first["tokens"]] == re.findall(r"\w+", TEXT.lower())
    assert (second["text"], second["tokens"], second["baseline"]) == ("-", [], None)
    predicted = cli("predict", smoke_run, TEXT, "--top", "5", "--format", "json").json
    assert first["prediction"] == predicted[0]["label"]
    probability = next(row["probability"] for row in predicted if row["label"] == "tech")
    assert first["probability"] == pytest.approx(probability, abs=1e-6)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{TEXT}\n".encode())))
    piped = cli("explain", smoke_run, "-", "--label", "tech", "--format", "json").json
    assert [t["weight"] for t in piped[0]["tokens"]] == pytest.approx(
        [t["weight"] for t in first["tokens"]], abs=1e-6
    )


def test_table_has_the_strongest_tokens(cli, linear_run):
    result = cli("explain", linear_run, "a good \x1b[31m text", "!", "--top", "1", "--label", "bad")
    assert result.code == 0
    header, text, *table = result.out.splitlines()
    found = cli("explain", linear_run, "a good text", "--format", "json").json[0]
    assert header == (
        f"bad: probability {1 - found['probability']:.4f}, method weights,"
        f" score {-found['score']:.4f}, baseline {-found['baseline']:.4f}, prediction good"
    )
    assert text == "a good \N{REPLACEMENT CHARACTER}[31m text"
    assert table[0].split() == ["token", "weight", "start"]
    weight = max(token["weight"] for token in found["tokens"])
    assert table[2].split() == ["good", f"{-weight:+.4f}", "2"]
    assert table[3] == ""
    assert table[5:] == ["!"]


def test_texts_of_a_file_are_explained_and_empty_ones_reported(cli, linear_run, tmp_path):
    write_csv(tmp_path / "new.csv", [("good", "1"), ("", "2"), ("bad", "3")], header="text,id")
    result = cli("explain", linear_run, "new.csv", "--format", "json")
    assert [(row["index"], row["prediction"]) for row in result.json] == [(0, "good"), (2, "bad")]
    assert result.err.splitlines()[-1] == "1 of 3 texts is not explained: 1 empty"
    with_column = cli("explain", linear_run, "new.csv", "--text-column", "id", "--format", "json")
    assert [row["text"] for row in with_column.json] == ["1", "2", "3"]


def test_global_lists_the_features_of_each_label(cli, linear_run):
    result = cli("explain", linear_run, "--global", "--top", "1", "--format", "json")
    assert (result.code, result.err) == (0, "")
    rows = {row["text"]: row for row in result.json if row["weight"] > 0}
    assert {text: row["label"] for text, row in rows.items()} == {"bad": "bad", "good": "good"}
    table = cli("explain", linear_run, "--global", "--top", "1", "--label", "good")
    lines = [line.split() for line in table.out.splitlines()]
    assert lines[0] == ["label", "feature", "weight"]
    assert lines[2] == ["good", "good", f"{rows['good']['weight']:+.4f}"]
    assert lines[3][:2] == ["good", "bad"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a TEXT, a FILE or -, or --global for the features of the model"),
        (["--global", "a text"], "--global prints features, not texts"),
        (["--global", "--method", "weights"], "--global prints features, not texts"),
        (["--global", "--format", "html"], "--global prints features, not texts"),
        (["--global", "--text-column", "x"], "--global prints features, not texts"),
        (["--global", "--label", "goo"], "unknown label 'goo': did you mean 'good'?"),
        (["a text", "--label", "goo"], "unknown label 'goo': did you mean 'good'?"),
        (["a text", "--method", "integrated-gradients"], "the method integrated-gradients does"),
        (["a text", "--text-column", "x"], "--text-column x says how a file is read: give a file"),
        (["missing.csv"], "missing.csv does not exist"),
    ],
)
def test_invalid_requests_are_refused(cli, linear_run, arguments, message):
    result = cli("explain", linear_run, *arguments)
    assert (result.code, result.out) == (2, "")
    assert result.error_line.startswith(message)


def test_network_has_no_global_features(cli, smoke_run):
    result = cli("explain", smoke_run, "--global")
    assert result.code == 2
    assert result.error_line.startswith("features have weights in linear models only")


def test_strongest_features_needs_a_positive_number(linear_run):
    with pytest.raises(textclf.RequestError, match="n=0: expected a positive number"):
        textclf.strongest_features(linear_run, 0)
    first = textclf.strongest_features(linear_run, 1, label="good")[0]
    assert (first.label, first.text) == ("good", "good")


def test_colors_have_the_sign_and_the_strength_of_the_weights():
    explanation = make_explanation("aa b c d e f", 0.9, -0.5, 0.1, -0.9, 0.0, 0.089)
    colors = choose_colors(explanation.tokens, 12)
    strong, weak = SUPPORTING[2], SUPPORTING[0]
    assert colors == [*(strong, strong, "", OPPOSING[1], "", weak, "", OPPOSING[2], "", "", "", "")]
    ligature = [WeightedToken("f", 0, 1, -0.9), WeightedToken("i", 0, 1, 0.1)]
    assert choose_colors(ligature, 1) == [OPPOSING[2]]
    assert choose_colors(make_explanation("a b", 0.0, 0.0).tokens, 3) == ["", "", ""]


def test_text_is_painted_with_colors_only():
    explanation = make_explanation("one\x1b]0;x\x07 two\nthree \u202efour", 1.0, 0.0, -1.0, 0.2)
    painted = paint_text(explanation, 12, is_colored=True)
    plain = re.sub(r"\x1b\[[\d;]+m", "", painted)
    assert plain == paint_text(explanation, 12, is_colored=False)
    assert plain.splitlines() == ["one\ufffd]0;x\ufffd", "two three", "\ufffdfour"]
    assert painted.splitlines()[1] == f"two \x1b[{OPPOSING[2]}mthree\x1b[0m"
    assert "\x1b" not in plain
    wide = "日本日本日本 " + "x" * 30
    lines = paint_text(make_explanation(wide, 1.0, -1.0), 6, is_colored=True).splitlines()
    assert [re.sub(r"\x1b\[[\d;]+m", "", line) for line in lines] == ["日本日", "本日本", "x" * 30]
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_output_of_a_pipe_has_no_colors_and_is_not_wrapped(cli, linear_run):
    result = cli("explain", linear_run, "good " * 40)
    assert "\x1b" not in result.out
    assert result.out.splitlines()[1] == "good " * 40


def test_page_has_the_texts(cli, linear_run):
    result = cli("explain", linear_run, "a <script>good</script>", "--format", "html")
    assert result.code == 0
    assert "a &lt;script&gt;" in result.out
    assert "<script>good" not in result.out


def test_json_is_ascii_and_floats_are_not_rounded(cli, linear_run):
    out = cli("explain", linear_run, "bon appétit good", "--format", "json").out
    assert out.isascii()
    (explanation,) = textclf.explain(linear_run, ["bon appétit good"], quiet=True)
    assert json.loads(out)[0]["score"] == explanation.score
