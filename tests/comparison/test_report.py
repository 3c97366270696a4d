"""A comparison as text, from runs that the tests write themselves, without training."""

import csv
import io
import json

import pytest
from support import ROOT, write_folds, write_run, write_runs

from textclf.comparison.model_results import group_by_configuration
from textclf.comparison.report import COLUMNS, format_comparison, parse_columns
from textclf.comparison.table import tabulate
from textclf.errors import RequestError

KEYS = [column.key for column in COLUMNS]

FAILED = {
    "dataset": "bbc",
    "model": "hub",
    "fingerprint": "0123456789",
    "seeds": [1],
    "error": "failed: no network",
}


@pytest.fixture
def rows(tmp_path):
    """Rows of four models with three seeds each, of which the first two are alike."""
    accuracies = {"tfidf-svc": 0.805, "cnn-lstm": 0.8, "mlp": 0.5, "majority": 0.3}
    return tabulate(group_by_configuration(write_runs(tmp_path, accuracies)))[0]


def format_lines(rows, notes=(), style="table", **options):
    return format_comparison(rows, notes, style, **options).splitlines()


def test_most_telling_columns_fit_into_80_columns(rows):
    lines = format_lines(rows, width=80)
    assert lines[0] == "bbc: 300 test examples, 3 seeds"
    assert lines[1].split("  ")[0] == "model"
    first, second = rows[:2]
    cells = lines[3].split()
    assert cells[:4] == [
        first["model"],
        f"{first['accuracy']:.4f}",
        "±",
        f"{first['accuracy_sd']:.4f}",
    ]
    assert cells[5:7] == ["best", f"{first['macro_f1']:.4f}"]
    assert lines[4].endswith(
        f"  not significant, p {second['p_value']:.3f}    {second['macro_f1']:.4f}"
    )
    assert "  worse, p <0.001  " in lines[6]
    assert lines[-1].startswith("hidden: train s, loss, parameters, difference, ")
    assert lines[-1].endswith(" (see --columns)")
    assert max(map(len, lines)) <= 80


def test_nothing_is_hidden_without_a_width(rows):
    lines = format_lines(rows)
    assert "macro F1 95% CI" in lines[1]
    assert "parameters" in lines[1]
    assert len(lines) == 3 + len(rows)


def test_one_seed_has_no_deviation(tmp_path):
    [row], _ = tabulate(group_by_configuration([write_runs(tmp_path, {"mlp": 0.5}, n_seeds=1)[0]]))
    lines = format_lines([row], width=80)
    assert lines[0] == "bbc: 300 test examples, 1 seed"
    assert lines[3].split()[:2] == ["mlp", f"{row['accuracy']:.4f}"]
    assert "±" not in lines[3]
    assert "verdict" not in lines[1]


def test_different_numbers_of_seeds_are_a_column(tmp_path):
    runs = write_runs(tmp_path, {"mlp": 0.9}) + write_runs(tmp_path, {"cnn": 0.5}, n_seeds=2)
    rows, _ = tabulate(group_by_configuration(runs))
    lines = format_lines(rows, width=80)
    assert lines[0] == "bbc: 300 test examples"
    assert lines[1].split()[:3] == ["model", "seeds", "accuracy"]
    assert [line.split()[:2] for line in lines[3:5]] == [["mlp", "3"], ["cnn", "2"]]


def test_each_test_set_has_its_own_table(tmp_path):
    runs = [
        *write_runs(tmp_path, {"mlp": 0.9}),
        *write_runs(tmp_path, {"mlp": 0.5}, dataset="reuters", digest="e"),
        *write_runs(tmp_path, {"cnn": 0.5}, digest="f", n_seeds=1),
    ]
    rows, _ = tabulate(group_by_configuration(runs))
    parts = format_comparison(rows, ["a note"], "table", width=80).split("\n\n")
    assert [part.splitlines()[0] for part in parts] == [
        "bbc: 300 test examples, 3 seeds",
        "bbc: 300 test examples, 1 seed",
        "reuters: 300 test examples, 3 seeds",
        "- a note",
    ]


@pytest.mark.parametrize("style", ["table", "markdown"])
def test_fingerprint_is_a_column_if_rows_look_alike(tmp_path, style):
    correct = [True, False] * 50
    runs = [write_run(tmp_path, "mlp", correct), write_run(tmp_path, "cnn", correct)]
    rows, _ = tabulate(group_by_configuration(runs))
    assert not any("fingerprint" in line for line in format_lines(rows, style=style))
    runs.append(write_run(tmp_path, "mlp", correct, settings={"model.units": 8}))
    rows, _ = tabulate(group_by_configuration(runs))
    lines = format_lines(rows, style=style)
    assert any("fingerprint" in line for line in lines)
    for row in rows:
        assert any(row["model"] in line and row["fingerprint"] in line for line in lines)


