import csv
import io
import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from support import OVERLAPPING

from textclf.auditing.audit import FINDINGS, Item, audit
from textclf.auditing.report import format_report
from textclf.config.resolve import resolve
from textclf.runtime.progress import Phases, Reporter

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.fixture
def folder(tmp_path):
    """A dataset with official splits, whose folder is named like a file."""
    path = tmp_path / "a.csv"
    path.mkdir()
    for part, split, repeats in (
        ("train", "train", 3),
        ("dev", "validation", 2),
        ("test", "test", 1),
    ):
        lines = "".join(f"{text},{label}\n" for text, label in OVERLAPPING[split] * repeats)
        (path / f"{part}.csv").write_text("text,label\n" + lines)
    return path


def test_markdown_report_has_every_finding(cli, folder, tmp_path):
    answer = cli("audit", folder.name, "--output", "a.md")
    assert answer.code == 0
    assert answer.out.startswith(
        f"{tmp_path.name}/a.csv: 23 examples (train 15, validation 4, test 4)"
    )
    report = (tmp_path / "a.md").read_text()
    assert report.startswith(
        f"# Audit of {tmp_path.name}/a.csv: 23 examples (train 15, validation 4, test 4)"
    )
    for finding in ("duplicate", "leaked", "conflicting_labels", "empty", "very_short"):
        assert finding in answer.out
        assert f"## {finding} (" in report


def test_terminal_shows_some_examples_and_the_report_all(cli, folder, tmp_path):
    answer = cli("audit", folder.name, "--output", "a.md")
    document = cli("audit", folder.name, "--format", "json", "--quiet").json
    n_leaked = sum(item["finding"] == "leaked" for item in document["items"])
    assert n_leaked > 3
    assert f"leaked (3 of {n_leaked}): {FINDINGS['leaked']}" in answer.out
    assert f"## leaked ({n_leaked}): {FINDINGS['leaked']}" in (tmp_path / "a.md").read_text()


def test_terminal_shows_where_the_other_text_is(cli, folder, tmp_path):
    answer = cli("audit", folder.name, "--output", "a.md")
    part = answer.out.split("\n\nconflicting_labels (")[1].split("\n\n")[1].splitlines()
    headings = ["example", "label", "text", "other label", "other example"]
    assert re.split(" {2,}", part[0]) == headings
    item = next(
        item
        for item in cli("audit", folder.name, "--format", "json", "--quiet").json["items"]
        if item["finding"] == "conflicting_labels"
    )
    assert re.split(" {2,}", part[2]) == [
        f"{item['split']} {item['index']}",
        item["label"],
        item["text"],
        item["other_label"],
        f"{item['other_split']} {item['other_index']}",
    ]
    # A duplicate has the same label.
    duplicates = answer.out.split("\n\nduplicate (")[1].split("\n\n")[1]
    assert "other label" not in duplicates
    assert "| split | index | label | other split |" in (tmp_path / "a.md").read_text()


def test_tables_fit_into_a_narrow_terminal(dataset):
    config = resolve({"dataset": {"name": "bbc"}, "model": {"name": "mlp"}})
    found = audit(dataset, config, phases=Phases(Reporter(quiet=True)))
    item = Item("label_issue", "validation", 1234, "a label", "some words " * 20)
    found = replace(found, items=[replace(item, other_label="another label", score=0.5)])
    lines = format_report(found, "table", width=60).splitlines()
    assert max(map(len, lines)) <= 60
    assert "hidden: meaning (see --format json)" in lines
    [line] = [line for line in lines if line.startswith("validation 1234")]
    assert line == "validation 1234  a label  some words some...   another label"


def test_json_report_is_the_printed_document(cli, folder, tmp_path):
    document = cli("audit", folder.name, "--format", "json", "--output", "b.json", "--quiet").json
    assert json.loads((tmp_path / "b.json").read_text()) == document
    assert document["schema_version"] == 2
    assert [row["finding"] for row in document["findings"]] == list(FINDINGS)
    for row in document["findings"]:
        splits = [item["split"] for item in document["items"] if item["finding"] == row["finding"]]
        counts = {split: row[split] for split in ("train", "validation", "test") if row[split]}
        assert Counter(splits) == counts


def test_csv_has_a_row_for_each_item(cli, folder):
    document = cli("audit", folder.name, "--format", "json", "--quiet").json
    text = cli("audit", folder.name, "--format", "csv", "--quiet").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["finding"] for row in rows] == [item["finding"] for item in document["items"]]


@pytest.mark.parametrize("name", ["report.txt", "nowhere/report.md"])
def test_report_that_cannot_be_written_is_refused_before_the_audit(cli, name):
    answer = cli("audit", "bbc", "--output", name)
    assert answer.code == 2
    assert f"--output {name}: " in answer.error_line
    assert "loading bbc" not in answer.err
