import pytest
from support import PLUGINS

from textclf.config.loading import Override
from textclf.config.resolve import (
    load_config,
    resolve,
    set_values,
)
from textclf.config.search_space import Choices, Range, parse_search, read_searches
from textclf.config.tuned_keys import find_model_space, find_search_space
from textclf.errors import RequestError


def make_config(model="mlp", **values):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": model}}
    return resolve(tree, [Override(key, value, "test") for key, value in values.items()])


def find(*assignments, model="mlp", tree=None):
    searches = [parse_search(assignment) for assignment in assignments]
    return find_search_space(make_config(model), tree or {}, searches, source="c.yaml")


@pytest.mark.parametrize(
    ("assignment", "domain"),
    [
        ("training.learning_rate=1e-4..0.01:log", Range(0.0001, 0.01, log=True)),
        ("training.learning_rate=1..2", Range(1.0, 2.0)),
        ("model.units=32..512", Range(32, 512)),
        ("model.units=32.0..512.0:log", Range(32, 512, log=True)),
        ("model.units=64,128", Choices((64, 128))),
        ("training.learning_rate=1e-4,1", Choices((0.0001, 1.0))),
        ("training.schedule=constant,cosine", Choices(("constant", "cosine"))),
        ("training.class_weight=null,balanced", Choices((None, "balanced"))),
        ("training.restore_best_weights=false,true", Choices((False, True))),
        ("model.vectors=null,glove", Choices((None, "glove"))),
    ],
)
def test_options_have_the_types_of_the_configuration(assignment, domain, hub_cache):
    key = assignment.partition("=")[0]
    (found,) = find(assignment).values()
    assert find(assignment) == {key: domain}
    assert list(map(type, found.corners)) == list(map(type, domain.corners))


@pytest.mark.parametrize(
    ("given", "domain"),
    [
        ({"low": 16, "high": 64, "step": 16.0}, Range(16, 64, step=16)),
        ({"low": "1e1", "high": 1e2, "log": True}, Range(10, 100, log=True)),
        ({"choices": [16, 64]}, Choices((16, 64))),
    ],
)
def test_section_has_the_terms_of_optuna(given, domain):
    space = find(tree={"search": {"model.units": given}})
    assert space == {"model.units": domain}
    again = read_searches({"model.units": domain.to_tree()}, "again")
    assert again[0].domain == domain


def test_floats_keep_their_steps():
    space = find(
        model="cnn", tree={"search": {"model.dropout": {"low": 0, "high": 0.5, "step": 0.1}}}
    )
    assert space == {"model.dropout": Range(0.0, 0.5, step=0.1)}
    assert not space["model.dropout"].is_integer
    assert str(space["model.dropout"]) == "0.0 to 0.5, step 0.1"
    assert str(Range(1, 8, log=True)) == "1 to 8, logarithmic"
    assert str(Choices((None, "balanced"))) == "null, balanced"


FORMS = "expected KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C"


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("training.learning_rate", FORMS),
        ("=1..2", FORMS),
        ("model.units=64", FORMS),
        ("model.units=64..", FORMS),
        ("model.units=64..x", "model.units: high should be a number, got 'x'"),
        ("model.units=64..32", "model.units: low 64 should be less than high 32"),
        ("model.units=64..nan", "high should be a number, got 'nan'"),
        ("model.units=0..32:log", "low should be greater than 0 with log, got 0"),
        ("model.units=0..32", "model.units: should be greater than 0, got 0"),
        ("model.units=1..3.5", "model.units: should be a valid integer, got a number with a"),
        ("model.units=[..32", "expected"),
        ("model.units=64,64", "choices should be two or more different values"),
        ("model.units=64,64.0", "64 and 64.0 are the same for mlp; leave the key out"),
        ("model.units={a: 1},2", "choices should be numbers, texts, booleans or null"),
        ("model.unit=1..2", "unknown key 'unit': did you mean 'units'"),
        ("units=1..2", "unknown key 'units': did you mean 'model.units'"),
        ("model.vectors_trainable=0..1", "vectors_trainable"),
        ("training.restore_best_weights=0..1", "it is true or false: write choices"),
        ("training.schedule=constant,cosin", "should be 'constant', 'linear'"),
        ("seed=1..9", "seed is not tuned: its effect is chance; use --seeds"),
        ("dataset.limit=10,20", "dataset.limit is not tuned: all trials need the same examples"),
        ("resources.cpus=1,2", "resources.cpus is not tuned: it does not change the result"),
        ("output.model=full,head", "output.model is not tuned: it does not change the result"),
        ("model.name=cnn,mlp", "model.name is not tuned: a study tunes one model"),
        ("training.refit=true,false", "training.refit is not tuned: trials are compared before"),
        ("evaluation.calibration=none,temperature", "it uses the validation split"),
    ],
)
def test_mistakes_of_an_option_are_one_line(assignment, problem):
    with pytest.raises(RequestError) as error:
        find(assignment)
    message = str(error.value)
    assert message.startswith(f"--search {assignment}: ")
    assert problem in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        (3, "search: expected keys such as 'training.learning_rate:', got '3'"),
        ({"model.units": 64}, "search: model.units: expected {low: LOW, high: HIGH} or"),
        ({"model": {"units": {"low": 1}}}, "search: model: unknown key 'units': choose from"),
        ({"model.units": {"lo": 1}}, "unknown key 'lo': did you mean 'low'? Choose from choices"),
        ({"model.units": {"low": 1}}, "model.units: high should be a number, got None"),
        ({"model.units": {"low": True, "high": 2}}, "low should be a number, got True"),
        ({"model.units": {"low": 1, "high": 2, "log": 1}}, "log should be true or false, got 1"),
        ({"model.units": {"low": 1, "high": 9, "step": 3}}, "should be a multiple of step 3"),
        (
            {"model.units": {"low": 1, "high": 9, "step": -1}},
            "should be greater than 0, got -1",
        ),
        ({"model.units": {"low": 1, "high": 9, "step": 0}}, "step should be greater than 0, got 0"),
        ({"model.units": {"low": 1, "high": 2, "step": 0.5}}, "step should be an integer, got 0.5"),
        (
            {"model.units": {"low": 1, "high": 9, "step": 2, "log": True}},
            "step and log exclude each other",
        ),
        ({"model.units": {"choices": [1, 2], "low": 1}}, "choices should be a list, without"),
        ({"model.units": {"choices": 3}}, "choices should be a list, without other keys"),
        ({"model.units": {"choices": "12"}}, "choices should be a list, without other keys"),
        ({"model.units": {"low": 1, "high": 10**400}}, "high should be a number, got 1000"),
        ({"model.units": {"low": 0, "high": 1e300, "step": 3e-300}}, "a multiple of step 3e-300"),
        ({"model.units": {"low": -1, "high": 2}}, "model.units: should be greater than 0, got -1"),
        ({"model.unit": {"low": 1, "high": 2}}, "unknown key 'unit': did you mean 'units'?"),
    ],
)
def test_mistakes_of_a_section_name_the_file(search, problem):
    with pytest.raises(RequestError) as error:
        find(tree={"search": search})
    message = str(error.value)
    assert message.startswith("c.yaml: search: ")
    assert problem in message
    assert "\n" not in message


