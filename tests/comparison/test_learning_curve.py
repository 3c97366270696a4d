"""Learning curves of runs that the tests write themselves, without training."""

import numpy as np
import pytest
from support import SIZES, draw_correct, write_curve, write_folds, write_run

from textclf.comparison import learning_curve
from textclf.comparison.comparison import Comparison
from textclf.comparison.learning_curve import find_learning_curves
from textclf.comparison.model_results import compare, group_by_configuration
from textclf.runtime.progress import Reporter

QUIET = Reporter(quiet=True)


def describe(runs):
    [curve] = find_learning_curves(group_by_configuration(runs))
    return curve, curve.describe()


def test_runs_that_differ_in_their_training_size_are_one_curve(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6, 0.7, 0.8])
    runs += write_curve(tmp_path, "mlp", [0.6, 0.65, 0.7, 0.72])
    runs += write_curve(tmp_path, "lstm", [0.6])  # A single size is not a curve.
    curve, _ = describe(runs)
    assert (curve.dataset, curve.key) == ("bbc", "train_fraction")
    assert [*curve.models] == ["cnn", "mlp"]
    for name, points in curve.list_points().items():
        assert [point.n_examples for point in points] == [100, 200, 400, 1_000]
        for point in points:
            results = [
                r for _, r in runs if (r.model, r.n_train_examples) == (name, point.n_examples)
            ]
            expected = np.mean([result.evaluation.metrics["accuracy"] for result in results])
            assert point.accuracy == pytest.approx(expected)
            assert point.interval[0] < point.accuracy < point.interval[1]


def test_configurations_of_one_model_are_different_curves(tmp_path):
    runs = write_curve(tmp_path, "mlp", [0.5, 0.6, 0.7, 0.8])
    runs += write_curve(tmp_path, "mlp", [0.5, 0.6, 0.7, 0.7], settings={"model.units": 8})
    curve, _ = describe(runs)
    whole = [r.fingerprint for _, r in runs if r.train_fraction is None]
    assert [*curve.models] == [f"mlp {whole[0]}", f"mlp {whole[-1]}"]
    assert [len(results) for results in curve.models.values()] == [4, 4]


def test_fractions_and_numbers_per_label_are_different_curves_with_the_same_whole(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6, 0.7, 0.8])
    runs.append(
        write_run(
            tmp_path,
            "cnn",
            draw_correct(0.4, 2_000),
            settings={"dataset.train_per_label": 8},
            n_train=24,
        )
    )
    curves = find_learning_curves(group_by_configuration(runs))
    assert [curve.key for curve in curves] == ["train_fraction", "train_per_label"]
    for curve in curves:
        assert all(f"on bbc ({curve.key})" in sentence for sentence in curve.describe())
    table = repr(Comparison.of(runs, [], QUIET, reference=None))
    for part in ("24 training examples (8 per label)", "100 training examples (fraction 0.1)"):
        assert f"bbc: 2,000 test examples, {part}, " in table
    assert "bbc: 2,000 test examples, 1,000 training examples, 3 seeds\n" in table
    points = [[p.n_examples for p in curve.list_points()["cnn"]] for curve in curves]
    assert points == [[100, 200, 400, 1_000], [24, 1_000]]


def test_folds_and_plain_runs_have_no_curve(tmp_path):
    runs = write_folds(tmp_path, "cnn", [90, 80])
    runs += [write_run(tmp_path, model, draw_correct(0.8)) for model in ("mlp", "lstm")]
    assert find_learning_curves(group_by_configuration(runs)) == []


