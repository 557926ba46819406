"""Curves of results as pictures, from what a user names: precision over recall in the mean and of classes, AP against
training pairs, recall over how many detections of an image are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoitool import splits
from hoitool.data.dataset import Array
from hoitool.diagnose.curves import COUNTS, mean_curve, pr_curve, recall_curve
from hoitool.errors import MissingData, UsageError
from hoitool.eval import PROTOCOLS
from hoitool.eval.by_split import add_split
from hoitool.eval.ledger import Ledger, Ranked, ledger_of
from hoitool.files import refuse_overwrite
from hoitool.lookup import unknown_name
from hoitool.progress import working
from hoitool.report.document.frequency import AP, trained
from hoitool.report.document.sources import Source, Wanted, open_sources
from hoitool.report.layout import title
from hoitool.viz.curves import SERIES, Axes, Panel, Series, draw_curves
from hoitool.viz.figure import FORMS, USUAL

KINDS = ("precision-recall", "classes", "frequency", "recall")
FOLDER = Path("curves")
MOST_CLASSES = 12
GRID = np.linspace(0.0, 1.0, 1001)  # recalls: fine enough for the steps of a curve to look upright
RANGES = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)  # training pairs from which on a range begins
BY_RECALL = Axes("recall (%)", "precision (%)")


@dataclass(frozen=True)
class Asked:
    """Which curves, and where they are written.

    kinds    of KINDS; classes are drawn where some are named
    setting  '' for the first; split: a split, a group of it (rf-uc:unseen), all, or '': all of one method, else the
             first
    """

    kinds: Sequence[str] = KINDS
    setting: str = ""
    split: str = ""
    classes: Sequence[str] = ()
    out: Path = FOLDER
    forms: Sequence[str] = USUAL
    width: Literal["column", "page"] = "column"
    overwrite: bool = False


@dataclass
class Drawn:
    """The files written, remarks, and the values of each figure by its kind."""

    written: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    figures: dict[str, list[Panel]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "written": [str(path) for path in self.written],
            "notes": self.notes,
            "figures": {kind: [_values(panel) for panel in panels] for kind, panels in self.figures.items()},
        }


@dataclass(frozen=True, eq=False)
class Method:
    """A result with its ledger, and of each split of the setting the classes that its mAP is the mean of."""

    name: str
    source: Source
    ranked: Ranked
    splits: dict[str, Array]


def curves(paths: Sequence[Path], wanted: Wanted, asked: Asked) -> Drawn:
    """Draw the curves of results, runs or predictions.

    Raises UsageError for unknown names, results that are not comparable and files that are there already, MissingData
    where the data of a result are not there any more, and what reading and scoring raise.
    """
    for name in asked.forms:
        if name not in FORMS:
            raise unknown_name("format of curves", name, FORMS)
    kinds = [kind for kind in asked.kinds if kind != "classes" or asked.classes]
    for kind in kinds:
        if kind not in KINDS:
            raise unknown_name("curve", kind, KINDS)
        for target in _targets(kind, asked):
            refuse_overwrite(target, asked.overwrite)
    sources = open_sources(paths, wanted)
    methods = _methods(sources, asked)
    made = Drawn(notes=[f"{source.name}: {remark}" for source in sources for remark in source.remarks])
    figures = {kind: _figure(kind, methods, asked) for kind in kinds}
    for kind, (panels, axes) in figures.items():
        if not panels:
            made.notes.append(f"no {kind}: the training pairs of the classes are not known")
            continue
        targets = _targets(kind, asked)
        draw_curves(panels, axes, targets, "page" if len(panels) > 1 else asked.width)
        made.figures[kind] = panels
        made.written += targets
    return made


def _figure(kind: str, methods: Sequence[Method], asked: Asked) -> tuple[list[Panel], Axes]:
    if kind == "precision-recall":
        return _mean(methods), BY_RECALL
    if kind == "classes":
        return _of_classes(methods, asked.classes), BY_RECALL
    if kind == "frequency":
        return _frequency(methods), Axes("training pairs (log scale)", "AP (%)", counts=True, marked=True)
    axes = Axes("detections of an image (log scale)", "mean recall (%)", counts=True, marked=True)
    return [Panel("", [_recall(method) for method in methods])], axes


def _methods(sources: Sequence[Source], asked: Asked) -> list[Method]:
    """The methods with their ledgers. They must be of one protocol and variant, and their data must be there."""
    known = {(source.result.protocol, source.result.variant) for source in sources}
    if len(known) > 1:
        told = " and ".join(f"{protocol}/{variant}" for protocol, variant in sorted(known))
        raise UsageError(f"curves of {told} do not belong into one figure")
    made = []
    for source in sources:
        if source.result.protocol not in PROTOCOLS:
            raise UsageError(f"protocol {source.result.protocol!r} has no ranking of detections by class")
        if source.inputs is None:
            raise MissingData(f"{source.name}: curves need the data that were scored: {source.missing}")
        ledger = _ledger(source, asked.split)
        setting = _setting(ledger, asked.setting)
        held = {f.split: f for f in ledger.figures if (f.setting, f.metric) == (setting, "mAP") and f.among.any()}
        first = next(iter(held.values()))
        taken = _taken({name: figure.among for name, figure in held.items()}, asked.split, len(sources))
        made.append(Method(source.name, source, ledger.ranked[first.ranked], taken))
    return made


def _ledger(source: Source, split: str) -> Ledger:
    """What a score was made of, with a named split's figures. UsageError where detections of classes are not ranked."""
    assert source.inputs is not None
    result = source.result
    with working("curves"):
        made = ledger_of(source.inputs.truth, source.inputs.predictions, result.protocol, result.variant)
    name = split.partition(":")[0]
    if name in ("", "all", *(figure.split for figure in made.figures)):
        return made
    return add_split(made, result, splits.resolve(name, known=[*{f.split: 0 for f in made.figures}, "all"]))


