import pytest
from support import make_overlapping_dataset

from textclf.data.dataset import Split, TextDataset
from textclf.data.overlap import Overlap, drop_leaked, hash_texts
from textclf.errors import DataError
from textclf.evaluation.subsets import select_subsets
from textclf.testing import make_dataset


@pytest.fixture
def overlapping():
    return make_overlapping_dataset()


def test_texts_that_differ_in_case_and_white_space_only_are_the_same():
    same = ["One two", "one  TWO\n", " one two"]
    assert len(set(hash_texts(same).tolist())) == 1
    different = ["one two", "onetwo", "one two.", "\ud800", ""]
    assert len(set(hash_texts(different).tolist())) == 5


def test_leaked_texts_appear_in_another_split(overlapping):
    overlap = Overlap.of(overlapping)
    leaked = {name: overlap.select(overlap.leaked, name).tolist() for name in overlapping.splits}
    assert leaked["test"] == [True, True, False, True]
    assert leaked["validation"] == [True, True]
    assert leaked["train"] == [True, True, True, True, False]


def test_conflicting_texts_have_several_labels_in_any_split(overlapping):
    overlap = Overlap.of(overlapping)
    conflicting = {
        name: overlap.select(overlap.conflicting, name).tolist() for name in overlapping.splits
    }
    assert conflicting["test"] == [False, True, False, False]
    assert conflicting["validation"] == [False, False]
    assert conflicting["train"] == [False, False, False, True, False]


def test_clean_examples_are_neither_leaked_nor_conflicting(overlapping):
    masks = select_subsets(overlapping, "test")
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "all": [True, True, True, True],
        "not_leaked": [False, False, True, False],
        "not_conflicting": [True, False, True, True],
        "clean": [False, False, True, False],
    }


def test_drop_leaked_changes_the_training_split_only(overlapping):
    dataset = drop_leaked(overlapping)
    assert list(dataset.train.texts) == [""]
    assert dataset.train.index.tolist() == [4]
    assert dataset.validation is overlapping.validation
    assert dataset.test is overlapping.test


def test_drop_leaked_is_refused_if_no_training_example_is_left():
    split = Split.from_lists(["apple pear", "saw nail"], [0, 1])
    with pytest.raises(
        DataError, match=r"dataset\.drop_leaked leaves no training example of pairs"
    ):
        drop_leaked(TextDataset("pairs", ("fruit", "tool"), split, split, split))


def test_dataset_without_overlap_is_clean():
    names = ("fruit", "tool")
    splits = (
        Split.from_lists([f"{split} {name}" for name in names], [0, 1])
        for split in ("train", "validation", "test")
    )
    dataset = TextDataset("made", names, *splits)
    assert all(mask.all() for mask in select_subsets(dataset, "test").values())
    assert drop_leaked(dataset).digest == dataset.digest


def test_overlap_covers_every_example_of_every_split():
    dataset = make_dataset()
    overlap = Overlap.of(dataset)
    assert len(overlap.keys) == len(overlap.leaked) == len(overlap.conflicting) == 51
    sizes = {name: len(overlap.select(overlap.leaked, name)) for name in dataset.splits}
    assert sizes == {"train": 30, "validation": 12, "test": 9}
