"""The fingerprint of a configuration, and the defaults that it depends on."""

import re

import pydantic
import pytest
from support import write_csv

from textclf.config.resolve import resolve
from textclf.config.schema import (
    RESULTS_VERSION,
    DatasetConfig,
    EvaluationConfig,
    ExperimentConfig,
    ModelConfig,
    ResourcesConfig,
    TextConfig,
    TrainingConfig,
)
from textclf.errors import RequestError
from textclf.registry import list_names, load_module

CNN = {"dataset": {"name": "bbc"}, "model": {"name": "cnn"}}


def change(tree, key, value):
    """Return a configuration with one value changed, after checking that it has changed."""
    section, _, name = key.partition(".")
    before = resolve(tree)
    after = resolve({**tree, section: {**tree.get(section, {}), name: value}})
    assert after.model_dump(mode="json")[section][name] == value
    assert getattr(getattr(before, section), name) != value
    return after


def list_keys(schema):
    return set(schema.model_fields) - {"name", "code"}  # `code` belongs to plug-ins.


def find_config(kind, name):
    """Return the schema of a dataset, source or model."""
    base = ModelConfig if kind == "models" else DatasetConfig
    return getattr(load_module(kind, name), "Config", base)


def test_fingerprint_has_ten_hexadecimal_digits():
    fingerprint = resolve(CNN).fingerprint
    assert len(fingerprint) == 10
    assert int(fingerprint, 16) >= 0


def test_fingerprint_ignores_the_seed():
    assert resolve({**CNN, "seed": 7}).fingerprint == resolve(CNN).fingerprint


def make(model, **options):
    config = resolve(CNN)
    return config.model_copy(update={"model": model, **options})


class PluginConfig(ModelConfig):
    units: int = 3


def test_code_is_part_of_the_fingerprint():
    model = PluginConfig(name="/a/average.py", code="1")
    before = make(model).fingerprint
    assert make(model.model_copy(update={"code": "2"})).fingerprint != before
    assert make(model.model_copy(update={"name": "/b/average.py"})).fingerprint == before
    assert make(model.model_copy(update={"name": "/a/mean.py"})).fingerprint != before
    assert make(model.model_copy(update={"units": 4})).fingerprint != before


def test_every_key_of_code_that_is_not_built_in_is_hashed_also_with_its_default():
    """Its schema is not always known, so that its defaults are not either."""
    given = {"name": "/a/average.py", "code": "1", "units": 3}
    unchecked = pydantic.create_model("Unchecked", __base__=ModelConfig, units=(int, ...))
    assert make(PluginConfig(**given)).fingerprint == make(unchecked(**given)).fingerprint
    built_in = {**given, "code": None}
    assert make(PluginConfig(**built_in)).fingerprint != make(unchecked(**built_in)).fingerprint


@pytest.mark.parametrize(
    ("name", "code", "file_code"),
    [("/a/b.py", "12", "12"), ("average", "my-package 1.0", None), ("cnn", None, None)],
)
def test_only_the_code_of_a_file_is_its_checksum(name, code, file_code):
    assert ModelConfig(name=name, code=code).file_code == file_code


RESOURCES = {"cpus": 3, "gpus": 0.5, "memory": 7.0}


@pytest.mark.parametrize("key", sorted(list_keys(ResourcesConfig)))
def test_fingerprint_ignores_resources(key):
    config = change(CNN, f"resources.{key}", RESOURCES[key])
    assert config.fingerprint == resolve(CNN).fingerprint


def test_fingerprint_ignores_what_is_written():
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "encoder", "digest": "d"}}
    config = change(tree, "output.model", "head")
    assert config.output.model == "head"
    assert config.fingerprint == resolve(tree).fingerprint


def test_fingerprint_ignores_keys_that_are_given_with_their_default():
    config = resolve(CNN)
    tree = config.model_dump(exclude={"output", "resources", "seed"})
    assert resolve(tree).fingerprint == config.fingerprint


