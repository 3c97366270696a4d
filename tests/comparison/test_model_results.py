"""Paired comparison of runs that the tests write themselves, without training."""

from dataclasses import replace

import numpy as np
import pytest
from support import draw_correct, write_csv, write_folds, write_run, write_runs

from textclf.comparison.model_results import (
    check_comparable,
    check_models,
    compare,
    compare_all,
    group_by_configuration,
    group_by_test_set,
    group_comparable,
)
from textclf.errors import RunError


def test_seeds_of_one_configuration_are_one_group_in_order(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9, "mlp": 0.5})
    cnn, mlp = group_by_configuration(reversed(runs))
    assert (cnn.first.model, mlp.first.model) == ("cnn", "mlp")
    assert [result.seed for result in cnn.results] == [1, 2, 3]
    assert [run.path for run in cnn.runs] == [run.path for run, _ in runs[:3]]
    assert cnn.correct.shape == (3, 300)
    assert np.array_equal(cnn.correct[0], draw_correct(0.9, seed=1))
    assert cnn.accuracy == pytest.approx(cnn.mean_metric("accuracy"))


def test_models_with_different_numbers_of_seeds_are_compared_over_all_of_them(tmp_path):
    runs = write_runs(tmp_path, {"cnn": 0.9}) + write_runs(tmp_path, {"mlp": 0.6}, n_seeds=2)
    cnn, mlp = group_by_configuration(runs)
    assert compare(mlp, cnn).n_seeds == 2
    assert compare(mlp, cnn).estimate.mean == pytest.approx(mlp.accuracy - cnn.accuracy)


def test_models_are_grouped_by_test_set(tmp_path):
    runs = [
        *write_runs(tmp_path / "one", {"cnn": 0.9, "mlp": 0.5}),
        *write_runs(tmp_path / "other", {"lstm": 0.9}, digest="e"),
    ]
    groups = group_by_test_set(group_by_configuration(runs))
    assert [[model.first.model for model in group] for group in groups] == [
        ["cnn", "mlp"],
        ["lstm"],
    ]


def test_order_of_labels_may_differ(tmp_path):
    ours = write_run(tmp_path, "cnn", draw_correct(0.8))[1]
    theirs = write_run(tmp_path, "mlp", draw_correct(0.8), names=("c", "a", "b"))[1]
    check_comparable(ours, theirs)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"digest": "e"}, "different test sets (300 and 300 examples)"),
        ({"names": ("a", "b", "x")}, "different labels: only one of them has 'c'"),
        ({"dataset": "imdb", "digest": "e"}, "different datasets: bbc and imdb"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused_with_the_reason(tmp_path, cli, options, reason):
    ours = write_run(tmp_path, "cnn", draw_correct(0.8))
    theirs = write_run(tmp_path, "mlp", draw_correct(0.8), **options)
    with pytest.raises(RunError) as info:
        check_comparable(ours[1], theirs[1])
    assert str(info.value).endswith(f"cannot be compared: {reason}")
    for command in ("compare", "diff"):
        answer = cli(command, ours[0].path, theirs[0].path)
        assert answer.code == 1
        assert f"cannot be compared: {reason}" in answer.error_line
    # In a folder, each test set is compared separately.
    answer = cli("compare", tmp_path, "--format", "json")
    assert answer.code == 0
    assert len(answer.json) == 2


def test_runs_before_and_after_a_file_was_moved_are_compared(tmp_path, cli):
    runs = []
    for folder, seeds in (("old", {1, 3}), ("new", {2})):
        (tmp_path / folder).mkdir()
        data = write_csv(tmp_path / folder / "data.csv")
        for model, accuracy in (("cnn", 0.8), ("mlp", 0.7)):
            for seed in sorted(seeds):
                correct = draw_correct(accuracy, seed=seed)
                run = write_run(tmp_path / "runs", model, correct, seed=seed, dataset=str(data))
                runs.append(run)
    assert {result.dataset for _, result in runs} == {"old/data.csv", "new/data.csv"}
    check_comparable(runs[0][1], runs[-1][1])
    models = group_by_configuration(runs)
    assert [[result.seed for result in model.results] for model in models] == [[1, 2, 3]] * 2
    assert len(group_by_test_set(models)) == 1
    table = cli("compare", tmp_path / "runs").out.splitlines()
    assert table[0] == "old/data.csv: 300 test examples, 3 seeds"


def test_predictions_of_another_run_are_refused(tmp_path):
    run, result = write_run(tmp_path, "cnn", draw_correct(0.8))
    other, _ = write_run(tmp_path / "x", "cnn", draw_correct(0.9))
    run.write_predictions(other.read_predictions())
    with pytest.raises(RunError, match=r"predictions\.npz is damaged .*it has changed since"):
        group_by_configuration([(run, result)])


def test_damaged_predictions_in_a_folder_are_left_out_with_a_message(cli, tmp_path):
    good = write_run(tmp_path / "runs", "cnn", draw_correct(0.8))[0]
    damaged = write_run(tmp_path / "runs", "mlp", draw_correct(0.8))[0]
    (damaged.path / "predictions.npz").write_bytes(b"PK")
    answer = cli("compare", "--format", "json")
    assert (answer.code, [row["model"] for row in answer.json]) == (0, ["cnn"])
    assert "left out: runs/bbc/mlp/" in answer.err
    answer = cli("compare", damaged.path)
    assert answer.code == 1
    assert "predictions.npz is damaged" in answer.error_line
    (good.path / "predictions.npz").unlink()
    answer = cli("compare")
    assert answer.code == 1
    assert "no finished run has predictions to compare" in answer.error_line


def test_folds_of_a_configuration_are_one_model(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80, 70], seeds=(1, 2))
    [cnn] = group_by_configuration(reversed(runs))
    assert [(result.fold, result.seed) for result in cnn.results] == [
        (fold, seed) for fold in (1, 2, 3) for seed in (1, 2)
    ]
    assert (cnn.correct.shape, cnn.fold_sizes, cnn.n_examples) == ((2, 300), (100, 100, 100), 300)
    assert cnn.fold_accuracies == pytest.approx([0.9, 0.8, 0.7])
    assert cnn.accuracy == pytest.approx(0.8)
    assert cnn.test_ratio == 100 / 200
    assert cnn.test_set not in {result.split_digest for result in cnn.results}


