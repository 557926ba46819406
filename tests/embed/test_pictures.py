"""Pictures: where they are found, what kinds become RGB, what is refused in one line."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from PIL import Image
from stub_encoders import data_of, noise

from hoitool.embed.pictures import Pictures, album_in, album_of, open_rgb, quiet
from hoitool.errors import DataError, MissingData

GREY = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20


def saved(tmp_path, picture, name="a.png", **options):
    picture.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "LA", "RGBA", "I;16"])
def test_every_kind_of_png_becomes_rgb(tmp_path, mode):
    if mode == "I;16":
        picture = Image.fromarray(GREY.astype(np.uint16) << 8 | 77)  # 77: what 8 bits cannot hold
    else:
        picture = Image.fromarray(GREY).convert(mode)
    found = open_rgb(saved(tmp_path, picture))
    assert (found.mode, found.size) == ("RGB", (4, 3))
    expected = np.where(GREY > 127, 255, 0) if mode == "1" else GREY
    if mode == "1":
        expected = np.asarray(picture.convert("L"))
    np.testing.assert_array_equal(np.asarray(found), np.repeat(expected[..., None], 3, axis=2))


def test_palettes_keep_their_colours_and_transparency_goes(tmp_path):
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 10, 20, 1, 2, 3])
    picture.putpixel((1, 0), 1)
    path = saved(tmp_path, picture, transparency=b"\x00\x80")
    with quiet():
        assert np.asarray(open_rgb(path)).tolist() == [[[200, 10, 20], [1, 2, 3]]]
    seen = Image.new("RGBA", (1, 1), (9, 8, 7, 0))
    assert open_rgb(saved(tmp_path, seen)).getpixel((0, 0)) == (9, 8, 7)


def test_cmyk_jpegs_are_converted(tmp_path):
    picture = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red, green, blue = open_rgb(saved(tmp_path, picture, "a.jpg")).getpixel((4, 4))
    assert red > 240 and green < 15 and blue < 15


def test_the_orientation_of_a_camera_is_not_applied(tmp_path):
    picture = noise(6, 3)
    exif = picture.getexif()
    exif[0x0112] = 6
    assert open_rgb(saved(tmp_path, picture, exif=exif)).size == (6, 3)


def test_quiet_leaves_other_warnings_and_the_filters_alone():
    before = list(warnings.filters)
    with quiet(), pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)
    assert list(warnings.filters) == before


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n half", b"\xff\xd8\xff\xe0"])
def test_what_cannot_be_decoded_is_told_in_one_line(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.jpg: not readable as a picture \(.+\)$") as told:
        open_rgb(tmp_path / "a.jpg")
    assert "\n" not in str(told.value)


def test_truncated_jpegs_and_real_numbers_are_refused(tmp_path):
    path = saved(tmp_path, noise(64, 64), "a.jpg")
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match="truncated"):
        open_rgb(path)
    with pytest.raises(DataError, match="real numbers"):
        open_rgb(saved(tmp_path, Image.fromarray(GREY.astype(np.float32)), "a.tif"))
    with pytest.raises(MissingData, match="no such image"):
        open_rgb(tmp_path / "b.jpg")


def test_a_picture_is_found_by_path_else_by_name(tmp_path):
    for name in ("test/a.png", "b/b.png", "c/b.png", "c/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        saved(tmp_path, noise(2, 2), name)
    held = Pictures(tmp_path)
    assert held.path("test/a.png") == tmp_path / "test" / "a.png"
    assert held.path("a.png") == tmp_path / "test" / "a.png"
    assert held.path("train2014/d.png") == tmp_path / "c" / "d.png"
    assert held.path("c/b.png") == tmp_path / "c" / "b.png"
    with pytest.raises(DataError, match=r"2 files are called 'b\.png', such as"):
        held.path("b.png")
    for name in ("e.png", "", "c", "nul\x00.png"):
        with pytest.raises(MissingData, match="no such image"):
            held.path(name)
    held.require_any(["x.png", "a.png"])
    held.require_any([])
    with pytest.raises(MissingData, match=r"holds none of the images, such as 'x\.png'; name their folder"):
        held.require_any(["x.png", "b.png"])
    with pytest.raises(MissingData, match="no such folder"):
        Pictures(tmp_path / "nowhere")


def test_albums(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.PNG", "sub/a.png", ".hidden.png"):
        saved(tmp_path, noise(3, 2), name, format="png")
    (tmp_path / "note.txt").write_text("no picture")
    album = album_in(tmp_path)
    assert album.names == ["b.PNG", "sub/a.png"] == album.keys.tolist()
    assert album.open(1).size == (3, 2)
    data = data_of([("sub/a.png", [], []), ("lost.png", [], [])])
    album = album_of(data, tmp_path)
    assert (album.names, album.keys.tolist()) == (["sub/a.png", "lost.png"], ["a", "lost"])
    by_key = album_of(data_of([("b.PNG", [], [])]).with_columns(file_name=None, key=data.file_name[:1]), tmp_path)
    assert by_key.open(0).size == (3, 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingData, match=r"holds no pictures \(\.bmp, "):
        album_in(tmp_path / "empty")
