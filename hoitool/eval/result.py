"""The result of an evaluation, the same for every protocol."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError, UsageError
from hoitool.eval.result_check import check
from hoitool.files import sha256
from hoitool.lookup import unknown_name

SCHEMA = 1


@dataclass(frozen=True)
class Row:
    """The figures of one setting on one split: `classes` is how many classes the means are over.

    intervals  metric -> the ends of its confidence interval, where they were asked for
    """

    setting: str
    split: str
    classes: int
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Result:
    """What a protocol says of predictions.

    signature  the rule that was applied, every choice in one line
    rows       figures as fractions, by setting and split; the first metric is the headline
    per_class  columns of equal length, one row per class
    inputs     what was scored: files, hashes, counts, splits
    notes      sentences that a reader of the figures should know
    sampling   how the intervals were made: resamples, seed, level, method, rule; None where there are none
    """

    protocol: str
    variant: str
    signature: str
    rows: tuple[Row, ...]
    per_class: dict[str, NDArray[Any]] = field(default_factory=dict)
    inputs: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sampling: dict[str, Any] | None = None

    def __repr__(self) -> str:
        figure = f"{self.settings[0]} {self.headline} {self.mean(self.splits[0]):.4f}"
        return f"<Result {self.protocol}/{self.variant}: {figure}>"

    def mean(self, split: str = "full", setting: str | None = None, metric: str | None = None) -> float:
        """One figure, the headline of the first setting unless others are named. UsageError for an unknown name."""
        setting, metric = setting or self.rows[0].setting, metric or self.headline
        rows = self.select(setting, split).rows
        if metric not in rows[0].metrics:
            raise unknown_name("metric", metric, rows[0].metrics)
        return rows[0].metrics[metric]

    @property
    def headline(self) -> str:
        """The metric that stands for the protocol, such as mAP: the first."""
        return next(iter(self.rows[0].metrics))

    @property
    def settings(self) -> list[str]:
        """The settings that were scored, in order."""
        return list(dict.fromkeys(row.setting for row in self.rows))

    @property
    def splits(self) -> list[str]:
        """The splits that were scored, in order."""
        return list(dict.fromkeys(row.split for row in self.rows))

    def select(self, setting: str = "all", split: str | Sequence[str] = "all") -> Result:
        """The rows of one setting and of one split or several, a split's groups (`uo:unseen`) by its name (`uo`) too.

        Raises UsageError when there are none.
        """
        setting = setting.lower().replace("_", "-")
        named = [split] if isinstance(split, str) else split
        splits = [name.lower().replace("_", "-") for name in named]
        if setting != "all" and setting not in self.settings:
            error = unknown_name("setting", setting, self.settings)
            raise UsageError(" ".join([str(error), *(f"Note: {note}." for note in self.notes)]))
        held = {name: _names(name) for name in self.splits}
        for split in splits:
            if split != "all" and not any(split in names for names in held.values()):
                raise unknown_name("split", split, self.splits)
        wanted = [r for r in self.rows if setting in ("all", r.setting) and held[r.split] & {*splits}]
        return replace(self, rows=tuple(wanted))

    def traced(self, **files: Path) -> Result:
        """The same result with the path and SHA-256 of its input files, by the names of the inputs."""
        inputs = dict(self.inputs)
        for name, path in files.items():
            inputs[name] = inputs.get(name, {}) | {"path": str(path), "sha256": sha256(path)}
        return replace(self, inputs=inputs)

    def envelope(self) -> dict[str, Any]:
        """The result as JSON-ready values. Figures that do not exist (NaN) are null."""
        return {
            "schema": SCHEMA,
            "protocol": self.protocol,
            "variant": self.variant,
            "signature": self.signature,
            "results": [_told(row) for row in self.rows],
            **({} if self.sampling is None else {"sampling": self.sampling}),
            "inputs": self.inputs,
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """The envelope as indented JSON text."""
        return json.dumps(self.envelope(), indent=2, allow_nan=False)


def from_json(text: str, where: str) -> Result:
    """A result from its JSON text, without the per-class columns. Raises DataError for anything else."""
    try:
        held = json.loads(text)
        if held["schema"] != SCHEMA:
            raise DataError(f"{where}: result schema {held['schema']!r:.60}, this hoitool reads {SCHEMA}")
        check(held, where)
        rows = tuple(
            Row(
                r["setting"],
                r["split"],
                r["classes"],
                {k: _value(v) for k, v in r["metrics"].items()},
                {k: (_value(low), _value(high)) for k, (low, high) in r.get("intervals", {}).items()},
            )
            for r in held["results"]
        )
        head = (held["protocol"], held["variant"], held["signature"])
        return Result(
            *head, rows, inputs=held["inputs"], notes=tuple(held.get("notes", ())), sampling=held.get("sampling")
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{where}: not a result of hoitool ({type(error).__name__}: {error})") from error


def _names(split: str) -> set[str]:
    """The names by which the rows of a split are selected."""
    plain = split.lower().replace("_", "-")
    return {"all", plain, plain.rpartition(":")[0] or plain}


def told_group(group: NDArray[np.bool_]) -> dict[str, Any]:
    """What a result says of a class group (K,): how many classes, and SHA-256 of their indices."""
    indices = np.flatnonzero(group).astype("<i4").tobytes()
    return {"classes": int(group.sum()), "sha256": hashlib.sha256(indices).hexdigest()}


def mean(values: NDArray[Any]) -> float:
    """Plain mean, NaN of nothing."""
    return float(np.mean(values)) if len(values) else math.nan


def _told(row: Row) -> dict[str, Any]:
    """A row as JSON-ready values."""
    told = {
        "setting": row.setting,
        "split": row.split,
        "classes": row.classes,
        "metrics": {name: _number(value) for name, value in row.metrics.items()},
    }
    if row.intervals:
        told["intervals"] = {name: [_number(low), _number(high)] for name, (low, high) in row.intervals.items()}
    return told


def _value(number: float | None) -> float:
    return math.nan if number is None else number


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