@pytest.mark.parametrize("section", ["dataset", "text", "model", "training", "evaluation"])
def test_fingerprint_ignores_a_new_key_with_its_default(section):
    """A later version of the schema may add keys, and finds the runs of this version."""
    config = resolve(CNN)
    schema = pydantic.create_model(
        "Later", __base__=type(getattr(config, section)), new_key=(int, 3)
    )
    later_config = pydantic.create_model(
        "LaterConfig", __base__=ExperimentConfig, **{section: (schema, ...)}
    )
    sections = {name: getattr(config, name) for name in ExperimentConfig.model_fields}
    given = getattr(config, section).model_dump()
    later = later_config(**{**sections, section: schema(**given)})
    assert later.model_dump()[section]["new_key"] == 3
    assert later.fingerprint == config.fingerprint
    later = later_config(**{**sections, section: schema(**given, new_key=4)})
    assert later.fingerprint != config.fingerprint


CHANGES = {
    "dataset.limit": 9,
    "dataset.drop_leaked": True,
    "dataset.train_per_label": 5,
    "dataset.train_fraction": 0.5,
    "text.num_words": 14_999,
    "text.sequence_length": 199,
    "text.padding": "post",
    "text.truncating": "pre",
    "text.split": "words",
    "training.epochs": 11,
    "training.batch_size": 63,
    "training.gradient_accumulation_steps": 2,
    "training.optimizer": "adam",
    "training.weight_decay": 0.01,
    "training.warmup": 0.1,
    "training.precision": "mixed_bfloat16",
    "training.strategy": "mirrored",
    "training.learning_rate": 0.0010001,
    "training.schedule": "cosine",
    "training.label_smoothing": 0.1,
    "training.class_weight": {"tech": 2.0},
    "training.monitor": "val_accuracy",
    "training.patience": 2,
    "training.restore_best_weights": True,
    "training.refit": True,
    "evaluation.calibration": "temperature",
}


def test_changes_cover_every_key_of_every_section():
    sections = {"dataset": DatasetConfig, "text": TextConfig, "training": TrainingConfig}
    sections |= {"evaluation": EvaluationConfig}
    keys = {f"{name}.{key}" for name, schema in sections.items() for key in list_keys(schema)}
    keys -= {"dataset.folds", "dataset.fold", "dataset.folds_of"}  # They have tests of their own.
    assert keys == set(CHANGES), "add a value of each new key to CHANGES"


CHANGE_NEEDS = {"training.weight_decay": {"training": {"optimizer": "adamw"}}}
"""What a key needs to be allowed."""


@pytest.mark.parametrize(("key", "value"), CHANGES.items(), ids=CHANGES)
def test_fingerprint_changes_with_every_key(key, value):
    tree = {**CNN, **CHANGE_NEEDS.get(key, {})}
    assert change(tree, key, value).fingerprint != resolve(tree).fingerprint


@pytest.mark.parametrize(
    ("training", "problem"),
    [
        ({"weight_decay": 0.1}, "weight_decay: should be 0 without training.optimizer adamw"),
        (
            {"gradient_accumulation_steps": 2, "strategy": "mirrored"},
            "gradient_accumulation_steps: should be 1 with training.strategy mirrored; raise",
        ),
        (
            {"gradient_accumulation_steps": 2, "optimizer": "lazy-adam"},
            "gradient_accumulation_steps: should be 1 with training.optimizer lazy-adam, because",
        ),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps: should be greater than"),
        ({"warmup": 1}, "warmup: should be less than 1, got 1"),
    ],
)
def test_training_that_cannot_work_is_refused(training, problem):
    with pytest.raises(RequestError, match=f"^configuration: training.{problem}") as info:
        resolve({**CNN, "training": training})
    assert "\n" not in str(info.value)


def resolve_folds(**options):
    return resolve({**CNN, "dataset": {"name": "bbc", **options}})


