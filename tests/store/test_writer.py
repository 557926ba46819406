"""Writing: any order of blocks, resuming, refusals, two writers, full disks."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import namedtuple
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store.making import WHATEVER, environment, layout_of, rows_of, write

from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.store import Layout, Store, Writer, discard, partial_path, verify

Usage = namedtuple("Usage", "total used free")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=40, deadline=None)
@given(
    keys=st.lists(TEXT, unique=True, max_size=8),
    dtype=st.sampled_from(["float32", "float16"]),
    columns=st.booleans(),
    data=st.data(),
)
def test_any_order_of_blocks_and_any_interruptions_write_the_same(keys, dtype, columns, data):
    counts = data.draw(st.lists(st.integers(0, 4), min_size=len(keys), max_size=len(keys)))
    failed = data.draw(st.sets(st.integers(0, max(0, len(keys) - 1)), max_size=2))
    layout, manifest = layout_of(keys, counts, columns), replace(WHATEVER, dtype=dtype)
    rows = [None if i in failed else made for i, made in enumerate(rows_of(layout))]
    cuts = sorted({0, len(keys)} | data.draw(st.sets(st.integers(0, len(keys)), max_size=4)))
    blocks = data.draw(st.permutations(list(pairwise(cuts))))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = write(folder / "once.h5", layout, rows, manifest)
        for first, last in blocks:
            with Writer(folder / "twice.h5", manifest, layout) as writer:
                assert writer.left[first:last].all()
                writer.write(first, rows[first:last])
                assert not writer.left[first:last].any()
        with Writer(folder / "twice.h5", manifest, layout) as writer:
            assert writer.finish() == content
        assert (folder / "once.h5").read_bytes() == (folder / "twice.h5").read_bytes()
        assert sorted(p.name for p in folder.iterdir()) == ["once.h5", "twice.h5"]
        store = Store(folder / "twice.h5")
        assert (store.key.tolist(), store.failed) == (keys, [keys[i] for i in sorted(failed) if i < len(keys)])
        for i, made in enumerate(rows):
            expected = np.full((counts[i], 4), np.nan) if made is None else made.astype(dtype)
            np.testing.assert_array_equal(store[i], expected)
            np.testing.assert_array_equal(store[keys[i]], expected)
        verify(folder / "twice.h5").raise_for()


def test_rounding_to_float16_is_what_numpy_does(tmp_path):
    layout = layout_of(["a"], [64], columns=False)
    rows = rows_of(layout)[0]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    write(tmp_path / "x.h5", layout, [rows], replace(WHATEVER, dtype="float16"))
    found = Store(tmp_path / "x.h5")["a"]
    np.testing.assert_array_equal(found, rows.astype(np.float16))
    assert np.abs(np.linalg.norm(found.astype(np.float64), axis=1) - 1).max() < 5e-4


@pytest.mark.parametrize(
    ("value", "dtype", "told"),
    [
        (np.nan, "float32", "are not finite; try --precision fp32"),
        (np.inf, "float32", "are not finite"),
        (-np.inf, "float16", "are not finite"),
        (70000.0, "float16", "do not fit float16; store float32"),
    ],
)
def test_numbers_that_are_none_are_refused_and_nothing_counts_as_made(tmp_path, value, dtype, told):
    layout = layout_of(["a", "b"], [1, 1], columns=False)
    rows = rows_of(layout)
    with Writer(tmp_path / "x.h5", replace(WHATEVER, dtype=dtype), layout) as writer:
        with pytest.raises(DataError, match=f"the rows of 'b' {told}"):
            writer.write(0, [rows[0], np.full((1, 4), value)])
        assert writer.left.all()
        with pytest.raises(ValueError, match="still to be made"):
            writer.finish()
        with pytest.raises(ValueError, match="expected"):
            writer.write(0, [rows[0][:, :3]])
        writer.write(0, rows)
        writer.finish()
    verify(tmp_path / "x.h5").raise_for()


def test_an_unfinished_file_of_another_plan_is_refused_and_discarded(tmp_path):
    layout = layout_of(["a", "b"], [1, 1])
    Writer(tmp_path / "x.h5", WHATEVER, layout).__exit__(None, None, None)
    for manifest, other, told in (
        (replace(WHATEVER, model="test:other"), layout, "model is 'test:tiny', expected 'test:other'"),
        (replace(WHATEVER, notes={"a": 1}), layout, "notes is {}, expected"),
        (WHATEVER, layout_of(["a", "c"], [1, 1]), "it is of other images or boxes"),
    ):
        with pytest.raises(UsageError, match=r"unfinished work of another command") as caught:
            Writer(tmp_path / "x.h5", manifest, other)
        assert told in str(caught.value)
        assert "--overwrite" in str(caught.value)
    discard(tmp_path / "x.h5")
    discard(tmp_path / "x.h5")
    assert list(tmp_path.iterdir()) == []


def test_the_run_of_the_first_is_kept(tmp_path):
    layout = layout_of(["a"], [1])
    with Writer(tmp_path / "x.h5", WHATEVER, layout, {"batch": 8}):
        pass
    with Writer(tmp_path / "x.h5", WHATEVER, layout, {"batch": 9}) as writer:
        assert writer.run == {"batch": 8}


def test_a_second_writer_gets_one_line(tmp_path):
    layout = layout_of(["a"], [1])
    with Writer(tmp_path / "x.h5", WHATEVER, layout) as writer:
        with pytest.raises(HoitoolError, match=r"x.h5.partial: another process is writing it"):
            Writer(tmp_path / "x.h5", WHATEVER, layout)
        with pytest.raises(HoitoolError, match="another process is writing it"):
            discard(tmp_path / "x.h5")
        writer.write(0, rows_of(layout))
        writer.finish()
    verify(tmp_path / "x.h5").raise_for()


RACE = """
import sys
from pathlib import Path
from hoitool.errors import HoitoolError
from store.making import WHATEVER, environment, layout_of, rows_of
from hoitool.store import Writer
layout = layout_of([str(i) for i in range(300)], [2] * 300)
print("ready", flush=True)
sys.stdin.readline()
try:
    with Writer(Path(sys.argv[1]), WHATEVER, layout) as writer:
        print("writing", flush=True)
        sys.stdin.readline()
        writer.write(0, rows_of(layout))
        print(writer.finish(), flush=True)