def test_options_replace_the_section_which_replaces_the_model():
    tree = {"search": {"model.units": {"choices": [1, 2]}}}
    assert set(find("training.learning_rate=0.1,0.2", tree=tree)) == {"training.learning_rate"}
    assert set(find(tree=tree)) == {"model.units"}


def test_key_that_a_model_does_not_use_is_refused():
    with pytest.raises(RequestError) as error:
        find("training.learning_rate=0.1..0.2", model="tfidf-svc")
    assert str(error.value) == (
        "--search training.learning_rate=0.1..0.2: training.learning_rate: 0.1 and 0.2 are the same"
        " for tfidf-svc; leave the key out"
    )


def test_model_without_a_search_space_needs_an_option(tmp_path):
    path = tmp_path / "small.py"
    path.write_text((PLUGINS / "average.py").read_text())
    config = make_config(str(path), **{"model.name": str(path)})
    with pytest.raises(RequestError, match=r"small\.py does not say what to tune: use --search"):
        find_search_space(config, {}, [], source="")


def test_model_without_hyperparameters_is_refused():
    with pytest.raises(RequestError, match=r"^majority has no hyperparameters: choose another"):
        find(model="majority")


FILE = """
dataset: {name: bbc}
model: {name: mlp}
search:
  model.units: {low: 32, high: HIGH}
"""


def test_training_ignores_a_section_that_is_valid(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(FILE.replace("HIGH", "64"))
    config = load_config(path)
    assert config.fingerprint == make_config().fingerprint
    assert "search" not in config.to_yaml()
    path.write_text(FILE.replace("HIGH", "2.5e6"))
    with pytest.raises(RequestError) as error:
        load_config(path)
    assert str(error.value) == (
        f"{path}: search: model.units: should be less than or equal to 1000000, got 2500000.0"
    )


def test_values_of_a_trial_replace_those_of_the_configuration():
    config = make_config(**{"training.epochs": 3})
    changed = set_values(config, {"model.units": 7, "training.learning_rate": 0.5}, "trial 1")
    assert changed.model.units == 7
    assert changed.training == config.training.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(RequestError, match=r"^trial 1: model\.units: "):
        set_values(config, {"model.units": 0}, "trial 1")


def test_plug_in_with_an_invalid_search_space_is_named(tmp_path):
    path = tmp_path / "own.py"
    source = (PLUGINS / "average.py").read_text()
    path.write_text(f'{source}\nSEARCH = {{"model.units": {{"low": 2, "hi": 3}}}}\n')
    config = make_config(str(path), **{"model.name": str(path)})
    with pytest.raises(RequestError) as error:
        find_search_space(config, {}, [], source="")
    assert str(error.value).startswith(
        f"{path}: SEARCH: model.units: unknown key 'hi': did you mean 'high'?"
    )


def test_keys_of_a_model_that_do_not_fit_the_configuration_are_left_out():
    everything = find_model_space(make_config("ngram"))
    assert {"model.ratio", "model.position_decay"} < set(everything)
    hidden = find_model_space(make_config("ngram", **{"model.units": 8}))
    assert set(everything) - set(hidden) == {"model.ratio"}


def test_a_key_is_given_once():
    with pytest.raises(
        RequestError, match=r"^--search model\.units=8,16: model\.units is given twice$"
    ):
        find("model.units=4..8", "model.units=8,16")
