from dataclasses import replace

import numpy as np
import pytest
from support import write_run

from textclf.comparison.model_results import group_by_configuration
from textclf.evaluation.metrics import ClassScores
from textclf.reporting import label_scores
from textclf.reporting.label_scores import LabelScores


@pytest.fixture
def models(tmp_path):
    """Two models with 2 and 1 seeds, the second with its labels in another order."""
    correct = np.ones(30, bool)
    runs = [write_run(tmp_path, "cnn", correct, seed=seed) for seed in (1, 2)]
    runs.append(write_run(tmp_path, "mlp", correct))
    f1 = {("cnn", 1): [0.5, 0.25, 0.0], ("cnn", 2): [1.0, 0.25, 0.0], ("mlp", 1): [0.75, 0.5, 0.0]}
    changed = []
    for run, result in runs:
        scores = [
            ClassScores(name, support, 0.0, 0.0, value)
            for name, support, value in zip(
                "abc", (10, 5, 10), f1[result.model, result.seed], strict=True
            )
        ]
        if result.model == "mlp":
            scores.reverse()
        evaluation = replace(result.evaluation, per_class=scores)
        changed.append((run, replace(result, evaluation=evaluation)))
    return {model.first.model: model for model in group_by_configuration(changed)}


def test_f1_is_the_mean_over_the_seeds_and_the_best_models_are_marked(models):
    scores = LabelScores.of(models)
    assert scores.document.content == {
        "labels": ["a", "b", "c"],
        "support": [10, 5, 10],
        "range": [0.0, 0.25, 0.0],
        "models": [
            {"model": "cnn", "f1": [0.75, 0.25, 0.0]},
            {"model": "mlp", "f1": [0.75, 0.5, 0.0]},
        ],
    }
    assert scores.best == [[], [1], []]
    assert scores.shown == [0, 2, 1]  # By falling support.


def test_the_labels_with_the_largest_differences_are_shown_if_there_are_many(models, monkeypatch):
    monkeypatch.setattr(label_scores, "MAX_LABELS", 1)
    assert LabelScores.of(models).shown == [1]


def test_a_label_without_test_examples_has_no_score(models):
    for model in models.values():
        for result in model.results:
            position = [scores.name for scores in result.evaluation.per_class].index("c")
            result.evaluation.per_class[position] = ClassScores("c", 0, 0.0, 0.0, 0.0)
    content = LabelScores.of(models).document.content
    assert content["range"] == [0.0, 0.25, None]
    assert [model["f1"][2] for model in content["models"]] == [None, None]
