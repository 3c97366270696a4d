"""Folds of a dataset: complete, disjoint, stratified, and equal texts together."""

from dataclasses import replace

import numpy as np
import pytest
from support import ROWS, load, write_csv

from textclf.config.schema import DatasetConfig
from textclf.data.dataset import Split, TextDataset
from textclf.data.folds import select_fold
from textclf.data.overlap import Overlap, hash_texts
from textclf.errors import RequestError


def make_split(name, n, *, first_index=0):
    """Return a split of distinct texts, a quarter of which have label 1."""
    split = Split.from_lists([f"{name} {i}" for i in range(n)], [int(i % 4 == 0) for i in range(n)])
    return replace(split, index=split.index + first_index)


@pytest.fixture
def whole():
    """A dataset of 120 training, 40 validation and 60 test examples."""
    parts = (make_split(name, n) for name, n in (("a", 120), ("b", 40), ("c", 60)))
    return TextDataset("mine", ("no", "yes"), *parts, vocabulary=("word",), notes=("before",))


def list_folds(dataset, folds, **options):
    configs = (DatasetConfig(name="x", folds=folds, fold=i + 1, **options) for i in range(folds))
    return [select_fold(dataset, config) for config in configs]


def test_every_training_and_validation_example_is_tested_once(whole):
    found = list_folds(whole, 5)
    tested = sorted(text for fold in found for text in fold.test.texts)
    assert tested == sorted([*whole.train.texts, *whole.validation.texts])
    for fold in found:
        assert [len(split) for split in fold.splits.values()] == [96, 32, 32]
        assert {len(split) // 4 for split in fold.splits.values()} == {24, 8}
        assert [int(split.labels.sum()) for split in fold.splits.values()] == [24, 8, 8]
        texts = [text for split in fold.splits.values() for text in split.texts]
        assert sorted(texts) == tested
        assert (fold.vocabulary, fold.notes[0]) == (("word",), "before")
    assert found[1].notes[1:] == (
        "fold 2 of 5 is the test split: train 96, validation 32, test 32 examples",
    )
    assert len({fold.digest for fold in found}) == 5


def test_test_examples_are_in_the_folds_only_if_that_is_asked_for(whole):
    found = list_folds(whole, 4, folds_of="all")
    assert [len(split) for split in found[0].splits.values()] == [123, 42, 55]
    assert {text[0] for text in found[0].test.texts} == {"a", "b", "c"}
    tested = [text for fold in found for text in fold.test.texts]
    assert len(set(tested)) == len(tested) == 220


def test_equal_texts_are_in_the_same_split(whole):
    texts = [f"Text  {i // 3}" if i % 2 else f"text {i // 3}" for i in range(120)]
    repeated = replace(whole, train=replace(whole.train, texts=texts))
    assert len(set(hash_texts(texts).tolist())) == 40
    for fold in list_folds(repeated, 5):
        assert not Overlap.of(fold).leaked.any()


def test_large_groups_make_uneven_folds_which_is_noted(whole):
    texts = ["the same"] * 80 + [f"other {i}" for i in range(40)]
    fold = list_folds(replace(whole, train=replace(whole.train, texts=texts)), 4)[0]
    assert fold.notes[-1] == (
        "folds have 21 to 95 examples, because equal texts are in the same fold"
    )


def test_labels_with_fewer_examples_than_folds_are_noted(whole):
    labels = whole.train.labels.copy()
    labels[:3] = 2
    rare = replace(whole, label_names=("no", "yes", "rare"))
    fold = list_folds(replace(rare, train=replace(whole.train, labels=labels)), 5)[0]
    assert fold.notes[-1] == (
        "labels with fewer examples than folds, which some folds lack: 'rare' (1 of 3 labels)"
    )


@pytest.mark.parametrize(
    ("folds", "problem"),
    [(161, "leaves the test split empty"), (900, "leaves the test split empty")],
)
def test_more_folds_than_texts_are_refused(whole, folds, problem):
    config = DatasetConfig(name="x", folds=folds, fold=folds)
    with pytest.raises(RequestError) as info:
        select_fold(whole, config)
    assert str(info.value) == (
        f"dataset.folds {folds}: fold {folds} of mine, which has 160 different texts for folds,"
        f" {problem}; choose fewer folds"
    )


def test_index_is_the_position_in_the_file_or_in_all_splits_together(whole):
    for index in range(40):  # Indices of the training and the validation split repeat.
        assert index in whole.train.index
        assert index in whole.validation.index
    pooled = [*whole.train.texts, *whole.validation.texts]
    for fold in list_folds(whole, 5):
        for split in fold.splits.values():
            assert [pooled[i] for i in split.index] == list(split.texts)
    cut = replace(whole, validation=make_split("b", 40, first_index=200))
    texts = {200 + i: text for i, text in enumerate(cut.validation.texts)}
    for fold in list_folds(cut, 5):
        positions = {int(i) for split in fold.splits.values() for i in split.index}
        assert positions == {*range(120), *range(200, 240)}
        held_out = dict(zip(fold.test.index.tolist(), fold.test.texts, strict=True))
        assert {i: text for i, text in held_out.items() if i >= 200}.items() <= texts.items()


def test_folds_come_before_everything_that_selects_examples(tmp_path):
    rows = [(f"{word} number {i % 30}", word) for i in range(60) for word in ("good", "bad")]
    path = write_csv(tmp_path / "rows.csv", rows)
    plain = load(path, folds=3, fold=2)
    limited = load(path, folds=3, fold=2, limit=8, train_fraction=0.5, train_per_label=1)
    assert [len(split) for split in limited.splits.values()] == [2, 8, 8]
    for name, split in limited.splits.items():
        assert set(split.index) < set(plain.splits[name].index)
    dropped = load(path, folds=3, fold=2, drop_leaked=True)
    assert dropped.digest == plain.digest  # Equal texts are together already.
    again = load(path, folds=3, fold=2)
    assert again.test.digest(again.label_names) == plain.test.digest(plain.label_names)
    assert load(path, folds=3, fold=1).digest != plain.digest


def test_fractions_come_before_numbers_per_label(tmp_path):
    path = write_csv(tmp_path / "rows.csv", ROWS)
    part = load(path, train_fraction=0.5, train_per_label=2)
    assert np.bincount(part.train.labels).tolist() == [2, 2]
    assert set(part.train.index) < set(load(path, train_fraction=0.5).train.index)
    assert [note.split(":")[0] for note in part.notes[-2:]] == [
        "dataset.train_fraction",
        "dataset.train_per_label",
    ]
