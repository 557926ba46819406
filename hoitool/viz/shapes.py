"""A page of shapes over a picture, written as pixels (PNG, JPEG) or as a vector drawing (SVG, PDF).

Shapes are in pixels of the page, y down, and painted in their order. Text is measured in Pillow's own font, which PDF
embeds; SVG has texts as texts, as long as they were measured, in the reader's own sans serif. Nothing in a file says
when it was made: the same page gives the same bytes.
"""

from __future__ import annotations

import base64
import io
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
Spot = tuple[float, float]
Box = tuple[float, float, float, float]

FORMS = ("jpg", "png", "svg", "pdf")
PAPER: Colour = (255, 255, 255)
QUALITY = 92
SMOOTH = 2  # lines are drawn so many times larger


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture with its upper left corner at `spot`."""

    spot: Spot
    picture: Image.Image


@dataclass(frozen=True)
class Rect:
    """A rectangle x1 y1 x2 y2: its outline, inside of it, and what fills it."""

    box: Box
    edge: Colour | None = None
    width: float = 0
    fill: Colour | None = None


@dataclass(frozen=True)
class Line:
    """A straight line."""

    start: Spot
    end: Spot
    colour: Colour
    width: float


@dataclass(frozen=True)
class Disc:
    """A full circle with a thin white outline."""

    spot: Spot
    radius: float
    fill: Colour


@dataclass(frozen=True)
class Text:
    """A line of text of a size; its left end, middle or right end is at `spot`, half of its height above it."""

    spot: Spot
    text: str
    colour: Colour
    size: float
    at: Literal["left", "middle", "right"] = "left"


Shape = Photo | Rect | Line | Disc | Text


@dataclass(frozen=True, eq=False)
class Page:
    """Shapes on white paper; title and text say what is to be seen, for those who cannot see it."""

    width: int
    height: int
    shapes: Sequence[Shape]
    title: str = ""
    text: str = ""


@cache
def font(size: float) -> Font:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def save(page: Page, path: Path, form: str) -> None:
    """Write a page in a form, one of FORMS."""
    if form == "svg":
        path.write_text(svg(page), encoding="utf-8")
    elif form == "pdf":
        _pdf(page, path)
    elif form == "png":
        raster(page).save(path, "PNG", optimize=True)
    else:
        raster(page).save(path, "JPEG", quality=QUALITY, subsampling=0)  # colours of thin lines stay what they are


def raster(page: Page) -> Image.Image:
    """The page as pixels, RGB."""
    made = Image.new("RGB", (page.width, page.height), PAPER)
    for smooth, shapes in groupby(page.shapes, key=lambda shape: isinstance(shape, Rect | Line | Disc)):
        if smooth:
            _smooth(made, list(shapes))
        else:
            for shape in shapes:
                _paint(made, shape)
    return made


def _paint(made: Image.Image, shape: Shape) -> None:
    """Paint a picture or a text."""
    if isinstance(shape, Photo):
        made.paste(shape.picture, (round(shape.spot[0]), round(shape.spot[1])))
    elif isinstance(shape, Text):
        anchor = {"left": "lm", "middle": "mm", "right": "rm"}[shape.at]
        ImageDraw.Draw(made).text(shape.spot, shape.text, shape.colour, font(shape.size), anchor=anchor)


def _smooth(made: Image.Image, shapes: list[Any]) -> None:
    """Paint shapes with smooth edges: on a copy of what they may cover, twice as large, which is then reduced."""
    held = [_around(shape) for shape in shapes]
    left, top = (max(0, int(min(box[i] for box in held))) for i in (0, 1))
    right, bottom = (min(made.size[i], int(max(box[i + 2] for box in held)) + 1) for i in (0, 1))
    if right <= left or bottom <= top:
        return
    part = made.crop((left, top, right, bottom))
    large = part.resize((part.width * SMOOTH, part.height * SMOOTH), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    for shape in shapes:
        x1, y1, x2, y2 = _scaled(shape, left, top)
        if isinstance(shape, Rect):
            pen.rectangle((x1, y1, x2, y2), shape.fill, shape.edge, round(shape.width * SMOOTH))
        elif isinstance(shape, Line):
            pen.line((x1, y1, x2, y2), shape.colour, round(shape.width * SMOOTH))
        else:
            pen.ellipse((x1, y1, x2, y2), shape.fill, PAPER, SMOOTH)
    made.paste(large.reduce(SMOOTH), (left, top))


def _around(shape: Rect | Line | Disc) -> Box:
    """What a shape may cover."""
    if isinstance(shape, Rect):
        return shape.box
    if isinstance(shape, Disc):
        (x, y), r = shape.spot, shape.radius
        return x - r, y - r, x + r, y + r
    xs, ys = zip(shape.start, shape.end, strict=True)
    return min(xs) - shape.width, min(ys) - shape.width, max(xs) + shape.width, max(ys) + shape.width


def _scaled(shape: Rect | Line | Disc, left: float, top: float) -> Box:
    """The corners, or ends, of a shape on the large copy."""
    x1, y1, x2, y2 = (*shape.start, *shape.end) if isinstance(shape, Line) else _around(shape)
    return (x1 - left) * SMOOTH, (y1 - top) * SMOOTH, (x2 - left) * SMOOTH, (y2 - top) * SMOOTH


def svg(page: Page) -> str:
    """The page as the text of an SVG file, pictures inside as JPEG."""
    size = f'width="{page.width}" height="{page.height}" viewBox="0 0 {page.width} {page.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="Helvetica, Arial, sans-serif">',
        f"<title>{_clean(page.title)}</title>",
        f"<desc>{_clean(page.text)}</desc>",
        f'<rect width="100%" height="100%" fill="{_hex(PAPER)}"/>',
        *map(_element, page.shapes),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _element(shape: Shape) -> str:
    if isinstance(shape, Photo):
        (x, y), (width, height) = shape.spot, shape.picture.size
        place = f'x="{_n(x)}" y="{_n(y)}" width="{width}" height="{height}"'
        return f'<image {place} href="data:image/jpeg;base64,{_jpeg(shape.picture)}"/>'
    if isinstance(shape, Rect):
        left, top, wide, high = map(_n, _inner(shape))
        place = f'x="{left}" y="{top}" width="{wide}" height="{high}"'
        stroke = f' stroke="{_hex(shape.edge)}" stroke-width="{_n(shape.width)}"' if shape.edge else ""
        return f'<rect {place} fill="{_hex(shape.fill)}"{stroke}/>'
    if isinstance(shape, Line):
        (x1, y1), (x2, y2) = shape.start, shape.end
        place = f'x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}"'
        return f'<line {place} stroke="{_hex(shape.colour)}" stroke-width="{_n(shape.width)}"/>'
    x, y = shape.spot
    if isinstance(shape, Disc):
        place = f'cx="{_n(x)}" cy="{_n(y)}" r="{_n(shape.radius - 0.5)}"'
        return f'<circle {place} fill="{_hex(shape.fill)}" stroke="{_hex(PAPER)}"/>'
    anchor = {"left": "start", "middle": "middle", "right": "end"}[shape.at]
    place = f'x="{_n(x)}" y="{_n(y)}" dy="0.35em" text-anchor="{anchor}" font-size="{_n(shape.size)}"'
    long = f'textLength="{_n(font(shape.size).getlength(shape.text))}" lengthAdjust="spacingAndGlyphs"'
    return f'<text {place} {long} fill="{_hex(shape.colour)}">{_clean(shape.text)}</text>'


def _pdf(page: Page, path: Path) -> None:
    """The page as a PDF, a printer's point for each pixel."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    style: Any = {"text.parse_math": False, "pdf.fonttype": 42}
    with (
        mpl.rc_context(style),
        warnings.catch_warnings(),
        tempfile.NamedTemporaryFile(suffix=".ttf") as letters,
    ):
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in other scripts show as boxes
        letters.write(getattr(font(10), "font_bytes", b""))
        letters.flush()
        figure = Figure(figsize=(page.width / 72, page.height / 72))
        FigureCanvasPdf(figure)
        axes: Any = figure.add_axes((0, 0, 1, 1), frameon=False, xlim=(0, page.width), ylim=(page.height, 0))
        axes.set_axis_off()
        for order, shape in enumerate(page.shapes):
            _artist(axes, shape, FontProperties(fname=letters.name), order)
        axes.set(xlim=(0, page.width), ylim=(page.height, 0))
        about = {"Title": page.title, "Creator": "hoitool", "Producer": None, "CreationDate": None}
        figure.savefig(path, format="pdf", metadata=about)


