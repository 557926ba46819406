"""The engine: batches and blocks, what is left out, runs that stop and go on, threads that end."""

from __future__ import annotations

import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_encoders import Numbers

from hoitool.embed import engine
from hoitool.embed.engine import EARLIER, Pace, blocks, found, run
from hoitool.errors import CheckFailed, DataError, HoitoolError, UsageError
from hoitool.store import Store, Writer, partial_path, verify


class Stop(Exception):
    """What stops a run in a test."""


@pytest.fixture(autouse=True)
def no_thread_is_left():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


@pytest.fixture
def short_blocks(monkeypatch):
    monkeypatch.setattr(engine, "BATCHES", 2)


def expected(job, batch, per_block):
    """The rows of all images and the batches, written out: blocks, and inside of each the lanes' batches."""
    rows, images = {}, list(range(len(job.inputs)))
    while images:
        block, held = [], 0
        while images and held < batch * per_block:
            block.append(images.pop(0))
            held += job.inputs[block[-1]]
        for lane in range(len(job.lanes)):
            numbers = [
                n
                for image in block
                if image not in job.bad
                for n in range(*job.first[image : image + 2].tolist())[lane :: len(job.lanes)]
            ]
            for start in range(0, len(numbers), batch):
                group = numbers[start : start + batch]
                rows |= {n: [n**2, len(group)] for n in group}
    return np.array([rows.get(n, [np.nan] * 2) for n in range(job.first[-1])], np.float32).reshape(-1, 2)


def rows_of(path):
    store = Store(path)
    return store.rows(0, store.layout.rows)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 9), max_size=12),
    batch=st.integers(1, 7),
    per_block=st.integers(1, 3),
    lanes=st.integers(1, 2),
    data=st.data(),
)
def test_rows_come_in_order_and_batches_stay_in_their_block(counts, batch, per_block, lanes, data):
    bad = data.draw(st.lists(st.integers(0, len(counts) - 1))) if counts else []
    workers = data.draw(st.sampled_from([1, 2, 8]))
    job = Numbers(counts, bad, lanes=lanes)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "BATCHES", per_block)
        path = Path(folder) / "x.h5"
        done = run(job, path, Pace(batch, workers))
        np.testing.assert_array_equal(rows_of(path), expected(job, batch, per_block), strict=True)
        assert verify(path).found == done.content
    assert sorted(job.loaded) == list(range(len(counts)))[: len(job.loaded)]
    assert set(done.failed) == {f"i{image}" for image in bad}
    assert (done.made, done.found) == (len(counts), 0)


def test_batches_go_over_images_and_not_over_blocks(tmp_path, short_blocks):
    job = Numbers([3, 2, 4, 1, 1])
    run(job, tmp_path / "x.h5", Pace(3))
    assert job.batches == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10]]
    assert blocks(job.inputs, 6) == [(0, 3), (3, 5)]


@given(counts=st.lists(st.integers(0, 20), max_size=30), size=st.integers(1, 40))
def test_blocks_are_the_shortest_with_enough_inputs(counts, size):
    made = blocks(np.array(counts, np.int64), size)
    assert [image for first, last in made for image in range(first, last)] == list(range(len(counts)))
    for first, last in made:
        assert sum(counts[first : last - 1]) < size
        assert sum(counts[first:last]) >= size or last == len(counts)


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_workers_change_nothing(tmp_path, short_blocks, workers):
    counts = np.random.default_rng(0).integers(0, 9, 60)
    done = run(Numbers(counts, bad=[3, 50]), tmp_path / "x.h5", Pace(5, workers))
    again = run(Numbers(counts, bad=[3, 50]), tmp_path / "y.h5", Pace(5))
    assert done.content == again.content


def test_images_that_cannot_be_read_are_left_out_and_told(tmp_path):
    job = Numbers([2, 1, 3], bad=[0, 2])
    done = run(job, tmp_path / "x.h5", Pace())
    assert done.failed == {"i0": "i0: broken", "i2": "i2: broken"}
    with pytest.raises(CheckFailed, match=r"x\.h5: 2 images could not be read; the first, 'i0': i0: broken"):
        done.raise_for()
    store = Store(tmp_path / "x.h5")
    assert store.failed == ["i0", "i2"]
    assert np.isnan(store["i0"]).all() and store["i1"].tolist() == [[4, 1]]
    assert found(job, tmp_path / "x.h5").failed == dict.fromkeys(["i0", "i2"], EARLIER)


