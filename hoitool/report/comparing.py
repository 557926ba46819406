"""Runs, files of predictions and result folders to a comparison, and what is written of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hoitool.data import Dataset
from hoitool.diagnose.bootstrap import Sampling
from hoitool.diagnose.compare import Entry, compare
from hoitool.diagnose.comparison import Comparison
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.eval import PROTOCOLS, Result
from hoitool.eval.by_split import add_split
from hoitool.eval.ledger import Ledger, weighable_of
from hoitool.files import write_text
from hoitool.progress import working
from hoitool.report.comparison_tables import headline, latex, markdown
from hoitool.report.document.sources import Source, Wanted, open_sources
from hoitool.report.layout import RANKS, title
from hoitool.report.scoring import with_named
from hoitool.report.splitting import training

TRUTH = {"boxes", "categories", "annotated", "crowd", "subject", "object", "label", "image_label", "image_value"}
SUFFIXES = (".png", ".svg")


def compare_paths(
    paths: Sequence[Path], wanted: Wanted | None = None, setting: str = "all", sampling: Sampling | None = None
) -> tuple[Comparison, list[str]]:
    """Compare what a user names with the first of them, and what was chosen or remarked while it was read.

    paths   runs, prediction files in any format, result.json files or folders with one: their predictions are read
    wanted  as for a report; its split is reported on too; `setting` is the one that is compared ('all': every one)
    Raises MissingData for a result whose predictions are not there as they were, and what scoring and `compare` raise.
    """
    wanted = wanted or Wanted()
    if len(paths) < 2:
        raise UsageError(f"{len(paths)} given; comparing takes two or more runs, prediction files or results")
    sources = open_sources(paths, replace(wanted, split="all"))
    _require_one_truth(sources)
    entries = [_entry(source, setting, wanted.split) for source in sources]
    remarks = [f"{source.name}: {remark}" for source in sources for remark in source.remarks]
    return compare(entries, sampling), remarks


def _require_one_truth(sources: Sequence[Source]) -> None:
    """Raise DataError where the boxes and labels that systems were scored against differ on the same images."""
    held = [source.inputs.truth if source.inputs is not None else None for source in sources]
    for source, truth in zip(sources[1:], held[1:], strict=True):
        if held[0] is None or truth is None or held[0].meta.box_frame != truth.meta.box_frame:
            continue
        if not np.array_equal(held[0].key, truth.key):
            continue  # which `compare` tells
        first, other = held[0].columns(), truth.columns()
        for name in sorted(TRUTH & first.keys() & other.keys()):
            if not np.array_equal(first[name], other[name]):
                raise DataError(
                    f"{sources[0].name} and {source.name} were scored against other truths: {name!r} of "
                    f"{_path(sources[0])} and {_path(source)} differ; score their predictions against one of them"
                )


def _path(source: Source) -> str:
    return str(source.result.inputs.get("truth", {}).get("path", "the truth"))


def _entry(source: Source, setting: str, split: str) -> Entry:
    """A source with its ledger, and the rows of its result that are asked for."""
    if source.result.protocol not in PROTOCOLS:
        raise UsageError(
            f"{source.name}: searches over feature stores ({source.result.protocol}) are not compared; "
            "`hoitool eval --ci` says how sure each is"
        )
    if source.inputs is None:
        raise MissingData(f"{source.name} cannot be compared image by image: {source.missing}")
    result, added, shown = with_named(source.result, split)
    with working(f"scoring {source.name}"):
        inputs, learned = source.inputs, _learned(result)
        ledger = weighable_of(inputs.truth, inputs.predictions, result.protocol, result.variant, learned)
    for each in added:
        assert isinstance(ledger, Ledger)
        ledger = add_split(ledger, result, each)
    return Entry(source.name, result.select(setting, shown), ledger)


def _learned(result: Result) -> Dataset | None:
    """The training data that a result's protocol looked at."""
    if "training" not in result.inputs:
        return None
    return training(Path(result.inputs["training"]["path"]))[0]


def save(found: Comparison, folder: Path) -> list[Path]:
    """Write comparison.json, table.md, table.tex, differences.png and .svg; of classes classes.csv, .png and .svg."""
    write_text(folder / "comparison.json", json.dumps(found.to_json(), indent=2, allow_nan=False) + "\n")
    write_text(folder / "table.md", markdown(found))
    write_text(folder / "table.tex", latex(found))
    made = [folder / name for name in ("comparison.json", "table.md", "table.tex")]
    plots = [folder / f"differences{suffix}" for suffix in SUFFIXES]
    _draw_differences(found, plots)
    if found.changes:
        write_text(folder / "classes.csv", classes_csv(found))
        pictures = [folder / f"classes{suffix}" for suffix in SUFFIXES]
        _draw_classes(found, pictures)
        plots += [folder / "classes.csv", *pictures]
    return [*made, *plots]


def classes_csv(found: Comparison) -> str:
    """The changes of all classes as CSV: setting, system, and the columns of ClassChanges."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["setting", "system", *found.changes[0].columns])
    for each in found.changes:
        rows = zip(*(values.tolist() for values in each.columns.values()), strict=True)
        writer.writerows([each.setting, each.system, *row] for row in rows)
    return text.getvalue()


def _draw_differences(found: Comparison, paths: Sequence[Path]) -> None:
    from hoitool.viz.comparison import Differences, draw_differences

    shown = [each for each in headline(found) if each.metric not in RANKS]
    several = len({each.metric for each in shown}) > 1
    names = [f"{title(e.setting)}, {title(e.split)}{f', {e.metric}' if several else ''}" for e in shown]
    held = []
    for i, name in enumerate(found.systems[1:]):
        mine = [each.differences[i] for each in shown]
        value, low, high = 100 * np.array([[d.value, *d.interval] for d in mine]).reshape(-1, 3).T
        held.append(Differences(name, value, low, high, np.array([not d.noise for d in mine], bool)))
    draw_differences(names, held, found.systems[0], paths)


def _draw_classes(found: Comparison, paths: Sequence[Path]) -> None:
    """The classes of the first setting."""
    from hoitool.viz.comparison import Classes, draw_classes

    held = []
    for each in found.changes:
        if each.setting == found.settings[0]:
            columns = each.columns
            names = [str(name) for name in columns["class"]]
            first, other = (100 * columns[name] for name in ("first", "other"))
            held.append(Classes(each.system, names, columns["truths"], first, other, ~columns["noise"]))
    draw_classes(held, found.systems[0], paths)
