import pickle
import re
import shutil

import pytest
from support import PLUGINS, write_csv

from textclf import registry
from textclf.config.loading import SMOKE, Override, parse_override
from textclf.config.resolve import MAX_SHOWN, PackedConfig, load_config, resolve
from textclf.errors import RequestError

CNN = {"dataset": {"name": "bbc"}, "model": {"name": "cnn"}}


def refuse(tree, *overrides):
    """Return the message of the error, after checking that it is one line."""
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
        "split": "auto",
    }
    assert config.model.model_dump() == {
        "name": "cnn",
        "code": None,
        "embedding_dim": 128,
        "vectors": None,
        "vectors_trainable": True,
        "digest": None,
        "dropout": 0.2,
        "filters": 256,
        "kernel_size": 3,
        "units": 128,
    }
    training = config.training
    assert (training.epochs, training.batch_size, training.learning_rate) == (10, 64, 0.001)
    off = (training.schedule, training.label_smoothing, training.class_weight, training.patience)
    assert off == ("constant", 0.0, None, None)
    assert training.restore_best_weights is False
    assert config.seed == 42


def test_dataset_has_its_own_text_defaults():
    text = resolve({"dataset": {"name": "imdb"}, "model": {"name": "mlp"}}).text
    assert (text.num_words, text.sequence_length) == (20_000, 200)


def test_model_has_its_own_training_defaults():
    training = resolve({"dataset": {"name": "imdb"}, "model": {"name": "hub"}}).training
    assert (training.epochs, training.batch_size) == (20, 512)


def test_file_overrides_defaults_and_options_override_the_file():
    tree = {**CNN, "text": {"num_words": 50}, "training": {"epochs": 4, "batch_size": 8}}
    config = resolve(tree, [Override("training.epochs", 7, "--set training.epochs=7")])
    assert (config.text.num_words, config.text.sequence_length) == (50, 200)
    assert (config.training.epochs, config.training.batch_size) == (7, 8)
    assert tree["training"]["epochs"] == 4  # The caller's tree is not changed.


def test_set_overrides_smoke():
    config = resolve(CNN, [*SMOKE, parse_override("training.epochs=5")])
    assert (config.dataset.limit, config.training.epochs) == (64, 5)


def test_set_reaches_into_a_section_that_is_null():
    tree = {**CNN, "training": {"class_weight": None}}
    config = resolve(tree, [parse_override("training.class_weight.tech=2")])
    assert config.training.class_weight == {"tech": 2.0}


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (
            {**CNN, "training": {"epoch": 3}},
            "my.yaml: training.epoch: unknown key 'epoch': did you mean 'epochs'?",
        ),
        ({**CNN, "trainnig": {}}, "my.yaml: unknown key 'trainnig': did you mean 'training'?"),
        ({**CNN, "model": {"name": "cnn", "unit": 3}}, "did you mean 'units'?"),
        ({**CNN, "training": 3}, "my.yaml: training: expected keys and values, got 3"),
        ({**CNN, 1: 2}, "my.yaml: unknown key '1': choose from"),
        ({**CNN, True: 2}, "my.yaml: unknown key 'True'"),
        ({**CNN, "sizes": None}, "my.yaml: unknown key 'sizes': choose from"),
        ({"model": {"name": "cnn"}}, "no dataset given: use --dataset NAME"),
        ({"dataset": {"name": "bbc"}}, "no model given: use --model NAME"),
        ({**CNN, "model": "cnn"}, "my.yaml: model: expected {name: NAME}, got 'cnn'"),
        ({**CNN, "model": {"name": "cn"}}, "unknown model 'cn': did you mean 'cnn'?"),
        ({**CNN, "dataset": {"name": "imbd"}}, "unknown dataset 'imbd': did you mean 'imdb'?"),
        ({**CNN, "dataset": None}, "no dataset given"),
    ],
)
def test_unknown_keys_and_names_are_refused_with_a_suggestion(tree, message):
    assert message in refuse(tree)


SECTIONS = "dataset, evaluation, model, output, resources, search, seed, text, training"


