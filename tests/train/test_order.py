"""The order of samples: a function of seed and step alone, whole, fair, and as long as the repetitions say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from hoitool.errors import DataError, UsageError
from hoitool.train.order import Order, Parts
from hoitool.train.plan import Plan


def plan(**changed):
    return Plan(**({"epochs": 2, "batch": 4, "lr": 0.1} | changed))


def epoch(order: Order, number: int = 0):
    steps = range(number * order.per_epoch, (number + 1) * order.per_epoch)
    return [turn for step in steps for turn in order.batch(step)]


@given(
    samples=st.integers(1, 40),
    batch=st.integers(1, 12),
    world=st.integers(1, 4),
    per_device=st.integers(1, 5),
    seed=st.integers(0, 3),
)
def test_processes_and_parts_share_every_step(samples, batch, world, per_device, seed):
    order = Order(plan(batch=batch, seed=seed), samples)
    for step in range(order.steps):
        shares = [order.parts(step, rank, world, per_device) for rank in range(world)]
        taken = [turn for share in shares for part in share for turn in part]
        assert taken == order.batch(step)
        assert all(len(part) <= per_device for share in shares for part in share)
        sizes = [sum(map(len, share)) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert all(part or len(share) == 1 for share in shares for part in share)
    for number in range(2):
        assert sorted(epoch(order, number)) == [(i, number) for i in range(samples)]


def test_epochs_and_seeds_have_orders_of_their_own():
    order = Order(plan(batch=50), 50)
    orders = [
        tuple(i for i, _ in epoch(held, n)) for held in (order, Order(plan(batch=50, seed=1), 50)) for n in (0, 1)
    ]
    assert len(set(orders)) == 4
    assert order.batch(0) == Order(plan(batch=50), 50).batch(0)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=30), st.integers(0, 5))
def test_repetitions_are_next_to_their_factors(factors, seed):
    factors = np.array(factors)
    drawn = round(factors.sum())
    if drawn == 0:
        with pytest.raises(DataError, match="no samples"):
            Order(plan(seed=seed), len(factors), factors)
        return
    order = Order(plan(seed=seed), len(factors), factors)
    turns = epoch(order)
    counts = Counter(i for i, _ in turns)
    assert len(turns) == drawn
    scaled = factors * drawn / factors.sum()
    for i, expected in enumerate(scaled):
        assert np.floor(expected - 1e-9) <= counts[i] <= np.ceil(expected + 1e-9)


def test_repetitions_average_to_their_factors():
    factors = np.array([0.25, 1.0, 1.5, 2.25, 3.0])
    order = Order(plan(epochs=2000), 5, factors)
    counts = Counter(i for number in range(2000) for i, _ in epoch(order, number))
    assert [counts[i] / 2000 for i in range(5)] == pytest.approx(factors, abs=0.05)


def test_a_repeated_sample_is_asked_for_with_other_epochs():
    order = Order(plan(epochs=3), 4, np.array([3, 1, 1, 2]))
    turns = [turn for number in range(3) for turn in epoch(order, number)]
    assert len(set(turns)) == len(turns) == 21
    assert sorted(number for i, number in turns if i == 0) == list(range(9))
    assert [number for i, number in epoch(order, 1) if i == 1] == [1]


def test_the_last_batch_may_be_left_out():
    assert [len(Order(plan(), 10).batch(step)) for step in range(3)] == [4, 4, 2]
    dropping = Order(plan(drop_last=True), 10)
    assert (dropping.per_epoch, dropping.steps) == (2, 4)
    assert [number for _, number in dropping.batch(2)] == [1] * 4
    with pytest.raises(UsageError, match="3 samples do not fill one batch of 4"):
        Order(plan(drop_last=True), 3)


def test_a_process_without_samples_loads_one_all_the_same():
    order = Order(plan(batch=4), 5)
    assert order.parts(1, 0, 4, 1) == [[]]
    assert all(len(part) == 1 for rank in range(4) for part in Parts(order, 1, rank, 4, 1))


@pytest.mark.parametrize("factors", [[1.0], [1.0, -1.0], [1.0, np.nan]])
def test_repetitions_that_are_none_are_refused(factors):
    with pytest.raises(DataError, match="expected 2 finite numbers of at least 0"):
        Order(plan(), 2, np.array(factors))


def test_nothing_to_train_on_is_said():
    with pytest.raises(DataError, match="no samples"):
        Order(plan(), 0)
