"""Pages of shapes: the same to be seen as pixels and as vectors, the same bytes each time, safe in XML."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from hoitool.viz.shapes import FORMS, Disc, Line, Page, Photo, Rect, Text, font, raster, save, svg

RED, BLUE = (200, 0, 0), (0, 0, 200)
PHOTO = Image.new("RGB", (40, 30), (0, 120, 0))
SHAPES = (
    Photo((10, 5), PHOTO),
    Rect((20, 10, 80, 50), RED, 4),
    Rect((90, 10, 110, 30), fill=BLUE),
    Line((10, 60), (110, 60), RED, 3),
    Disc((60, 80), 8, BLUE),
    Text((60, 80), "3", (255, 255, 255), 12, "middle"),
    Text((10, 95), "a < b & c", BLUE, 12),
)
PAGE = Page(120, 104, SHAPES, 'of "<script>"', "two\x00 boxes & a line")
NAME = "{http://www.w3.org/2000/svg}"


def test_shapes_are_where_they_are_said_to_be():
    made = raster(PAGE)
    assert made.size == (120, 104)
    for spot, colour in (
        ((12, 7), (0, 120, 0)), ((21, 30), RED), ((78, 30), RED), ((50, 30), (255, 255, 255)), ((100, 20), BLUE),
        ((60, 60), RED), ((55, 82), BLUE), ((5, 5), (255, 255, 255)),
    ):  # fmt: skip
        assert made.getpixel(spot) == colour, spot


def test_later_shapes_cover_earlier_ones():
    rects = [Rect((0, 0, 20, 20), fill=RED), Rect((0, 0, 20, 20), fill=BLUE)]
    assert raster(Page(20, 20, rects)).getpixel((10, 10)) == BLUE
    covered = [Text((10, 10), "WWW", RED, 12, "middle"), rects[1]]
    assert (np.asarray(raster(Page(20, 20, covered)))[1:-1, 1:-1] == BLUE).all()


def test_shapes_outside_of_the_page_are_no_obstacle():
    far = [Rect((500, 500, 600, 600), RED, 2), Disc((-50, -50), 5, RED), Rect((-10, -10, 30, 30), RED, 2)]
    assert (np.asarray(raster(Page(20, 20, far))) == 255).all()


def test_svg_is_xml_that_says_what_is_to_be_seen_and_holds_its_picture():
    root = ElementTree.fromstring(svg(PAGE))
    assert root.find(f"{NAME}title").text == 'of "<script>"'
    assert root.find(f"{NAME}desc").text == "two boxes & a line"
    kinds = [element.tag.removeprefix(NAME) for element in root]
    assert kinds == ["title", "desc", "rect", "image", "rect", "rect", "line", "circle", "text", "text"]
    (image,) = root.findall(f"{NAME}image")
    held = base64.b64decode(re.fullmatch(r"data:image/jpeg;base64,(.*)", image.get("href"))[1])
    with Image.open(io.BytesIO(held)) as picture:
        assert (picture.format, picture.size) == ("JPEG", PHOTO.size)
    outline = root.findall(f"{NAME}rect")[1]
    assert [outline.get(name) for name in ("x", "y", "width", "height")] == ["22", "12", "56", "36"]
    text = root.findall(f"{NAME}text")[1]
    assert text.text == "a < b & c"
    assert float(text.get("textLength")) == pytest.approx(font(12).getlength("a < b & c"), abs=0.01)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_page_is_the_same_bytes(form, tmp_path):
    for name in ("one", "two"):
        save(PAGE, tmp_path / name, form)
    made = (tmp_path / "one").read_bytes()
    assert made == (tmp_path / "two").read_bytes()
    start = {"jpg": b"\xff\xd8", "png": b"\x89PNG", "svg": b"<svg", "pdf": b"%PDF"}[form]
    assert made.startswith(start)


def test_a_pdf_has_the_size_of_the_page_and_embeds_its_letters(tmp_path):
    save(PAGE, tmp_path / "a.pdf", "pdf")
    held = (tmp_path / "a.pdf").read_bytes()
    assert b"/MediaBox [ 0 0 120 104 ]" in held
    assert b"/FontFile2" in held and b"/Type3" not in held


def test_letters_that_the_font_has_not_are_no_warning(tmp_path):
    for form in FORMS:
        save(Page(120, 20, (Text((10, 10), "乗る długi", BLUE, 12),)), tmp_path / f"a.{form}", form)