def test_strict_stops_at_the_first_and_keeps_what_was_made(tmp_path, short_blocks):
    job = Numbers([2] * 6, bad=[4])
    with pytest.raises(DataError, match=r"i4: broken \(--strict; without it, the image is left out and listed\)"):
        run(job, tmp_path / "x.h5", Pace(1, strict=True))
    assert partial_path(tmp_path / "x.h5").exists() and not (tmp_path / "x.h5").exists()
    done = run(Numbers([2] * 6), tmp_path / "x.h5", Pace(1, strict=True))
    assert (done.made + done.found, done.found >= 2, done.failed) == (6, True, {})


def test_why_an_earlier_run_left_an_image_out_is_found_again(tmp_path, short_blocks):
    def fault(what, times):
        if what == "encode" and times == 6:
            raise Stop

    with pytest.raises(Stop):
        run(Numbers([2] * 9, bad=[0], fault=fault), tmp_path / "x.h5", Pace(1))
    with Writer(tmp_path / "x.h5", Numbers([2] * 9).manifest, Numbers([2] * 9).layout) as writer:
        assert writer.status[0] == 2
    assert run(Numbers([2] * 9, bad=[0]), tmp_path / "x.h5", Pace(1)).failed == {"i0": "i0: broken"}


def test_an_image_that_is_readable_now_stays_left_out_and_is_told(tmp_path, short_blocks):
    def fault(what, times):
        if what == "encode" and times == 6:
            raise Stop

    with pytest.raises(Stop):
        run(Numbers([2] * 9, bad=[0], fault=fault), tmp_path / "x.h5", Pace(1))
    assert run(Numbers([2] * 9), tmp_path / "x.h5", Pace(1)).failed == {"i0": EARLIER}


@settings(max_examples=25, deadline=None)
@given(
    counts=st.lists(st.integers(0, 6), min_size=1, max_size=14),
    batch=st.integers(1, 5),
    per_block=st.integers(1, 3),
    stops=st.lists(st.tuples(st.sampled_from(["load", "encode"]), st.integers(0, 12)), min_size=1, max_size=3),
    workers=st.sampled_from([1, 3]),
)
def test_a_run_that_was_stopped_anywhere_ends_as_one_that_was_not(counts, batch, per_block, stops, workers):
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "BATCHES", per_block)
        whole, path = Path(folder) / "whole.h5", Path(folder) / "x.h5"
        content = run(Numbers(counts, bad=[1]), whole, Pace(batch)).content
        for where, after in stops:

            def fault(what, times, where=where, after=after):
                if what == where and times >= after:
                    raise Stop

            try:
                run(Numbers(counts, bad=[1], fault=fault), path, Pace(batch, workers))
                break
            except Stop:
                assert partial_path(path).exists() and not path.exists()
        if not path.exists():
            assert run(Numbers(counts, bad=[1]), path, Pace(batch + 1, workers)).content == content
        np.testing.assert_array_equal(rows_of(path), rows_of(whole))
        assert verify(path).found == content


def test_a_run_that_goes_on_keeps_the_batch_size_and_makes_no_image_twice(tmp_path, short_blocks):
    def fault(what, times):
        if what == "encode" and times == 7:
            raise Stop

    counts = [1] * 20
    with pytest.raises(Stop):
        run(Numbers(counts, fault=fault), tmp_path / "x.h5", Pace(2))
    job = Numbers(counts)
    done = run(job, tmp_path / "x.h5", Pace(7))
    assert {len(batch) for batch in job.batches} == {2}
    assert (done.found, done.made) == (8, 12)
    assert sorted(job.loaded) == list(range(8, 20))


def test_an_error_of_the_disk_surfaces_while_work_goes_on(tmp_path, short_blocks, monkeypatch):
    written = []

    def full(self, first, rows, pictures):
        written.append(first)
        raise HoitoolError("no room")

    monkeypatch.setattr(Writer, "write", full)
    job = Numbers([2] * 500)
    with pytest.raises(HoitoolError, match="^no room$"):
        run(job, tmp_path / "x.h5", Pace(1))
    assert written == [0]
    assert len(job.loaded) < 20


