"""A sample of benchmarks/fuzz.py: whatever a file holds, the command line says one line, and nothing is left behind."""

from __future__ import annotations

import random

import pytest
from fuzz_targets import TARGETS
from fuzzing import Made, run, wrong
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DRAWN = 3  # cases of each kind of file, and as many cuts


@pytest.fixture(params=[pytest.param(name, id=name.replace(" ", "-")) for name in TARGETS if not TARGETS[name].slow])
def made(request, tmp_path):
    """Valid files of each kind."""
    if TARGETS[request.param].torch:
        pytest.importorskip("torch")
    return Made.of(TARGETS[request.param], tmp_path)


def test_broken_files_are_told_in_one_line(made):
    for line in made.target.lines:
        code, _, err = run(line, made.folder)
        assert code in (0, 3), err
    rng = random.Random(1)
    cuts = rng.sample([*made.cuts()], DRAWN)
    fields = "--from" not in made.target.lines[0]  # all of a format's are changed in tests/convert/test_bad_files.py
    told = []
    for i, (path, what, content) in enumerate([*cuts, *(made.drawn(rng, fields) for _ in range(DRAWN))]):
        line = made.target.lines[i % len(made.target.lines)]
        if found := made.judged(path, content, line):
            told.append(f"{path.name}, {what}: {' '.join(line)}: {found}")
    assert told == []


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """Kinds of files whose readers are hoitool's own from the first byte."""
    names = ("csv", "store", "result", "split", "label space", "arrays of a search", "pairs.parquet")
    return [Made.of(TARGETS[name], tmp_path_factory.mktemp("fuzzed")) for name in names]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_in_any_place_are_told_in_one_line(several, data):
    made = data.draw(st.sampled_from(several))
    path = data.draw(st.sampled_from([*made.whole]))
    whole = made.whole[path]
    start, stop = sorted((data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, len(whole)))))
    content = whole[:start] + data.draw(st.binary(max_size=64) | st.text(max_size=16).map(str.encode)) + whole[stop:]
    assert made.judged(path, content, data.draw(st.sampled_from(made.target.lines))) == ""


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        ((1, "", "Traceback (most recent call last)"), "a traceback"),
        ((1, "", "hoitool: internal error: KeyError"), "internal error"),
        ((139, "", ""), "exit code 139"),
        ((1, "", "hoitool: x.csv: no\nhoitool: more"), "not one line"),
        ((1, "", "hoitool: something is wrong"), "does not name the file"),
        ((0, "", ""), ""),
        ((1, "", "hoitool: x.csv: row 3 is short"), ""),
    ],
)
def test_what_counts_as_wrong(ended, told):
    found = wrong(*ended, {"x.csv"}, [])
    assert found.startswith(told) or told in found
    assert bool(found) == bool(told)


def test_something_left_behind_counts_as_wrong():
    assert wrong(1, "", "hoitool: x.csv: no", {"x.csv"}, ["out/x.parquet"]).startswith("left out/x.parquet")
