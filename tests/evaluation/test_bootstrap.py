"""Bootstrap means over images and seeds."""

import numpy as np
import pytest

from ferboost.errors import DataError, SettingsError
from ferboost.evaluation import bootstrap
from ferboost.evaluation.bootstrap import bootstrap_means, percentile_interval


def resample_by_hand(values: np.ndarray, resamples: int) -> np.ndarray:
    random = np.random.default_rng(7)
    seeds, images = values.shape
    return np.array(
        [
            values[np.ix_(random.integers(seeds, size=seeds), random.integers(images, size=images))]
            .astype(float)
            .mean()
            for _ in range(resamples)
        ]
    )


@pytest.mark.parametrize("seeds", [1, 3])
def test_draws_have_the_moments_of_resampling_images_and_seeds_one_by_one(seeds: int) -> None:
    random = np.random.default_rng(1)
    values = random.integers(-1, 2, size=(seeds, 80)).astype(np.int8)
    values[-1] = np.maximum(values[-1], 0)
    by_hand = resample_by_hand(values, 20_000)
    drawn = bootstrap_means(values, resamples=20_000)
    assert drawn.mean() == pytest.approx(by_hand.mean(), abs=0.004)
    assert drawn.std() == pytest.approx(by_hand.std(), rel=0.03)
    assert percentile_interval(drawn) == pytest.approx(percentile_interval(by_hand), abs=0.015)


def test_one_seed_of_zeros_and_ones_has_the_binomial_standard_error() -> None:
    drawn = bootstrap_means(np.arange(1000)[None] < 300, resamples=50_000)
    assert drawn.std() == pytest.approx(np.sqrt(0.3 * 0.7 / 1000), rel=0.02)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    values = np.arange(50)[None] < 20
    first, again = (bootstrap_means(values, resamples=20) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != bootstrap_means(values, resamples=20, seed=1)).any()


def test_chunks_fill_every_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "_CHUNK", 14)
    drawn = bootstrap_means(np.arange(50)[None] < 20, resamples=100)
    assert drawn.mean() == pytest.approx(0.4, abs=0.05)
    assert drawn.min() > 0.1


def test_the_interval_cuts_two_and_a_half_percent_on_each_side() -> None:
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_values_without_images_or_seeds_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="shape"):
        bootstrap_means(np.zeros(shape, bool))


def test_no_resamples_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least 1"):
        bootstrap_means(np.ones((1, 1), bool), resamples=0)