def _artist(axes: Any, shape: Shape, letters: Any, order: int) -> None:
    from matplotlib.patches import Circle, Rectangle

    if isinstance(shape, Photo):
        (x, y), (width, height) = shape.spot, shape.picture.size
        axes.imshow(shape.picture, extent=(x, x + width, y + height, y), zorder=order, interpolation="none")
    elif isinstance(shape, Rect):
        left, top, wide, high = _inner(shape)
        edge: Any = {"edgecolor": _hex(shape.edge), "linewidth": shape.width, "joinstyle": "miter"}
        axes.add_patch(Rectangle((left, top), wide, high, facecolor=_hex(shape.fill), zorder=order, **edge))
    elif isinstance(shape, Line):
        (x1, y1), (x2, y2) = shape.start, shape.end
        style = {"color": _hex(shape.colour), "linewidth": shape.width, "solid_capstyle": "butt"}
        axes.plot([x1, x2], [y1, y2], zorder=order, **style)
    elif isinstance(shape, Disc):
        axes.add_patch(
            Circle(shape.spot, shape.radius - 0.5, fc=_hex(shape.fill), ec=_hex(PAPER), linewidth=1, zorder=order)
        )
    else:
        align = {"left": "left", "middle": "center", "right": "right"}[shape.at]
        place = {"ha": align, "va": "center_baseline", "zorder": order, "color": _hex(shape.colour)}
        axes.text(*shape.spot, shape.text, fontproperties=letters, fontsize=shape.size, **place)


def _inner(shape: Rect) -> Box:
    """The left, top, width and height of a rectangle whose outline, drawn along it, is inside of the shape."""
    (x1, y1, x2, y2), width = shape.box, shape.width
    return x1 + width / 2, y1 + width / 2, max(x2 - x1 - width, 0), max(y2 - y1 - width, 0)


def _jpeg(picture: Image.Image) -> str:
    made = io.BytesIO()
    picture.save(made, "JPEG", quality=QUALITY)
    return base64.b64encode(made.getvalue()).decode("ascii")


def _hex(colour: Colour | None) -> str:
    return "none" if colour is None else "#{:02x}{:02x}{:02x}".format(*colour)


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _clean(text: str) -> str:
    """Text for XML, without the control characters that it forbids."""
    return escape("".join(c for c in text if c >= " " or c == "\n"))