@pytest.mark.parametrize("verdict", ["not significant", "better"])
def test_number_of_trials_is_beside_the_p_value_in_80_columns(tmp_path, verdict):
    tuned, defaults = (
        write_run(tmp_path, "cnn-lstm", [True] * 20, settings={"training.epochs": epochs})
        for epochs in (3, 4)
    )
    rows = tabulate(group_by_configuration([tuned, defaults]))[0]
    rows[0] |= {"accuracy_sd": 0.01, "verdict": verdict, "p_value": 0.0123, "n_trials": 1_000}
    rows[1] |= {"accuracy_sd": 0.01, "verdict": "reference", "p_value": None}
    lines = format_lines(rows, width=80)
    assert f"  {verdict}, p 0.012 (1,000 trials)" in lines[3]
    assert "  reference" in lines[4]
    assert max(map(len, lines)) <= 80
    assert "fingerprint" not in lines[1]  # The verdicts tell the rows apart.
    markdown = format_lines(rows, style="markdown")
    cells = [cell.strip() for cell in markdown[0].split("|")]
    assert cells[cells.index("p") + 1] == "trials"


def test_models_that_were_fitted_twice_are_marked(tmp_path):
    correct = [True, False] * 50
    runs = [
        write_run(tmp_path, "cnn", correct),
        write_run(tmp_path, "mlp", correct, settings={"training.refit": True}),
    ]
    rows, _ = tabulate(group_by_configuration(runs))
    for lines in (format_lines(rows, width=80), format_lines(rows, style="markdown")):
        assert "refit" in "".join(lines)
        assert [" yes " in line for line in lines if "cnn" in line or "mlp" in line] == [
            row["model"] == "mlp" for row in rows
        ]
        assert max(map(len, lines[:5])) <= 80 or lines[0].startswith("|")
    content = json.loads(format_comparison(rows, [], "json"))
    assert {row["model"]: row["refit"] for row in content} == {"cnn": False, "mlp": True}
    plain = [row for row in rows if row["model"] == "cnn"]
    assert "refit" not in format_comparison(plain, [], "table")
    assert "refit" not in format_comparison(plain, [], "markdown")


def test_failed_run_is_a_row_of_its_dataset(rows):
    lines = format_lines([*rows, FAILED], ["bbc/hub, seed 1 failed: no network"], width=80)
    assert lines[0] == "bbc: 300 test examples, 3 seeds"
    assert lines[7].split() == ["hub", "failed"]
    assert lines[-1] == "- bbc/hub, seed 1 failed: no network"
    markdown = format_lines([*rows, FAILED], style="markdown")
    assert markdown[-1] == "| bbc | hub |  |  |  |  | failed |" + "  |" * 8


def test_comparison_of_failed_runs_only_has_a_title():
    assert format_lines([FAILED], width=80) == [
        "bbc",
        "model  verdict",
        "-----  -------",
        "hub    failed",
    ]


@pytest.mark.parametrize("with_failed", [False, True])
def test_csv_and_json_have_the_same_keys_in_every_row(rows, with_failed):
    given = [FAILED] if with_failed else rows
    text = format_comparison(given, ["a note"], "csv")
    assert next(csv.reader(io.StringIO(text))) == KEYS
    found = json.loads(format_comparison(given, ["a note"], "json"))
    assert [list(row) for row in found] == [KEYS] * len(given)
    if with_failed:
        values = {key: value for key, value in found[0].items() if value is not None}
        assert values == {**FAILED, "verdict": "failed"}
    else:
        assert found == rows


def test_markdown_has_a_column_for_each_value(rows):
    lines = format_lines(rows, ["a note"], "markdown")
    assert lines[0] == (
        "| dataset | model | seeds | accuracy | sd | accuracy 95% CI | verdict | difference | p |"
        " macro F1 | macro F1 95% CI | loss | train s | parameters | test examples |"
    )
    assert lines[2].startswith(f"| bbc | {rows[0]['model']} | 3 | {rows[0]['accuracy']:.4f} | 0.")
    assert lines[-2:] == ["", "- a note"]


