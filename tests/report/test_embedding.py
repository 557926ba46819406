"""A job made into a store: what is told, what is up to date, what is refused before any work."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stub_encoders import Numbers

from hoitool.errors import CheckFailed, UsageError
from hoitool.report.embedding import Made, Target, batch_size, default_workers, make
from hoitool.store import Store, partial_path


class Stub:
    """What make() asks of an encoder."""

    device = "a device"

    def best_batch(self):
        return 3


@pytest.fixture
def target(tmp_path):
    told = []
    return Target(tmp_path / "x.h5", told.append, workers=1), told


def test_a_store_is_made_and_then_up_to_date(target):
    aim, told = target
    made = make(Numbers([2, 1]), aim, Stub())
    store = Store(aim.out)
    assert (made.state, made.content, made.rows, made.entries) == ("made", store.content, 3, 2)
    assert abs(made.bytes - aim.out.stat().st_size) < 20_000
    assert told == [f"{aim.out}: 2 entries, 3 rows, 0.01 MB"]
    assert made.told() == f"wrote {aim.out}: 3 rows of 2 (numbers), 0.01 MB, content {store.content[:16]}"
    job = Numbers([2, 1])
    again = make(job, aim, Stub())
    assert (again.state, again.content, job.loaded) == ("up to date", made.content, [])
    assert again.told().startswith(f"up to date: {aim.out}: 3 rows")
    assert len(told) == 1


def test_the_run_says_batch_and_device_beside_the_manifest(target):
    import h5py

    aim, _ = target
    job = Numbers([1] * 7)
    make(job, aim, Stub())
    with h5py.File(aim.out) as file:
        assert json.loads(file.attrs["run"]) == {"batch": 3, "device": "a device"}
    assert [len(batch) for batch in job.batches] == [3, 3, 1]
    job = Numbers([1] * 7)
    make(job, replace(aim, overwrite=True, batch=5), Stub())
    assert [len(batch) for batch in job.batches] == [5, 2]


def test_another_store_is_replaced_only_when_asked(target):
    aim, _ = target
    make(Numbers([2, 1]), aim, Stub())
    before = aim.out.read_bytes()
    with pytest.raises(
        UsageError, match=r"x\.h5 exists and was made otherwise: it is of other images or boxes; --overwrite"
    ):
        make(Numbers([2, 2]), aim, Stub())
    assert aim.out.read_bytes() == before
    assert make(Numbers([2, 2]), replace(aim, overwrite=True), Stub()).rows == 4
    aim.out.write_text("no store")
    with pytest.raises(UsageError, match="exists"):
        make(Numbers([2, 2]), aim, Stub())


def test_a_dry_run_looks_and_makes_nothing(target, tmp_path):
    aim, told = target
    made = make(Numbers([2, 1]), replace(aim, dry_run=True), Stub())
    assert (made.state, made.content, list(tmp_path.iterdir()), told) == ("dry run", "", [], [])
    assert made.told().startswith(f"would write {aim.out}: 3 rows of 2 (numbers), 0.0")


def test_images_left_out_are_told_now_and_later(target):
    aim, _ = target
    for state in ("made", "up to date"):
        made = make(Numbers([2, 1], bad=[1]), aim, Stub())
        assert (made.state, list(made.summary()["failed"])) == (state, ["i1"])
        with pytest.raises(CheckFailed, match="1 images could not be read; the first, 'i1'"):
            made.raise_for()


def test_a_folder_is_refused_before_any_work(target, tmp_path):
    aim, _ = target
    job = Numbers([1])
    with pytest.raises(UsageError, match="is a folder, expected the name of a file"):
        make(job, replace(aim, out=tmp_path, overwrite=True), Stub())
    assert job.loaded == []


def test_overwrite_starts_anew(target):
    aim, told = target

    def fault(what, times):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(Numbers([1], fault=fault), aim, Stub())
    assert partial_path(aim.out).exists()
    make(Numbers([1, 1]), replace(aim, overwrite=True), Stub())
    assert not any("going on" in line for line in told)
    assert len(Store(aim.out)) == 2 and not partial_path(aim.out).exists()


def test_the_summary_is_json(target):
    aim, _ = target
    made = make(Numbers([2], bad=[0]), aim, Stub())
    held = json.loads(json.dumps(made.summary()))
    assert held["path"] == str(aim.out)
    assert held["manifest"]["model"] == "numbers"
    shard = Made(Path("a/x.h5"), held["manifest"], 1, 2, 3, "shard made")
    assert shard.told() == "wrote a/x.h5, a shard; the last process to finish joins them"


@pytest.mark.parametrize(("text", "expected"), [("auto", None), ("1", 1), ("512", 512)])
def test_batch_sizes(text, expected):
    assert batch_size(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "1e3"])
def test_batch_sizes_that_are_none(text):
    with pytest.raises(UsageError, match="expected a number above 0, or auto"):
        batch_size(text)


@pytest.mark.parametrize(("cores", "processes", "expected"), [(1, 1, 1), (8, 1, 8), (64, 1, 16), (64, 8, 8), (4, 8, 1)])
def test_workers_share_the_cores(monkeypatch, cores, processes, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    for name, value in (("RANK", 0), ("WORLD_SIZE", 8), ("LOCAL_RANK", 0), ("LOCAL_WORLD_SIZE", processes)):
        monkeypatch.setenv(name, str(value))
    assert default_workers() == expected


def test_the_rows_are_those_of_the_job(target):
    aim, _ = target
    make(Numbers([2, 0, 1]), aim, Stub())
    np.testing.assert_array_equal(Store(aim.out).rows(0, 3), [[0, 3], [1, 3], [4, 3]])
