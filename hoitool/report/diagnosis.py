"""A diagnosis as people see it on a terminal, and as a folder of files."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.text import Text

from hoitool.data import Dataset
from hoitool.diagnose.diagnosis import CAUSES, MISSES, Diagnosis
from hoitool.files import atomic, write_text
from hoitool.lookup import unknown_name
from hoitool.report.layout import percent, title
from hoitool.report.terminal import facts, grid
from hoitool.viz.diagnosis import draw_calibration, draw_causes, draw_frequency
from hoitool.viz.figure import USUAL

Array = NDArray[Any]
TOGETHER = {"all-false-positives": "all false positives", "all-missed": "all missed pairs"}


def selected(found: Diagnosis, shown: Sequence[str]) -> Diagnosis:
    """The diagnosis with the named splits only, a split's groups (`rf-uc:unseen`) by its name too; all for 'all'.

    Raises UsageError for a name that it does not have.
    """
    names = [name.lower().replace("_", "-") for name in shown]
    held = {group.name: {"all", group.name, group.name.rpartition(":")[0]} for group in found.of("split")}
    for name in names:
        if not any(name in known for known in held.values()):
            raise unknown_name("split", name, held)
    kept = {name for name, known in held.items() if known & {*names}}
    return replace(found, groups=tuple(g for g in found.groups if g.kind != "split" or g.name in kept))


def diagnosis_report(found: Diagnosis, top: int = 5) -> RenderableType:
    """Causes with their counts and gains, what the predicted pairs allow, calibration, frequency, worst classes."""
    lines: list[RenderableType] = [_causes(found), _ceiling(found), facts("Scores and training pairs", _figures(found))]
    if top:
        lines += [_worst(found, kind, top) for kind in ("object", "verb") if found.of(kind)]
    lines += [
        Text(f"{name.capitalize():<12}{held['path']} sha256 {held['sha256'][:12]}")
        for name, held in found.inputs.items()
        if "sha256" in held
    ]
    lines += [Text(f"Note: {note}.", style="yellow") for note in found.notes]
    lines.append(Text(found.signature, style="dim"))
    return Group(*lines)


def _causes(found: Diagnosis) -> RenderableType:
    """A row for each cause: how many, of how many, and the mAP gained on every split."""
    counts = {**dict(zip(CAUSES, found.false_counts.sum(axis=0).tolist(), strict=True))}
    counts |= dict(zip(MISSES, found.missed_counts.sum(axis=0).tolist(), strict=True))
    totals = {"all-false-positives": len(found.false_positives), "all-missed": len(found.missed)}
    detections, truths = int(found.classes.detections.sum()), int(found.classes.truths.sum())
    rows = []
    for name in (*CAUSES, "all-false-positives", *MISSES, "all-missed"):
        count = totals.get(name, counts.get(name, 0))
        whole = truths if name in MISSES or name == "all-missed" else detections
        gains = [_points(found.gain(name, group)) for group in found.of("split")]
        rows.append([told(name), f"{count:,}", percent(count / whole if whole else math.nan, 1), *gains])
    heads = ["cause", "errors", "% of detections (of truths)"]
    heads += [f"mAP gained, {title(group.name)}" for group in found.of("split")]
    return grid(f"{found.protocol} · {found.variant} · {title(found.setting)}: why it fails", heads, rows)


def _ceiling(found: Diagnosis) -> RenderableType:
    heads = ["split", "classes", "truths", "found", "pairs recall (%)", "mAP (%)", "mAP of perfect labels (%)"]
    rows = [
        [
            title(row["name"]),
            f"{row['classes']:,}",
            f"{row['truths']:,}",
            f"{row['true_positives']:,}",
            *(percent(row[name]) for name in ("ceiling_recall", "mAP", "ceiling_mAP")),
        ]
        for row in found.rows()
    ]
    return grid("What the predicted pairs allow, if only their labels were right", heads, rows)


def _figures(found: Diagnosis) -> dict[str, str]:
    error, frequency = found.calibration.error, found.frequency
    scored = found.calibration.count.any()
    made = {"expected calibration error": f"none: {'scores are no probabilities' if scored else 'no detections'}"}
    if not math.isnan(error):
        made = {"expected calibration error": f"{percent(error)} %"}
    if frequency is None:
        return made | {"AP against training pairs": "training pairs are not known (name training data with --counts)"}
    for low, high, classes, ap in zip(frequency.low, frequency.high, frequency.classes, frequency.ap, strict=True):
        last = "or more" if low == frequency.low[-1] else f"to {high:,}"
        name = f"AP (%), {low:,} {last} training pairs"
        if classes:
            made[name] = f"{percent(float(ap))} ({classes:,} classes)"
    correlation = "-" if math.isnan(frequency.spearman) else f"{frequency.spearman:.2f}"
    return made | {"rank correlation of AP with them": correlation}


def _worst(found: Diagnosis, kind: str, top: int) -> RenderableType:
    """The objects or verbs that lose the most mAP over all classes, and the repair that would gain them most."""
    held = []
    for row in found.rows(kind):
        gains = {name: value for name, value in row["gains"].items() if name not in TOGETHER}
        best = max(gains, key=lambda name: gains[name])
        lost = (1 - row["mAP"]) * row["classes"]
        costs = [told(best) if gains[best] > 0 else "-", _points(gains[best])]
        held.append((lost, [row["name"], f"{row['classes']:,}", percent(row["mAP"]), *costs]))
    held.sort(key=lambda each: -each[0])
    heads = [kind, "classes", "mAP (%)", "costs most", "mAP gained there"]
    return grid(f"{kind.capitalize()}s that lose most", heads, [cells for _, cells in held[:top]])


def told(name: str) -> str:
    """A cause or repair as it is read."""
    return TOGETHER.get(name, name.replace("-", " "))


def _points(gain: float) -> str:
    return "-" if math.isnan(gain) else f"{100 * gain:+.2f}"


def save_diagnosis(found: Diagnosis, folder: Path) -> list[Path]:
    """Write diagnosis.json, per-class.csv, false-positives.parquet, missed.parquet and the pictures as PNG and SVG."""
    names = ("diagnosis.json", "per-class.csv", "false-positives.parquet", "missed.parquet")
    files = [folder / name for name in names]
    write_text(files[0], found.to_json() + "\n")
    _write_csv(found.per_class(), files[1])
    _write_parquet(_told_false_positives(found), files[2])
    _write_parquet(_told_missed(found), files[3])
    return [*files, *draw_diagnosis(found, folder)]


def draw_diagnosis(found: Diagnosis, folder: Path) -> list[Path]:
    """Write the pictures causes, calibration and, where training pairs are known, frequency, as PNG and SVG."""
    paths = {name: [folder / f"{name}.{form}" for form in USUAL] for name in ("causes", "calibration", "frequency")}
    counts = [*found.false_counts.sum(axis=0).tolist(), *found.missed_counts.sum(axis=0).tolist()]
    gains = [found.gain(name, found.of("split")[0]) for name in (*CAUSES, *MISSES)]
    draw_causes([*CAUSES, *MISSES], counts, gains, len(MISSES), paths["causes"])
    bins = found.calibration
    draw_calibration(bins.low, bins.high, bins.count, bins.precision, bins.error, paths["calibration"])
    if (held := found.frequency) is None:
        return [*paths["causes"], *paths["calibration"]]
    full, classes = found.groups[0].among, found.classes
    draw_frequency(
        classes.trained[full], classes.ap[full], held.low, held.high, held.ap, held.spearman, paths["frequency"]
    )
    return [path for several in paths.values() for path in several]


def _told_false_positives(found: Diagnosis) -> dict[str, Array]:
    rows = found.false_positives
    return {
        "image": found.truth.key[rows.image],
        "class": found.classes.name[rows.label],
        "score": rows.score,
        "cause": np.array(list(CAUSES), object)[rows.cause],
        **_boxes(found.predictions, rows.pair, ""),
        **_boxes(found.truth, rows.closest, "true_"),
    }


def _told_missed(found: Diagnosis) -> dict[str, Array]:
    rows = found.missed
    return {
        "image": found.truth.key[rows.image],
        "class": found.classes.name[rows.label],
        "cause": np.array(list(MISSES), object)[rows.cause],
        **_boxes(found.truth, rows.pair, "true_"),
        **_boxes(found.predictions, rows.closest, ""),
    }


def _boxes(data: Dataset, pairs: Array, prefix: str) -> dict[str, Array]:
    """The human and object boxes (n, 4) of pairs, NaN where there is none."""
    boxes = np.concatenate([data.boxes.astype(np.float64), np.full((1, 4), np.nan)])
    return {
        f"{prefix}{name}": boxes[np.append(data.pair_boxes(side), -1)[pairs]]
        for name, side in (("human", "subject"), ("object", "object"))
    }


def _write_csv(columns: dict[str, Array], path: Path) -> None:
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _write_parquet(columns: dict[str, Array], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hoitool.data.arrow import to_arrow

    with atomic(path) as temporary:
        pq.write_table(pa.table({name: to_arrow(values) for name, values in columns.items()}), temporary)
