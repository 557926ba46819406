"""Pictures in order whatever loads them, broken ones told of in one line, and a worker that dies."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from hoitool.data import strings  # noqa: E402
from hoitool.embed.pictures import Album, Pictures, album_in  # noqa: E402
from hoitool.embed.preprocess import Preprocess  # noqa: E402
from hoitool.errors import DataError, HoitoolError, MissingData  # noqa: E402
from hoitool.predict.loading import loaded, processors  # noqa: E402

SIZES = [(40, 30), (32, 32), (61, 47), (1, 1), (64, 63), (20, 9), (33, 90)]


@pytest.fixture
def folder(tmp_path):
    random = np.random.default_rng(0)
    for i, (wide, high) in enumerate(SIZES):
        Image.fromarray(random.integers(0, 256, (high, wide, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def ended(picture):
    os._exit(3)


@pytest.mark.parametrize("workers", [0, 2])
def test_whole_pictures_in_order(workers, folder):
    album = album_in(folder)
    batches = list(loaded(album, np.asarray, 3, workers))
    assert [batch.places.tolist() for batch in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    for batch in batches:
        assert not batch.broken
        for place, made in zip(batch.places.tolist(), batch.pixels, strict=True):
            np.testing.assert_array_equal(made, np.asarray(album.open(place)))


@pytest.mark.parametrize("workers", [0, 1])
def test_pixels_of_an_encoder(workers, folder):
    album, rule = album_in(folder), Preprocess(16, 16, "squash")
    (batch,) = loaded(album, rule.pixels, 100, workers)
    np.testing.assert_array_equal(np.stack(batch.pixels), [rule.pixels(album.open(i)) for i in range(len(SIZES))])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_one_line_in_its_turn(workers, folder):
    (folder / "4.png").write_bytes(b"not a picture")
    batches = loaded(album_in(folder), np.asarray, 2, workers)
    assert [next(batches).places.tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(DataError, match=r"4\.png: not readable as a picture"):
        next(batches)


@pytest.mark.parametrize("workers", [0, 1])
def test_broken_and_missing_ones_are_left_out_and_told_of(workers, folder):
    for broken in (2, 3):
        (folder / f"{broken}.png").write_bytes(b"not a picture")
    names = [f"{i}.png" for i in range(len(SIZES))] + ["gone.png"]
    album = Album(names, strings(names), Pictures(folder))
    batches = list(loaded(album, np.asarray, 2, workers, skip_broken=True))
    assert [batch.places.tolist() for batch in batches] == [[0, 1], [], [4, 5], [6]]
    told = {name: reason for batch in batches for name, reason in batch.broken.items()}
    assert list(told) == ["2.png", "3.png", "gone.png"]
    assert "not readable as a picture" in told["2.png"]
    assert "no such image" in told["gone.png"]
    with pytest.raises(MissingData, match=r"gone\.png: no such image"):
        list(loaded(Album(["gone.png"], strings(["gone.png"]), Pictures(folder)), np.asarray, 2, workers))


def test_no_pictures_make_no_batch(folder):
    assert list(loaded(Album([], strings([]), Pictures(folder)), np.asarray, 2, 1)) == []


def test_a_worker_that_dies_is_one_line(folder):
    with pytest.raises(HoitoolError, match="a process that loads pictures was ended from outside"):
        list(loaded(album_in(folder), ended, 2, 1))


def test_more_workers_than_processors_are_as_many(folder):
    assert len(list(loaded(album_in(folder), np.asarray, 4, processors() + 5))) == 2  # torch would warn


def test_nothing_is_drawn_from_the_callers_randomness(folder):
    before = torch.get_rng_state()
    list(loaded(album_in(folder), np.asarray, 2, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_leaving_early_ends_the_workers(folder):
    batches = loaded(album_in(folder), np.asarray, 1, 1)
    next(batches)
    batches.close()