def test_folds_are_part_of_the_fingerprint_except_which_one_is_run():
    first, second = (resolve_folds(folds=5, fold=fold) for fold in (1, 2))
    assert first.fingerprint == second.fingerprint
    assert first.identity != second.identity
    assert (first.run_name, resolve(CNN).run_name) == ("cnn fold 1 seed 42", "cnn seed 42")
    assert resolve_folds(train_fraction=0.1).run_name == "cnn train_fraction 0.1 seed 42"
    others = [resolve(CNN), resolve_folds(folds=6, fold=1)]
    others.append(resolve_folds(folds=5, fold=1, folds_of="all"))
    assert len({config.fingerprint for config in (first, *others)}) == 4


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fold": 1}, "dataset.fold: should be null without dataset.folds"),
        ({"folds": 5}, "dataset.fold: should be a number from 1 to dataset.folds, which is 5"),
        ({"folds": 5, "fold": 6}, "dataset.fold: should be a number from 1 to dataset.folds"),
        ({"folds": 5, "fold": 0}, "dataset.fold: should be a number from 1 to dataset.folds"),
        ({"folds": 1, "fold": 1}, "dataset.folds: should be greater than or equal to 2, got 1"),
        ({"folds_of": "all"}, "dataset.folds_of: should be train without dataset.folds"),
        ({"train_fraction": 1.5}, "dataset.train_fraction: should be less than or equal to 1"),
    ],
)
def test_folds_and_fractions_that_mean_nothing_are_refused(options, problem):
    with pytest.raises(RequestError, match=re.escape(problem)) as info:
        resolve_folds(**options)
    assert "\n" not in str(info.value)


def test_the_whole_training_split_is_the_plain_configuration():
    assert resolve_folds(train_fraction=1) == resolve(CNN)


def test_keys_that_came_later_do_not_change_the_fingerprints_of_datasets_in_python_files():
    """Pinned before `train_fraction` and `folds` were added."""
    config = resolve(CNN)
    given = DatasetConfig(name="/a/words.py", code="1")
    config = config.model_copy(update={"dataset": given})
    assert config.fingerprint == "e8462cdbd4"
    part = config.model_copy(update={"dataset": given.model_copy(update={"train_fraction": 0.5})})
    assert part.fingerprint != config.fingerprint


MODEL_CHANGES = {
    "alpha": 2.0,
    "embedding_dim": 127,
    "dropout": 0.15,
    "filters": 255,
    "kernel_size": 4,
    "pool_size": 3,
    "units": 127,
    "handle": "google/tf2-preview/nnlm-en-dim50/1",
    "trainable": False,
    "vectors": "glove",
    "vectors_trainable": False,
    "digest": "0123456789",
    "min_df": 3,
    "max_ngram": 2,
    "min_count": 3,
    "max_features": 1_000,
    "position_decay": 40.0,
    "position_min_weight": 0.5,
    "ratio": "naive-bayes",
    "loss": "cross-entropy",
    "C": 0.25,
    "preset": "hf://textclf/other",
    "pooling": "cls",
    "trainable_layers": 1,
}
MODEL_NEEDS = {
    "vectors_trainable": {"vectors": "glove"},
    "digest": {"vectors": "google/nnlm-en-dim50/2"},
    "position_min_weight": {"position_decay": 40.0},
    "preset": {"digest": "0123456789"},  # Otherwise it would be downloaded.
}
"""What a key needs to have an effect, in models that have the other key."""
MODEL_KEYS = [
    (model, key)
    for model in list_names("models")
    for key in sorted(list_keys(find_config("models", model)))
]


@pytest.mark.parametrize(("model", "key"), MODEL_KEYS)
def test_fingerprint_changes_with_every_key_of_every_model(model, key):
    assert key in MODEL_CHANGES, "add a value of the new key to MODEL_CHANGES"
    known, needs = list_keys(find_config("models", model)), MODEL_NEEDS.get(key, {})
    needs = {name: value for name, value in needs.items() if name in known}
    tree = {"dataset": {"name": "bbc"}, "model": {"name": model, **needs}}
    config = change(tree, f"model.{key}", MODEL_CHANGES[key])
    assert config.fingerprint != resolve(tree).fingerprint