@pytest.mark.parametrize(
    ("model", "given", "meant"),
    [
        ("cnn", "epochs", "'training.epochs'"),
        ("cnn", "epoch", "'training.epochs'"),
        ("cnn", "Epochs", "'training.epochs'"),
        ("cnn", "units", "'model.units'"),
        ("tfidf-svc", "min_df", "'model.min_df'"),
        ("cnn", "name", "'dataset.name' or 'model.name'"),
        ("cnn", "model.epochs", "'training.epochs'"),
        ("cnn", "training.units", "'model.units'"),
        ("cnn", "dataset.num_words", "'text.num_words'"),
        ("cnn", "training.seed", "'seed'"),
    ],
)
def test_key_of_another_section_is_suggested(model, given, meant):
    message = refuse({**CNN, "model": {"name": model}}, parse_override(f"{given}=1"))
    section, _, key = given.rpartition(".")
    where = f"{given}: " if section else ""
    start = f"--set {given}=1: {where}unknown key '{key}': did you mean {meant}? Choose from "
    assert message.startswith(start)
    assert section or message == start + SECTIONS


def test_key_that_the_dataset_adds_is_suggested_also_for_a_file(tmp_path):
    path = write_csv(tmp_path / "reviews.csv")
    tree = {**CNN, "dataset": {"name": str(path)}, "text_column": "body"}
    assert refuse(tree) == (
        "my.yaml: unknown key 'text_column': did you mean 'dataset.text_column'?"
        f" Choose from {SECTIONS}"
    )


@pytest.mark.parametrize("model", [None, {"name": "cn"}])
def test_unknown_key_is_reported_before_an_unknown_model(model):
    message = refuse({**CNN, "model": model, "epochs": 3})
    assert message.startswith("my.yaml: unknown key 'epochs': did you mean 'training.epochs'?")


def test_keys_that_are_set_automatically_are_not_suggested(tmp_path):
    tree = {**CNN, "dataset": {"name": str(write_csv(tmp_path / "reviews.csv"))}}
    assert (
        refuse({**tree, "digest": "x"}) == f"my.yaml: unknown key 'digest': choose from {SECTIONS}"
    )


@pytest.mark.parametrize(
    ("tree", "key", "given"),
    [
        ({**CNN, "training": {"epochs": -1}}, "training.epochs", "-1"),
        ({**CNN, "training": {"epochs": "many"}}, "training.epochs", "'many'"),
        ({**CNN, "training": {"learning_rate": float("nan")}}, "training.learning_rate", "nan"),
        ({**CNN, "training": {"schedule": "cosin"}}, "training.schedule", "'cosin'"),
        ({**CNN, "training": {"class_weight": {"tech": -1}}}, "training.class_weight.tech", "-1"),
        ({**CNN, "training": {"epochs": True}}, "training.epochs", "True"),
        ({**CNN, "seed": -1}, "seed", "-1"),
        ({**CNN, "seed": True}, "seed", "True"),
    ],
)
def test_invalid_values_are_refused_with_key_and_value(tree, key, given):
    # The reason between them is pydantic's, whose wording is not tested.
    assert re.fullmatch(rf"my\.yaml: {re.escape(key)}: .+, got {re.escape(given)}", refuse(tree))


@pytest.mark.parametrize(
    ("key", "value", "bound"),
    [("epochs", -1, 0), ("epochs", 2_000_000, 1_000_000), ("label_smoothing", 1, 1)],
)
def test_value_out_of_range_is_refused_with_the_bound(key, value, bound):
    reason = refuse({**CNN, "training": {key: value}}).partition(", got ")[0]
    assert re.search(rf"\b{bound}\b", reason)


def test_invalid_choice_is_refused_with_all_choices():
    message = refuse({**CNN, "training": {"schedule": "cosin"}})
    for choice in ("constant", "linear", "cosine", "exponential"):
        assert f"'{choice}'" in message


@pytest.mark.parametrize("tree", [{**CNN, "training": {"epochs": True}}, {**CNN, "seed": True}])
def test_boolean_is_not_a_number(tree):
    assert "should not be a boolean, got True" in refuse(tree)


def test_invalid_option_is_named_as_the_user_wrote_it():
    message = refuse(CNN, parse_override("training.epochs=0"))
    assert message.startswith("--set training.epochs=0: training.epochs: ")
    assert message.endswith(", got 0")
    assert refuse(CNN, parse_override("seed.x=1")).startswith("--set seed.x=1: seed: ")
    assert "is a value, not a section" in refuse({**CNN, "seed": 3}, parse_override("seed.x=1"))


def test_long_values_are_shortened_in_messages():
    shown = refuse({**CNN, "training": {"epochs": "many " * 100}}).partition(", got ")[2]
    assert "..." in shown
    assert len(shown) <= MAX_SHOWN


@pytest.mark.parametrize("section", ["dataset", "model", "training"])
def test_section_that_an_option_makes_a_value_is_refused(section):
    message = refuse(CNN, parse_override(f"{section}=3"))
    assert message.startswith(f"--set {section}=3: {section}: expected ")
    assert message.endswith(", got 3")


