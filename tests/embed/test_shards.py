"""Several processes on one store: shares, slices, joining, processes that die, shards of an earlier command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_encoders import Numbers, noise

from hoitool.embed.engine import Pace, run
from hoitool.embed.shards import Slice, join, shard_paths, share
from hoitool.errors import UsageError
from hoitool.launch import Place, place
from hoitool.store import Store, verify
from hoitool.store.layout import plan_hash


@given(inputs=st.lists(st.integers(0, 30), max_size=40), ranks=st.integers(1, 9))
def test_shares_are_a_partition_in_order_and_about_equal(inputs, ranks):
    held = [share(np.array(inputs, np.int64), rank, ranks) for rank in range(ranks)]
    assert [image for first, last in held for image in range(first, last)] == list(range(len(inputs)))
    for first, last in held:
        assert abs(sum(inputs[first:last]) - sum(inputs) / ranks) <= max(inputs, default=0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Place()),
        ({"RANK": "1", "WORLD_SIZE": "2"}, Place()),  # not torchrun's
        ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, Place(3, 4, 1, 2)),
    ],
)
def test_the_place_is_torchruns(environment, expected):
    assert place(environment) == expected


@pytest.mark.parametrize("rank", ["4", "-1", "x", ""])
def test_a_place_that_cannot_be_is_refused(rank):
    environment = {"RANK": rank, "WORLD_SIZE": "4", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    with pytest.raises(UsageError, match=f"RANK={rank}, WORLD_SIZE=4, .* no place among processes"):
        place(environment)


def parts_of(job, ranks):
    return [Slice(job, *share(job.inputs, rank, ranks)) for rank in range(ranks)]


@pytest.mark.parametrize("ranks", [1, 2, 3, 12])
def test_shards_join_to_what_one_process_makes(tmp_path, ranks):
    counts = [3, 0, 2, 5, 1, 0, 4]
    job = Numbers(counts, bad=[3])
    whole = run(job, tmp_path / "whole.h5", Pace(1))
    parts = parts_of(job, ranks)
    plans = [plan_hash(part.manifest, part.layout) for part in parts]
    path = tmp_path / "x.h5"
    for part, shard in reversed(list(zip(parts, shard_paths(path, ranks), strict=True))):
        assert join(path, plans) is None
        run(part, shard, Pace(1))
    assert join(path, plans) == join(path, plans) == whole.content == verify(path).found
    rows = [Store(each).rows(0, sum(counts)) for each in (path, tmp_path / "whole.h5")]
    np.testing.assert_array_equal(*rows, strict=True)


def test_shards_of_an_earlier_command_count_as_missing(tmp_path):
    path = tmp_path / "x.h5"
    former, job = Numbers([2, 2]), Numbers([2, 3])
    for each, shard in zip(parts_of(former, 2), shard_paths(path, 2), strict=True):
        run(each, shard, Pace(1))
    parts = parts_of(job, 2)
    plans = [plan_hash(part.manifest, part.layout) for part in parts]
    assert join(path, plans) is None
    shard_paths(path, 2)[1].unlink()
    run(parts[1], shard_paths(path, 2)[1], Pace(1))
    assert join(path, plans) is not None


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(11):
        noise(20 + i, 30, i).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def embed(hoitool, monkeypatch, pictures):
    """`hoitool embed images`, as one of two processes where a rank is given."""

    def run(out, *more, rank=None, code=0):
        for name, value in (("RANK", rank), ("WORLD_SIZE", 2), ("LOCAL_RANK", rank), ("LOCAL_WORLD_SIZE", 2)):
            if rank is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, str(value))
        done = hoitool("embed", "images", pictures, "--model", "hashed", "-o", out, "--json", *more)
        assert done.code == code, done.err
        return json.loads(done.out)[0]["state"] if done.out else done.err

    return run


def test_processes_with_ranks_make_one_store(embed, pictures, tmp_path):
    whole, out = tmp_path / "whole.h5", tmp_path / "x.h5"
    assert embed(whole) == "made"
    assert embed(out, rank=1) == "shard made"
    assert not out.exists()
    assert embed(out, rank=0) == "made"
    assert Store(out).content == Store(whole).content
    for rank in (None, 0, 1):
        assert embed(out, rank=rank) == "up to date"


def test_overwrite_makes_every_shard_again_and_what_is_left_out_is_told_each_time(embed, pictures, tmp_path):
    out = tmp_path / "x.h5"
    for rank in (0, 1):
        embed(out, rank=rank)
    (pictures / "03.png").write_bytes(b"broken")
    embed(out, "--overwrite", rank=0, code=3)
    embed(out, "--overwrite", rank=1)
    assert Store(out).failed == ["03.png"]
    assert verify(out).found == Store(out).content
    assert embed(out, rank=1, code=3) == "up to date"  # the store is whole, and lacks an image


def test_another_model_of_the_same_name_is_not_joined_with_shards_of_the_first(embed, tmp_path):
    out = tmp_path / "x.h5"
    for rank in (0, 1):
        embed(out, rank=rank)
    assert embed(out, "--raw", "--overwrite", rank=0) == "shard made"
    assert embed(out, "--raw", "--overwrite", rank=1) == "made"
    assert not Store(out).manifest.normalised


def test_a_process_that_died_is_run_again(embed, pictures, tmp_path):
    out = tmp_path / "x.h5"
    held = (pictures / "09.png").read_bytes()
    (pictures / "09.png").write_bytes(b"broken")
    embed(out, rank=0)
    assert "--strict" in embed(out, "--strict", rank=1, code=1)
    (pictures / "09.png").write_bytes(held)
    before = shard_paths(out, 2)[0].stat().st_mtime_ns
    assert embed(out, rank=0) == "shard made"
    assert embed(out, rank=1) == "made"
    assert shard_paths(out, 2)[0].stat().st_mtime_ns == before
    embed(tmp_path / "whole.h5")
    assert Store(out).content == Store(tmp_path / "whole.h5").content
    out.unlink()
    shard_paths(out, 2)[0].unlink()
    assert embed(out, rank=1) == "shard made"
    assert embed(out, rank=0) == "made"


def test_torchrun_starts_the_processes(embed, pictures, tmp_path):
    pytest.importorskip("torch")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "-m",
        "hoitool",
        "embed",
        "images",
    ]
    command += [str(pictures), "--model", "hashed", "-o", str(tmp_path / "x.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    embed(tmp_path / "whole.h5")
    assert Store(tmp_path / "x.h5").content == Store(tmp_path / "whole.h5").content
