"""Documents for tests of a report: one with every part, and names that are out for trouble."""

from __future__ import annotations

import io
import math

from PIL import Image

from hoitool.report.document import charts
from hoitool.report.document.parts import (
    Chart,
    Column,
    Document,
    Estimate,
    Gallery,
    Mark,
    Section,
    Shot,
    Table,
)

EVIL = '<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2"> \'"&amp; $\\x_{}$ | `'
LONG = "By my_detector_resnet101_epoch_59_checkpoint_best_of_all (points)"  # no place to break but inside a word
HUMAN, OBJECT = Mark((10, 10, 60, 90), "human"), Mark((50, 40, 95, 80), "object")
TRUE = Mark((12, 12, 62, 92), "human", True), Mark((60, 40, 99, 80), "object", True)


def picture(width: int = 120, height: int = 100) -> bytes:
    """A small JPEG."""
    stream = io.BytesIO()
    Image.new("RGB", (width, height), (200, 180, 90)).save(stream, "JPEG")
    return stream.getvalue()


def table(rows: int = 40) -> Table:
    """A table that sorts and filters: names, a choice, counts, figures with intervals, and some that are not known."""
    columns = (
        Column("Class"),
        Column("Object", choices=True),
        Column("Truths", "count"),
        Column("AP (%)", "percent"),
    )
    cells = [
        (
            EVIL if i == 3 else f"verb {i} thing",
            f"object {'abc'[i % 3]}",
            (7 * i) % rows,
            math.nan if i == 5 else Estimate(i / rows, max(0.0, i / rows - 0.1), i / rows + 0.1),
        )
        for i in range(rows)
    ]
    return Table("per-class", "Figures of every class", columns, tuple(cells), sorts=True)


def chart(name: str = "curve") -> Chart:
    """A chart of two curves."""
    axes = charts.Axis("recall (%)", 0, 1, percent=True), charts.Axis("precision (%)", 0, 1, percent=True)
    drawn = charts.lines([charts.Points("one", [0, 1], [1, 0]), charts.Points("two", [0, 1], [0.5, 0.4])], *axes)
    data = Table(
        f"{name}-data", "The curve", (Column("Recall (%)", "percent"), Column("one", "percent")), ((0.0, 1.0),)
    )
    return Chart(f"Precision over recall {EVIL}", "It falls.", drawn, ("one", EVIL), data)


def shots(count: int = 6) -> tuple[Shot, ...]:
    """Pictures of errors, by two causes, with names that are out for trouble."""
    jpeg = picture()
    return tuple(
        Shot(
            "false positive" if i % 2 else "missed pair",
            "duplicate" if i % 3 else "background",
            EVIL if i == 1 else f"ride thing {i}",
            EVIL if i == 2 else f"image_{i}.jpg",
            (f"Score 0.{i}.", EVIL),
            jpeg,
            120,
            100,
            (HUMAN, OBJECT, *(TRUE if i % 2 else ())),
        )
        for i in range(count)
    )


def everything() -> Document:
    """A document with every kind of part."""
    plain = Table("inputs", "Inputs", (Column("What"), Column("SHA-256", "code")), (("truth", "f" * 64), (EVIL, EVIL)))
    moved = Table(
        "moved", "Differences", (Column("Class"), Column(LONG, "difference")), (("a", Estimate(-0.01, -0.02, 0.01)),)
    )
    return Document(
        f"one and {EVIL}",
        f"Scored on {EVIL}.",
        (
            Section("summary", "Summary", ("A sentence.", EVIL), (chart(), plain)),
            Section("classes", "Classes", (), (table(),)),
            Section("gallery", "Pictures", (), (Gallery("pictures", "Six pictures", shots()),)),
            Section("comparison", f"Comparison {EVIL}", (), (moved,)),
        ),
    )
