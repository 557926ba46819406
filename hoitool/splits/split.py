"""A split: which classes are seen and unseen, what training data loses for it, and which training images it takes.

A frozen value with a name and a version. `hash` is SHA-256 over what it decides (label space, class groups, training
filter, draw, images), not over its name or source, so that two files agree on a split when their hashes do.
Classes are indices into the interactions of a label space, 0-based. Its JSON: docs/splits.md.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError, UsageError
from hoitool.files import load_json
from hoitool.labels import LabelSpace
from hoitool.lookup import unknown_name

FORMAT = 1
# what a zero-shot split's training data lose; labels, pairs and images hide behind one name in the literature
FILTERS = {
    "labels": "only the unseen labels go; a pair keeps its seen ones, images stay (RLIP, RLIPv2)",
    "pairs": "a pair with any unseen label goes with all its labels, and so do images left without a pair "
    "(GEN-VLKT, HOICLIP)",
    "near-pairs": "as pairs, where boxes that overlap (IoU 0.5) are one: for files whose boxes are drawn anew for each "
    "interaction, such as HICO-DET's official one",
    "images": "an image that shows an unseen class goes",
    "empty": "every image goes: nothing is trained on",
}
CHOICES = ("labels", "pairs", "near-pairs", "images")
NAME = re.compile(r"[\w.%+-]+(/[a-z-]+)?")


@dataclass(frozen=True)
class Space:
    """The label space that a split's classes index: its name, hash and number of interactions."""

    name: str
    hash: str
    interactions: int

    @classmethod
    def of(cls, labels: LabelSpace) -> Space:
        """That of a label space."""
        return cls(labels.name, labels.hash, len(labels))


