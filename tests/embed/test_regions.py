"""Embeddings of boxes and pairs against crops by hand; how often pictures are opened and crops encoded."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from PIL import Image
from stub_encoders import Watched, data_of, noise

from hoitool.data import Predictions
from hoitool.embed.about import about, of_data
from hoitool.embed.crops import CropRule
from hoitool.embed.engine import Pace, run
from hoitool.embed.pictures import album_of
from hoitool.embed.preprocess import Preprocess
from hoitool.embed.regions import Regions, boxes_of, distinct_pairs
from hoitool.errors import UsageError
from hoitool.store import Store

SCENES = [
    ("a.png", [(2, 3, 20, 15), (10, 1, 30, 25), (2, 3, 20, 15)], [(0, 1), (1, 1), (0, 1), (2, -1), (1, 0)]),
    ("none.png", [], []),
    ("b.png", [(0, 0, 9.6, 9.4)], []),
    ("c.png", [(5, 5, 3, 2), (0, 0, 12, 12)], [(0, 1)]),
]
PAIRS = {"a.png": [(0, 1), (1, 1), (1, 0)], "c.png": [(0, 1)]}
PARTS = ("box", "union", "union-masked")


@pytest.fixture
def folder(tmp_path):
    for seed, (name, size) in enumerate({"a.png": (40, 30), "b.png": (10, 10), "c.png": (13, 14)}.items()):
        noise(*size, seed).save(tmp_path / name)
    return tmp_path


def job_of(data, folder, encoder, contexts=(1.0,), pairs=(), **decided):
    boxes = boxes_of(data, pairs)
    said = about(encoder, "regions", parts=boxes.parts, **(of_data(data.meta) | decided))
    return Regions(boxes, album_of(data, folder), encoder, said, CropRule(contexts))


def made(job, path, **pace):
    done = run(job, path, Pace(**{"batch": 4} | pace))
    return done, Store(path)


def crop_of(box, context, picture, frame):
    """The corners that a box cuts out, with Python's numbers."""
    x1, x2 = sorted((box[0], box[2]))
    y1, y2 = sorted((box[1], box[3]))
    if frame == "inclusive":
        x2, y2 = x2 + 1, y2 + 1
    xm, ym, xh, yh = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2 * context, (y2 - y1) / 2 * context
    corners = [xm - xh, ym - yh, xm + xh, ym + yh]
    return [round(min(max(v, 0), limit)) for v, limit in zip(corners, picture.size * 2, strict=True)]


def embedding(encoder, picture, box, contexts, frame, keep=()):
    """The row of a box, the pixels outside of the boxes `keep` in the mean colour."""
    rows = []
    for context in contexts:
        corners = crop_of(box, context, picture, frame)
        pixels = np.asarray(picture).copy()
        if keep:
            inside = np.zeros(pixels.shape[:2], bool)
            for left, top, right, bottom in (crop_of(each, 1, picture, frame) for each in keep):
                inside[top:bottom, left:right] = True
            pixels[~inside] = [round(255 * value) for value in encoder.preprocess.mean]
        row = encoder.one(encoder.preprocess.pixels(Image.fromarray(pixels).crop(corners))).astype(np.float64)
        rows.append(row / np.linalg.norm(row))
    summed = np.sum(rows, axis=0)
    return summed / np.linalg.norm(summed)


def around(one, other):
    return [f(a, b) for f, a, b in zip((min, min, max, max), ordered(one), ordered(other), strict=True)]


def ordered(box):
    return [min(box[0], box[2]), min(box[1], box[3]), max(box[0], box[2]), max(box[1], box[3])]


@pytest.mark.parametrize("fit", ["squash", "centre-crop", "pad"])
@pytest.mark.parametrize("contexts", [(1.0,), (1.0, 1.5)])
@pytest.mark.parametrize("frame", ["continuous", "inclusive"])
def test_rows_are_those_of_crops_made_by_hand(folder, tmp_path, frame, contexts, fit):
    encoder = Watched(Preprocess(6, 6, fit, "bilinear", (0.5, 0.4, 0.3), (1, 1, 1)))
    data = data_of(SCENES, frame=frame)
    _, store = made(job_of(data, folder, encoder, contexts, ("union", "union-masked")), tmp_path / "x.h5")
    for image, (name, boxes, _) in enumerate(SCENES):
        expected = []
        if boxes:
            picture = Image.open(folder / name)
            expected += [embedding(encoder, picture, box, contexts, frame) for box in boxes]
            sides = [(boxes[s], boxes[o]) for s, o in PAIRS.get(name, [])]
            expected += [embedding(encoder, picture, around(*two), contexts, frame) for two in sides]
            expected += [embedding(encoder, picture, around(*two), contexts, frame, two) for two in sides]
        np.testing.assert_allclose(store[image], np.array(expected).reshape(-1, 5), atol=2e-7)


def test_the_columns_say_what_each_row_is(folder, tmp_path):
    data = data_of(SCENES)
    _, store = made(job_of(data, folder, Watched(), pairs=("union", "union-masked")), tmp_path / "x.h5")
    assert store.manifest.parts == PARTS
    counts = [3 + 3 + 3, 0, 1, 2 + 1 + 1]
    assert np.diff(store.layout.offsets).tolist() == counts
    assert store.column("part").tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0, 1, 2]
    pairs = PAIRS["a.png"] * 2
    assert store.column("subject").tolist() == [-1, -1, -1, *(s for s, _ in pairs), -1, -1, -1, 0, 0]
    assert store.column("object").tolist() == [-1, -1, -1, *(o for _, o in pairs), -1, -1, -1, 1, 1]
    assert store.column("category").tolist() == [0] * 3 + [-1] * 6 + [0] * 3 + [-1] * 2
    boxes = store.column("boxes")
    np.testing.assert_array_equal(boxes[:3], SCENES[0][1])
    np.testing.assert_array_equal(boxes[3:6], [[2, 1, 30, 25], [10, 1, 30, 25], [2, 1, 30, 25]])
    np.testing.assert_array_equal(boxes[-1], [0, 0, 12, 12])
    assert store.key.tolist() == ["a", "none", "b", "c"]


