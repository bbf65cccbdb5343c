"""Intervals of shares, and McNemar's test."""

import numpy as np
import pytest
from scipy.stats import binomtest

from ferboost.evaluation.proportions import mcnemar, wilson_interval


def test_the_interval_is_that_of_scipy() -> None:
    right, count = np.array([0, 3, 10, 700]), np.array([5, 10, 10, 1000])
    low, high = wilson_interval(right / count, count)
    for k, n, below, above in zip(right, count, low, high, strict=True):
        expected = binomtest(int(k), int(n)).proportion_ci(method="wilson")
        assert (below, above) == pytest.approx((expected.low, expected.high), abs=1e-7)


def test_the_test_is_exact_and_does_not_care_which_is_which() -> None:
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert mcnemar(4, 4) == pytest.approx(1)
    assert mcnemar(0, 0) == 1
