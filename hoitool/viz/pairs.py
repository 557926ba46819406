"""Predictions drawn on a picture: pairs as two boxes and a numbered line, and beside it what each number is; or objects
alone, a numbered box each.

People are blue, objects are orange, colours of Okabe and Ito's that colour-blind people tell apart; a box that is both
is blue. Numbers count pairs by their best score; a pair has a line beside the picture for each of its labels. Labels of
the whole picture are a list alone. What is drawn is legible whatever the picture's size: small ones are enlarged, large
ones shrunk, text and lines go by the size that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from hoitool.data.dataset import Array

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Point = tuple[float, float]

PERSON, OBJECT = (0, 114, 178), (213, 94, 0)
PAPER, INK, FAINT, BAR = (255, 255, 255), (32, 32, 32), (95, 95, 95), (214, 230, 241)
LONGEST = (640, 1600)  # pixels of the longer side of a drawn picture, least and most
SHARE = 1 / 45  # of the longer side: the height of letters
LETTERS = (15, 30)  # pixels, least and most
SMOOTH = 2  # lines are drawn so many times larger
ALONG = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)  # where on a line its number may stand, the best first


@dataclass(frozen=True)
class Line:
    """One line beside the picture: its number ('' for none), its text and its score."""

    number: str
    text: str
    score: float


def draw_pairs(
    picture: Image.Image,
    boxes: Array,
    subject: Array,
    object: Array,
    names: Sequence[str],
    scores: Array,
    top: int = 10,
    min_score: float = -np.inf,
) -> Image.Image:
    """A picture with its best pairs, and their names and scores beside it.

    boxes     (B, 4) x1 y1 x2 y2, pixels of the picture, continuous
    subject   (P,) and object (P,): rows of boxes, object -1 where there is none; rows with two boxes alike are one pair
    names     P labels, scores (P,), higher is surer
    top       so many labels at most, of those that score `min_score` or more; the earlier row wins a tie
    """
    pairs = grouped(boxes, subject, object, best(scores, top, min_score))
    made, scale = sized(picture)
    _draw_boxes(made, boxes * scale, list(pairs), {subject for subject, _ in pairs})
    lines = [
        Line(str(number) if nth == 0 else "", names[row], float(scores[row]))
        for number, rows in enumerate(pairs.values(), start=1)
        for nth, row in enumerate(rows)
    ]
    return beside(made, lines, _nothing("pairs", min_score))


def draw_objects(
    picture: Image.Image,
    boxes: Array,
    people: Array,
    names: Sequence[str],
    scores: Array,
    top: int = 10,
    min_score: float = -np.inf,
) -> Image.Image:
    """A picture with its best boxes, and their names and scores beside it; see draw_pairs.

    boxes (B, 4) with B names and scores (B,); people (B,) bool: those that are drawn as people
    """
    rows = best(scores, top, min_score)
    made, scale = sized(picture)
    _draw_boxes(made, boxes * scale, [(row, -1) for row in rows], {row for row in rows if people[row]})
    lines = [Line(str(number), names[row], float(scores[row])) for number, row in enumerate(rows, start=1)]
    return beside(made, lines, _nothing("objects", min_score))


def draw_labels(
    picture: Image.Image, names: Sequence[str], scores: Array, top: int = 10, min_score: float = -np.inf
) -> Image.Image:
    """A picture with its best labels beside it: K names, scores (K,), higher is surer; see draw_pairs."""
    lines = [Line("", names[row], float(scores[row])) for row in best(scores, top, min_score)]
    return beside(sized(picture)[0], lines, _nothing("labels", min_score))


def best(scores: Array, top: int, min_score: float) -> list[int]:
    """The rows of the `top` best scores (n,) that are `min_score` or more, the best first."""
    order = np.argsort(-scores, kind="stable")
    rows: list[int] = order[scores[order] >= min_score][:top].tolist()
    return rows


def grouped(boxes: Array, subject: Array, object: Array, rows: Sequence[int]) -> dict[tuple[int, int], list[int]]:
    """The rows of each pair, pairs by their first row; a box is the first that is like it: data may repeat boxes."""
    _, first, inverse = np.unique(boxes, axis=0, return_index=True, return_inverse=True)
    same = np.append(first[inverse.reshape(-1)], -1)  # the last is of object -1
    made: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        made.setdefault((int(same[subject[row]]), int(same[object[row]])), []).append(row)
    return made


def sized(picture: Image.Image) -> tuple[Image.Image, float]:
    """A copy of a picture in the size that is drawn, as RGB, and how many times larger it is."""
    longest = max(picture.size)
    scale = min(max(longest, LONGEST[0]), LONGEST[1]) / longest
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGB").resize(size, Image.Resampling.BICUBIC), scale


def letters(size: tuple[int, int]) -> Font:
    """Pillow's own font, for a drawn picture of a size."""
    return ImageFont.load_default(min(max(round(max(size) * SHARE), LETTERS[0]), LETTERS[1]))


