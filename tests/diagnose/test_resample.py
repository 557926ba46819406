import numpy as np
import pytest

from hoitool.diagnose.resample import BLOCK, weights


def test_blocks_hold_the_draws_that_the_page_states():
    made = np.concatenate(list(weights(7, BLOCK + 3, seed=5)), axis=1)
    draw = np.random.default_rng([5, 1979])
    for column in made.T:
        drawn = draw.integers(7, size=7).tolist()
        assert column.tolist() == [drawn.count(image) for image in range(7)]


def test_draws_have_nothing_to_do_with_data_that_the_same_seed_made():
    made = np.bincount(np.random.default_rng(0).integers(1000, size=4000), minlength=1000)
    totals = made @ next(weights(1000, BLOCK, 0)).astype(int)
    assert abs(totals - 4000).max() < 4 * 2 * 1000**0.5  # four standard deviations


@pytest.mark.parametrize("resamples", [1, BLOCK, 2 * BLOCK + 1])
def test_every_resample_has_as_many_images_as_there_are(resamples):
    blocks = list(weights(40, resamples, seed=0))
    assert sum(block.shape[1] for block in blocks) == resamples
    assert all(block.dtype == np.uint16 and (block.sum(axis=0) == 40).all() for block in blocks)


def test_fewer_resamples_are_the_first_of_more():
    few, more = next(weights(9, 4, seed=1)), next(weights(9, 30, seed=1))
    assert (few == more[:, :4]).all()
    assert (few != next(weights(9, 4, seed=2))).any()