def test_folds_are_compared_by_the_corrected_test_with_the_seeds_averaged(tmp_path):
    runs = write_folds(tmp_path, "cnn", [92, 94, 90, 93, 91], seeds=(1, 2), n_train=400)
    runs += write_folds(tmp_path, "mlp", [90] * 5, n_train=400)
    cnn, mlp = group_by_configuration(runs)
    found = compare(cnn, mlp)
    assert found.estimate.mean == pytest.approx(0.02)
    assert found.estimate.variance == pytest.approx((1 / 5 + 1 / 4) * 0.00025)
    assert (found.estimate.degrees, found.has_folds) == (4, True)
    assert found.p_value == pytest.approx(0.1324, abs=1e-4)
    assert compare(mlp, cnn).p_below == pytest.approx(found.p_value / 2)


def test_folds_without_variance_are_compared_by_their_examples(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 90]) + write_folds(tmp_path, "mlp", [80, 80])
    cnn, mlp = group_by_configuration(runs)
    assert compare(cnn, mlp).p_value == pytest.approx(2 * 0.5**20)


def test_models_that_lack_folds_are_left_out_with_a_message(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80, 70]) + write_folds(tmp_path, "mlp", [60] * 3)[:2]
    messages = []
    models = group_by_configuration(runs, leave_out=messages.append)
    assert [model.first.model for model in models] == ["cnn"]
    fingerprint = runs[-1][1].fingerprint
    problem = f"bbc/mlp {fingerprint} has 2 of 3 folds; run the others, or name the runs of one"
    assert messages == [f"left out: {problem} fold"]
    with pytest.raises(RunError, match=problem):
        group_by_configuration(runs)


def test_seeds_that_lack_folds_are_left_out_with_a_message(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80], seeds=(1, 2))[:3]
    messages = []
    [model] = group_by_configuration(runs, leave_out=messages.append)
    assert model.correct.shape == (1, 200)
    assert messages == [
        f"left out: bbc/cnn {model.first.fingerprint}: seed 2 is not finished for all folds"
    ]


def test_a_single_fold_is_an_ordinary_test_set(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80]) + write_folds(tmp_path, "mlp", [90, 80])[:1]
    cnn, mlp = group_by_configuration(runs)
    assert (mlp.fold_sizes, mlp.test_set, mlp.n_examples) == ((), "fold 1", 100)
    assert len(group_by_test_set([cnn, mlp])) == 2
    check_comparable(cnn.first, mlp.first)
    with pytest.raises(RunError, match="cannot be compared: only one of them has all folds"):
        check_models(cnn, mlp)


def test_models_are_grouped_by_training_size_from_the_smallest(tmp_path):
    runs = [
        write_run(
            tmp_path,
            model,
            draw_correct(0.8),
            settings={"dataset.train_fraction": fraction},
            n_train=n_train,
        )
        for fraction, n_train in ((1, 200), (0.1, 20), (0.5, 100))
        for model in ("cnn", "mlp")
    ]
    groups = group_comparable(group_by_configuration(runs))
    assert [[model.n_train_examples for model in group] for group in groups] == [
        [20, 20],
        [100, 100],
        [200, 200],
    ]


def test_training_size_of_an_older_run_is_that_of_its_configuration(tmp_path):
    settings = {"dataset.train_per_label": 8}
    run, result = write_run(tmp_path, "cnn", draw_correct(0.8), settings=settings, n_train=None)
    older = replace(result, train_per_label=None)
    [model] = group_by_configuration([(run, older)])
    assert model.n_train_examples is None
    assert model.train_part == {"train_fraction": None, "train_per_label": 8}


def test_p_values_of_the_best_model_are_corrected_for_all_pairs(tmp_path):
    accuracies = {"cnn": 0.83, "mlp": 0.81, "lstm": 0.79, "hub": 0.8}
    models = group_by_configuration(write_runs(tmp_path, accuracies))
    best = max(models, key=lambda model: model.accuracy)
    alone = {m.first.fingerprint: compare(m, best).p_value for m in models if m is not best}
    smallest = min(alone, key=alone.__getitem__)
    for all_pairs, n_tests in ((False, 3), (True, 6)):
        corrected = compare_all(models, best, all_pairs=all_pairs)
        assert corrected.keys() == alone.keys()
        assert corrected[smallest].p_value == pytest.approx(min(1, n_tests * alone[smallest]))
