from textclf.reporting.examples import choose_examples, describe_examples, list_probabilities


def test_the_most_confident_examples_of_each_cell_are_chosen(make_predictions):
    pairs = [(0, 1)] * 60 + [(0, 0)] * 7 + [(2, 1)]
    predictions = make_predictions(pairs, [0.5 + i / 200 for i in range(68)])
    chosen = choose_examples(predictions)
    assert chosen == {
        (0, 1): [*range(59, 9, -1)],
        (0, 0): [66, 65, 64, 63, 62],
        (2, 1): [67],
    }


def test_each_cell_gets_an_example_before_another_gets_two(make_predictions, monkeypatch):
    monkeypatch.setattr("textclf.reporting.examples.MAX_EXAMPLES", 4)
    pairs = [(0, 1), (0, 1), (1, 2), (0, 0), (0, 1), (1, 1)]
    chosen = choose_examples(make_predictions(pairs, [0.9] * 6))
    assert chosen == {(0, 1): [0], (1, 2): [2], (0, 0): [3], (1, 1): [5]}
    monkeypatch.setattr("textclf.reporting.examples.MAX_EXAMPLES", 2)
    assert choose_examples(make_predictions(pairs, [0.9] * 6)) == {(0, 1): [0], (1, 2): [2]}


def test_only_listed_cells_have_examples_without_a_matrix(make_predictions):
    predictions = make_predictions([(0, 1), (1, 2), (0, 0)], [0.9] * 3)
    assert choose_examples(predictions, {(1, 2)}) == {(1, 2): [1]}


def test_examples_are_described_by_fields(make_predictions):
    predictions = make_predictions([(1, 2), (0, 0), (1, 2)], [0.5, 0.75, 0.875])
    chosen = choose_examples(predictions)
    rows = list_probabilities(predictions, chosen)
    assert rows == [
        {"labels": ["a", "a"], "n_shown": 1, "index": [1], "probability": [0.75]},
        {"labels": ["b", "c"], "n_shown": 2, "index": [2, 0], "probability": [0.875, 0.5]},
    ]
    first, second = describe_examples(predictions, chosen, "excerpt {}".format)
    assert (first.key, second.key) == ("0-0", "1-2")
    assert second.count == "confusion_matrix[1][2]"
    assert [example.field for example in second.examples] == [
        "cells[1].probability[0]",
        "cells[1].probability[1]",
    ]
    shown = [(example.index, example.excerpt) for example in second.examples]
    assert shown == [(2, "excerpt 2"), (0, "excerpt 0")]