def test_html_has_a_title_a_table_and_escaped_notes(rows):
    text = format_comparison(rows, ["p < 0.05"], "html")
    assert text.startswith("<p>bbc: 300 test examples, 3 seeds</p>\n<table>\n")
    assert text.count("<tr>") == 1 + len(rows)
    assert text.endswith("<ul><li>p &lt; 0.05</li></ul>")
    assert format_comparison(rows, [], "html").endswith("</table>")


CHOSEN = ("p_value", "model", "seeds", "error")


def test_chosen_columns_are_printed_in_every_style(rows):
    found = {style: format_lines(rows, (), style, chosen=CHOSEN) for style in ("markdown", "csv")}
    assert found["markdown"][0] == "| p | model | seed values | error |"
    assert found["markdown"][2] == f"|  | {rows[0]['model']} | 1, 2, 3 |  |"
    assert found["csv"][0] == "p_value,model,seeds,error"
    document = json.loads(format_comparison(rows, (), "json", chosen=CHOSEN))
    assert document[1] == {key: rows[1][key] for key in CHOSEN}
    lines = format_lines(rows, chosen=CHOSEN, width=20)
    assert lines[:2] == ["bbc: 300 test", "examples, 3 seeds"]
    assert lines[2] == "     p  model      seed values  error"


def test_all_columns_can_be_chosen(rows):
    chosen = parse_columns(",".join(KEYS))
    assert list(chosen) == KEYS
    heading = format_lines([*rows, FAILED], chosen=chosen, width=80)[1]
    assert all(column.title in heading for column in COLUMNS)


def test_unknown_column_is_refused_with_the_nearest_name():
    assert parse_columns("model, accuracy,model") == ("model", "accuracy")
    with pytest.raises(RequestError) as info:
        parse_columns("model,accuracy_ci")
    assert "unknown column 'accuracy_ci': did you mean 'accuracy" in str(info.value)


def test_notes_are_wrapped_in_a_terminal_only(rows):
    note = "a note that is too long for one line of a narrow terminal"
    assert format_lines(rows, [note], width=40)[-2:] == [
        "- a note that is too long for one line",
        "  of a narrow terminal",
    ]
    assert format_lines(rows, [note])[-1] == f"- {note}"
    assert format_lines(rows, [note], "markdown", width=40)[-1] == f"- {note}"


def test_every_key_of_a_row_is_documented():
    section = (
        (ROOT / "docs" / "reference" / "results.md").read_text().split("## Rows of a comparison")[1]
    )
    for key in KEYS:
        assert f"`{key}`" in section.split("\n## ")[0], key


def test_title_says_how_many_folds_or_training_examples_there_are(tmp_path):
    folds = write_folds(tmp_path, "cnn", [90, 80])
    parts = [
        write_run(
            tmp_path,
            "cnn",
            [True] * 30,
            settings={"dataset.train_fraction": fraction},
            n_train=n_train,
        )
        for fraction, n_train in ((0.1, 2_000), (1, 20_000))
    ]

    def list_titles(runs):
        lines = format_lines(tabulate(group_by_configuration(runs))[0])
        return [line for line in lines if line.startswith("bbc")]

    assert list_titles(folds) == ["bbc: 200 examples in 2 folds, 1 seed"]
    assert list_titles(folds[1:]) == ["bbc, fold 2 of 2: 100 test examples, 1 seed"]
    assert list_titles(parts) == [
        "bbc: 30 test examples, 2,000 training examples, 1 seed",
        "bbc: 30 test examples, 20,000 training examples, 1 seed",
    ]
    assert list_titles(parts[1:]) == ["bbc: 30 test examples, 1 seed"]


def test_failed_run_is_in_the_table_of_its_training_size(tmp_path):
    runs = [
        write_run(tmp_path, "cnn", [True] * 30, settings=settings, n_train=n_train)
        for settings, n_train in (({"dataset.train_fraction": 0.1}, 20), ({}, 200))
    ]
    rows = tabulate(group_by_configuration(runs))[0]
    tables = format_comparison([*rows, {**FAILED, "train_fraction": 0.1}], (), "table")
    assert ["hub" in table for table in tables.split("\n\n")] == [True, False]


def test_markdown_has_a_column_of_training_examples_only_for_parts(rows):
    assert "training examples" not in format_lines(rows, style="markdown")[0]
    parts = [{**row, "train_fraction": 0.5} for row in rows]
    assert format_lines(parts, style="markdown")[0].endswith(
        "| test examples | training examples |"
    )