def _draw_boxes(picture: Image.Image, boxes: Array, pairs: Sequence[tuple[int, int]], people: set[int]) -> None:
    """Boxes, lines and numbers onto a picture of the boxes' size; the best pair is on top, people are rows of boxes."""
    stroke = max(2, round(max(picture.size) / 320))
    overlay = Image.new("RGBA", (picture.width * SMOOTH, picture.height * SMOOTH))
    pen = ImageDraw.Draw(overlay)
    for row in dict.fromkeys(row for pair in reversed(pairs) for row in reversed(pair) if row >= 0):
        corners = _corners(boxes[row] * SMOOTH)
        pen.rectangle(corners, outline=PAPER, width=(stroke + 2) * SMOOTH)
        pen.rectangle(_shrunk(corners, SMOOTH), outline=PERSON if row in people else OBJECT, width=stroke * SMOOTH)
    for pair in reversed(pairs):
        ends = [_point(_middle(boxes[row]) * SMOOTH) for row in pair if row >= 0]
        for colour, width in ((PAPER, stroke + 2), (INK, stroke)):
            pen.line(ends, fill=colour, width=width * SMOOTH)
        for end, colour in zip(ends, (PERSON, OBJECT), strict=False):
            pen.ellipse(_around(end, 1.6 * stroke * SMOOTH), fill=colour, outline=PAPER, width=SMOOTH)
    small = overlay.reduce(SMOOTH)
    picture.paste(small, mask=small)
    _draw_numbers(picture, boxes, pairs)


def _draw_numbers(picture: Image.Image, boxes: Array, pairs: Sequence[tuple[int, int]]) -> None:
    """Each pair's number on its line, where no better pair's number stands if there is such a place."""
    font = letters(picture.size)
    radius = _height(font) * 0.62
    taken: list[Array] = []
    for pair in pairs:
        start, end = _middle(boxes[pair[0]]), _middle(boxes[pair[1] if pair[1] >= 0 else pair[0]])
        places = [_inside(start + (end - start) * along, radius, picture.size) for along in ALONG]
        free = [spot for spot in places if all(np.hypot(*(spot - other)) >= 2 * radius for other in taken)]
        taken.append(free[0] if free else places[0])
    pen = ImageDraw.Draw(picture)
    for number, spot in reversed(list(enumerate(taken, start=1))):
        _badge(pen, _point(spot), radius, str(number), font)


def beside(picture: Image.Image, lines: Sequence[Line], nothing: str) -> Image.Image:
    """A picture and, on its right, a list: numbers, texts and scores, with a bar for a score from 0 to 1.

    nothing  what is written where there are no lines
    """
    font = letters(picture.size)
    step = _height(font) * 1.7
    margin = step / 2
    texts = [line.text.replace("_", " ") for line in lines] or [nothing]
    scores = [score_text(line.score) for line in lines]
    numbered = step if any(line.number for line in lines) else 0.0
    right = max((font.getlength(score) for score in scores), default=0.0)
    width = 3 * margin + numbered + max(map(font.getlength, texts)) + right
    high = max(picture.height, round(2 * margin + step * len(texts)))
    made = Image.new("RGB", (picture.width + round(width), high), PAPER)
    made.paste(picture)
    pen = ImageDraw.Draw(made)
    left, end = picture.width + margin + numbered, made.width - margin
    if not lines:
        pen.text((left, margin + step / 2), nothing, FAINT, font, anchor="lm")
    for i, line in enumerate(lines):
        middle = margin + step * (i + 0.5)
        if 0 < line.score <= 1:
            start = left - margin / 4
            bar = (start, middle - 0.42 * step, start + (end + margin / 4 - start) * line.score, middle + 0.42 * step)
            pen.rectangle(bar, BAR)
        if line.number:
            _badge(pen, (picture.width + margin + step * 0.35, middle), _height(font) * 0.62, line.number, font)
        pen.text((left, middle), texts[i], INK, font, anchor="lm")
        pen.text((end, middle), scores[i], FAINT, font, anchor="rm")
    return made


def score_text(score: float) -> str:
    """A score in few letters: two decimals, or one figure and its power of ten where these would be 0.00."""
    return f"{score:.2f}" if score == 0 or abs(score) >= 0.005 else f"{score:.0e}"


def _nothing(what: str, min_score: float) -> str:
    return f"no {what}" if min_score == -np.inf else f"no {what} that score {min_score:g} or more"


def _badge(pen: ImageDraw.ImageDraw, spot: Point, radius: float, text: str, font: Font) -> None:
    pen.ellipse(_around(spot, radius), fill=INK, outline=PAPER)
    pen.text(spot, text, PAPER, font, anchor="mm")


def _around(spot: Point, radius: float) -> tuple[float, float, float, float]:
    """The corners of a circle."""
    return spot[0] - radius, spot[1] - radius, spot[0] + radius, spot[1] + radius


def _point(spot: Array) -> Point:
    return float(spot[0]), float(spot[1])


def _height(font: Font) -> float:
    top, bottom = font.getbbox("Ag")[1::2]
    return float(bottom - top)


def _middle(box: Array) -> Array:
    made: Array = (box[:2] + box[2:]) / 2
    return made


def _inside(spot: Array, radius: float, size: tuple[int, int]) -> Array:
    """A place moved so that a circle around it is inside the picture."""
    return np.clip(spot, radius, np.maximum(np.array(size) - 1 - radius, radius))


def _corners(box: Array) -> tuple[float, float, float, float]:
    """A box with its corners in order."""
    x1, y1, x2, y2 = box.tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _shrunk(box: tuple[float, float, float, float], by: float) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return x1 + by, y1 + by, max(x2 - by, x1 + by), max(y2 - by, y1 + by)