@dataclass(frozen=True)
class Draw:
    """A part of the training data drawn by hoitool/splits/draw.py: a percentage of images, or k pairs per class."""

    percent: str = ""  # a decimal number, '' where shots are drawn
    shots: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Split:
    """See the module. `images` are keys of training images, None for all; groups are sorted class indices by name."""

    name: str
    space: Space | None = None
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    filter: str | None = None
    draw: Draw | None = None
    images: tuple[str, ...] | None = None
    version: int = 1
    title: str = ""
    source: str = ""

    @cached_property
    def hash(self) -> str:
        """SHA-256 of what the split decides."""
        decides = {
            "labels": None if self.space is None else self.space.hash,
            "groups": {name: sorted(classes) for name, classes in self.groups.items()},
            "filter": self.filter,
            "draw": None if self.draw is None else asdict(self.draw),
            "images": None if self.images is None else sorted(self.images),
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    @property
    def base(self) -> str:
        """The name without the training filter."""
        return self.name.partition("/")[0]

    @property
    def zero_shot(self) -> bool:
        """Whether it has unseen classes."""
        return "unseen" in self.groups

    def mask(self, group: str) -> NDArray[np.bool_]:
        """(K,) the classes of a group. Raises UsageError when the split has none of that name."""
        if group not in self.groups or self.space is None:
            raise unknown_name(f"class group of split {self.name!r}", group, self.groups)
        made = np.zeros(self.space.interactions, bool)
        made[list(self.groups[group])] = True
        return made

    def require_space(self, labels: LabelSpace, what: str) -> None:
        """Raise UsageError unless `what` has the label space that the split's classes index."""
        if self.space is not None and self.space.hash != labels.hash:
            raise UsageError(
                f"split {self.name!r} is of the label space {self.space.name!r} ({self.space.hash[:12]}), "
                f"{what} has {labels.name!r} ({labels.hash[:12]})"
            )

    def summary(self) -> dict[str, Any]:
        """What is kept with everything that was made by the split."""
        return {"name": self.name, "version": self.version, "hash": self.hash}

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON-ready values, which `parse` reads."""
        return {
            "kind": "split",
            "format": FORMAT,
            **self.summary(),
            "title": self.title,
            "source": self.source,
            "labels": None if self.space is None else asdict(self.space),
            "groups": {name: list(classes) for name, classes in self.groups.items()},
            "filter": self.filter,
            "draw": None if self.draw is None else asdict(self.draw),
            "images": None if self.images is None else list(self.images),
        }


def load(path: Path) -> Split:
    """The split of a JSON file. Raises MissingData, and DataError for anything that is not a split."""
    return parse(load_json(path, "a split", dict), str(path))


def parse(held: dict[str, Any], where: str) -> Split:
    """A split from its JSON value. Seen classes default to all that are not unseen. Raises DataError."""
    if held.get("kind") != "split" or held.get("format") != FORMAT:
        said = f"kind {held.get('kind')!r}, format {held.get('format')!r}"
        raise DataError(f"{where}: {said}, expected kind 'split', format {FORMAT}")
    name, version = _member(held, "name", str, where), _member(held, "version", int, where, 1)
    if not NAME.fullmatch(name):
        raise DataError(f"{where}: name is {name!r}, expected letters, digits and . - _ + %, and a filter after a /")
    space = _space(held, where)
    groups = _groups(held, space, where)
    made = Split(
        name=name,
        space=space,
        groups=groups,
        filter=_filter(held, where),
        draw=_draw(held, where),
        images=_images(held, where),
        version=version,
        title=_member(held, "title", str, where, ""),
        source=_member(held, "source", str, where, ""),
    )
    if "hash" in held and held["hash"] != made.hash:
        raise DataError(f"{where}: names the hash {held['hash']!s:.16}, it decides {made.hash:.16}; it was altered")
    return made


EXPECTED = {str: "text", int: "an integer", dict: "an object {...}", list: "a list [...]"}


def _member(held: dict[str, Any], name: str, kind: type, where: str, default: Any = None) -> Any:
    value = held.get(name, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {name} is {value!r:.40}, expected {EXPECTED[kind]}")
    return value


def _space(held: dict[str, Any], where: str) -> Space | None:
    if held.get("labels") is None:
        return None
    labels, at = _member(held, "labels", dict, where), f"{where}: labels"
    made = Space(*(_member(labels, n, k, at) for n, k in (("name", str), ("hash", str), ("interactions", int))))
    if made.interactions < 0:
        raise DataError(f"{at}: interactions is {made.interactions}, expected how many there are")
    return made


def _groups(held: dict[str, Any], space: Space | None, where: str) -> dict[str, tuple[int, ...]]:
    groups = _member(held, "groups", dict, where, {})
    if groups and space is None:
        raise DataError(f"{where}: has class groups and no label space ('labels') that they index")
    classes = 0 if space is None else space.interactions
    made = {}
    for name in groups:
        values, at = _member(groups, name, list, f"{where}: groups"), f"{where}: groups.{name}"
        for i, value in enumerate(values):
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < classes:
                raise DataError(f"{at}[{i}] is {value!r:.40}, expected a class 0..{classes - 1}")
        if len(set(values)) < len(values):
            raise DataError(f"{at}: a class stands twice")
        made[name] = tuple(sorted(values))
    if "seen" in made and "unseen" not in made:
        raise DataError(f"{where}: groups has 'seen' and no 'unseen'")
    if "unseen" in made:
        unseen = set(made["unseen"])
        made.setdefault("seen", tuple(c for c in range(classes) if c not in unseen))
        if both := unseen & set(made["seen"]):
            raise DataError(f"{where}: class {min(both)} is both seen and unseen")
    return made


def _filter(held: dict[str, Any], where: str) -> str | None:
    value = held.get("filter")
    if value is not None and (not isinstance(value, str) or value not in FILTERS):
        raise DataError(f"{where}: filter is {value!r:.40}, expected one of {', '.join(FILTERS)}")
    return None if value is None else str(value)


def _draw(held: dict[str, Any], where: str) -> Draw | None:
    if held.get("draw") is None:
        return None
    value, at = _member(held, "draw", dict, where), f"{where}: draw"
    made = Draw(
        _member(value, "percent", str, at, ""), _member(value, "shots", int, at, 0), _member(value, "seed", int, at, 0)
    )
    if bool(made.percent) == bool(made.shots) or made.shots < 0 or not (percentage(made.percent) or made.shots):
        raise DataError(f"{at}: expected a percent such as '10', or shots such as 5")
    return made


def percentage(text: str) -> str:
    """A percentage above 0 and below 100 in its plain spelling, '' when the text is none."""
    if not re.fullmatch(r"\d{1,2}(\.\d{1,6})?", text) or not float(text):
        return ""
    whole, _, part = text.partition(".")
    return f"{int(whole)}.{part.rstrip('0')}".rstrip(".")


def _images(held: dict[str, Any], where: str) -> tuple[str, ...] | None:
    if held.get("images") is None:
        return None
    values = _member(held, "images", list, where)
    for i, value in enumerate(values):
        if not isinstance(value, str):
            raise DataError(f"{where}: images[{i}] is {value!r:.40}, expected an image's key")
    return tuple(values)
