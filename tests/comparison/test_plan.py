import re

import pytest
import yaml

from textclf.comparison.plan import ComparisonPlan
from textclf.config.loading import SMOKE, Override
from textclf.config.resolve import resolve
from textclf.config.schema import TrainingConfig
from textclf.errors import EmbeddingError, RequestError, RunError
from textclf.models._build import BASELINES, is_baseline
from textclf.registry import list_names
from textclf.runs.result import Failure

BBC = Override("dataset.name", "bbc", "--dataset bbc")
FILE = {"dataset": {"name": "bbc"}, "model": {"name": "cnn", "filters": 7}, "seed": 5}


def write_yaml(folder, tree):
    path = folder / "my.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def list_runs(plan):
    return [(config.model.name, config.seed) for config in plan.make_configs()]


def test_every_model_and_seed_has_a_run_and_baseline_models_are_last():
    plan = ComparisonPlan(overrides=[BBC], models=["mlp", "cnn"], seeds=[3, 1])
    models = ["mlp", "cnn", "tfidf-svc", "majority"]
    assert list_runs(plan) == [(model, seed) for model in models for seed in (3, 1)]
    assert {config.dataset.name for config in plan.make_configs()} == {"bbc"}
    assert plan.names_models


def test_every_network_runs_if_no_model_is_named():
    plan = ComparisonPlan(overrides=[BBC])
    networks = [name for name in list_names("models") if not is_baseline(name)]
    assert {"cnn", "hub"} <= {*networks} <= {*list_names("models")} - {*BASELINES, "nb-svm"}
    assert list_runs(plan) == [(model, 42) for model in [*networks, *BASELINES]]
    assert not plan.names_models


def test_repeated_models_and_seeds_run_once():
    plan = ComparisonPlan(overrides=[BBC], models=["mlp", "mlp"], seeds=[1, 2, 1])
    assert list_runs(plan)[:2] == [("mlp", 1), ("mlp", 2)]
    assert len(list_runs(plan)) == 6


def test_file_names_its_model_and_seed(tmp_path):
    plan = ComparisonPlan(config_path=write_yaml(tmp_path, FILE))
    assert list_runs(plan) == [("cnn", 5), ("tfidf-svc", 5), ("majority", 5)]
    assert plan.make_configs()[0] == resolve(FILE)
    assert plan.names_models


def test_options_override_the_model_and_the_seed_of_the_file(tmp_path):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "cnn"}, "seed": 5}
    path = write_yaml(tmp_path, tree)
    plan = ComparisonPlan(config_path=path, models=["mlp"], seeds=[1])
    assert list_runs(plan) == [("mlp", 1), ("tfidf-svc", 1), ("majority", 1)]
    plan = ComparisonPlan(config_path=path, overrides=[Override("dataset.limit", 9, "--set")])
    assert [config.dataset.limit for config in plan.make_configs()] == [9, 9, 9]


@pytest.mark.parametrize(
    ("models", "added"),
    [
        (["tfidf-svc", "cnn"], ["majority"]),
        (["majority"], ["tfidf-svc"]),
        (["majority", "tfidf-svc"], []),
    ],
)
def test_baseline_models_that_are_named_are_not_added_again(models, added):
    plan = ComparisonPlan(overrides=[BBC], models=models, seeds=[1])
    assert [model for model, _ in list_runs(plan)] == [*models, *added]


def test_baseline_model_that_a_file_names_is_not_added_again(tmp_path):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "majority"}}
    plan = ComparisonPlan(config_path=write_yaml(tmp_path, tree))
    assert list_runs(plan) == [("majority", 42), ("tfidf-svc", 42)]


def test_settings_of_networks_do_not_reach_baseline_models(tmp_path):
    tree = {**FILE, "text": {"num_words": 50}, "training": {"learning_rate": 0.1}}
    plan = ComparisonPlan(
        config_path=write_yaml(tmp_path, tree),
        overrides=[Override("training.epochs", 3, "--set training.epochs=3")],
    )
    network, *baselines = plan.make_configs()
    assert (network.training.epochs, network.training.learning_rate) == (3, 0.1)
    assert (network.text.num_words, network.model.filters) == (50, 7)
    assert [config.model.name for config in baselines] == list(BASELINES)
    for config in baselines:
        plain = resolve(
            {"dataset": {"name": "bbc"}, "model": {"name": config.model.name}, "seed": 5}
        )
        assert config == plain


def test_a_model_file_without_its_encoder_is_not_asked_of_baseline_models():
    head = Override("output.model", "head", "--set output.model=head")
    digest = Override("model.digest", "d", "test")  # Otherwise the preset would be looked for.
    plan = ComparisonPlan(overrides=[BBC, head, digest], models=["encoder"])
    assert [config.output.model for config in plan.make_configs()] == ["head", "full", "full"]


def test_settings_of_the_dataset_reach_baseline_models():
    plan = ComparisonPlan(overrides=[*SMOKE, BBC], models=["mlp"])
    network, *baselines = plan.make_configs()
    assert network.training.epochs == 1
    for config in baselines:
        assert config.dataset == network.dataset
        assert config.dataset.limit == 64
        assert config.training.epochs == 10


