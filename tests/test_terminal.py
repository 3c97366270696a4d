"""What a person sees: the installed command in a terminal of 80 and of 120 columns."""

import os
import re
import shlex
import shutil
import sys
from dataclasses import replace

import numpy as np
import pexpect
import pytest
from rich.cells import cell_len
from support import write_run, write_runs

from textclf.commands.explain import OPPOSING, SUPPORTING
from textclf.comparison.model_results import group_by_configuration
from textclf.comparison.table import tabulate
from textclf.registry import describe, list_names
from textclf.runs.directory import RunDirectory

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="pexpect needs a POSIX terminal"),
    # Of Python 3.12, because TensorFlow has started threads; the child only starts a program.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

HAN, EMOJI = "\u6d77\u5929", "\U0001f468\u200d\U0001f469\u200d\U0001f467"

ACCURACIES = {"tfidf-svc": 0.82, "cnn-lstm": 0.81, "cnn": 0.8, "lstm": 0.6, "mlp": 0.5}
ACCURACIES["majority"] = 0.34


@pytest.fixture(scope="module")
def folder(smoke_run, tmp_path_factory):
    """A folder with two finished runs of ``mlp``, ``a`` and ``b``, whose predictions differ."""
    path = tmp_path_factory.mktemp("terminal")
    shutil.copytree(smoke_run, path / "a")
    run = RunDirectory(shutil.copytree(smoke_run, path / "b"))
    result, predictions = run.read_result(), run.read_predictions()
    meta = {key: value for key, value in run.read_meta().items() if "checksum" not in key}
    rolled = np.roll(predictions.probabilities, 1, axis=1)
    run.write_predictions(replace(predictions, probabilities=rolled))
    run.finish(result, meta)
    return path


@pytest.fixture
def show(folder, tmp_path):
    """Return a function that runs a command, and returns the lines that the terminal gets."""

    def run(*arguments, width, cwd=folder, fits=True):
        command = shlex.join([sys.executable, "-m", "textclf", *map(str, arguments)])
        errors = tmp_path / "errors.txt"  # The progress bar is on standard error.
        child = pexpect.spawn(
            "/bin/sh",
            ["-c", f"exec {command} 2> {shlex.quote(str(errors))}"],
            cwd=str(cwd),
            env={key: value for key, value in os.environ.items() if key != "COLUMNS"},
            dimensions=(50, width),
            encoding="utf-8",
            timeout=300,
        )
        text = child.read()
        child.close()
        assert child.exitstatus == 0, errors.read_text()
        lines = text.splitlines()
        # A path is never broken.
        fitting = [cell_len(line) <= width for line in lines if not line.startswith("  /")]
        assert all(fitting) == fits, text
        return lines

    return run


def find_headings(lines):
    """Return the headings of each table, which are above the rules."""
    rules = [i for i, line in enumerate(lines) if line and not set(line) - {"-", " "}]
    assert rules, lines
    return [re.split(r" {2,}", lines[i - 1].strip()) for i in rules]


@pytest.mark.slow
def test_comparison_with_three_seeds(show, tmp_path):
    runs = write_runs(tmp_path / "runs", ACCURACIES)
    rows, notes = tabulate(group_by_configuration(runs))
    for width in (80, 120):
        lines = show("compare", "--quiet", width=width, cwd=tmp_path)
        assert lines[0] == "bbc: 300 test examples, 3 seeds"
        for line, row in zip(lines[3:], rows, strict=False):
            verdict = row["verdict"]
            if row["p_value"] is not None:
                p_value = f"{row['p_value']:.3f}"
                verdict += ", p <0.001" if p_value == "0.000" else f", p {p_value}"
            for shown in (
                f"{row['model']} ",
                f" {row['accuracy']:.4f} ± {row['accuracy_sd']:.4f} ",
                " {:.3f}-{:.3f} ".format(*row["accuracy_interval"]),
                f" {verdict} ",
                f" {row['macro_f1']:.4f}",
            ):
                assert shown in line
        assert any("not significant, p " in line for line in lines)
        below = lines[3 + len(rows) :]
        assert below[0].startswith("hidden: ")
        assert below[0].endswith(" (see --columns)")
        unwrapped = "\n".join(below[2:]).replace("\n  ", " ").splitlines()
        assert unwrapped == [f"- {note}" for note in notes]


