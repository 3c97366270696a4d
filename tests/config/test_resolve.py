import pytest

from textclf.config.loading import SMOKE, Override, parse_override, read_yaml
from textclf.config.resolve import resolve
from textclf.errors import RequestError

CNN = {"dataset": {"name": "bbc"}, "model": {"name": "cnn"}}


def refuse(tree, *overrides):
    with pytest.raises(RequestError) as info:
        resolve(tree, overrides, source="my.yaml")
    assert "\n" not in str(info.value)
    return str(info.value)


def test_defaults_are_the_reuters_recipe():
    config = resolve({"dataset": {"name": "reuters"}, "model": {"name": "cnn"}})
    assert config.text.model_dump() == {
        "num_words": 15_000,
        "sequence_length": 120,
        "padding": "pre",
        "truncating": "pre",
    }
    assert config.model.model_dump() == {
        "name": "cnn",
        "embedding_dim": 128,
        "dropout": 0.2,
        "filters": 256,
        "kernel_size": 3,
        "units": 128,
    }
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (10, 64, 0.001)
    off = (training.schedule, training.label_smoothing, training.class_weight, training.patience)
    assert off == ("constant", 0.0, None, None)
    assert training.keep_best is False
    assert config.seed == 42


def test_dataset_gives_its_own_text_defaults():
    text = resolve({"dataset": {"name": "imdb"}, "model": {"name": "mlp"}}).text
    assert (text.num_words, text.sequence_length) == (20_000, 200)


def test_file_beats_defaults_and_options_beat_the_file():
    tree = {**CNN, "text": {"num_words": 50}, "training": {"epochs": 4, "batch_size": 8}}
    config = resolve(tree, [Override("training.epochs", 7, "--set training.epochs=7")])
    assert (config.text.num_words, config.text.sequence_length) == (50, 200)
    assert (config.training.epochs, config.training.batch_size) == (7, 8)
    assert tree["training"]["epochs"] == 4  # what the caller gave is not changed


def test_set_beats_smoke():
    config = resolve(CNN, [*SMOKE, parse_override("training.epochs=5")])
    assert (config.dataset.subset, config.training.epochs) == (64, 5)


def test_fingerprint_ignores_the_seed_and_nothing_else():
    base = resolve(CNN)
    assert resolve({**CNN, "seed": 7}).fingerprint == base.fingerprint
    changed = [
        {**CNN, "training": {"learning_rate": 0.0010001}},
        {**CNN, "text": {"truncating": "pre"}},
        {**CNN, "model": {"name": "cnn", "filters": 255}},
        {**CNN, "dataset": {"name": "bbc", "subset": 9}},
    ]
    prints = {resolve(tree).fingerprint for tree in changed} | {base.fingerprint}
    assert len(prints) == 5
    assert all(len(value) == 10 for value in prints)


def test_yaml_round_trip(tmp_path):
    config = resolve({**CNN, "training": {"class_weight": {"tech": 2.5}, "patience": 3}})
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert resolve(read_yaml(path)) == config


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {**CNN, "training": {"epoch": 3}},
            "my.yaml: training.epoch: unknown key 'epoch': did you mean 'epochs'?",
        ),
        ({**CNN, "trainnig": {}}, "my.yaml: unknown key 'trainnig': did you mean 'training'?"),
        ({**CNN, "model": {"name": "cnn", "unit": 3}}, "did you mean 'units'?"),
        (
            {**CNN, "training": {"epochs": -1}},
            "my.yaml: training.epochs: should be greater than 0, got -1",
        ),
        ({**CNN, "training": {"epochs": "many"}}, "should be a valid integer"),
        ({**CNN, "training": {"learning_rate": float("nan")}}, "finite number, got nan"),
        ({**CNN, "training": {"schedule": "cosin"}}, "'cosine' or 'exponential', got 'cosin'"),
        ({**CNN, "training": 3}, "my.yaml: training:"),
        ({**CNN, "seed": -1}, "my.yaml: seed: should be greater than or equal to 0, got -1"),
        ({**CNN, 1: 2}, "my.yaml: unknown key '1': choose from"),
        ({**CNN, True: 2}, "my.yaml: unknown key 'True'"),
        ({**CNN, "training": {"epochs": True}}, "epochs: should be no truth value, got True"),
        ({**CNN, "seed": True}, "seed: should be no truth value, got True"),
        (
            {**CNN, "training": {"class_weight": {"tech": -1}}},
            "training.class_weight.tech: should be greater than 0, got -1",
        ),
        ({"model": {"name": "cnn"}}, "no dataset given: use --dataset NAME"),
        ({"dataset": {"name": "bbc"}}, "no model given: use --model NAME"),
        ({**CNN, "model": "cnn"}, "my.yaml: model: expected {name: NAME}, got 'cnn'"),
        ({**CNN, "model": {"name": "cn"}}, "unknown model 'cn': did you mean 'cnn'?"),
        ({**CNN, "dataset": {"name": "imbd"}}, "unknown dataset 'imbd': did you mean 'imdb'?"),
        ({**CNN, "dataset": None}, "no dataset given"),
    ],
)
def test_mistakes_are_one_line_with_their_place(tree, message):
    assert message in refuse(tree)


def test_mistake_on_the_command_line_names_the_option():
    message = refuse(CNN, parse_override("training.epochs=0"))
    assert message.startswith("--set training.epochs=0: training.epochs: should be greater than 0")
    assert refuse(CNN, parse_override("seed.x=1")).startswith("--set seed.x=1: seed")
    assert "is a value, not a section" in refuse({**CNN, "seed": 3}, parse_override("seed.x=1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: [cnn", "config.yaml:1:12: "),
        ("a: 1\na: 2", "config.yaml:2:1: key 'a' stands twice; correct the YAML"),
        ("x: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("just text", "expected keys such as 'dataset:' and 'model:', got 'just text'"),
        ("", "expected keys"),
        ("a: \x00", "correct the YAML"),
        ("? [a, b]\n: 1\n? [a, b]\n: 2", "correct the YAML"),
        ("? {a: b}\n: 1", "correct the YAML"),
        ("[" * 3000, "correct the YAML"),
    ],
)
def test_broken_yaml_is_one_line(tmp_path, text, message):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(RequestError) as info:
        read_yaml(path)
    assert message in str(info.value)
    assert "\n" not in str(info.value)


def test_missing_and_binary_configuration_files(tmp_path):
    with pytest.raises(RequestError, match="No such file"):
        read_yaml(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="is not UTF-8 text"):
        read_yaml(tmp_path / "binary.yaml")


def test_set_reaches_into_a_section_that_is_null():
    tree = {**CNN, "training": {"class_weight": None}}
    config = resolve(tree, [parse_override("training.class_weight.tech=2")])
    assert config.training.class_weight == {"tech": 2.0}


def test_override_values_are_yaml():
    assert parse_override("training.patience=null").value is None
    assert parse_override("training.keep_best=true").value is True
    assert parse_override("model.handle=https://a/b=c").value == "https://a/b=c"
    with pytest.raises(RequestError, match="expected KEY=VALUE"):
        parse_override("training.epochs")
