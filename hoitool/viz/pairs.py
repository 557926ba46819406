"""Pages of pictures with what files say of them: pairs as two boxes and a numbered line, objects alone as a numbered
box each, and a list of what each number is; labels and captions of the whole picture are a list alone.

People are blue, objects are orange, colours of Okabe and Ito's that colour-blind people tell apart; a box that is both
is blue. Numbers count pairs by their best score, or in the file's order; a pair has a line in the list for each of its
labels. What is drawn is legible whatever the picture's size: small ones are enlarged, large ones shrunk, text and lines
go by the size that is drawn. One view has its list on the right; several views of one picture stand side by side, each
under its title and over its list.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from hoitool.data.dataset import Array
from hoitool.viz.seen import Seen
from hoitool.viz.shapes import PAPER, Box, Disc, Font, Line, Page, Photo, Rect, Shape, Spot, Text, font

PERSON, OBJECT = (0, 114, 178), (213, 94, 0)
INK, FAINT, BAR = (32, 32, 32), (95, 95, 95), (214, 230, 241)
LONGEST = (640, 1600)  # pixels of the longer side of a drawn picture, least and most
SHARE = 1 / 45  # of the longer side: the height of letters
LETTERS = (15, 30)  # pixels, least and most
STEP = 1.7  # from line to line, in heights of letters
WRAP = 60  # letters in a line of a caption
ALONG = (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)  # where on a line its number may stand, the best first


@dataclass(frozen=True)
class Entry:
    """One line of a list: its number ('' for none), its text and its score, None where there is none."""

    number: str
    text: str
    score: float | None = None


@dataclass(frozen=True)
class View:
    """What is drawn of a picture: the shapes over it, its list, and what is written where that is empty."""

    shapes: list[Shape]
    entries: list[Entry]
    nothing: str


def one_page(picture: Image.Image, seen: Seen, top: int = 10, min_score: float = -np.inf, title: str = "") -> Page:
    """A page of one picture with its best lines, and their names and scores on its right.

    top  so many lines at most, of those that score `min_score` or more; the earlier row wins a tie
    """
    shown, scale = sized(picture)
    view = viewed(seen, (0, 0, *shown.size), scale, top, min_score)
    size = letter_size(shown.size)
    width, height = _list_size(view, size)
    shapes = [Photo((0, 0), shown), *view.shapes, *_list(view, (shown.width, 0), width, size)]
    return Page(shown.width + width, max(shown.height, height), shapes, title, _told(view))


def columns_page(
    picture: Image.Image,
    seen: Sequence[tuple[str, Seen]],
    top: int = 10,
    min_score: float = -np.inf,
    title: str = "",
) -> Page:
    """A page with a column for each of several views of one picture: its title, the picture, the list below."""
    shown, scale = sized(picture)
    size = letter_size(shown.size)
    head = round(_height(font(size)) * STEP)
    shapes: list[Shape] = []
    told, left, height = [], 0, 0
    for name, each in seen:
        frame = (left, head, left + shown.width, head + shown.height)
        view = viewed(each, frame, scale, top, min_score)
        least, high = _list_size(view, size)
        width, height = max(shown.width, least), max(height, frame[3] + high)
        shapes.append(Text((left + shown.width / 2, head / 2), _short(name, shown.width, size), INK, size, "middle"))
        shapes += [Photo(frame[:2], shown), *view.shapes, *_list(view, (left, frame[3]), width, size)]
        told.append(f"{name}: {_told(view)}")
        left += width + head
    return Page(left - head, height, shapes, title, "\n".join(told))


def viewed(seen: Seen, frame: Box, scale: float, top: int, min_score: float) -> View:
    """What is drawn of the best lines over a picture that is in the frame, `scale` times as large as it was."""
    rows = best(seen.scores, len(seen.names), top, min_score)
    nothing = f"no {seen.what}" + ("" if min_score == -np.inf else f" that score {min_score:g} or more")
    scores = {row: None if seen.scores is None else float(seen.scores[row]) for row in rows}
    left = len(seen.names) - len(rows)
    more = [Entry("", f"... and {left:,} more")] if seen.scores is None and left else []
    if seen.what in ("labels", "captions"):
        lines = [
            (nth, text, row) for row in rows for nth, text in enumerate(textwrap.wrap(seen.names[row], WRAP) or [""])
        ]
        entries = [Entry("", text.replace("_", " "), scores[row] if nth == 0 else None) for nth, text, row in lines]
        return View([], entries + more, nothing)
    pairs = grouped(seen.boxes, seen.subject, seen.object, rows)
    entries = [
        Entry(str(number) if nth == 0 else "", seen.names[row].replace("_", " "), scores[row])
        for number, held in enumerate(pairs.values(), start=1)
        for nth, row in enumerate(held)
    ]
    corner, far = np.array(frame[:2]), np.array(frame[2:])
    boxes = np.clip(seen.boxes * scale + np.tile(corner, 2), np.tile(corner, 2), np.tile(far, 2))
    return View(_boxes(boxes, list(pairs), set(np.flatnonzero(seen.people).tolist()), frame), entries + more, nothing)


def best(scores: Array | None, count: int, top: int, min_score: float) -> list[int]:
    """The rows of the `top` best scores (n,) that are `min_score` or more, the best first; without scores the first."""
    if scores is None:
        return list(range(min(count, top)))
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


def letter_size(size: tuple[float, float]) -> float:
    """The size of letters on a drawn picture of a size."""
    return min(max(round(max(size) * SHARE), LETTERS[0]), LETTERS[1])


def score_text(score: float) -> str:
    """A score in few letters: two decimals, or one figure and its power of ten where these would be 0.00."""
    return f"{score:.2f}" if score == 0 or abs(score) >= 0.005 else f"{score:.0e}"


def _boxes(boxes: Array, pairs: Sequence[tuple[int, int]], people: set[int], frame: Box) -> list[Shape]:
    """Boxes, lines and numbers over the picture in a frame; the best pair is on top, people are rows of boxes."""
    stroke = max(2, round(max(_size(frame)) / 320))
    shapes: list[Shape] = []
    for row in dict.fromkeys(row for pair in reversed(pairs) for row in reversed(pair) if row >= 0):
        corners = _corners(boxes[row])
        shapes.append(Rect(corners, PAPER, stroke + 2))
        shapes.append(Rect(_shrunk(corners, 1), PERSON if row in people else OBJECT, stroke))
    for pair in reversed(pairs):
        ends = [_spot(_middle(boxes[row])) for row in pair if row >= 0]
        if len(ends) == 2:
            shapes += [Line(ends[0], ends[1], PAPER, stroke + 2), Line(ends[0], ends[1], INK, stroke)]
        shapes += [
            Disc(end, 1.6 * stroke, PERSON if row in people else OBJECT) for end, row in zip(ends, pair, strict=False)
        ]
    return shapes + _numbers(boxes, pairs, frame)


def _numbers(boxes: Array, pairs: Sequence[tuple[int, int]], frame: Box) -> list[Shape]:
    """Each pair's number on its line, where no better pair's number stands if there is such a place."""
    letters = letter_size(_size(frame))
    radius = _height(font(letters)) * 0.62
    taken: list[Array] = []
    for pair in pairs:
        start, end = _middle(boxes[pair[0]]), _middle(boxes[pair[1] if pair[1] >= 0 else pair[0]])
        places = [_inside(start + (end - start) * along, radius, frame) for along in ALONG]
        free = [spot for spot in places if all(np.hypot(*(spot - other)) >= 2 * radius for other in taken)]
        taken.append(free[0] if free else places[0])
    badges = [_badge(_spot(spot), radius, str(number), letters) for number, spot in enumerate(taken, start=1)]
    return [shape for badge in reversed(badges) for shape in badge]


def _list_size(view: View, size: float) -> tuple[int, int]:
    """The least width and the height of a list, in pixels."""
    letters = font(size)
    step = _height(letters) * STEP
    texts = [entry.text for entry in view.entries] or [view.nothing]
    right = max((letters.getlength(_score(entry)) for entry in view.entries), default=0.0)
    numbered = step if any(entry.number for entry in view.entries) else 0.0
    width = 1.5 * step + numbered + max(map(letters.getlength, texts)) + right
    return round(width), round(step * (1 + len(texts)))


def _list(view: View, corner: Spot, width: float, size: float) -> list[Shape]:
    """A list below a corner: numbers, texts and scores, with a bar for a score from 0 to 1."""
    step = _height(font(size)) * STEP
    margin = step / 2
    numbered = step if any(entry.number for entry in view.entries) else 0.0
    left, end, top = corner[0] + margin + numbered, corner[0] + width - margin, corner[1] + margin
    if not view.entries:
        return [Text((left, top + step / 2), view.nothing, FAINT, size)]
    shapes: list[Shape] = []
    for i, entry in enumerate(view.entries):
        middle = top + step * (i + 0.5)
        if entry.score is not None and 0 < entry.score <= 1:
            start = left - margin / 4
            long = (end + margin / 4 - start) * entry.score
            shapes.append(Rect((start, middle - 0.42 * step, start + long, middle + 0.42 * step), fill=BAR))
        if entry.number:
            spot = (corner[0] + margin + step * 0.35, middle)
            shapes += _badge(spot, _height(font(size)) * 0.62, entry.number, size)
        shapes.append(Text((left, middle), entry.text, INK, size))
        if entry.score is not None:
            shapes.append(Text((end, middle), _score(entry), FAINT, size, "right"))
    return shapes


def _score(entry: Entry) -> str:
    return "" if entry.score is None else score_text(entry.score)


def _told(view: View) -> str:
    """The list as text."""
    lines = (" ".join(filter(None, (entry.number, entry.text, _score(entry)))) for entry in view.entries)
    return "; ".join(lines) or view.nothing


def _badge(spot: Spot, radius: float, text: str, size: float) -> list[Shape]:
    return [Disc(spot, radius, INK), Text(spot, text, PAPER, size if len(text) == 1 else 0.78 * size, "middle")]


def _short(text: str, width: float, size: float) -> str:
    """A text that is no wider than this."""
    kept = text
    while kept and font(size).getlength(kept + "…") > width:
        kept = kept[:-1]
    return text if font(size).getlength(text) <= width else f"{kept}…"


def _height(letters: Font) -> float:
    top, bottom = letters.getbbox("Ag")[1::2]
    return float(bottom - top)


def _spot(spot: Array) -> Spot:
    return float(spot[0]), float(spot[1])


def _middle(box: Array) -> Array:
    made: Array = (box[:2] + box[2:]) / 2
    return made


def _size(frame: Box) -> tuple[float, float]:
    return frame[2] - frame[0], frame[3] - frame[1]


def _inside(spot: Array, radius: float, frame: Box) -> Array:
    """A place moved so that a circle around it is inside the frame."""
    least = np.array(frame[:2]) + radius
    return np.clip(spot, least, np.maximum(np.array(frame[2:]) - 1 - radius, least))


def _corners(box: Array) -> Box:
    """A box with its corners in order."""
    x1, y1, x2, y2 = box.tolist()
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def _shrunk(box: Box, by: float) -> Box:
    x1, y1, x2, y2 = box
    return x1 + by, y1 + by, max(x2 - by, x1 + by), max(y2 - by, y1 + by)
