"""The named splits: zero-shot lists of HICO-DET as packaged data, rare classes, fractions and k-shot.

>>> from hoitool.splits import named
>>> named("RF-UC/pairs").name, len(named("rf-uc").groups["unseen"])
('rf-uc/pairs', 120)
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data import Dataset, class_counts
from hoitool.errors import DataError, UsageError
from hoitool.labels import LabelSpace, load_labels
from hoitool.labels.space import RARE_BELOW
from hoitool.lookup import unknown_name
from hoitool.splits.split import CHOICES, FILTERS, Draw, Space, Split, load, percentage

FRACTIONS = ("1%", "5%", "10%", "25%", "50%")
SHOTS = ("1-shot", "5-shot", "10-shot")  # any k is taken; these are listed
RARE, LISTED, NO_TRAINING = "rare", "listed", "nf"
SHOT = re.compile(r"([1-9]\d{0,5})-?shots?")


@cache
def _table() -> dict[str, Any]:
    """The packaged zero-shot lists, their checksum verified."""
    held: dict[str, Any] = json.loads((files("hoitool.splits") / "hico.json").read_text(encoding="utf-8"))
    digest = hashlib.sha256(json.dumps(held["splits"], sort_keys=True).encode()).hexdigest()
    if digest != held["sha256"]:
        raise DataError(f"hico.json: names the checksum {held['sha256']:.16}, its rows give {digest:.16}; was altered")
    return held


def zero_shot() -> list[str]:
    """The names of the zero-shot splits without a training filter; the last trains on nothing."""
    return list(_table()["splits"])


def names() -> list[str]:
    """Every named split, with its training filter where it has one."""
    filtered = [f"{name}/{choice}" for name in zero_shot() if name != NO_TRAINING for choice in CHOICES]
    return [RARE, *filtered, NO_TRAINING, *FRACTIONS, *SHOTS]


def resolve(name: str, seed: int = 0, known: Iterable[str] = ()) -> Split:
    """The split of a name, of one of its other spellings, or of a JSON file at that path.

    seed   for what is drawn; known: other names that may have been meant, for the suggestions
    Raises UsageError for an unknown name, and what `load` raises.
    """
    if name.lower().endswith(".json") or Path(name).is_file():
        return load(Path(name))
    return named(name, seed, known)


def named(name: str, seed: int = 0, known: Iterable[str] = ()) -> Split:
    """The split of a name. A zero-shot name without a filter has its classes only. Raises UsageError."""
    base, slash, choice = name.strip().lower().replace("_", "-").partition("/")
    if percent := percentage(base.removesuffix("%")) if base.endswith("%") else "":
        return Split(f"{percent}%", draw=Draw(percent=percent, seed=seed), title=f"{percent} % of the training images")
    if shot := SHOT.fullmatch(base):
        k = int(shot[1])
        return Split(f"{k}-shot", draw=Draw(shots=k, seed=seed), title=f"{k} training pairs of each class")
    if base == RARE and not slash:
        return rare(load_labels("hico"))
    if base == LISTED and not slash:
        return Split(LISTED, title="the training images of a list (--images)")
    base = spellings().get(base, base)
    if base not in _table()["splits"]:
        raise unknown_name("split", name, [*known, *zero_shot(), *names(), LISTED, *spellings()])
    if slash and base == NO_TRAINING:
        raise UsageError(f"split {base!r} trains on nothing, so it has no training filter: leave {'/' + choice!r} out")
    if slash and choice not in CHOICES:
        raise unknown_name(f"training filter of {base!r}", choice, CHOICES)
    return _zero_shot(base, choice)


def spellings() -> dict[str, str]:
    """The other names of zero-shot splits, each with the split's own."""
    return {alias: name for name, row in _table()["splits"].items() for alias in row["aliases"]}


def _zero_shot(base: str, choice: str) -> Split:
    table = _table()
    row, space = table["splits"][base], Space(**table["labels"])
    unseen = set(row["unseen"])
    seen = tuple(c for c in range(space.interactions) if c not in unseen)
    return Split(
        name=f"{base}/{choice}" if choice else base,
        space=space,
        groups={"unseen": tuple(row["unseen"]), "seen": seen},
        filter="empty" if base == NO_TRAINING else choice or None,
        version=row["version"],
        title=row["title"],
        source=row["source"],
    )


def rare(labels: LabelSpace) -> Split:
    """Rare (fewer than 10 training pairs) and non-rare classes by the counts of a label space. UsageError without."""
    return _rare(labels, labels.rare, f"{labels.rare_means} ({labels.source})")


def rare_in(data: Dataset, where: str) -> Split:
    """Rare and non-rare classes by the pairs of other training data; `where` names them. UsageError for predictions."""
    if data.kind != "dataset" or data.meta.label_kind != "interactions":
        raise UsageError(f"{where}: rare classes are counted in annotations of interactions, this is {data!r}")
    counts = class_counts(data)
    source = f"fewer than {RARE_BELOW} of the {int(counts.sum()):,} training pairs in {where}"
    return _rare(data.meta.labels, counts < RARE_BELOW, source)


def _rare(labels: LabelSpace, mask: Any, source: str) -> Split:
    groups = {"rare": tuple(np.flatnonzero(mask).tolist()), "non-rare": tuple(np.flatnonzero(~mask).tolist())}
    return Split(RARE, Space.of(labels), groups, title="rare and non-rare classes", source=source)


def require_filter(split: Split) -> Split:
    """The split itself. Raises UsageError, with what each one does, when its training filter is not named."""
    if split.zero_shot and split.filter is None:
        choices = "; ".join(f"{split.base}/{name}: {FILTERS[name]}" for name in CHOICES)
        raise UsageError(
            f"split {split.name!r} needs its training filter, as different ones are in use under one name. {choices}"
        )
    return split


def with_images(split: Split, images: Iterable[str], source: str) -> Split:
    """A split whose training images are listed in place of being drawn."""
    told = f"{split.source}; images listed in {source}" if split.source else f"images listed in {source}"
    return replace(split, draw=None, images=tuple(images), source=told)