@pytest.mark.parametrize("name", ["majority", "tfidf-svc"])
def test_sklearn_model_ignores_settings_of_networks(name):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": name}}
    sections = {"text": {"num_words": 50}, "training": {"epochs": 1}}
    assert resolve({**tree, **sections}) == resolve(tree)


def test_missing_name_is_reported_also_if_another_key_of_the_section_is_given():
    assert refuse({"model": {"name": "cnn"}, "dataset": {"limit": 5}}).startswith(
        "no dataset given"
    )
    assert refuse({"dataset": {"name": "bbc"}, "model": {"units": 5}}).startswith("no model given")


def test_another_name_drops_the_digest_of_the_file_that_was_named(tmp_path):
    paths = [write_csv(tmp_path / f"{n}.csv", [("a text", n), ("another", "x")]) for n in "ab"]
    trees = [
        resolve({**CNN, "dataset": {"name": str(path)}}).model_dump(mode="json") for path in paths
    ]
    override = Override("dataset.name", str(paths[1]), "--dataset b.csv")
    assert trees[0]["dataset"]["digest"] != trees[1]["dataset"]["digest"]
    assert resolve(trees[0], [override]).model_dump(mode="json") == trees[1]


def test_configuration_file_is_named_in_messages(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("dataset: {name: bbc}\nmodel: {name: cnn, unit: 3}\n")
    with pytest.raises(RequestError, match=r"my\.yaml: model\.unit: unknown key 'unit'"):
        load_config(path)
    path.write_text("dataset: {name: bbc}\nmodel: {name: cnn, units: 3}\nseed: 5\n")
    config = load_config(str(path), [Override("seed", 7, "--seed 7")])
    assert (config.model.units, config.seed) == (3, 7)


def load_plugins(folder):
    named = {"dataset": folder / "words.py", "model": folder / "average.py"}
    overrides = [Override(f"{key}.name", str(path), key) for key, path in named.items()]
    return load_config(None, [*overrides, Override("model.embedding_dim", 3, "test")])


@pytest.mark.usefixtures("tensorflow")
def test_configuration_is_unpacked_where_its_python_files_do_not_exist(plugins, forget):
    config = load_plugins(plugins)
    packed = pickle.loads(pickle.dumps(PackedConfig.of(config)))
    assert packed.code == {
        str(plugins / name): (PLUGINS / name).read_bytes() for name in ("words.py", "average.py")
    }
    shutil.rmtree(plugins)
    forget()
    unpacked = packed.unpack()
    assert unpacked.model_dump() == config.model_dump()
    assert unpacked.fingerprint == config.fingerprint
    assert registry.load_module("models", unpacked.model.name, unpacked.model.code).build


@pytest.mark.usefixtures("tensorflow")
def test_tensorflow_starts_before_a_file_that_imports_it_is_unpacked(plugins, forget, monkeypatch):
    packed = PackedConfig.of(load_plugins(plugins))
    forget()
    n_executed = []
    monkeypatch.setattr(
        "textclf.runtime.backend.import_tensorflow",
        lambda: n_executed.append(len(registry._loaded)),
    )
    packed.unpack()
    assert n_executed == [1]  # After the dataset, which does not import it.
    n_executed.clear()
    PackedConfig.of(resolve(CNN)).unpack()
    assert n_executed == []  # It is not needed yet.


@pytest.mark.parametrize(
    ("trainable_layers", "expected"),
    [
        (None, {"epochs": 50, "batch_size": 64, "warmup": 0.0, "learning_rate": 0.003}),
        (0, {"epochs": 50, "weight_decay": 0.0}),
        (1, {"epochs": 3, "weight_decay": 0.01, "warmup": 0.1}),
        ("all", {"epochs": 3, "batch_size": 32, "learning_rate": 0.00005}),
    ],
)
def test_defaults_of_an_encoder_depend_on_what_is_trained(trainable_layers, expected):
    model = {} if trainable_layers is None else {"trainable_layers": trainable_layers}
    given = [Override(f"model.{key}", value, "--set") for key, value in model.items()]
    for tree, overrides in (({"name": "encoder", **model}, []), ({"name": "encoder"}, given)):
        config = resolve({"dataset": {"name": "bbc"}, "model": tree}, overrides)
        assert {key: getattr(config.training, key) for key in expected} == expected
        assert config.text.sequence_length == 128
    given = resolve({"dataset": {"name": "bbc"}, "model": tree, "training": {"epochs": 2}})
    assert given.training.epochs == 2
