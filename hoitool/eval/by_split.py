"""A result's figures on the class groups of a split, from the figures of its classes.

A zero-shot split gives the rows `<split>:unseen`, `<split>:seen`, `<split>:full` and `<split>:hm`, whose metrics are
the harmonic means of the unseen and the seen ones: 2 * U * S / (U + S), 0 where both are 0. Other splits give a row
for each group. Rare classes keep their plain names, and replace the ones that the label space counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import UsageError
from hoitool.eval import protocol_named
from hoitool.eval.ledger import Key, Ledger
from hoitool.eval.result import Result, Row, told_group
from hoitool.splits import RARE, Split

Array = NDArray[Any]
HM = "hm"


def with_split(result: Result, split: Split) -> Result:
    """The result with the rows of a split after its own.

    Raises UsageError for a split without class groups or of another label space, for a result without the figures
    of its classes, and for a protocol that does not report by split.
    """
    _require(result, split)
    plain = split.name == RARE
    groups = _groups(split, len(result.per_class["id"]))
    made = [*protocol_named(result.protocol).rows_of(result.per_class, groups, result.variant)]
    if split.zero_shot:
        made = [row for setting in result.settings for row in _with_harmonic_mean(made, setting, split.name)]
    kept = [row for row in result.rows if row.split not in {row.split for row in made}]
    per_class = result.per_class | ({"rare": split.mask("rare")} if plain else {})
    return replace(result, rows=_by_setting([*kept, *made]), per_class=per_class, inputs=_inputs(result, split, groups))


def add_split(ledger: Ledger, result: Result, split: Split) -> Ledger:
    """The ledger of a result with the figures of the rows that `with_split` gives it, but for harmonic means."""
    ranked = next(iter(ledger.ranked.values()))
    groups = _groups(split, len(ranked.names))
    figures = protocol_named(result.protocol).figures_of(
        {"truths": ranked.truths}, groups, result.variant, list(ledger.ranked)
    )
    kept = [figure for figure in ledger.figures if figure.split not in groups]
    return replace(ledger, figures=(*kept, *figures))


def harmonic_means(figures: Mapping[Key, Array]) -> dict[Key, Array]:
    """Of figures (B,) the harmonic means of those of unseen and of seen classes, under the names that rows have."""
    made = {}
    for (setting, split, metric), unseen in figures.items():
        name, _, group = split.rpartition(":")
        if group == "unseen" and (setting, f"{name}:seen", metric) in figures:
            seen = figures[setting, f"{name}:seen", metric]
            total = unseen + seen
            made[setting, f"{name}:{HM}", metric] = 2 * unseen * seen / np.where(total == 0, 1, total)
    return made


def _groups(split: Split, classes: int) -> dict[str, Array]:
    """The classes (K,) of each row that a split gives, by the names of the rows."""
    groups = {(name if split.name == RARE else f"{split.name}:{name}"): split.mask(name) for name in split.groups}
    return groups | ({f"{split.name}:full": np.ones(classes, bool)} if split.zero_shot else {})


def _require(result: Result, split: Split) -> None:
    if not split.groups or split.space is None:
        raise UsageError(f"split {split.name!r} chooses training data; it has no classes to report on")
    if not hasattr(protocol_named(result.protocol), "rows_of"):
        raise UsageError(f"protocol {result.protocol!r} does not report on the classes of split {split.name!r}")
    labels = result.inputs["truth"]["labels"]
    if labels["sha256"] != split.space.hash:
        raise UsageError(
            f"split {split.name!r} is of the label space {split.space.name!r}, the truth has {labels['name']!r}"
        )
    if "truths" not in result.per_class:
        raise UsageError(f"the result has no figures of its classes, so none on split {split.name!r}: score it again")


def _with_harmonic_mean(rows: list[Row], setting: str, name: str) -> Iterator[Row]:
    """The rows of a setting, and after them the harmonic mean of the unseen and the seen ones."""
    mine = {row.split: row for row in rows if row.setting == setting}
    yield from mine.values()
    unseen, seen = (mine[f"{name}:{group}"] for group in ("unseen", "seen"))
    metrics = {metric: harmonic_mean(value, seen.metrics[metric]) for metric, value in unseen.metrics.items()}
    yield Row(setting, f"{name}:{HM}", unseen.classes + seen.classes, metrics)


def harmonic_mean(a: float, b: float) -> float:
    """2ab / (a + b); 0 where both are 0, NaN where one is."""
    if math.isnan(a) or math.isnan(b):
        return math.nan
    return 2 * a * b / (a + b) if a + b else 0.0


def _by_setting(rows: list[Row]) -> tuple[Row, ...]:
    settings = dict.fromkeys(row.setting for row in rows)
    return tuple(row for setting in settings for row in rows if row.setting == setting)


def _inputs(result: Result, split: Split, groups: dict[str, Any]) -> dict[str, Any]:
    """The inputs, which name the split, its hash and its groups."""
    told = {name: told_group(group) for name, group in groups.items()}
    told.setdefault(split.name, {})
    told[split.name] = told[split.name] | split.summary() | {"means": split.source or split.title}
    return result.inputs | {"splits": result.inputs.get("splits", {}) | told}
