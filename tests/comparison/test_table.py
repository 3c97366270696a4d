"""Tables of runs that the tests write themselves, without training."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest
from support import draw_correct, write_folds, write_run, write_runs

from textclf.comparison import table
from textclf.comparison.model_results import group_by_configuration
from textclf.comparison.table import tabulate
from textclf.errors import RunError


def tabulate_runs(runs, **options):
    """Return the rows by model, and the notes."""
    rows, notes = tabulate(group_by_configuration(runs), **options)
    return {row["model"]: row for row in rows}, notes


def test_rows_are_means_over_seeds(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.5})
    rows, _ = tabulate_runs(runs)
    stored = [result.evaluation.metrics["accuracy"] for _, result in runs[:3]]
    cnn = rows["cnn"]
    assert (cnn["n_seeds"], cnn["seeds"]) == (3, [1, 2, 3])
    assert cnn["accuracy"] == pytest.approx(np.mean(stored))
    assert cnn["accuracy_sd"] == pytest.approx(np.std(stored, ddof=1))
    low, high = cnn["accuracy_interval"]
    assert low < cnn["accuracy"] < high
    assert (cnn["verdict"], cnn["difference"]) == ("best", None)
    mlp = rows["mlp"]
    assert mlp["verdict"] == "worse"
    assert mlp["difference"] == pytest.approx(mlp["accuracy"] - cnn["accuracy"])
    assert mlp["p_value"] < 0.001


def test_one_seed_has_its_own_interval_and_the_p_value_of_mcnemar(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.75, "mlp": 0.7}, n_seeds=1)
    rows, notes = tabulate_runs(runs)
    assert tuple(rows["cnn"]["accuracy_interval"]) == runs[0][1].evaluation.intervals["accuracy"]
    assert rows["cnn"]["accuracy_sd"] is None
    predictions = [run.read_predictions() for run, _ in runs]
    cnn, mlp = (found.probabilities.argmax(axis=1) == found.label for found in predictions)
    counts = (cnn & ~mlp).sum(), (mlp & ~cnn).sum()
    assert rows["mlp"]["p_value"] == pytest.approx(binomtest(counts[0], sum(counts)).pvalue)
    assert rows["mlp"]["verdict"] == "not significant"
    assert notes[0] == (
        f"no significant difference from cnn on bbc: mlp (p = {rows['mlp']['p_value']:.3f});"
        " train more seeds to measure the variance over seeds"
    )


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_identical_runs_have_p_value_one_and_difference_zero(tmp_path, n_seeds):
    correct = draw_correct(0.7)
    runs = [
        write_run(tmp_path, model, correct, seed=seed)
        for model in ("cnn", "mlp")
        for seed in range(n_seeds)
    ]
    rows, notes = tabulate_runs(runs)
    other = next(row for row in rows.values() if row["verdict"] != "best")
    assert (other["difference"], other["p_value"]) == (0, 1)
    assert other["difference_interval"] == [0, 0]
    assert notes[0].endswith(
        f": {other['model']} (p = 1.000); the measured accuracies are the same"
    )


def test_reference_can_be_chosen_and_must_have_a_run(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.5})
    rows, _ = tabulate_runs(runs, reference="mlp")
    assert (rows["mlp"]["verdict"], rows["cnn"]["verdict"]) == ("reference", "better")
    with pytest.raises(RunError, match="no finished run of the reference model 'lstm'"):
        tabulate_runs(runs, reference="lstm")


def test_notes_name_models_that_do_not_beat_the_baseline_models(tmp_path):
    accuracies = {"tfidf-svc": 0.9, "majority": 0.35, "cnn": 0.97, "mlp": 0.9, "lstm": 0.34}
    accuracies["nb-svm"] = 0.33
    rows, notes = tabulate_runs(write_runs(tmp_path, accuracies))
    assert notes == [
        "not significantly better than the baseline model tfidf-svc on bbc: mlp and lstm",
        "WARNING: not significantly better than chance (majority) on bbc: lstm",
    ]
    other = rows.pop("nb-svm")  # A baseline model too.
    assert (other["beats_linear_baseline"], other["beats_chance_baseline"]) == (None, None)
    beats = {model: row["beats_linear_baseline"] for model, row in rows.items()}
    assert beats == {"tfidf-svc": None, "majority": None, "cnn": True, "mlp": False, "lstm": False}
    beats = {model: row["beats_chance_baseline"] for model, row in rows.items()}
    assert beats == {"tfidf-svc": None, "majority": None, "cnn": True, "mlp": True, "lstm": False}


def test_insignificantly_better_model_does_not_beat_the_baseline_model(tmp_path):
    correct = draw_correct(0.8)
    more_correct = correct.copy()
    more_correct[np.flatnonzero(~correct)[:2]] = True
    runs = [write_run(tmp_path, "tfidf-svc", correct), write_run(tmp_path, "mlp", more_correct)]
    rows, notes = tabulate_runs(runs)
    assert rows["mlp"]["accuracy"] > rows["tfidf-svc"]["accuracy"]
    assert rows["mlp"]["beats_linear_baseline"] is False
    assert "not significantly better than the baseline model tfidf-svc on bbc: mlp" in notes


def test_labels_with_few_or_no_test_examples_are_noted(tmp_path):
    labels = np.array([0] * 95 + [1] * 5)  # Label c has no example.
    runs = [
        write_run(tmp_path, model, draw_correct(0.8, 100, seed), labels=labels)
        for seed, model in enumerate(["cnn", "mlp"])
    ]
    rows, notes = tabulate_runs(runs)
    assert (
        "2 of 3 labels of bbc have fewer than 10 test examples, which makes macro F1 noisy" in notes
    )
    assert 0 < rows["cnn"]["macro_f1"] < 1


def test_several_test_sets_of_a_dataset_are_noted_and_compared_separately(tmp_path):
    runs = [
        *write_runs(tmp_path / "whole", {"cnn": 0.9}),
        *write_runs(tmp_path / "smoke", {"mlp": 0.5}, digest="e"),
    ]
    rows, notes = tabulate_runs(runs)
    assert notes[0] == "bbc has 2 test sets here (300, 300 examples), each compared separately"
    assert notes[1].startswith(
        "always predicting the most frequent label of bbc (300 test examples)"
    )
    assert all(row["verdict"] is row["p_value"] is None for row in rows.values())


def test_models_that_are_not_significantly_different_share_a_note(tmp_path):
    accuracies = {"cnn": 0.83, "mlp": 0.81, "lstm": 0.79, "cnn-lstm": 0.5}
    rows, notes = tabulate_runs(write_runs(tmp_path, accuracies))
    ordered = [*rows]
    p_values = sorted(f"{rows[model]['p_value']:.3f}" for model in ordered[1:3])
    assert ordered[3] == "cnn-lstm"
    assert p_values[0] != p_values[1]
    [note] = [note for note in notes if note.startswith("no significant difference")]
    assert note.startswith(
        f"no significant difference from {ordered[0]} on bbc: {ordered[1]} and {ordered[2]}"
        f" (p = {p_values[0]} to {p_values[1]}); "
    )


@pytest.mark.parametrize(
    ("n_examples", "accuracies", "advice"),
    [
        (300, {"cnn": 0.81, "mlp": 0.8}, "more seeds alone would not show one; more test examples"),
        (30_000, {"cnn": 0.81, "mlp": 0.8}, r"about \d+ seeds would show one$"),
        (
            30_000,
            {"cnn": 0.81, "mlp": 0.808, "lstm": 0.8},
            r"about \d+ seeds would show one for lstm$",
        ),
    ],
)
def test_note_says_what_would_show_a_difference(tmp_path, n_examples, accuracies, advice):
    # The accuracy of a model differs by one point from seed to seed.
    runs = [
        write_run(tmp_path, model, draw_correct(accuracy + 0.01 * seed, n_examples, i), seed=seed)
        for i, (model, accuracy) in enumerate(accuracies.items())
        for seed in (1, 2)
    ]
    _, notes = tabulate_runs(runs)
    assert re.search(rf"\); {advice}", notes[0]), notes


def write_configured(root, settings, **options):
    """Write a run of ``mlp`` for each mapping of settings."""
    return [
        write_run(root, "mlp", draw_correct(0.8, seed=i), settings=own, **options)
        for i, own in enumerate(settings)
    ]


def test_note_names_the_settings_in_which_configurations_of_a_model_differ(tmp_path):
    settings = [
        {},
        {"model.units": 64, "training.epochs": 3, "training.class_weight": "balanced"},
    ]
    runs = write_configured(tmp_path, settings)
    runs += write_runs(tmp_path, {"cnn": 0.5}, n_seeds=1)
    _, notes = tabulate(group_by_configuration(runs))
    plain, other = (result.fingerprint for _, result in runs[:2])
    assert set(notes[:2]) == {
        f"mlp {plain}: model.units=256, training.epochs=10, training.class_weight=null",
        f"mlp {other}: model.units=64, training.epochs=3, training.class_weight=balanced",
    }
    assert not any(note.startswith("cnn") for note in notes)


def test_settings_that_cannot_be_read_are_left_out(tmp_path):
    runs = write_configured(tmp_path, [{}, {"model.units": 64}])
    (runs[0][0].path / "config.yaml").write_text("{")
    _, notes = tabulate(group_by_configuration(runs))
    assert not any("model.units" in note for note in notes)


def test_folds_are_one_row_with_the_deviation_over_folds(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80, 70], seeds=(1, 2))
    rows, notes = tabulate_runs(runs + write_folds(tmp_path, "mlp", [60, 72, 69], seeds=(1, 2)))
    cnn, mlp = rows["cnn"], rows["mlp"]
    assert (cnn["n_seeds"], cnn["seeds"], cnn["folds"], cnn["fold"]) == (2, [1, 2], 3, None)
    assert (cnn["n_examples"], cnn["n_train_examples"]) == (300, 200)
    assert (cnn["accuracy"], cnn["accuracy_sd"]) == pytest.approx((0.8, 0.1))
    margin = 4.3027 * np.sqrt((1 / 3 + 100 / 200) * 0.01)
    assert cnn["accuracy_interval"] == pytest.approx([0.8 - margin, 1], abs=1e-4)
    assert cnn["macro_f1_interval"] is None
    macro_f1 = [result.evaluation.metrics["macro_f1"] for _, result in runs]
    assert cnn["macro_f1"] == pytest.approx(np.mean(macro_f1))
    assert mlp["difference"] == pytest.approx(-0.13)
    assert mlp["verdict"] == "not significant"
    assert notes[0] == (
        f"no significant difference from cnn on bbc: mlp (p = {mlp['p_value']:.3f}); more examples"
        " might show one"
    )


def test_interval_of_folds_is_at_least_that_of_their_examples(tmp_path):
    rows, _ = tabulate_runs(write_folds(tmp_path, "cnn", [90, 90, 90]))
    expected = binomtest(270, 300).proportion_ci(method="wilson")
    assert rows["cnn"]["accuracy_interval"] == pytest.approx(list(expected))


def test_each_training_size_is_compared_separately(tmp_path):
    runs = [
        write_run(
            tmp_path,
            model,
            draw_correct(accuracy, seed=seed),
            seed=seed,
            n_train=n_train,
            settings={"dataset.train_fraction": fraction},
        )
        for fraction, n_train, accuracies in (
            (0.05, 10, {"cnn": 0.5, "mlp": 0.8}),
            (0.1, 20, {"cnn": 0.7, "mlp": 0.72}),
            (1, 200, {"cnn": 0.92, "mlp": 0.9}),
        )
        for model, accuracy in accuracies.items()
        for seed in (1, 2, 3)
    ]
    rows, notes = tabulate(group_by_configuration(runs))
    found = [(row["n_train_examples"], row["model"], row["verdict"]) for row in rows]
    assert found == [
        (10, "mlp", "best"),
        (10, "cnn", "worse"),
        (20, "mlp", "best"),
        (20, "cnn", "not significant"),
        (200, "cnn", "best"),
        (200, "mlp", "not significant"),
    ]
    assert [row["train_fraction"] for row in rows] == [0.05, 0.05, 0.1, 0.1, None, None]
    assert [note.split(":")[0] for note in notes] == [
        "no significant difference from cnn on bbc with 200 training examples",
        "always predicting the most frequent label of bbc gives 0.3333",
    ]


def test_at_least_one_more_seed_is_advised(monkeypatch):
    difference = SimpleNamespace(estimate=SimpleNamespace(mean=0.1), has_folds=False, n_seeds=3)
    monkeypatch.setattr(table, "seeds_needed", lambda estimate, **options: 2)
    assert table._advise({"cnn": difference}, alpha=0.05) == "about 4 seeds would show one"


@pytest.mark.parametrize(
    ("part", "n_examples", "text"),
    [
        ((0.25, None), 1_200, "1,200 training examples"),
        ((0.25, None), None, "0.25 of the training examples"),
        ((None, 1_024), None, "1,024 training examples per label"),
        ((None, None), None, "all training examples"),
    ],
)
def test_training_part_is_described(part, n_examples, text):
    given = dict(zip(("train_fraction", "train_per_label"), part, strict=True))
    model = SimpleNamespace(n_train_examples=n_examples, train_part=given)
    assert table.format_train_part(model) == text


def test_small_labels_of_folds_are_noted(tmp_path):
    runs = write_folds(tmp_path, "cnn", [8, 7], n=12)
    _, notes = tabulate_runs(runs)
    assert any("have fewer than 10 test examples in a fold, which" in note for note in notes)