def test_without_pairs_the_rows_are_the_boxes(folder, tmp_path):
    data = data_of(SCENES)
    _, store = made(job_of(data, folder, Watched()), tmp_path / "x.h5")
    assert set(store.layout.columns) == {"boxes", "category"}
    np.testing.assert_array_equal(store.column("boxes"), data.boxes)
    np.testing.assert_array_equal(store.layout.offsets, data.box_offsets)
    only = job_of(data, folder, Watched(), pairs=("union-masked",))
    assert sorted(set(only.layout.columns["part"].tolist())) == [0, 2]


def test_scores_of_predictions_are_kept_and_unions_have_none(folder):
    data = data_of(SCENES)
    held = {name: getattr(data, name) for name in [*data.columns(), "meta", "box_offsets", "pair_offsets"]}
    found = Predictions(**held, box_scores=np.arange(6) / 8, score=np.ones(6))
    job = job_of(found, folder, Watched(), pairs=("union",))
    scores = job.layout.columns["scores"]
    np.testing.assert_array_equal(scores[job.layout.columns["part"] == 0], np.arange(6) / 8)
    assert np.isnan(scores[job.layout.columns["part"] == 1]).all()


def test_boxes_that_cut_out_the_same_are_encoded_once(folder, tmp_path):
    encoder = Watched()
    made(job_of(data_of(SCENES), folder, encoder), tmp_path / "x.h5")
    assert sum(encoder.batches) == 2 + 1 + 2  # a.png has one box twice
    assert encoder.batches == [4, 1]  # batches go over images
    encoder = Watched()
    made(job_of(data_of(SCENES), folder, encoder, pairs=("union",)), tmp_path / "y.h5")
    # a: boxes, unions (0, 1) = (1, 0), (1, 1) is a box; c: the union is the larger box
    assert sum(encoder.batches) == 3 + 1 + 2


def test_each_picture_is_opened_once_and_one_without_boxes_not_at_all(folder, tmp_path, monkeypatch):
    opened = Counter()
    original = Image.open

    def counted(path, *arguments, **options):
        opened[path.name] += 1
        return original(path, *arguments, **options)

    monkeypatch.setattr(Image, "open", counted)
    done, _ = made(job_of(data_of(SCENES), folder, Watched(), (1.0, 1.5), ("union",)), tmp_path / "x.h5", workers=3)
    assert opened == {"a.png": 1, "b.png": 1, "c.png": 1}
    assert done.failed == {}


def test_a_picture_of_another_size_is_left_out(folder, tmp_path):
    data = data_of(SCENES, [(40, 30), (9, 9), (10, 11), (0, 0)])
    done, store = made(job_of(data, folder, Watched()), tmp_path / "x.h5")
    told = "b.png: the picture has 10x10 pixels, its annotations say 10x11: another version of it?"
    assert done.failed == {"b": told}
    assert store.failed == ["b"]
    assert np.isnan(store["b"]).all() and np.isfinite(store["c"]).all()


def test_rows_are_raw_where_the_manifest_says_so(folder, tmp_path):
    encoder = Watched()
    _, store = made(job_of(data_of(SCENES), folder, encoder, normalised=False), tmp_path / "x.h5")
    picture = Image.open(folder / "a.png")
    expected = encoder.one(encoder.preprocess.pixels(picture.crop((10, 1, 30, 25))))
    np.testing.assert_array_equal(store[0][1], expected)


@pytest.mark.parametrize("kind", ["P", "L", "RGBA", "I;16", "CMYK"])
def test_pictures_of_all_kinds(tmp_path, kind):
    grey = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    picture = Image.fromarray(grey.astype(np.uint16) << 8) if kind == "I;16" else Image.fromarray(grey).convert(kind)
    name = "x.tif" if kind == "CMYK" else "x.png"
    picture.save(tmp_path / name)
    Image.fromarray(grey).convert("RGB").save(tmp_path / "rgb.png")
    encoder, box = Watched(), [(1, 2, 14, 15)]
    _, store = made(job_of(data_of([(name, box, []), ("rgb.png", box, [])]), tmp_path, encoder), tmp_path / "s.h5")
    np.testing.assert_allclose(store[0], store[1], atol=1e-6)


def test_wrong_parts_are_refused(folder):
    data = data_of(SCENES)
    with pytest.raises(UsageError, match="no part of a pair is called 'both'; there are union and union-masked"):
        boxes_of(data, ("both",))
    with pytest.raises(UsageError, match="has no pairs of two boxes; leave out --pairs"):
        boxes_of(data_of([("a.png", [(0, 0, 1, 1)], [(0, -1)])]), ("union",))


def test_distinct_pairs_are_in_order_of_appearance():
    data = data_of(
        [("a", [(0, 0, 1, 1)] * 3, [(2, 1), (0, 1), (2, 1), (1, 2)]), ("b", [(0, 0, 1, 1)] * 3, [(2, 1), (0, -1)])]
    )
    assert distinct_pairs(data).tolist() == [0, 1, 3, 4]


def test_no_images_and_no_boxes_make_empty_stores(folder, tmp_path):
    for images in ([("a.png", [], [])], []):
        done, store = made(job_of(data_of(images), folder, Watched()), tmp_path / f"{len(images)}.h5")
        assert (len(store), store.layout.rows, done.failed) == (len(images), 0, {})
