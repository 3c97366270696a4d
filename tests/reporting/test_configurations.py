from support import write_runs

from textclf.comparison.model_results import group_by_configuration
from textclf.reporting.configurations import Configurations


def test_settings_are_differing_or_shared(tmp_path):
    weights = {"training.class_weight": {"a": 2.0}}
    runs = write_runs(tmp_path, {"cnn": 0.9}, n_seeds=1, settings=weights)
    runs += write_runs(tmp_path, {"lstm": 0.8}, n_seeds=1)
    models = {m.first.model: m for m in group_by_configuration(runs)}
    found = Configurations.of(models)
    cnn, lstm = (model["settings"] for model in found.document.content["models"])
    assert {"model.name", "model.filters", "training.class_weight"} <= set(found.differing)
    assert {"text.num_words", "training.epochs", "dataset.name"} <= set(found.shared)
    assert not set(found.differing) & set(found.shared)
    assert "model.filters" in found.present[0] - found.present[1]
    assert (cnn["model"]["name"], lstm["model"]["name"]) == ("cnn", "lstm")
    assert cnn["training"]["class_weight"] == '{"a": 2.0}'  # One field, whatever the labels are.
    assert not any("seed" in key or "resources" in key for key in found.differing + found.shared)


def test_a_missing_setting_does_not_differ_from_null(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "majority": 0.3}, n_seeds=1)
    models = {m.first.model: m for m in group_by_configuration(runs)}
    found = Configurations.of(models)
    assert found.document.find("models[0].settings.model.vectors") is None
    assert "model.vectors" in found.present[0] - found.present[1]
    assert "model.vectors" not in found.differing + found.shared