def _setting(ledger: Ledger, asked: str) -> str:
    known = list(dict.fromkeys(figure.setting for figure in ledger.figures))
    if asked and asked not in known:
        raise unknown_name("setting", asked, known)
    return asked or known[0]


def _taken(held: dict[str, Array], asked: str, methods: int) -> dict[str, Array]:
    """The splits to draw."""
    if asked in ("", "all"):
        return held if asked == "all" or methods == 1 else dict([next(iter(held.items()))])
    found = {name: among for name, among in held.items() if name == asked or name.startswith(f"{asked}:")}
    if not found:
        raise unknown_name("split", asked, held)
    return found


def _mean(methods: Sequence[Method]) -> list[Panel]:
    """Mean curves: of one method its splits, else the methods, a panel for each split."""
    if len(methods) == 1:
        (method,) = methods
        return [Panel(method.name, [_mean_of(method, split, title(split)) for split in method.splits])]
    return [
        Panel(title(split), [_mean_of(method, split, method.name) for method in methods]) for split in methods[0].splits
    ]


def _mean_of(method: Method, split: str, name: str) -> Series:
    among = method.splits[split]
    return Series(name, GRID, mean_curve(method.ranked, among, GRID))


def _of_classes(methods: Sequence[Method], asked: Sequence[str]) -> list[Panel]:
    """The curves of named classes: of one method together, as long as they can be told apart, else a panel each."""
    if len(asked) > MOST_CLASSES:
        raise UsageError(f"{len(asked)} classes; {MOST_CLASSES} fit into a figure")
    numbers = [_class(methods[0].ranked, name) for name in asked]
    if len(methods) == 1 and len(numbers) <= SERIES:
        (method,) = methods
        return [Panel(method.name, [_curve(method, number) for number in numbers])]
    return [
        Panel(_readable(str(methods[0].ranked.names[number])), [_curve(m, number, m.name) for m in methods])
        for number in numbers
    ]


def _curve(method: Method, number: int, name: str = "") -> Series:
    curve = pr_curve(method.ranked, number)
    return Series(name or _readable(curve.name), *curve.steps())


def _class(ranked: Ranked, name: str) -> int:
    known = [_readable(str(each)) for each in ranked.names]
    if _readable(name) not in known:
        raise unknown_name("class", name, known)
    return known.index(_readable(name))


def _readable(name: str) -> str:
    return name.replace("_", " ")


def _frequency(methods: Sequence[Method]) -> list[Panel]:
    """AP against training pairs: every class, and the mean of classes with about as many; nothing where not known."""
    series = []
    for method in methods:
        counts = trained(method.source)
        if counts is None:
            return []
        ap = method.source.result.per_class[AP]
        of = np.searchsorted(RANGES, counts, side="right")
        held = [of == number for number in np.unique(of)]
        middle = np.array([np.exp(np.log(np.maximum(counts[among], 1)).mean()) for among in held])
        mean = np.array([ap[among].mean() for among in held])
        points = (np.maximum(counts, 1), ap) if len(methods) == 1 else None
        series.append(Series(method.name, middle, mean, points))
    return [Panel(methods[0].name if len(methods) == 1 else "", series)]


def _recall(method: Method) -> Series:
    """Mean recall over the best detections of each image, up to as many as an image has."""
    among = next(iter(method.splits.values()))
    most = int(np.bincount(method.ranked.image).max(initial=1))
    counts = COUNTS[: 1 + np.searchsorted(COUNTS, most)]
    return Series(method.name, np.array(counts), recall_curve(method.ranked, among, counts))


def _targets(kind: str, asked: Asked) -> list[Path]:
    return [asked.out / f"{kind}.{form}" for form in asked.forms]


def _values(panel: Panel) -> dict[str, Any]:
    series = [{"name": each.name, "x": each.x.tolist(), "y": each.y.tolist()} for each in panel.series]
    return {"title": panel.title, "series": series}