SOURCE_CHANGES = {
    "text_column": ["title", "body"],
    "label_column": "stars",
    "validation_fraction": 0.3,
    "test_fraction": 0.3,
    "missing_labels": "drop",
    "encoding": "latin-1",
    "quoting": "none",
    "column_names": ["stars", "body"],
    "digest": "0123456789",
    "config": "sst2",
    "revision": "main",
}
SOURCE_KEYS = [
    (source, key)
    for source in list_names("sources")
    for key in sorted(list_keys(find_config("sources", source)) - list_keys(DatasetConfig))
]


@pytest.mark.parametrize(("source", "key"), SOURCE_KEYS)
def test_fingerprint_changes_with_every_key_of_every_source(tmp_path, source, key):
    assert key in SOURCE_CHANGES, "add a value of the new key to SOURCE_CHANGES"
    path = write_csv(tmp_path / "reviews.csv")
    name = str(path) if source == "path" else f"{source}:glue"
    tree = {"dataset": {"name": name}, "model": {"name": "mlp"}}
    config = change(tree, f"dataset.{key}", SOURCE_CHANGES[key])
    assert config.fingerprint != resolve(tree).fingerprint


def test_fingerprint_changes_with_dataset_and_model():
    trees = [
        {"dataset": {"name": dataset}, "model": {"name": model}}
        for dataset in list_names("datasets")
        for model in list_names("models")
    ]
    assert len({resolve(tree).fingerprint for tree in trees}) == len(trees)


def test_fingerprint_depends_on_name_and_content_of_a_file_but_not_on_its_folder(tmp_path):
    def fingerprint(folder, name, **options):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = write_csv(tmp_path / folder / name, **options)
        return resolve({"dataset": {"name": str(path)}, "model": {"name": "mlp"}}).fingerprint

    first = fingerprint("one", "a.csv")
    assert fingerprint("two", "a.csv") == first
    assert fingerprint("one", "b.csv") != first
    assert fingerprint("one", "a.csv", rows=[("other", "good"), ("texts", "bad")]) != first


def test_fingerprint_does_not_depend_on_the_order_of_keys():
    weights = [{"tech": 2.0, "sports": 3.0}, {"sports": 3.0, "tech": 2.0}]
    configs = [resolve({**CNN, "training": {"class_weight": weight}}) for weight in weights]
    assert configs[0].fingerprint == configs[1].fingerprint


