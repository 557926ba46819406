"""Images as a matcher takes them: regions of stores by their keys, pictures squashed as OpenCV squashes them."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hoitool.data import strings  # noqa: E402
from hoitool.errors import DataError, MissingData, UsageError  # noqa: E402
from hoitool.predict.image_sets import captions_together, region_sets, squashed, together  # noqa: E402
from hoitool.store import Layout, Manifest, Writer  # noqa: E402

KEYS = ["a.jpg", "b.jpg", "c.jpg"]


def rows_of(counts, dim=3, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(count, dim)).astype(np.float32) for count in counts]


def store(path, keys=KEYS, counts=(2, 3, 1), of="regions", parts=None, rows=None, home=("", "")):
    rows = rows_of(counts) if rows is None else rows
    columns = {} if parts is None else {"part": np.concatenate(parts).astype(np.uint8)}
    layout = Layout(strings(keys), np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), columns)
    manifest = Manifest(
        of=of,
        model="m",
        dim=3,
        normalised=False,
        parts=("box", "union") if parts else (),
        dataset=home[0],
        subset=home[1],
    )
    with Writer(path, manifest, layout) as writer:
        writer.write(0, rows)
        writer.finish()
    return path


def test_regions_come_by_key_in_the_order_asked_for(tmp_path):
    rows = rows_of((2, 3, 1))
    made = region_sets(strings(["c.jpg", "a.jpg"]), [store(tmp_path / "s.h5")], features=3)
    np.testing.assert_array_equal(made.rows(0), rows[2])
    np.testing.assert_array_equal(made.share(np.array([1])).rows(0), rows[0])
    ((table, mask),) = made.batches(8, 0)
    assert mask.tolist() == [[True, False], [True, True]]
    np.testing.assert_array_equal(table[1].numpy(), rows[0])
    assert not table[0, 1].any()


def test_of_pairs_the_boxes_alone_are_taken(tmp_path):
    path = store(tmp_path / "s.h5", counts=(3, 3, 1), parts=([0, 1, 0], [0, 0, 1], [0]))
    made = region_sets(strings(KEYS), [path])
    np.testing.assert_array_equal(made.rows(0), rows_of((3, 3, 1))[0][[0, 2]])
    assert len(made.rows(1)) == 2


def test_the_store_that_has_all_images_is_taken(tmp_path):
    one, other = store(tmp_path / "one.h5", ["x", "y", "z"]), store(tmp_path / "other.h5")
    assert region_sets(strings(KEYS), [one, other]).store.path == other
    with pytest.raises(UsageError, match=r"^[^\n]*both.h5[^\n]*name a store[^\n]*$"):
        region_sets(strings(KEYS), [other, store(tmp_path / "both.h5")])


def test_of_several_stores_that_of_the_same_dataset_and_subset_is_taken(tmp_path):
    """Names that are numbers may stand for one picture in each subset."""
    homes = [("coco", "train"), ("coco", "test"), ("f30k", "test")]
    paths = [store(tmp_path / f"{'-'.join(home)}.h5", home=home) for home in homes]
    for home, path in zip(homes, paths, strict=True):
        assert region_sets(strings(KEYS), paths, home=home).store.path == path
    assert region_sets(strings(KEYS), paths, home=("f30k", "dev")).store.path == paths[2]
    for home in [("coco", "dev"), ("vg", "test"), ("", "")]:
        with pytest.raises(UsageError, match=r"all of them have these 3 images"):
            region_sets(strings(KEYS), paths, home=home)


@pytest.mark.parametrize(
    ("made", "keys", "error", "told"),
    [
        ({}, ["a.jpg", "d.jpg"], MissingData, "'d.jpg' for one"),
        ({"of": "labels"}, KEYS, DataError, "of"),
        ({"counts": (2, 0, 1)}, KEYS, DataError, "'b.jpg' has no regions"),
        ({"rows": [*rows_of((2, 3)), None]}, KEYS, DataError, "'c.jpg' has regions that could not be made"),
    ],
)
def test_what_is_not_there_is_said(tmp_path, made, keys, error, told):
    path = store(tmp_path / "s.h5", **made)
    with pytest.raises(error, match=f"^[^\n]*s.h5[^\n]*{told}[^\n]*$"):
        region_sets(strings(keys), [path])


def test_regions_of_other_numbers_are_refused(tmp_path):
    with pytest.raises(DataError, match="regions have 3 numbers [^\n]*expected 2048"):
        region_sets(strings(KEYS), [store(tmp_path / "s.h5")], features=2048)
    with pytest.raises(MissingData, match="no store: no features of all 3 images"):
        region_sets(strings(KEYS), [])


def test_a_truncated_store_is_refused(tmp_path):
    path = store(tmp_path / "s.h5")
    path.write_bytes(path.read_bytes()[:700])
    with pytest.raises(DataError, match=r"s\.h5"):
        region_sets(strings(KEYS), [path])


def test_sets_together_have_zeros_behind_them():
    table, mask = together(rows_of((1, 4)))
    assert table.shape == (2, 4, 3)
    assert mask.sum(1).tolist() == [1, 4]
    assert captions_together([[1, 2, 3], [4]]).tolist() == [[1, 2, 3], [4, 0, 0]]


@pytest.mark.parametrize("shape", [(5, 7), (31, 12), (1, 1), (40, 40)])
def test_pictures_are_squashed_by_hand(shape):
    """A pixel is the mean of the four around its place, by nearness, whatever the picture's size."""
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    made = squashed(pixels, 8).astype(float)
    for y in range(8):
        for x in range(8):
            assert (
                np.abs(
                    made[y, x] - bilinear(pixels, (y + 0.5) * shape[0] / 8 - 0.5, (x + 0.5) * shape[1] / 8 - 0.5)
                ).max()
                <= 0.51
            )


def bilinear(pixels, y, x):
    y, x = (min(max(at, 0), side - 1) for at, side in zip((y, x), pixels.shape, strict=False))
    top, left = int(y), int(x)
    down, right = min(top + 1, pixels.shape[0] - 1), min(left + 1, pixels.shape[1] - 1)
    dy, dx = y - top, x - left
    corners = pixels[[top, top, down, down], [left, right, left, right]].astype(float)
    return np.array([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx]) @ corners