def test_baseline_models_reserve_no_gpu_but_the_same_memory(tmp_path):
    resources = {"gpus": 1, "memory": 3.0}
    plan = ComparisonPlan(
        config_path=write_yaml(tmp_path, {**FILE, "resources": resources}), seeds=[1, 2]
    )
    found = {(c.model.name, c.resources.gpus, c.resources.memory) for c in plan.make_configs()}
    assert found == {("cnn", 1, 3.0), ("tfidf-svc", 0, 3.0), ("majority", 0, 3.0)}


def make_failure(model, error):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": model}}
    return Failure(resolve(tree), error("it fails"))


@pytest.mark.parametrize(
    ("models", "left_out"),
    [
        ([], {"hub", "tfidf-svc", "majority"}),
        (["hub", "cnn"], {"tfidf-svc", "majority"}),
        (["tfidf-svc"], {"majority"}),
    ],
)
def test_models_that_are_not_named_may_be_left_out(models, left_out):
    plan = ComparisonPlan(overrides=[BBC], models=models)
    errors = {"hub": EmbeddingError, "tfidf-svc": RequestError, "majority": RequestError}
    found = {m for m, error in errors.items() if plan.may_leave_out(make_failure(m, error))}
    assert found == left_out
    assert not plan.may_leave_out(make_failure("cnn", RequestError))
    assert not plan.may_leave_out(make_failure("tfidf-svc", RunError))


def test_baseline_model_that_a_file_names_may_not_be_left_out(tmp_path):
    tree = {"dataset": {"name": "bbc"}, "model": {"name": "tfidf-svc"}}
    plan = ComparisonPlan(config_path=write_yaml(tmp_path, tree))
    assert not plan.may_leave_out(make_failure("tfidf-svc", RequestError))
    assert plan.may_leave_out(make_failure("majority", RequestError))


def test_errors_name_the_file_or_the_option(tmp_path):
    path = write_yaml(tmp_path, {**FILE, "training": {"epoch": 1}})
    with pytest.raises(RequestError, match=r"my\.yaml: training\.epoch: unknown key"):
        ComparisonPlan(config_path=path).make_configs()
    plan = ComparisonPlan(overrides=[BBC], models=["mlp"], seeds=[-1])
    with pytest.raises(RequestError, match=r"^--seed -1: seed: "):
        plan.make_configs()
    plan = ComparisonPlan(overrides=[BBC], models=["mpl"])
    with pytest.raises(RequestError, match=r"unknown model 'mpl': did you mean 'mlp'\?"):
        plan.make_configs()


def test_empty_configuration_file_is_a_file_without_a_model(tmp_path):
    dataset = Override("dataset.name", "bbc", "--dataset bbc")
    path = write_yaml(tmp_path, {})
    with pytest.raises(RequestError, match="no model given"):
        ComparisonPlan(config_path=path, overrides=[dataset]).make_configs()


def test_baseline_models_are_fitted_on_the_same_examples():
    refit = Override("training.refit", True, "--set training.refit=true")
    network, *baselines = ComparisonPlan(overrides=[BBC, refit], models=["mlp"]).make_configs()
    assert network.training.refit
    assert [config.training for config in baselines] == [TrainingConfig(refit=True)] * 2
    assert {config.evaluation.calibration for config in baselines} == {"none", "temperature-prior"}


def test_folds_are_run_for_every_model_and_seed():
    plan = ComparisonPlan(overrides=[BBC], models=["cnn"], seeds=[1, 2], folds=3, folds_of="all")
    configs = plan.make_configs()
    assert [config.model.name for config in configs[::6]] == ["cnn", "tfidf-svc", "majority"]
    for of_model in (configs[:6], configs[6:12], configs[12:]):
        found = [(config.dataset.fold, config.seed) for config in of_model]
        assert found == [(fold, seed) for fold in (1, 2, 3) for seed in (1, 2)]
    assert {(c.dataset.folds, c.dataset.folds_of) for c in configs} == {(3, "all")}


def test_training_sizes_are_run_for_every_model_and_the_whole_is_the_plain_configuration():
    plan = ComparisonPlan(overrides=[BBC], models=["cnn"], train_fractions=[0.1, 1.0])
    configs = plan.make_configs()
    assert [config.dataset.train_fraction for config in configs] == [0.1, None] * 3
    assert configs[1] == ComparisonPlan(overrides=[BBC], models=["cnn"]).make_configs()[0]
    plan = ComparisonPlan(overrides=[BBC], models=["cnn"], train_per_label=[8, None])
    assert [config.dataset.train_per_label for config in plan.make_configs()] == [8, None] * 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"folds_of": "all"}, "--folds-of needs --folds, the number of folds"),
        ({"folds": 3, "train_fractions": [0.1]}, "give either --folds or --train-fractions"),
        (
            {"train_fractions": [0.1], "train_per_label": [8]},
            "give either --train-fractions or --train-per-label",
        ),
    ],
)
def test_protocols_that_cannot_be_combined_are_refused(options, problem):
    with pytest.raises(RequestError, match=f"^{problem}$"):
        ComparisonPlan(overrides=[BBC], models=["cnn"], **options)


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({"train_fractions": [2.0]}, "--train-fractions 2.0"),
        ({"train_per_label": [-1]}, "--train-per-label -1"),
    ],
)
def test_an_invalid_training_size_is_refused_with_its_option(options, source):
    with pytest.raises(RequestError, match=re.escape(source)):
        ComparisonPlan(overrides=[BBC], models=["cnn"], **options).make_configs()