PINNED_VERSION = 5
PINNED_FINGERPRINT = "a427c878d3"
PINNED_DEFAULTS = {
    "dataset.limit": None,
    "dataset.drop_leaked": False,
    "dataset.train_per_label": None,
    "dataset.train_fraction": None,
    "dataset.folds": None,
    "dataset.fold": None,
    "dataset.folds_of": "train",
    "text.num_words": 20_000,
    "text.sequence_length": 200,
    "text.padding": "pre",
    "text.truncating": "pre",
    "text.split": "auto",
    "training.epochs": 10,
    "training.batch_size": 64,
    "training.optimizer": "fused-adam",
    "training.weight_decay": 0.0,
    "training.precision": "float32",
    "training.strategy": None,
    "training.gradient_accumulation_steps": 1,
    "training.learning_rate": 0.001,
    "training.schedule": "constant",
    "training.warmup": 0.0,
    "training.label_smoothing": 0.0,
    "training.class_weight": None,
    "training.monitor": "val_loss",
    "training.patience": None,
    "training.restore_best_weights": False,
    "training.refit": False,
    "evaluation.calibration": "none",
    "sources/hf.text_column": None,
    "sources/hf.label_column": None,
    "sources/hf.validation_fraction": 0.2,
    "sources/hf.test_fraction": 0.2,
    "sources/hf.missing_labels": "refuse",
    "sources/hf.config": None,
    "sources/hf.revision": None,
    "sources/path.text_column": None,
    "sources/path.label_column": None,
    "sources/path.validation_fraction": 0.2,
    "sources/path.test_fraction": 0.2,
    "sources/path.missing_labels": "refuse",
    "sources/path.encoding": "utf-8",
    "sources/path.quoting": "minimal",
    "sources/path.column_names": None,
    "sources/path.digest": None,
    "sources/tfds.text_column": None,
    "sources/tfds.label_column": None,
    "sources/tfds.validation_fraction": 0.2,
    "sources/tfds.test_fraction": 0.2,
    "sources/tfds.missing_labels": "refuse",
    "models/cnn.embedding_dim": 128,
    "models/cnn.vectors": None,
    "models/cnn.vectors_trainable": True,
    "models/cnn.digest": None,
    "models/cnn.dropout": 0.2,
    "models/cnn.filters": 256,
    "models/cnn.kernel_size": 3,
    "models/cnn.units": 128,
    "models/cnn-lstm.embedding_dim": 128,
    "models/cnn-lstm.vectors": None,
    "models/cnn-lstm.vectors_trainable": True,
    "models/cnn-lstm.digest": None,
    "models/cnn-lstm.dropout": 0.2,
    "models/cnn-lstm.filters": 256,
    "models/cnn-lstm.kernel_size": 3,
    "models/cnn-lstm.pool_size": 4,
    "models/cnn-lstm.units": 128,
    "models/encoder.preset": "hf://sentence-transformers/all-MiniLM-L6-v2",
    "models/encoder.pooling": "mean",
    "models/encoder.trainable_layers": 0,
    "models/encoder.dropout": 0.1,
    "models/encoder.digest": None,
    "models/hub.handle": "google/tf2-preview/gnews-swivel-20dim/1",
    "models/hub.trainable": True,
    "models/hub.units": 16,
    "models/hub.digest": None,
    "models/lstm.embedding_dim": 128,
    "models/lstm.vectors": None,
    "models/lstm.vectors_trainable": True,
    "models/lstm.digest": None,
    "models/lstm.units": 128,
    "models/mlp.embedding_dim": 128,
    "models/mlp.vectors": None,
    "models/mlp.vectors_trainable": True,
    "models/mlp.digest": None,
    "models/mlp.units": 256,
    "models/ngram.max_ngram": 1,
    "models/ngram.min_count": 2,
    "models/ngram.max_features": 1_000_000,
    "models/ngram.position_decay": None,
    "models/ngram.position_min_weight": 0.1,
    "models/ngram.ratio": "ones",
    "models/ngram.loss": "squared-hinge",
    "models/ngram.C": 0.5,
    "models/ngram.units": None,
    "models/nb-svm.max_ngram": 3,
    "models/nb-svm.min_df": 2,
    "models/nb-svm.alpha": 1.0,
    "models/nb-svm.C": 1.0,
    "models/tfidf-svc.min_df": 2,
    "models/tfidf-svc.max_ngram": 1,
    "models/tfidf-svc.C": 0.5,
}
"""Default of every key that is part of the fingerprint, by schema."""

PINNED_RECIPES = {
    "datasets/bbc": {"text": {"num_words": 15_000, "sequence_length": 200, "truncating": "post"}},
    "datasets/imdb": {"text": {"num_words": 20_000, "sequence_length": 200}},
    "datasets/reuters": {"text": {"num_words": 15_000, "sequence_length": 120}},
    "models/encoder": {
        "text": {"sequence_length": 128},
        "training": {
            "epochs": 50,
            "optimizer": "adamw",
            "learning_rate": 0.003,
            "schedule": "linear",
        },
    },
    "models/encoder, trained": {
        "text": {"sequence_length": 128},
        "training": {
            "epochs": 3,
            "batch_size": 32,
            "optimizer": "adamw",
            "learning_rate": 0.00005,
            "weight_decay": 0.01,
            "warmup": 0.1,
            "schedule": "linear",
        },
        "resources": {"memory": 3.5},
    },
    "models/hub": {"training": {"epochs": 20, "batch_size": 512}},
    "models/ngram": {
        "training": {"optimizer": "lazy-adam", "learning_rate": 0.05, "schedule": "cosine"},
        "evaluation": {"calibration": "temperature-prior"},
    },
    "models/nb-svm": {"evaluation": {"calibration": "temperature-prior"}},
    "models/tfidf-svc": {"evaluation": {"calibration": "temperature-prior"}},
}
"""``DEFAULTS`` of each dataset, source and model."""

