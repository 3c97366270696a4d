"""``textclf models``."""

import pytest

from textclf.registry import list_names


def test_list_contains_every_model(cli):
    rows = cli("models", "--format", "json").json
    assert [row["name"] for row in rows] == list_names("models")
    kinds = {row["name"]: row["kind"] for row in rows}
    assert {kinds["cnn"], kinds["hub"]} == {"network"}
    assert {kinds[name] for name in ("majority", "nb-svm", "tfidf-svc")} == {"baseline"}


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("cnn", "text.sequence_length=2", "model.kernel_size: 3 does not fit into a sequence of 2"),
        ("cnn-lstm", "text.sequence_length=5", "model.pool_size: 4 positions do not fit into 3"),
    ],
)
def test_values_that_do_not_fit_together_are_one_line(cli, name, setting, message):
    result = cli("models", name, "--set", setting)
    assert result.code == 2
    assert message in result.error_line


def test_model_is_built_for_the_dataset_of_the_configuration_file(cli, tmp_path):
    (tmp_path / "my.yaml").write_text("dataset: {name: imdb}\nmodel: {name: cnn}\n")
    arguments = ["models", "cnn", "--config", "my.yaml", "--format", "json"]
    assert cli(*arguments).json["dataset"] == "imdb"
    assert cli(*arguments, "--dataset", "bbc").json["dataset"] == "bbc"
    assert cli("models", "cnn", "--format", "json").json["dataset"] == "reuters"
    result = cli("models", "--dataset", "bbc")
    assert (result.code, "options need NAME" in result.error_line) == (2, True)


@pytest.mark.usefixtures("tensorflow", "plugins")
def test_python_file_is_built(cli, tmp_path):
    arguments = ["models", "plugins/average.py", "--dataset", "bbc", "--format", "json"]
    document = cli(*arguments, "--set", "model.embedding_dim=3").json
    assert document["kind"] == "network"
    assert document["summary"] == "Average of the token embeddings."
    assert document["hyperparameters"] == {"embedding_dim": 3}
    assert [row["type"] for row in document["layers"]] == [
        "InputLayer",
        "Embedding",
        "GlobalAveragePooling1D",
        "Dense",
    ]
    assert document["n_parameters"] == 15_000 * 3 + 3 * 5 + 5
    (tmp_path / "my.yaml").write_text("dataset: {name: plugins/words.py}\nmodel: {name: mlp}\n")
    refused = cli("models", "mlp", "--config", "my.yaml")
    assert refused.code == 2
    assert refused.error_line.startswith("my.yaml: ")
    assert "words.py is Python code, which is executed only if" in refused.error_line
    result = cli("models", "mlp", "--config", "my.yaml", "--trust-code", "--format", "json")
    assert result.json["layers"][-1]["output_shape"] == [2]


def test_a_scikit_learn_model_is_described_without_tensorflow(cli, plugins, monkeypatch):
    monkeypatch.setattr("textclf.runtime.backend.start", pytest.fail)
    result = cli("models", "plugins/bayes.py")
    assert result.out.splitlines() == [
        "summary: Naive Bayes on word counts, after a transformer of its own.",
        "kind: baseline",
        "hyperparameters: alpha 1.0",
    ]


def test_search_space_is_shown(cli):
    lines = cli("models", "nb-svm").out.splitlines()
    assert "search model.max_ngram: 1 to 3" in lines
    assert "search model.alpha: 0.1 to 10.0, logarithmic" in lines
    document = cli("models", "nb-svm", "--format", "json").json
    assert document["search"]["model.max_ngram"] == {"low": 1, "high": 3}
    assert document["search"]["model.alpha"] == {"low": 0.1, "high": 10.0, "log": True}
    assert cli("models", "majority", "--format", "json").json["search"] == {}


def test_invalid_search_space_of_a_python_file_is_one_line(cli, plugins):
    path = plugins / "bayes.py"
    path.write_text(path.read_text() + '\nSEARCH = {"model.alfa": {"low": 1, "high": 2}}\n')
    result = cli("models", "plugins/bayes.py")
    assert result.code == 2
    assert "/bayes.py: SEARCH: model.alfa: unknown key 'alfa'" in result.error_line
