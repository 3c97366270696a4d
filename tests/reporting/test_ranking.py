import pytest

from textclf.comparison.report import complete_row
from textclf.reporting.ranking import Ranking


def make_rows(*rows):
    """Return rows of a comparison: model, verdict, seconds of training, number of parameters."""
    keys = ("model", "verdict", "train_seconds", "n_parameters")
    return [complete_row({"n_seeds": 3, **dict(zip(keys, row, strict=True))}) for row in rows]


def test_models_are_grouped_by_verdict_and_the_best_is_recommended():
    rows = make_rows(
        ("cnn", "best", 9.0, 100),
        ("lstm", "not significant", 20.0, 90),
        ("mlp", "not significant", 5.0, 200),
        ("majority", "worse", 0.0, 2),
    )
    ranking = Ranking.of(rows)
    assert (ranking.reference, ranking.tied, ranking.worse) == (0, [1, 2], [3])
    assert ranking.recommended == 0  # Each tied model needs more time or more parameters.
    assert ranking.few_seeds == []


def test_the_cheapest_model_without_a_significant_difference_is_recommended():
    rows = make_rows(
        ("cnn", "best", 9.0, 100),
        ("mlp", "not significant", 4.5, 100),
        ("nb-svm", "not significant", 2.0, 50),
        ("tfidf-svc", "worse", 1.0, 10),
    )
    assert Ranking.of(rows).recommended == 2
    assert Ranking.of([rows[0], rows[1], rows[3]]).recommended == 1


def test_a_model_that_is_only_a_little_faster_is_not_recommended():
    rows = make_rows(("cnn", "best", 9.0, 100), ("mlp", "not significant", 4.6, 10))
    assert Ranking.of(rows).recommended == 0


@pytest.mark.parametrize(
    "rows",
    [
        [("cnn", "best", 9.0, 100), ("majority", "not significant", 0.0, 2)],
        [("majority", "best", 0.0, 2), ("cnn", "worse", 9.0, 100)],
        [("cnn", "better", 9.0, 100), ("mlp", "reference", 1.0, 10)],
        [("cnn", None, 9.0, 100)],
    ],
)
def test_nothing_is_recommended_without_a_best_model_that_is_better_than_chance(rows):
    assert Ranking.of(make_rows(*rows)).recommended is None


def test_a_chosen_reference_has_better_and_worse_models():
    rows = make_rows(
        ("cnn", "better", 9.0, 100), ("mlp", "reference", 5.0, 10), ("lstm", "worse", 9.0, 10)
    )
    ranking = Ranking.of(rows)
    assert (ranking.reference, ranking.better, ranking.worse) == (1, [0], [2])


def test_models_with_few_seeds_are_found_and_failed_runs_are_left_out():
    rows = make_rows(("cnn", "best", 9.0, 100), ("mlp", "worse", 5.0, 10))
    rows[1]["n_seeds"] = 2
    rows.append(complete_row({"model": "lstm", "error": "failed: no memory"}))
    ranking = Ranking.of(rows)
    assert ranking.few_seeds == [1]
    assert ranking.worse == [1]
