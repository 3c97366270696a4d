import numpy as np
import pytest
from support import draw_correct, write_run

from textclf.comparison.model_results import group_by_configuration
from textclf.data.dataset import Split, TextDataset
from textclf.reporting import disagreements
from textclf.reporting.disagreements import Disagreements

N = 300


@pytest.fixture
def test_set() -> TextDataset:
    split = Split.from_lists([f"text {i} " + "x" * 400 for i in range(N)], np.arange(N) % 3)
    return TextDataset("bbc", ("a", "b", "c"), split, split, split)


@pytest.fixture
def correct():
    return {name: draw_correct(p, N, seed=i) for i, (name, p) in enumerate(ACCURACIES.items())}


ACCURACIES = {"cnn": 0.9, "mlp": 0.7, "lstm": 0.6}


@pytest.fixture
def models(tmp_path, correct):
    runs = [write_run(tmp_path, name, values) for name, values in correct.items()]
    found = {model.first.model: model for model in group_by_configuration(runs)}
    return {name: found[name] for name in correct}


def test_the_best_model_is_compared_with_each_other_one(models, test_set, correct):
    found = Disagreements.of(models, test_set, texts=True)
    assert (found.best, found.others) == ("cnn", ["mlp", "lstm"])
    for pair, other, examples in zip(
        found.document.content["pairs"], found.others, found.examples, strict=True
    ):
        ours, theirs = correct["cnn"], correct[other]
        only = {"only_a": ours & ~theirs, "only_b": theirs & ~ours}
        for side, members in only.items():
            assert pair["mcnemar"][side] == members.sum() > 0
            shown = pair[side]["index"]
            assert len(shown) == len(examples[side]) == min(25, members.sum())
            assert members[shown].all()
            for index, example in zip(shown, examples[side], strict=True):
                (piece,) = example["excerpt"].pieces
                assert piece.text.startswith(f"text {index} x")
                assert len(piece.text) == 300
                assert example["label"] == "abc"[index % 3]
                assert example["incorrect_label"] == "abc"[(index + 1) % 3]


def test_texts_are_left_out_on_request(models, test_set):
    found = Disagreements.of(models, test_set, texts=False)
    texts = [example["excerpt"] for pair in found.examples for e in pair.values() for example in e]
    assert texts
    assert set(texts) == {None}
    assert "xxx" not in repr(found.document.content)


def test_many_models_share_the_limit_of_examples(models, test_set, monkeypatch):
    monkeypatch.setattr(disagreements, "MAX_TOTAL", 12)
    found = Disagreements.of(models, test_set, texts=True)
    assert sum(len(e) for pair in found.examples for e in pair.values()) == 12