@pytest.mark.slow
def test_comparison_of_rows_that_look_alike(show, tmp_path):
    correct = [True, False] * 50
    for units in (64, 128):
        write_run(tmp_path / "runs", "mlp", correct, settings={"model.units": units})
    write_runs(tmp_path / "runs", {"mlp": 0.5}, dataset="reuters", digest="e", n_seeds=2)
    lines = show("compare", "--quiet", width=80, cwd=tmp_path)
    assert lines[1].split()[:3] == ["model", "fingerprint", "accuracy"]
    assert "reuters: 300 test examples, 2 seeds" in lines
    assert any(line.endswith(": model.units=64") for line in lines)


@pytest.mark.slow
def test_chosen_columns_are_shown_even_if_they_do_not_fit(show):
    columns = "model,accuracy,p_value,split_digest,fingerprint"
    lines = show("compare", "a", "--columns", columns, width=80, fits=False)
    assert find_headings(lines) == [["model", "accuracy", "p", "split digest", "fingerprint"]]


@pytest.mark.slow
def test_explained_words_have_colors(show, monkeypatch):
    lines = show("explain", "a", "some words \x1b[5m" * 20, "--quiet", width=80, fits=False)
    plain = [re.sub(r"\x1b\[[\d;]+m", "", line) for line in lines]
    assert all(cell_len(line) <= 80 and "\x1b" not in line for line in plain)
    assert find_headings(plain) == [["token", "weight", "start"]]
    codes = set(re.findall(r"\x1b\[([\d;]+)m", "".join(lines)))
    assert {"0"} < codes <= {"0", *SUPPORTING, *OPPOSING}
    monkeypatch.setenv("NO_COLOR", "1")
    arguments = "explain", "a", "some words \x1b[5m" * 20, "--quiet"
    assert show(*arguments, width=80) == plain


TABLES = {
    "train": (["train", "--config", "a/config.yaml", "--run-dir", "a"], ["model", "macro F1"]),
    "datasets": (["datasets"], ["name", "summary"]),
    "datasets bbc": (["datasets", "bbc"], ["label", "train", "validation", "test"]),
    "models": (["models"], ["name", "summary"]),
    "diff": (["diff", "a", "b"], ["label", "incorrect label", "text", "confidence"]),
}
"""Arguments, and headings that must be visible, for commands that do not start TensorFlow."""

SLOW_TABLES = {
    "models mlp": (["models", "mlp"], ["layer", "type", "output shape", "parameters"]),
    "audit": (["audit", "bbc"], ["example", "label", "text", "other label", "score"]),
    "evaluate": (["evaluate", "a"], ["label", "examples", "precision", "recall", "F1"]),
    "predict": (["predict", "a", "some words " * 20], ["text", "rank", "label", "probability"]),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width"),
    [*((name, width) for name in TABLES for width in (80, 120)), *((n, 80) for n in SLOW_TABLES)],
)
def test_table_fits_into_the_terminal(show, name, width):
    arguments, expected = {**TABLES, **SLOW_TABLES}[name]
    tables = find_headings(show(*arguments, width=width))
    assert any(set(expected) <= set(headings) for headings in tables), tables


@pytest.mark.slow
def test_wide_texts_and_labels_fit_into_the_terminal(show, tmp_path):
    rows = [f"{HAN * (i % 30 + 1)},{HAN * 9 if i % 2 else EMOJI}" for i in range(60)]
    (tmp_path / "wide.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
    lines = show("datasets", "wide.csv", width=80, cwd=tmp_path)
    assert find_headings(lines) == [["label", "train", "validation", "test"]]
    assert sum(line.startswith((f"{EMOJI}: ", f"{HAN * 9}: ")) for line in lines) == 3
    rule = next(i for i, line in enumerate(lines) if line.startswith("----"))
    assert lines[rule + 1].startswith(HAN * 9)
    assert len({cell_len(line) for line in lines[rule - 1 : rule + 3]}) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["datasets", "models"])
def test_summaries_are_shown_in_full(show, kind):
    text = "\n".join(show(kind, width=80))
    for name in list_names(kind):
        assert f"{name} " in text
        assert f"  {describe(kind, name)}\n" in f"{text}\n"


@pytest.mark.slow
def test_description_of_a_dataset_is_wrapped_between_words(show):
    lines = show("datasets", "bbc", width=60)
    start = next(i for i, line in enumerate(lines) if line.startswith("citation: "))
    assert lines[start + 1].startswith("  ")
    assert 45 < len(lines[start]) <= 60
