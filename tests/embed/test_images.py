"""Whole images, grids of cells, and boxes pooled out of a map."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from stub_encoders import data_of, noise

from hoitool.embed.about import about, of_data
from hoitool.embed.encoder import Settings
from hoitool.embed.encoders import hashed
from hoitool.embed.engine import Pace, run
from hoitool.embed.images import Grid, Images
from hoitool.embed.pictures import album_in, album_of
from hoitool.embed.regions import boxes_of
from hoitool.embed.roi import RoiRegions
from hoitool.errors import UsageError
from hoitool.store import Store


@pytest.fixture
def folder(tmp_path):
    for i, size in enumerate([(30, 20), (16, 16), (9, 50)]):
        noise(*size, i).save(tmp_path / f"{i}.png")
    return tmp_path


def pixels(folder, name):
    return np.asarray(Image.open(folder / name).resize((32, 32), Image.Resampling.BICUBIC))[None]


def test_a_row_an_image(folder):
    encoder = hashed.load(Settings())
    job = Images(album_in(folder), encoder, about(encoder, "images"))
    run(job, folder / "x.h5", Pace(2, 2))
    store = Store(folder / "x.h5")
    assert store.key.tolist() == ["0.png", "1.png", "2.png"]
    for name in store.key:
        expected = encoder.images(pixels(folder, name))()[0]
        np.testing.assert_allclose(store[name], [expected / np.linalg.norm(expected)], atol=1e-7)


def test_a_row_a_cell(folder):
    encoder = hashed.load(Settings())
    job = Grid(album_in(folder), encoder, about(encoder, "grid", normalised=False))
    run(job, folder / "x.h5", Pace(2))
    store = Store(folder / "x.h5")
    assert store.column("grid").tolist() == [[4, 4]] * 3
    for name in store.key:
        np.testing.assert_array_equal(store[name], encoder.maps(pixels(folder, name))().reshape(16, 64))


def align(maps, boxes, owner, size):
    """In the place of RoIAlign: the mean of the map, and the box."""
    return np.concatenate([np.repeat(maps.mean((1, 2)), len(boxes), 0)[:, :60], boxes], axis=1)


def test_boxes_are_pooled_in_the_pixels_of_the_encoder(folder):
    data = data_of([("0.png", [(3, 2, 15, 10), (-3, 0, 99, 5)], []), ("1.png", [], []), ("2.png", [(0, 0, 9, 50)], [])])
    encoder = hashed.load(Settings())
    said = about(encoder, "regions", normalised=False, **of_data(data.meta))
    run(RoiRegions(boxes_of(data), album_of(data, folder), encoder, said, align), folder / "x.h5", Pace(1))
    store = Store(folder / "x.h5")
    expected = [[3 * 32 / 30, 2 * 32 / 20, 16, 16], [0, 0, 32, 8]]
    np.testing.assert_allclose(store[0][:, 60:], expected, rtol=1e-6)
    np.testing.assert_allclose(store[2][:, 60:], [[0, 0, 32, 32]], rtol=1e-6)
    assert store[1].shape == (0, 64)


def test_a_map_cannot_be_masked(folder):
    data = data_of([("0.png", [(3, 2, 15, 10), (0, 0, 9, 5)], [(0, 1)])])
    encoder = hashed.load(Settings())
    boxes = boxes_of(data, ("union-masked",))
    with pytest.raises(UsageError, match="cannot be masked outside of a pair; use --pool crop"):
        RoiRegions(boxes, album_of(data, folder), encoder, about(encoder, "regions"), align)
