"""The dicts of V-COCO's official detections as columns of numbers: every error names the detection and the key."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.convert.fields import brief
from hoitool.errors import DataError
from hoitool.labels import LabelSpace

Array = NDArray[Any]


class Detections:
    """The dicts of a file as columns, checked: every error names the detection and the key."""

    def __init__(self, path: Path, rows: list[dict[Any, Any]], labels: LabelSpace) -> None:
        self._path, self._rows = path, rows
        self.absent = 0
        self.strange = self._strange_keys({"image_id", "person_box", *labels.agents_and_roles})

    def _strange_keys(self, known: set[str]) -> list[str]:
        """Keys that V-COCO does not have. Raises DataError where detections have nothing else."""
        seen: set[Any] = set()
        for row in self._rows:
            if not row.keys() <= seen:
                seen |= row.keys()
        strange = sorted(map(str, seen - known))
        if strange and len(seen & known) < 3:
            raise DataError(
                f"{self._path}: detections have the keys {', '.join(strange[:4])}, expected hold_agent, ..."
            )
        return strange

    def images(self, known: Array) -> Array:
        """(N,) the truth's image of each detection, -1 for none."""
        ids = self._columns("image_id", 1, None)[:, 0]
        if (ids != np.floor(ids)).any():
            raise DataError(f"{self._path}: image_id of detection {int((ids != np.floor(ids)).argmax())} is no integer")
        order = np.argsort(known)
        at = np.minimum(np.searchsorted(known[order], ids), max(len(known) - 1, 0))
        if not len(known):
            return np.full(len(ids), -1)
        return np.where(known[order[at]] == ids, order[at], -1)

    def boxes(self, key: str) -> Array:
        """(N, 4) float64; None is NaN."""
        return self._columns(key, 4, None)

    def numbers(self, keys: Sequence[str], width: int) -> Array:
        """(N, K, width) float64 of some keys, NaN where one is missing: detection by detection where none is."""
        shape = (len(self._rows), len(keys), width)
        take = itemgetter(*keys)
        try:
            if width > 1 and set(map(len, chain.from_iterable(map(take, self._rows)))) - {width}:
                raise ValueError
            values = chain.from_iterable(map(take, self._rows))
            flat = chain.from_iterable(values) if width > 1 else values
            return _strict(flat).reshape(shape)
        except (KeyError, TypeError, ValueError, OverflowError):  # key by key, which finds the one that does not fit
            return np.stack([self._columns(key, width, [np.nan] * width) for key in keys], axis=1).reshape(shape)

    def _columns(self, key: str, width: int, missing: list[float] | None) -> Array:
        try:
            values = [row[key] for row in self._rows]
        except KeyError:
            lacking = next(i for i, row in enumerate(self._rows) if key not in row)
            if missing is None:
                raise DataError(f"{self._path}: detection {lacking} has no key {key!r}") from None
            fill = missing if width > 1 else missing[0]
            self.absent += sum(key not in row for row in self._rows)
            values = [row.get(key, fill) for row in self._rows]
        if not values:
            return np.empty((0, width))
        try:
            if width > 1 and set(map(len, values)) - {width}:
                raise ValueError
            flat = chain.from_iterable(values) if width > 1 else values
            return _strict(flat).reshape(-1, width)
        except (TypeError, ValueError, OverflowError):  # the slow way finds the row, and takes arrays of one number
            return np.stack([self._row(i, key, value, width) for i, value in enumerate(values)])

    def _row(self, i: int, key: str, value: Any, width: int) -> Array:
        """One value, or the error that says what is wrong with it."""
        if value is None and key == "person_box":
            return np.full(width, np.nan)
        made = _numbers([value]).reshape(-1)
        if len(made) != width:
            raise self._unlike(i, key, value, width)
        return made

    def _unlike(self, i: int, key: str, value: Any, width: int) -> DataError:
        expected = {1: "a number", 4: "x1 y1 x2 y2", 5: "x1 y1 x2 y2 score"}[width]
        return DataError(f"{self._path}: {key} of detection {i} is {brief(value)}, expected {expected}")

    def notes(self, person: Array, roles: Array) -> list[str]:
        """What a reader of the scores should know about the file."""
        told = []
        if self.strange:
            told.append(f"keys that V-COCO does not have are left out: {', '.join(self.strange[:8])}")
        if self.absent:
            told.append(
                f"{self.absent:,} keys are missing, which counts as not predicted "
                "(UPT and PViC take them for scores of 0: see --explain v-coco-pickle)"
            )
        nowhere = int((~np.isfinite(person)).any(axis=1).sum())
        if nowhere:
            told.append(
                f"{nowhere:,} person boxes are None or not finite: they overlap nobody, and count for the first person"
            )
        given = ~np.isnan(roles[..., 4])
        finite = np.isfinite(roles[..., :4])
        broken = int((given & ~finite.all(axis=-1) & ~np.isnan(roles[..., :4]).all(axis=-1)).sum())
        if broken:
            told.append(f"{broken:,} object boxes have a NaN or infinite corner: they overlap nothing")
        return told


def _strict(values: Iterable[Any]) -> Array:
    """(n,) float64. Raises TypeError for what is no number, such as text and None, which NumPy would take."""
    return np.frombuffer(array("d", values))


def _numbers(values: list[Any]) -> Array:
    """Foreign values as one array of numbers, which is empty where they are something else."""
    try:
        made = np.array(values)
    except (TypeError, ValueError, OverflowError):
        return np.empty(0)
    return made.astype(np.float64) if made.dtype.kind in "biuf" else np.empty(0)