def test_runs_of_earlier_versions_have_no_point(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6])
    runs.append(write_run(tmp_path, "cnn", draw_correct(0.9, 2_000), n_train=None))
    curve, _ = describe(runs)
    assert [p.n_examples for p in curve.list_points()["cnn"]] == [100, 200]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("accuracies", "sentence"),
    [
        (
            [0.5, 0.6, 0.7, 0.8],
            "mlp is significantly better from 100 to 200 training examples; no significant"
            " difference at 400; cnn is significantly better at 1,000",
        ),
        (
            [0.5, 0.75, 0.8, 0.85],
            "mlp is significantly better at 100 training examples; cnn is significantly better from"
            " 200 to 1,000",
        ),
        (
            [0.8, 0.8, 0.8, 0.85],
            "cnn is significantly better from 100 to 1,000 training examples",
        ),
        (
            [0.61, 0.66, 0.70, 0.725],
            "no significant difference from 100 to 1,000 training examples",
        ),
    ],
)
def test_sentence_says_from_how_many_examples_a_model_is_better(tmp_path, accuracies, sentence):
    runs = write_curve(tmp_path, "cnn", accuracies)
    runs += write_curve(tmp_path, "mlp", [0.61, 0.66, 0.70, 0.72])
    _, sentences = describe(runs)
    first, second = ("cnn", "mlp") if sentences[0].startswith("cnn and") else ("mlp", "cnn")
    assert sentences[0] == f"{first} and {second} on bbc: {sentence}"


def test_p_values_are_corrected_for_all_sizes_together(tmp_path):
    """A difference that is significant at one size alone is not among four sizes."""
    runs = write_curve(tmp_path, "cnn", [0.7, 0.7, 0.7, 0.735], n=2_000, n_seeds=1)
    runs += write_curve(tmp_path, "mlp", [0.7, 0.7, 0.7, 0.7], n=2_000, n_seeds=1)
    models = {(m.first.model, m.n_train_examples): m for m in group_by_configuration(runs)}
    p_value = compare(models["cnn", 1_000], models["mlp", 1_000]).p_value
    assert 0.05 / 4 < p_value < 0.05
    _, sentences = describe(runs)
    assert sentences[0].endswith("no significant difference from 100 to 1,000 training examples")


def test_p_values_are_corrected_for_all_pairs_of_models(tmp_path, monkeypatch):
    """The model that the others are compared with was chosen by its result."""
    tests = []

    def spy(p_values, *, n_tests):
        tests.append((len(p_values), n_tests))
        return p_values

    monkeypatch.setattr(learning_curve, "holm", spy)
    runs = [
        run
        for model in ("cnn", "mlp", "lstm", "majority")
        for run in write_curve(tmp_path, model, [0.5, 0.6, 0.7, 0.8], n_seeds=1, n=100)
    ]
    describe(runs)
    assert tests == [(2 * 4, 3 * 4)]


def test_chance_baseline_is_left_out_of_the_sentences_and_the_plot(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6, 0.7, 0.8])
    runs += write_curve(tmp_path, "majority", [0.4, 0.4, 0.4, 0.4])
    curve, sentences = describe(runs)
    assert [*curve.models] == ["cnn", "majority"]
    assert [*curve.list_points()] == ["cnn"]
    assert not any("majority" in sentence for sentence in sentences)


def test_guess_says_what_twice_as_many_examples_would_bring(tmp_path):
    law = [0.9 - 0.1 * (n / 1_000) ** -0.5 for n in SIZES.values()]
    runs = write_curve(tmp_path, "cnn", law, n=5_000)
    runs += write_curve(tmp_path, "mlp", [0.5, 0.6], n=5_000)
    _, sentences = describe(runs)
    start = (
        "a guess by a power law: 2,000 training examples, twice as many, would change the accuracy"
        " on bbc by: cnn +0.0"
    )
    assert sentences[-2].startswith(start)
    assert sentences[-2].endswith(")")
    assert sentences[-1] == (
        "no guess what more training examples would bring for mlp on bbc: fewer than 4 training"
        " sizes"
    )


def test_comparison_has_the_sentences_before_other_notes_and_writes_the_plot(tmp_path):
    runs = write_curve(tmp_path, "cnn", [0.5, 0.6], n=300)
    runs += write_curve(tmp_path, "mlp", [0.6, 0.65], n=300)
    comparison = Comparison.of(runs, [], QUIET, reference=None)
    [curve] = comparison.learning_curves
    assert comparison.notes[: len(curve.describe())] == curve.describe()
    path = curve.write_plot(tmp_path)
    assert path == tmp_path / "learning-curve.png"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["learning-curve.png"]
