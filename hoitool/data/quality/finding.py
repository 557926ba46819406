"""What a check can find: the kinds with their severity, and findings as columns.

error    an evaluator or a training run goes wrong, or is quietly off
warning  works, and is probably not what was meant
info     good to know: ordinary in some datasets
Boxes and pairs of predictions are scored as they are: what would be an error in annotations is a warning there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hoitool.data.dataset import Array, Dataset, strings

Severity = Literal["error", "warning", "info"]
About = Literal["subset", "image", "box", "pair"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Kind:
    """A kind of finding: how bad, what its row counts, what it means, and how `fix` mends it ('' where it does not)."""

    severity: Severity
    about: About
    meaning: str
    mended: str = ""


KINDS: dict[str, Kind] = {
    "image-repeated": Kind("error", "image", "two images with one name, but for case or path"),
    "image-missing": Kind("error", "image", "no such file in the image folder"),
    "image-unreadable": Kind("error", "image", "the file is no image, or is truncated"),
    "image-size": Kind("error", "image", "the file has another size than the annotation says"),
    "box-outside": Kind("error", "box", "a part of the box is outside the image", "boxes clipped to the image"),
    "box-off-image": Kind("error", "box", "the whole box is outside the image"),
    "box-swapped": Kind("error", "box", "x2 < x1 or y2 < y1", "boxes with their corners put in order"),
    "box-degenerate": Kind("error", "box", "the box has no width or no height"),
    "label-forbidden": Kind("error", "pair", "the label space has no such verb with such an object"),
    "pair-repeated": Kind("error", "pair", "same boxes, same label as an earlier pair", "repeated pairs removed"),
    "counts": Kind("warning", "subset", "another number than published"),
    "image-in-two-subsets": Kind("warning", "image", "an image of one subset is in another one too"),
    "image-same-file": Kind("warning", "image", "two images whose files hold the same bytes"),
    "image-rotated": Kind("warning", "image", "EXIF turns the image by 90 degrees: programs disagree on its size"),
    "pair-near-repeated": Kind("warning", "pair", "same label, almost the same boxes as an earlier pair"),
    "subject-not-person": Kind("warning", "pair", "the subject is of another class than person"),
    "size-unknown": Kind("info", "image", "the size is 0", "sizes taken from the image files"),
    "image-without-boxes": Kind("info", "image", "no boxes"),
    "image-without-pairs": Kind("info", "image", "boxes, but no pairs"),
    "box-repeated": Kind("info", "box", "boxes that stand in an image more than once; one finding per image"),
    "box-near-repeated": Kind("info", "box", "same class, almost the same box as an earlier one"),
}


@dataclass(frozen=True)
class Findings:
    """Findings of one kind in one part of the data.

    subset (n,) the subset that each is in
    image  (n,) the images' keys, '' for findings about the whole subset
    row    (n,) which box or pair of its image, -1 for findings about images
    tell   the i-th finding in one line; lines are made when they are asked for, there may be millions
    """

    kind: str
    severity: Severity
    subset: Array
    image: Array
    row: Array
    tell: Callable[[int], str]

    def __len__(self) -> int:
        """The number of findings."""
        return len(self.image)

    def record(self, i: int) -> dict[str, Any]:
        """The i-th finding as JSON-ready values; row is null for findings about images."""
        row = int(self.row[i])
        return {
            "kind": self.kind,
            "severity": self.severity,
            "subset": str(self.subset[i]),
            "image": str(self.image[i]),
            "row": row if row >= 0 else None,
            "text": self.tell(i),
        }

    def records(self) -> Iterator[dict[str, Any]]:
        """All findings as JSON-ready values."""
        return map(self.record, range(len(self)))


def of_rows(data: Dataset, kind: str, rows: Array, tell: Callable[[int], str]) -> list[Findings]:
    """Findings of a kind at flat rows of the kind's group (boxes, pairs, images); none where there are no rows."""
    if not len(rows):
        return []
    group = KINDS[kind].about
    offsets = data.offsets(group)
    assert offsets is not None
    image = np.searchsorted(offsets, rows, side="right") - 1
    row = np.full(len(rows), -1) if group == "image" else rows - offsets[image]
    subset = np.full(len(rows), data.meta.subset, object) if data.subset is None else data.subset[image]
    return [Findings(kind, severity_in(data, kind), subset, data.key[image], row, tell)]


def of_subset(data: Dataset, kind: str, subsets: list[str], texts: list[str]) -> list[Findings]:
    """Findings (n,) about the whole of subsets (n,); none where there are no texts (n,)."""
    if not texts:
        return []
    none = np.full(len(texts), -1)
    held = strings(subsets)
    return [Findings(kind, severity_in(data, kind), held, strings([""] * len(texts)), none, texts.__getitem__)]


def severity_in(data: Dataset, kind: str) -> Severity:
    """How bad a kind of finding is in these data."""
    held = KINDS[kind]
    scored_as_is = data.kind == "predictions" and held.about in ("box", "pair")
    return "warning" if scored_as_is and held.severity == "error" else held.severity


def numbers(box: Array) -> str:
    """A box as text."""
    return " ".join(f"{value:.6g}" for value in box)
