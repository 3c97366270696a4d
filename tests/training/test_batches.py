"""Batches of encoded examples for training and validation."""

import numpy as np
import pytest

from textclf.config.schema import TrainingConfig
from textclf.training.batches import (
    VALIDATION_BATCH_SIZE,
    Examples,
    TrainingData,
    batch_examples,
    shuffle_epochs,
)

pytestmark = pytest.mark.usefixtures("tensorflow")

NAMES = ("a", "b", "c")


def make_data(n=20):
    """Return examples whose only input is their index, with labels 0, 1, 2, 0, 1 ..."""
    examples = Examples(np.arange(n, dtype=np.float32)[:, None], np.arange(n) % 3)
    return TrainingData(examples, examples, NAMES)


def list_batches(data, *, first=0, n_used=20, seed=1, **options):
    config = TrainingConfig(**{"epochs": 2, "batch_size": 8} | options)
    batches = shuffle_epochs(data, config, seed=seed, first=first, n_used=n_used)
    return [tuple(part.numpy() for part in batch) for batch in batches]


def list_indices(batches):
    return np.concatenate([batch[0] for batch in batches]).ravel().astype(int).tolist()


def test_each_epoch_has_every_example_once_in_a_new_order():
    batches = list_batches(make_data())
    assert [len(batch[0]) for batch in batches] == [8, 8, 4, 8, 8, 4]
    first, second = list_indices(batches[:3]), list_indices(batches[3:])
    assert sorted(first) == sorted(second) == list(range(20))
    assert first != second
    assert first != sorted(first)


def test_order_depends_on_seed_and_epoch_only():
    data = make_data()
    batches = list_batches(data)
    assert list_indices(list_batches(data, first=1)) == list_indices(batches[3:])
    assert list_indices(list_batches(data, epochs=3))[:40] == list_indices(batches)
    assert list_indices(list_batches(data, seed=2)) != list_indices(batches)


def test_targets_are_one_hot_labels_of_the_same_examples():
    for inputs, targets in list_batches(make_data()):
        assert np.array_equal(targets, np.eye(3)[inputs.ravel().astype(int) % 3])


def test_a_remainder_that_devices_cannot_share_is_left_out_of_each_epoch():
    batches = list_batches(make_data(21), n_used=20)
    assert [len(batch[0]) for batch in batches] == [8, 8, 4, 8, 8, 4]
    assert len(set(list_indices(batches[:3]))) == 20


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [("balanced", {0: 20 / 21, 1: 20 / 21, 2: 20 / 18}), ({"b": 9}, {0: 1, 1: 9, 2: 1})],
)
def test_class_weights_are_the_third_part_of_a_batch(class_weight, expected):
    for inputs, _, weights in list_batches(make_data(), class_weight=class_weight):
        labels = inputs.ravel().astype(int) % 3
        assert weights == pytest.approx([expected[label] for label in labels])


def test_validation_batches_are_in_order():
    n = VALIDATION_BATCH_SIZE + 5
    examples = make_data(n).validation
    batches = [tuple(part.numpy() for part in batch) for batch in batch_examples(examples, 3)]
    assert [len(inputs) for inputs, _ in batches] == [VALIDATION_BATCH_SIZE, 5]
    assert list_indices(batches) == list(range(n))
    targets = np.concatenate([targets for _, targets in batches])
    assert np.array_equal(targets, np.eye(3)[examples.labels])