def test_an_error_in_writing_the_last_block_surfaces_too(tmp_path, monkeypatch):
    def full(self, first, rows, pictures):
        raise HoitoolError("no room")

    monkeypatch.setattr(Writer, "write", full)
    with pytest.raises(HoitoolError, match="^no room$"):
        run(Numbers([2]), tmp_path / "x.h5", Pace())
    assert not (tmp_path / "x.h5").exists()


def test_loading_ends_at_once_when_the_encoder_fails(tmp_path):
    def fault(what, times):
        if what == "encode":
            raise Stop

    job = Numbers([1] * 1000, fault=fault)
    with pytest.raises(Stop):
        run(job, tmp_path / "x.h5", Pace(5, 2))
    assert len(job.loaded) <= 15


class Waiting:
    """Futures of a pool that never works by itself, to see what is asked of it."""

    def __init__(self):
        self.asked = []

    def submit(self, function, job, image):
        self.asked.append(image)
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(function, job, image)


@pytest.mark.parametrize("counts", [[1] * 100, [0] * 100, [3, 0, 5] * 30, [50] * 20])
@pytest.mark.parametrize("workers", [1, 4])
def test_no_more_than_the_limit_is_loaded_in_advance(counts, workers):
    pool, limit = Waiting(), 10
    for taken, _ in enumerate(engine._ahead(pool, Numbers(counts), list(range(len(counts))), limit, workers), 1):
        ahead = pool.asked[taken:]
        fewer = ahead[:-1]  # the last one asked for may go over
        assert len(ahead) <= workers + 1 or (sum(counts[i] for i in fewer) < limit and len(fewer) < limit)
        assert pool.asked == list(range(len(pool.asked)))
    assert taken == len(counts) == len(pool.asked)


def test_two_batches_are_started_before_the_first_is_waited_for(tmp_path):
    told = []
    job = Numbers([1] * 4)
    plain = job.encode

    def encode(numbers):
        pending, number = plain(numbers), numbers.tolist()
        told.append(("start", *number))

        def wait():
            told.append(("wait", *number))
            return pending()

        return wait

    job.lanes = {"lane 0": encode}
    run(job, tmp_path / "x.h5", Pace(1))
    assert [what for what, _ in told[:4]] == ["start", "start", "start", "wait"]
    assert [n for what, n in told if what == "wait"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (lambda n: np.full((len(n), 2), np.nan, np.float32), DataError, "the rows of 'i0' are not finite"),
        (lambda n: np.ones((len(n), 3), np.float32), ValueError, r"could not broadcast|expected"),
        (lambda n: np.ones((len(n) - 1, 2), np.float32), ValueError, "numbers gave 3 rows for 4 inputs"),
    ],
)
def test_an_encoder_that_gives_something_else_is_told(tmp_path, answer, kind, told):
    job = Numbers([2, 2])
    job.lanes = {"lane 0": lambda numbers: lambda: answer(numbers)}
    with pytest.raises(kind, match=told):
        run(job, tmp_path / "x.h5", Pace())


def test_what_has_no_direction_is_told_with_its_image(tmp_path):
    job = Numbers([1, 1])

    def combine(image, made):
        raise DataError("row 0 of 1 is zero")

    job.combine = combine
    with pytest.raises(DataError, match="^i0: row 0 of 1 is zero; numbers gave it$"):
        run(job, tmp_path / "x.h5", Pace())


def test_another_plan_does_not_touch_unfinished_work(tmp_path, short_blocks):
    with pytest.raises(DataError):
        run(Numbers([1] * 9, bad=[8]), tmp_path / "x.h5", Pace(1, strict=True))
    before = partial_path(tmp_path / "x.h5").read_bytes()
    with pytest.raises(UsageError, match="is the unfinished work of another command: it is of other images or boxes"):
        run(Numbers([1] * 8), tmp_path / "x.h5", Pace(1))
    assert partial_path(tmp_path / "x.h5").read_bytes() == before


def test_nothing_to_do_is_a_store_too(tmp_path):
    done = run(Numbers([]), tmp_path / "x.h5", Pace())
    assert (done.made, done.found, len(Store(tmp_path / "x.h5"))) == (0, 0, 0)
