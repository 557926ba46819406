"""All checks over all subsets, and what they found together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Dataset
from hoitool.data.quality.boxes import check_boxes
from hoitool.data.quality.files import Files, check_contents, check_files, check_sizes, look_at_files
from hoitool.data.quality.finding import KINDS, Findings, Severity
from hoitool.data.quality.images import check_empty, check_names, check_subsets
from hoitool.data.quality.labels import check_labels, check_subjects
from hoitool.data.quality.published import check_counts
from hoitool.data.quality.repeats import check_boxes_again, check_pairs_again
from hoitool.errors import UsageError


@dataclass(frozen=True)
class Rules:
    """min_iou: from which overlap boxes are almost the same; tolerance: how far a box may leave its image."""

    min_iou: float = 0.95
    tolerance: float | None = None


@dataclass(frozen=True)
class Report:
    """What was found, in the order of KINDS and of the subsets, and what was not checked and why."""

    findings: list[Findings]
    notes: list[str]

    def __len__(self) -> int:
        """The number of findings."""
        return sum(map(len, self.findings))

    def by_kind(self, *severities: Severity) -> dict[str, int]:
        """How many findings of these severities there are of each kind."""
        counts: dict[str, int] = {}
        for found in self.findings:
            if found.severity in severities:
                counts[found.kind] = counts.get(found.kind, 0) + len(found)
        return counts

    def records(self) -> Iterator[dict[str, Any]]:
        """Every finding as JSON-ready values."""
        for found in self.findings:
            yield from found.records()

    def summary(self) -> list[dict[str, Any]]:
        """One row per kind and subset that has findings: kind, severity, subset, findings, images, meaning."""
        rows = []
        for found in self.findings:
            for subset in dict.fromkeys(found.subset.tolist()):
                inside = found.subset == subset
                images = set(found.image[inside].tolist()) - {""}
                row = {"kind": found.kind, "severity": found.severity, "subset": subset}
                counts = {"findings": int(inside.sum()), "images": len(images)}
                rows.append(row | counts | {"meaning": KINDS[found.kind].meaning})
        return rows


def check(parts: Sequence[Dataset], images: Path | Files | None = None, rules: Rules | None = None) -> Report:
    """Check subsets of a dataset, or predictions, one by one and against each other.

    images  a folder of image files to look at, or what was seen of them. Raises MissingData where it is no folder,
    UsageError for rules out of range.
    """
    rules = rules or Rules()
    if not 0 < rules.min_iou <= 1:
        raise UsageError(
            f"the overlap from which boxes are almost the same is {rules.min_iou:g}, expected 0 < IoU <= 1"
        )
    if rules.tolerance is not None and not 0 <= rules.tolerance < np.inf:
        raise UsageError(f"the tolerance is {rules.tolerance:g}, expected 0 or more")
    files = look_at_files(parts, images) if isinstance(images, Path) else images
    found: list[Findings] = []
    for i, part in enumerate(parts):
        found += _check_part(part, rules) + check_sizes(part, None if files is None else files.looks[i])
        if files is not None:
            found += check_files(part, files.looks[i])
    found += check_subsets(parts)
    if files is not None:
        found += check_contents(parts, files)
    order = list(KINDS)
    return Report(sorted(found, key=lambda one: order.index(one.kind)), _notes(parts, files))


def _check_part(data: Dataset, rules: Rules) -> list[Findings]:
    found = [
        *check_names(data),
        *check_boxes(data, rules.tolerance),
        *check_labels(data),
        *check_subjects(data),
        *check_pairs_again(data, rules.min_iou),
        *check_counts(data),
        *check_empty(data),
    ]
    return found if data.kind == "predictions" else found + check_boxes_again(data, rules.min_iou)


def _notes(parts: Sequence[Dataset], files: Files | None) -> list[str]:
    """What was not checked, and why."""
    told = []
    for data in parts:
        name = data.meta.subset or data.meta.dataset or "the data"
        if unknown := _unknown_sizes(data):
            told.append(f"{name}: the boxes of {unknown:,} images of unknown size were not compared with their image")
        if data.dense:
            told.append(f"{name}: dense scores say nothing of labels, which were not compared with the label space")
        if data.meta.labels.person < 0 and data.meta.label_kind not in ("predicates", "objects"):
            told.append(f"{name}: label space {data.meta.labels.name!r} has no person, subjects were not checked")
        if data.kind == "predictions":
            told.append(f"{name}: boxes and pairs that almost repeat another are ordinary in predictions: not listed")
    if files is None:
        told.append("image files were not looked at (--images)")
    elif files.elsewhere:
        told.append(f"{files.elsewhere:,} images were found by their names in folders below the image folder")
    return told


def _unknown_sizes(data: Dataset) -> int:
    """How many images have boxes that cannot be compared with the frame."""
    boxes = data.counts("box") > 0
    if data.meta.box_frame == "normalised":
        return 0
    if data.width is None or data.height is None:
        return int(boxes.sum())
    return int((boxes & ((data.width <= 0) | (data.height <= 0))).sum())
