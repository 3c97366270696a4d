"""The log-count ratios of naive Bayes."""

import numpy as np
import pytest

from textclf.models._naive_bayes import log_count_ratios


@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_ratios_are_those_of_the_paper(alpha):
    # Wang and Manning (2012), section 2: r = log((p / |p|) / (q / |q|)), p = alpha + counts.
    inside, outside = np.array([2, 1, 0]), np.array([0, 1, 1])
    p, q = inside + alpha, outside + alpha
    expected = np.log((p / p.sum()) / (q / q.sum()))
    assert log_count_ratios(inside, outside, alpha=alpha) == pytest.approx(expected)


def test_each_row_has_a_sum_of_its_own():
    counts = np.array([[3, 0], [1, 2], [1, 1]])
    others = counts.sum(axis=0) - counts
    expected = [log_count_ratios(*rows) for rows in zip(counts, others, strict=True)]
    assert np.array_equal(log_count_ratios(counts, others), expected)
