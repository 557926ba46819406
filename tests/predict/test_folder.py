"""Pictures of a folder as images: what is taken, what they are called, what is told and refused."""

from __future__ import annotations

import numpy as np
import pytest
from stub_encoders import noise

from hoitool.data import read, validate, write
from hoitool.errors import DataError, MissingData
from hoitool.labels import load_labels
from hoitool.predict.folder import images_in

HICO = load_labels("hico")


@pytest.fixture
def photos(tmp_path):
    """Pictures in two folders, a text, and hidden ones."""
    folder = tmp_path / "photos"
    for name, size in (("b.jpg", (6, 4)), ("a/b.jpg", (5, 7)), ("a/c.PNG", (3, 2)), (".hidden/d.png", (1, 1))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise(*size).save(folder / name)
    noise(1, 1).save(folder / "._b.png")
    (folder / "notes.txt").write_text("about them")
    return folder


def test_a_folder_is_taken_with_its_sizes_and_without_what_is_no_picture(photos):
    images, album, notes, _ = images_in([photos], HICO, "verbs")
    validate(images)
    assert images.key.tolist() == ["a/b.jpg", "a/c.PNG", "b.jpg"] == album.names
    assert images.width.tolist() == [5, 3, 6] and images.height.tolist() == [7, 2, 4]
    assert [album.open(i).size for i in range(3)] == [(5, 7), (3, 2), (6, 4)]
    assert (images.meta.label_kind, images.meta.dataset, images.meta.classes) == ("verbs", "photos", 117)
    assert notes == [f"passed over 1 files that are no pictures, such as {photos / 'notes.txt'}"]


def test_the_images_pass_through_parquet(photos, tmp_path):
    images = images_in([photos], HICO)[0]
    write(images, tmp_path / "images.parquet")
    assert read(tmp_path / "images.parquet").key.tolist() == images.key.tolist()


@pytest.mark.parametrize(
    ("named", "keys"),
    [
        (["b.jpg"], ["b.jpg"]),
        (["a/b.jpg", "b.jpg"], ["a/b.jpg", "b.jpg"]),
        (["a", "a/b.jpg", "a/../a/c.PNG"], ["b.jpg", "c.PNG"]),
        (["a/c.PNG", "a/b.jpg"], ["b.jpg", "c.PNG"]),
    ],
)
def test_names_are_paths_below_what_all_are_in(photos, named, keys):
    images, album, notes, _ = images_in([photos / name for name in named], HICO)
    assert images.key.tolist() == keys and not notes
    assert [album.open(i).size for i in range(len(keys))] == list(zip(images.width, images.height, strict=True))


def test_a_named_file_is_a_picture_whatever_it_is_called(photos, monkeypatch):
    noise(9, 8).save(photos / "upload", format="jpeg")
    monkeypatch.chdir(photos)
    images, album, *_ = images_in([type(photos)("upload")], HICO)
    assert images.key.tolist() == ["upload"] and album.open(0).size == (9, 8)
    with pytest.raises(DataError, match=r"notes.txt: not a picture, by its first bytes"):
        images_in([photos / "notes.txt"], HICO)


def test_a_broken_picture_is_one_line_or_left_out(photos):
    (photos / "aa.jpg").write_bytes(b"no jpeg at all")
    with pytest.raises(DataError) as told:
        images_in([photos], HICO)
    assert "aa.jpg" in str(told.value) and "--skip-broken" in str(told.value) and "\n" not in str(told.value)
    images, _, _, broken = images_in([photos], HICO, skip_broken=True)
    assert "aa.jpg" not in images.key and len(images) == 3
    assert list(broken) == ["aa.jpg"] and "aa.jpg" in broken["aa.jpg"]


def test_nothing_to_predict_for_is_said(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match="empty: no pictures there"):
        images_in([tmp_path / "empty"], HICO)
    with pytest.raises(MissingData, match="gone: no such file or folder"):
        images_in([photos, tmp_path / "gone"], HICO)
    (tmp_path / "empty" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="none of 1 can be read"):
        images_in([tmp_path / "empty"], HICO, skip_broken=True)


def test_pictures_that_a_camera_turned_are_told(tmp_path):
    picture = noise(6, 3)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    noise(6, 3).save(tmp_path / "b.jpg")
    images, album, notes, _ = images_in([tmp_path], HICO)
    assert (images.width[0], images.height[0]) == album.open(0).size == (6, 3)
    assert len(notes) == 1 and "1 pictures are turned" in notes[0] and "'a.jpg'" in notes[0]


def test_only_heads_are_read(tmp_path):
    noise(64, 64).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[:60])
    images = images_in([tmp_path], HICO)[0]
    np.testing.assert_array_equal([images.width, images.height], [[64], [64]])
