"""A writer that is killed at any moment: the next one goes on, and what comes out is what would have been."""

from __future__ import annotations

import random
import signal
import subprocess
import sys

import numpy as np
import pytest
from store.making import WHATEVER, environment, layout_of, rows_of, write

from hoitool.store import Store, Stream, partial_path, verify

WRITE = """
import os, signal, sys
from pathlib import Path
import numpy as np
from store.making import WHATEVER, layout_of, rows_of
from hoitool.store import Writer

at, calls = int(sys.argv[2]), 0

def counted(function):
    def call(*arguments, **named):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **named)
    return call

import hoitool.store.hdf5 as hdf5, hoitool.store.writer as writer_
for module, name in ((hdf5, "put"), (hdf5, "reserve"), (hdf5, "take_space"), (os, "fsync"), (Path, "replace")):
    setattr(module, name, counted(getattr(module, name)))
put = writer_.Writer._put

def half(self, name, byte, values):
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    counted(put)(self, name, byte, raw[: len(raw) // 2])
    counted(put)(self, name, byte + len(raw) // 2, raw[len(raw) // 2 :])

writer_.Writer._put = half
layout = layout_of([str(i) for i in range(60)], [i % 4 for i in range(60)])
rows = rows_of(layout)
with Writer(Path(sys.argv[1]), WHATEVER, layout) as writer:
    for first in range(0, 60, 12):
        if writer.left[first]:
            writer.write(first, rows[first : first + 12])
    print(writer.finish())
"""


def made(path, at):
    command = [sys.executable, "-c", WRITE, str(path), str(at)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)


def test_killed_at_any_step_it_goes_on(tmp_path):
    """Killed at a step of its making, of a block, half-way through a dataset, or of its end, until it comes through."""
    expected = write(tmp_path / "once.h5", layout_of([str(i) for i in range(60)], [i % 4 for i in range(60)]))
    rng, path = random.Random(1), tmp_path / "killed.h5"
    steps = [3, 14, 16, 17, 19, 24, 29, *(rng.randint(18, 40) for _ in range(5))]
    killed = 0
    for at in steps:
        done = made(path, at)
        if done.returncode == 0:
            break
        killed += 1
        assert (done.returncode, done.stderr) == (-signal.SIGKILL, "")
        assert not path.exists()
    done = made(path, 0) if not path.exists() else done
    assert done.stdout.strip() == expected, done.stderr
    assert killed >= 5
    verify(path).raise_for()
    assert Store(path).rows(0, 90).tobytes() == Store(tmp_path / "once.h5").rows(0, 90).tobytes()
    left = {p.name for p in tmp_path.iterdir()} - {"once.h5", "killed.h5"}
    assert all(name.startswith(".killed.h5.partial.") for name in left), left  # temporary files of `atomic`
    assert len(left) <= 4


def test_killed_by_the_clock(tmp_path):
    """Killed from outside while it writes, again and again."""
    layout = layout_of([str(i) for i in range(60)], [i % 4 for i in range(60)])
    expected, path = write(tmp_path / "once.h5", layout), tmp_path / "killed.h5"
    slow = WRITE.replace("            writer.write", "            print(first, flush=True); writer.write")
    for _ in range(5):
        command = [sys.executable, "-c", slow, str(path), "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
            process.stdout.readline()
            process.kill()
        if path.exists():
            break
        assert partial_path(path).exists()
    if not path.exists():
        assert made(path, 0).stdout.strip() == expected
    assert verify(path).found == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.h5", "once.h5"]


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_a_stream_killed_in_its_end_goes_on(tmp_path, kept):
    """Blocks go from the last to the first, so that those that a kill leaves are a beginning."""
    path = tmp_path / "x.h5"

    def blocks(first):
        stream = Stream(path, WHATEVER)
        for i in range(first, 3):
            layout = layout_of([f"{i}a", f"{i}b"], [i, 2])
            stream.append(layout, layout_rows(layout, i))
        return stream

    expected = blocks(0).finish()
    stream = blocks(0)
    for block in sorted(stream.folder.iterdir())[kept:]:
        block.unlink()
    again = Stream(path, WHATEVER)
    assert again.blocks == kept
    assert blocks(kept).finish() == expected
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def layout_rows(layout, seed):
    """The rows of a block, one after the other."""
    return np.concatenate(rows_of(layout, seed=seed))