except HoitoolError as error:
    print(error, flush=True)
"""


def test_of_many_that_begin_at_once_one_writes(tmp_path):
    command = [sys.executable, "-c", RACE, str(tmp_path / "x.h5")]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment())
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        racer.stdin.write("\n")
        racer.stdin.flush()
    first = [racer.stdout.readline().strip() for racer in racers]
    assert first.count("writing") == 1
    assert sum("another process is writing it" in line for line in first) == 3
    told = [racer.communicate("\n")[0] for racer in racers]
    assert verify(tmp_path / "x.h5").said in "".join(told)
    verify(tmp_path / "x.h5").raise_for()
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_full_disk_is_one_line_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9, 1000))
    with pytest.raises(HoitoolError, match=r"no room for .* 0.00 MB are free") as caught:
        Writer(tmp_path / "x.h5", WHATEVER, layout_of(["a"], [1]))
    assert str(caught.value).startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
from pathlib import Path
from hoitool.errors import HoitoolError
from hoitool.store import Writer
from store.making import WHATEVER, environment, layout_of
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    Writer(Path(sys.argv[1]), WHATEVER, layout_of(["a"], [100_000], columns=False))
except HoitoolError as error:
    print(error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit on file sizes")
@pytest.mark.parametrize("limit", [100, 5_000, 200_000])
def test_a_file_that_may_not_grow_is_one_line_and_nothing_is_left(tmp_path, limit):
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "x.h5"), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done
    assert "no room for" in done.stdout or "could not be written" in done.stdout
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_later_keeps_what_was_made(tmp_path, monkeypatch):
    layout = layout_of(["a", "b"], [1, 1])
    rows = rows_of(layout)
    with Writer(tmp_path / "x.h5", WHATEVER, layout) as writer:
        writer.write(0, rows[:1])

        def full(*_):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(HoitoolError, match=r"No space left on device.*run the same command again"):
                writer.write(1, rows[1:])
        assert writer.left.tolist() == [False, True]
    with Writer(tmp_path / "x.h5", WHATEVER, layout) as writer:
        assert writer.left.tolist() == [False, True]
        writer.write(1, rows[1:])
        writer.finish()
    verify(tmp_path / "x.h5").raise_for()


def test_a_file_put_in_place_of_the_unfinished_one_is_not_given_the_name(tmp_path):
    layout = layout_of(["a"], [1])
    with Writer(tmp_path / "x.h5", WHATEVER, layout) as writer:
        writer.write(0, rows_of(layout))
        partial_path(tmp_path / "x.h5").unlink()
        partial_path(tmp_path / "x.h5").write_text("another")
        with pytest.raises(HoitoolError, match="another file took the place"):
            writer.finish()
    assert not (tmp_path / "x.h5").exists()


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(HoitoolError, match="could not be written"):
        Writer(tmp_path / "x" / "y.h5", WHATEVER, layout_of(["a"], [1]))


@pytest.mark.parametrize("keep", [0, 100, 2000, -1])
def test_a_broken_unfinished_file_says_what_to_do(tmp_path, keep):
    layout = layout_of(["a"], [1])
    Writer(tmp_path / "x.h5", WHATEVER, layout).__exit__(None, None, None)
    partial = partial_path(tmp_path / "x.h5")
    partial.write_bytes(partial.read_bytes()[:keep])
    with pytest.raises(DataError, match="--overwrite starts anew"):
        Writer(tmp_path / "x.h5", WHATEVER, layout)
    discard(tmp_path / "x.h5")
    write(tmp_path / "x.h5", layout)


def test_no_images_and_no_rows(tmp_path):
    for name, layout in (("none", layout_of([], [])), ("empty", layout_of(["a", "b"], [0, 0]))):
        write(tmp_path / f"{name}.h5", layout)
        store = Store(tmp_path / f"{name}.h5")
        assert (len(store), store.rows(0, 0).shape) == (len(layout), (0, 4))
        assert store.read(range(len(layout))).shape == (0, 4)
        assert store.part("box")[1].shape == (0, 4)
        verify(tmp_path / f"{name}.h5").raise_for()


def test_the_layout_of_some_images_is_that_of_a_shard():
    layout = layout_of(["a", "b", "c"], [2, 0, 3])
    part: Layout = layout.images(1, 3)
    assert (part.key.tolist(), part.offsets.tolist()) == (["b", "c"], [0, 0, 3])
    np.testing.assert_array_equal(part.columns["boxes"], layout.columns["boxes"][2:])
    np.testing.assert_array_equal(part.columns["grid"], layout.columns["grid"][1:])
