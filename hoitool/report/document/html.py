"""A report as one HTML file that needs nothing else: styles, script, charts and pictures are inside.

Everything that data say (names of classes, images, files) is escaped by the template. The page's own policy (CSP) lets
its one style sheet and its one script run, by their hashes, and pictures that are in the file; whatever else a page
could load or send is refused by the browser. The page asks nothing of a network, and works without its script, which
adds sorting, filtering and enlarging.
"""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from hoitool import __version__
from hoitool.report.document import charts
from hoitool.report.document.parts import Chart, Document, Gallery, Mark, Shot, Table, interval, plain, written

SHORT, LONG = 16, 32  # letters
SIGN = '<svg viewBox="0 0 26 14" width="26" height="14" aria-hidden="true" focusable="false">{}</svg>'


def html(document: Document) -> str:
    """The document as the text of an HTML page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"sha256": _sha256, "base64": lambda data: base64.b64encode(data).decode("ascii")}
    environment.globals |= {
        "written": written,
        "interval": interval,
        "plain": plain,
        "choices": _choices,
        "shot_choices": _shot_choices,
        "widths_of": _widths,
        "labelled": _labelled,
        "overlay": overlay,
        "swatch": _swatch,
        "mark_sign": _mark_sign,
        "is_chart": lambda part: isinstance(part, Chart),
        "is_table": lambda part: isinstance(part, Table),
        "version": __version__,
        "style": _resource("style.css"),
        "script": _resource("script.js"),
    }
    return environment.from_string(_resource("page.html")).render(document=document)


def overlay(shot: Shot) -> Markup:
    """The boxes of a shot and the link between those of a pair, as SVG in the picture's own pixels."""
    drawn = []
    for true in (True, False):
        pair = [mark for mark in shot.marks if mark.true is true]
        kind = " true" if true else ""
        shapes: list[tuple[str, str]] = [(mark.role, _box(mark)) for mark in pair]
        if len(pair) == 2:
            shapes.append(("link", _link(*pair)))
        drawn += [Markup('<path class="halo" d="{}"/>').format(path) for _, path in shapes]
        drawn += [Markup('<path class="mark {}{}" d="{}"/>').format(role, kind, path) for role, path in shapes]
    name = f"{shot.kind}, {shot.cause}: {shot.title}"
    return Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(shot.width, shot.height, name, name, " ".join(shot.facts), Markup("").join(drawn))


def _box(mark: Mark) -> str:
    x1, y1, x2, y2 = mark.box
    return f"M{x1:.1f} {y1:.1f}H{x2:.1f}V{y2:.1f}H{x1:.1f}Z"


def _link(human: Mark, obj: Mark) -> str:
    ends = [((mark.box[0] + mark.box[2]) / 2, (mark.box[1] + mark.box[3]) / 2) for mark in (human, obj)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ends)


def _labelled(chart: Chart) -> Markup:
    """A chart's drawing with the text that stands for it."""
    label = escape(f"{chart.caption}. {chart.summary}")
    return Markup(chart.svg.replace('role="img"', f'role="img" aria-label="{label}"', 1))  # noqa: S704 drawn by charts


def _swatch(chart: Chart, series: int) -> Markup:
    kind = next(kind for kind in ("line", "point", "bar") if f'class="{kind} s' in chart.svg)
    return Markup(charts.swatch(series, kind))  # noqa: S704 nothing in it is from data


def _mark_sign(kinds: str) -> Markup:
    return Markup(SIGN).format(Markup('<path class="mark {}" d="M2 2H24V12H2Z"/>').format(kinds))  # noqa: S704 a constant


def _widths(table: Table) -> list[str]:
    """A class for the cells of each column: short texts stay on one line, long ones have room on a phone too."""
    made = []
    for i, column in enumerate(table.columns):
        longest = max((len(str(row[i])) for row in table.rows), default=0)
        made.append(
            "" if column.kind not in ("text", "code") else " short" if longest <= SHORT else " long" * (longest > LONG)
        )
    return made


def _choices(table: Table) -> list[tuple[str, str, list[str]]]:
    """What rows can be chosen by: a column's title, its number, its values in order."""
    found = []
    for i, column in enumerate(table.columns):
        if column.choices:
            found.append((column.title, str(i), sorted({written(row[i], column.kind) for row in table.rows})))
    return found


def _shot_choices(gallery: Gallery) -> list[tuple[str, str, list[str]]]:
    """What pictures can be chosen by."""
    held = {
        ("Kind", "kind"): [shot.kind for shot in gallery.shots],
        ("Cause", "cause"): [shot.cause for shot in gallery.shots],
        ("Class", "class"): sorted(shot.title for shot in gallery.shots),
    }
    return [(title, key, list(dict.fromkeys(values))) for (title, key), values in held.items() if len({*values}) > 1]


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _resource(name: str) -> str:
    return (files("hoitool.report.document") / name).read_text(encoding="utf-8")