UPDATE = "update PINNED_VERSION, PINNED_FINGERPRINT, PINNED_DEFAULTS and PINNED_RECIPES here"
RAISE_VERSION = "raise RESULTS_VERSION in src/textclf/config/schema.py, and then " + UPDATE


def list_defaults():
    """Return the default of every key that is part of the fingerprint, by schema."""
    sections = {"dataset": DatasetConfig, "text": TextConfig, "training": TrainingConfig}
    sections |= {"evaluation": EvaluationConfig}
    found = {}
    for section, schema in sections.items():
        found |= _list_own_defaults(section, schema)
    for kind in ("datasets", "sources", "models"):
        base = ModelConfig if kind == "models" else DatasetConfig
        for name in list_names(kind):
            found |= _list_own_defaults(f"{kind}/{name}", find_config(kind, name), base)
    return found


def _list_own_defaults(prefix, schema, base=None):
    """Return the defaults of a schema that are not those of its base."""
    inherited = _list_own_defaults(prefix, base) if base else {}
    defaults = {
        f"{prefix}.{key}": field.get_default(call_default_factory=True)
        for key, field in schema.model_fields.items()
        if not field.is_required() and key != "code"
    }
    return {
        key: value
        for key, value in defaults.items()
        if key not in inherited or inherited[key] != value
    }


def test_defaults_do_not_change_without_a_new_results_version():
    found = list_defaults()
    if RESULTS_VERSION == PINNED_VERSION:
        changed = sorted(
            k for k in found.keys() & PINNED_DEFAULTS if found[k] != PINNED_DEFAULTS[k]
        )
        assert not changed, (
            f"the default of {', '.join(changed)} has changed, so that runs made with the old one"
            f" would be taken for runs with the new one: {RAISE_VERSION}"
        )
    assert found == PINNED_DEFAULTS, UPDATE
    assert RESULTS_VERSION == PINNED_VERSION, UPDATE


def test_fingerprint_does_not_change_without_a_new_results_version():
    # Nothing here comes from a recipe.
    text = {"num_words": 100, "sequence_length": 7, "padding": "post", "truncating": "post"}
    fingerprint = resolve({**CNN, "text": text, "training": {"patience": 3}}).fingerprint
    if RESULTS_VERSION == PINNED_VERSION:
        assert fingerprint == PINNED_FINGERPRINT, (
            "finished runs would not be found: keep the fingerprint of this configuration, or"
            f" {RAISE_VERSION}"
        )
    assert fingerprint == PINNED_FINGERPRINT, UPDATE


def test_recipes_are_the_pinned_ones():
    """They need no new version, because a changed recipe changes the fingerprint."""
    modules = {
        f"{kind}/{name}": load_module(kind, name)
        for kind in ("datasets", "sources", "models")
        for name in list_names(kind)
    }
    found = {key: m.DEFAULTS for key, m in modules.items() if hasattr(m, "DEFAULTS")}
    encoder = modules["models/encoder"]
    found["models/encoder, trained"] = encoder.find_defaults({"trainable_layers": "all"})
    assert found == PINNED_RECIPES, UPDATE


@pytest.mark.parametrize("num_words", [14_999, TextConfig().num_words])
def test_fingerprint_changes_with_the_recipe_of_a_dataset(monkeypatch, num_words):
    before = resolve(CNN).fingerprint
    recipe = {"text": {**load_module("datasets", "bbc").DEFAULTS["text"], "num_words": num_words}}
    monkeypatch.setattr(load_module("datasets", "bbc"), "DEFAULTS", recipe)
    assert resolve(CNN).text.num_words == num_words
    assert resolve(CNN).fingerprint != before
