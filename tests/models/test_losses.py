"""The squared hinge loss of known scores."""

import pytest
import tensorflow as tf

from textclf.models._losses import SquaredHinge

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([[2.0, -3.0, 0.5]], 2.25), ([[0.0, 0.0, 0.0]], 3.0), ([[-1.0, 1.0, -1.0]], 8.0)],
)
def test_squared_hinge_of_each_label_against_the_others(scores, expected):
    loss = SquaredHinge()(tf.constant([[1.0, 0.0, 0.0]]), tf.constant(scores))
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize(("target", "expected"), [([0.0, 1.0], 0.25), ([1.0, 0.0], 2.25)])
def test_squared_hinge_of_two_labels_uses_the_second_score(target, expected):
    loss = SquaredHinge()(tf.constant([target]), tf.constant([[9.0, 0.5]]))
    assert float(loss) == pytest.approx(expected)
