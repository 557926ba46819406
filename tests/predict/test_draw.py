"""Predictions drawn into a folder: one picture each, under names that are unique, and never over what is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from stub_encoders import noise

from hoitool.data import Dataset, Meta, Predictions, no_pairs, relabel, select_images, strings, to_dense
from hoitool.embed.pictures import Album, Pictures
from hoitool.errors import DataError, UsageError
from hoitool.labels import load_labels
from hoitool.predict.draw import draw_all, drawer, drawn_names
from hoitool.viz.seen import probabilities, with_objects
from hoitool.viz.shapes import raster

HICO = load_labels("hico")


@pytest.fixture
def album(small, tmp_path):
    """Pictures for the first four images of the synthetic test subset."""
    held = select_images(small.test, np.arange(4))
    for seed, (name, wide, high) in enumerate(zip(held.key, held.width, held.height, strict=True)):
        noise(wide, high, seed).save(tmp_path / name)
    return Album([str(key) for key in held.key], held.key, Pictures(tmp_path))


@pytest.fixture
def four(detected):
    return select_images(detected, np.arange(4))


def pixels(data, top, min_score, image, picture):
    return np.asarray(raster(drawer(data, top, min_score)(image, picture)))


def recognised(data: Dataset, task="recognition"):
    """Logits of whole images."""
    meta = replace(data.meta, extras={"predict": {"task": task}})
    logits = np.random.default_rng(0).normal(size=(len(data), meta.classes)).astype(np.float32)
    return Predictions(meta=meta, key=data.key, image_scores=logits, score=np.empty(0), **no_pairs(len(data)))


def test_each_image_becomes_a_picture_with_its_list_beside(album, four, tmp_path):
    written = draw_all(
        [select_images(four, np.array([1, 0])), select_images(four, np.array([3]))], album, tmp_path / "d"
    )
    assert [path.name for path in written] == [str(album.keys[i]) for i in (1, 0, 3)]
    for path in written:
        with Image.open(path) as drawn:
            assert drawn.format == "JPEG" and drawn.width > 640


def test_what_is_drawn_is_what_the_scores_say(album, four):
    picture = album.open(0)
    drawn = {top: pixels(four, top, -np.inf, 0, picture) for top in (1, 10)}
    assert drawn[1].shape == drawn[10].shape or drawn[1].shape[1] < drawn[10].shape[1]
    hopeless = pixels(four, 10, 1e9, 0, picture)
    assert (hopeless[:, :640] != drawn[1][:, :640]).any()


def test_logits_are_shown_as_probabilities_and_other_scores_as_they_are(album, four):
    data = recognised(four)
    as_they_are = data.with_columns(recognised(four, "zero-shot").meta, image_scores=probabilities(data.image_scores))
    pictures = [pixels(held, 5, -np.inf, 2, album.open(2)) for held in (data, as_they_are)]
    np.testing.assert_array_equal(*pictures)
    assert probabilities(np.array([0, -800, 800], np.float32)).tolist() == [0.5, 0, 1]


def test_dense_predictions_and_normalised_boxes_are_drawn_alike(album, four):
    expected = pixels(four, 5, 0.0, 1, album.open(1))
    np.testing.assert_array_equal(pixels(to_dense(four), 5, 0.0, 1, album.open(1)), expected)


def test_verbs_are_told_with_their_objects():
    told = with_objects(["ride", "walk", "hold"], np.array([0, 3, -1]), np.array([1, -1, 2]), HICO)
    assert told == [f"ride {HICO.objects[3]}", "walk", "hold"]


def test_what_is_there_stays_unless_it_may_be_replaced(album, four, tmp_path):
    target = tmp_path / "d" / str(album.keys[2])
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(UsageError, match=r"exists; --overwrite replaces it"):
        draw_all([four], album, tmp_path / "d")
    assert [path.name for path in (tmp_path / "d").iterdir()] == [target.name] and target.read_text() == "mine"
    assert len(draw_all([four], album, tmp_path / "d", overwrite=True)) == 4


def test_images_that_are_not_there_and_pictures_that_do_not_decode_are_one_line(album, four, tmp_path):
    other = four.with_columns(key=strings(["x", "y", "z", "w"]))
    with pytest.raises(DataError, match=r"image 'x' of the predictions is not among the 4 pictures"):
        draw_all([other], album, tmp_path / "d")
    (tmp_path / str(album.keys[1])).write_bytes(b"broken")
    with pytest.raises(DataError, match="not readable as a picture"):
        draw_all([four], album, tmp_path / "d")


def test_names_follow_the_folders_and_keep_the_suffix_only_where_it_tells_them_apart():
    names = ["a/x.png", "b/x.png", "y.jpg", "y.png", "z.tar.gif", "../../up.jpg", "/etc/up.jpg", "C:\\k.bmp"]
    assert drawn_names(names) == [
        "a/x.jpg", "b/x.jpg", "y.jpg.jpg", "y.png.jpg", "z.tar.jpg", "up.jpg", "etc/up.jpg", "C:/k.jpg",
    ]  # fmt: skip
    assert drawn_names(["..", "a.jpg", "./a.jpg", "a.jpg.jpg"]) == [
        "picture.jpg", "a.jpg.jpg", "a.jpg-2.jpg", "a.jpg-3.jpg",
    ]  # fmt: skip


@given(st.lists(st.text("ab./-2", min_size=1, max_size=8), max_size=12))
def test_names_are_always_different_and_inside(names):
    made = drawn_names(names)
    assert len(made) == len(set(made)) == len(names)
    assert not any(part in ("..", "") for name in made for part in name.split("/"))


def test_names_of_dots_stay_names():
    assert drawn_names(["..2", "...", ".a", "a/..2/b.png"]) == ["..2.jpg", "picture.jpg", ".a.jpg", "a/..2/b.jpg"]


def test_meta_is_needed_for_nothing_else():
    data = Predictions(
        meta=Meta(HICO), key=strings(["a"]), image_scores=np.zeros((1, 600)), score=np.empty(0), **no_pairs(1)
    )
    assert drawer(data, 3, -np.inf)(0, noise(8, 8)).width > 640


def test_objects_alone_are_drawn_with_their_names(album, four, tmp_path):
    boxes = relabel(four.with_columns(box_scores=np.linspace(0.1, 1, len(four.boxes))), "objects")[0]
    written = draw_all([boxes], album, tmp_path / "d", top=3)
    assert len(written) == 4
    with Image.open(written[0]) as drawn, Image.open(tmp_path / str(album.keys[0])) as plain:
        assert drawn.width > plain.width
    unknown = boxes.with_columns(categories=np.full(len(boxes.boxes), -1, np.int32))
    drawer(unknown, 3, -np.inf)(0, Image.new("RGB", (100, 100)))
