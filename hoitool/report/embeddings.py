"""A feature store as a map and as facts: what its rows are of, which are nearest to each other, how isotropic they are.

Labels are named by their keys; where they are of a label space that is found (packaged, or beside the store), their
verbs, objects and COCO's supercategories of these are known too. Regions are named by image and place, and known by
their category.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.geometry import Isotropy, isotropy, neighbours
from hoitool.errors import DataError, MissingData, UsageError
from hoitool.labels import LabelSpace
from hoitool.labels.beside import labels_of_file
from hoitool.labels.supercategories import NAMES, supercategories
from hoitool.labels.texts import NO_INTERACTION
from hoitool.store import Store
from hoitool.store.layout import FAILED
from hoitool.viz.embeddings import FEWEST, METHODS, WRITTEN, Points, draw, kept, project

MOST = 5000  # rows that are drawn; of more, a sample
COLOURS = ("supercategory", "object", "verb")  # the first that rows share is the default


@dataclass(frozen=True)
class Wanted:
    """What to draw: colour is one of COLOURS (None: what the store has), methods of METHODS, part None: the first."""

    colour: str | None = None
    methods: tuple[str, ...] = tuple(METHODS)
    part: str | None = None
    neighbours: int = 5
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """The N rows that are drawn.

    vectors (N, d) float32; names: of each; of: how many rows there were before a sample was drawn
    groups  those of COLOURS that are known -> (index of each row, -1 = none; the names that it indexes)
    nothing (N,) bool: which are of no interaction
    """

    vectors: Array
    names: list[str]
    of: int
    groups: dict[str, tuple[Array, Sequence[str]]]
    nothing: Array
    notes: list[str] = field(default_factory=list)

    @property
    def shared(self) -> dict[str, Array]:
        """The groups that some rows share: a store of verbs has each verb once."""
        return {by: group for by, (group, _) in self.groups.items() if len(np.unique(group)) < len(group)}


@dataclass(frozen=True, eq=False)
class Looked:
    """What was found: the rows, their maps by method (N, 2), nearest neighbours (N, k), isotropy, what was drawn."""

    store: Store
    part: str
    rows: Rows
    maps: dict[str, Array]
    places: Array
    cosines: Array
    isotropy: Isotropy
    pictures: list[Path]

    @property
    def nearest_alike(self) -> dict[str, float]:
        """Of each of COLOURS the share of the rows that have one whose nearest neighbour has the same."""
        shares = {}
        for by, group in self.rows.shared.items():
            known = group >= 0
            if known.any():
                shares[by] = float((group == group[self.places[:, 0]])[known].mean())
        return shares

    def facts(self) -> dict[str, Any]:
        """Named values for people."""
        held, of = self.isotropy, self.rows.of
        told = {"model": self.store.manifest.model, "part": self.part or "-"}
        told["rows"] = f"{held.rows:,} of {held.dim} numbers" + (f", drawn from {of:,}" if of > held.rows else "")
        error = "" if math.isnan(held.standard_error) else f" ± {held.standard_error:.3f}"
        told["mean cosine"] = f"{held.mean_cosine:.3f}{error} (1: all in one direction, 0: in all directions)"
        told["dimensions"] = f"{held.dimensions:.1f} of {min(held.dim, held.rows - 1)} (participation ratio)"
        for by, share in self.nearest_alike.items():
            told[f"nearest has the same {by}"] = f"{100 * share:.1f} %"
        return told

    def table(self, most: int) -> list[list[str]]:
        """The rows whose nearest neighbour is nearest, at most so many: name, neighbours with their cosines."""
        order = np.argsort(-self.cosines[:, 0], kind="stable")[:most].tolist()
        return [
            [self.rows.names[i], ", ".join(f"{name} {cosine:.3f}" for name, cosine in self._near(i))] for i in order
        ]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values: facts, and each row with its place on the maps and its neighbours."""
        held = self.store
        return {
            "path": str(held.path),
            "content": held.content,
            "of": held.manifest.of,
            "model": held.manifest.model,
            "part": self.part,
            "drawn_from": self.rows.of,
            "isotropy": self.isotropy.to_json(),
            "nearest_alike": self.nearest_alike,
            "pictures": [str(path) for path in self.pictures],
            "notes": self.rows.notes,
            "rows": [self._row(i) for i in range(len(self.rows.names))],
        }

    def _row(self, i: int) -> dict[str, Any]:
        of = {by: names[group[i]] if group[i] >= 0 else None for by, (group, names) in self.rows.groups.items()}
        near = [{"name": name, "cosine": cosine} for name, cosine in self._near(i)]
        on = {method: plane[i].tolist() for method, plane in self.maps.items()}
        return {"name": self.rows.names[i], **of, **on, "neighbours": near}

    def _near(self, i: int) -> list[tuple[str, float]]:
        names = self.rows.names
        return [(names[j], c) for j, c in zip(self.places[i].tolist(), self.cosines[i].tolist(), strict=True)]


def look(path: Path, pictures: Sequence[Path], wanted: Wanted) -> Looked:
    """Draw the rows of a store, and say what is near what.

    Raises what Store raises; UsageError for an unknown part, a colour that the rows do not have and fewer than 5 rows;
    DataError for a row without a direction.
    """
    store = Store(path)
    part, notes = _part(store, wanted.part)
    rows = read_rows(store, part, wanted.seed, notes)
    points = _points(store, rows, wanted.colour)
    directions = rows.vectors / np.linalg.norm(rows.vectors, axis=1, keepdims=True)
    maps = {method: project(directions, method, wanted.seed) for method in wanted.methods}
    titles = {method: METHODS[method] for method in maps}
    if "pca" in maps:
        titles["pca"] += f" ({100 * kept(directions, maps['pca']):.0f} % of the variance)"
    draw({titles[method]: plane for method, plane in maps.items()}, points, pictures, _title(store, part, rows))
    near = neighbours(rows.vectors, wanted.neighbours)
    return Looked(store, part, rows, maps, *near, isotropy(rows.vectors), list(pictures))


def _part(store: Store, name: str | None) -> tuple[str, list[str]]:
    """The part to take, and a note where there was a choice. A store without parts has none to take."""
    parts = store.manifest.parts
    if name is None and len(parts) > 1:
        return parts[0], [f"took part {parts[0]!r} of {', '.join(parts)} (--part names another)"]
    if name is not None and not parts:
        raise UsageError(f"{store.path}: has no parts, so none named {name!r}")
    return name or "".join(parts), []


def read_rows(store: Store, part: str, seed: int, notes: Sequence[str] = ()) -> Rows:
    """The rows of a part ('': all) that could be made; of more than 5,000 a sample by seed, in the file's order."""
    told = list(notes)
    places = store.places(part) if part else np.arange(store.layout.rows)
    image = store.image_of_rows()
    made = store.status[image[places]] != FAILED
    if not made.all():
        told.append(f"left out {int((~made).sum()):,} of {len(made):,} rows, which could not be made")
    places = places[made]
    of = len(places)
    if of < FEWEST:
        raise UsageError(f"{store.path}: a map needs at least {FEWEST} rows, came {of}")
    if of > MOST:
        places = np.sort(np.random.default_rng(seed).choice(places, MOST, replace=False))
        told.append(f"drew {MOST:,} of {of:,} rows (--seed {seed}); all figures are of them")
    names = _names(store, image, places)
    vectors = np.concatenate([store.rows(place, place + 1) for place in places.tolist()]).astype(np.float32)
    _require_directions(store, vectors, names)
    groups, nothing = _groups(store, places, told)
    return Rows(vectors, names, of, groups, nothing, told)


def _require_directions(store: Store, vectors: Array, names: list[str]) -> None:
    sizes = np.linalg.norm(vectors.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if len(wrong):
        kind = "is zero" if sizes[wrong[0]] == 0 else "holds a number that is not finite"
        raise DataError(f"{store.path}: the row of {names[wrong[0]]!r} {kind}, so it has no direction")


def _names(store: Store, image: Array, places: Array) -> list[str]:
    """A name for each row: its key, with its place where the key has several, or its text where that tells it apart."""
    columns, offsets = store.layout.columns, store.layout.offsets
    of = image[places]
    if "attribute" in columns:
        return [str(text) for text in columns["text"][places]]
    if len(np.unique(of)) == len(of) and store.manifest.of not in ("regions", "grid"):
        return [str(key) for key in store.key[of]]
    within = places - offsets[of]
    return [f"{key} #{row}" for key, row in zip(store.key[of].tolist(), within.tolist(), strict=True)]


def _groups(store: Store, places: Array, notes: list[str]) -> tuple[dict[str, tuple[Array, Sequence[str]]], Array]:
    """The verb and the object of each row, as far as they are known, and which rows are of no interaction."""
    columns, manifest = store.layout.columns, store.manifest
    nothing = np.zeros(len(places), bool)
    space = _label_space(store, notes)
    if space is None:
        return {}, nothing
    if "category" in columns:
        return _by_object(space, _within(store, columns["category"][places], len(space.objects))), nothing
    found = _classes(space, manifest.label_kind)
    if "label" not in columns or found is None:
        return {}, nothing
    verbs, verb, obj = found
    label = _within(store, columns["label"][places], len(verb))
    verb, obj = (np.where(label >= 0, each[label], -1) for each in (verb, obj))
    nothing = np.array([v >= 0 and verbs[v] == NO_INTERACTION for v in verb.tolist()], bool)
    return _by_object(space, obj) | ({"verb": (verb, verbs)} if (verb >= 0).any() else {}), nothing


def _classes(space: LabelSpace, kind: str) -> tuple[Sequence[str], Array, Array] | None:
    """The verbs, and the verb and the object of each label of a kind, -1 = none; None for another kind.

    The verb of an agent or a role is its action.
    """
    verbs, objects, actions = (np.arange(len(each)) for each in (space.verbs, space.objects, space.actions))
    match kind:
        case "interactions":
            return space.verbs, space.interaction_verbs, space.interaction_objects
        case "verbs":
            return space.verbs, verbs, np.full(len(verbs), -1)
        case "objects":
            return (), np.full(len(objects), -1), objects
        case "objects+nothing":
            return (), np.full(len(objects) + 1, -1), np.append(objects, -1)
        case "actions" | "agents+roles":
            roles = space.verb_actions[space.role_verbs] if kind == "agents+roles" else actions[:0]
            both = np.concatenate([actions, roles])
            return space.actions, both, np.full(len(both), -1)
    return None


def _by_object(space: LabelSpace, obj: Array) -> dict[str, tuple[Array, Sequence[str]]]:
    """The groups of rows by object (N,), -1 = none; by its supercategory too where it is one of COCO's."""
    if not (obj >= 0).any():
        return {}
    above = np.where(obj >= 0, supercategories(space)[obj], -1)
    groups: dict[str, tuple[Array, Sequence[str]]] = {"supercategory": (above, NAMES)} if (above >= 0).any() else {}
    return groups | {"object": (obj, space.objects)}


def _within(store: Store, index: Array, count: int) -> Array:
    if len(index) and (index.min() < -1 or index.max() >= count):
        raise DataError(f"{store.path}: holds labels {index.min()}..{index.max()}, its label space has {count}")
    return index


def _label_space(store: Store, notes: list[str]) -> LabelSpace | None:
    """The label space that a store names; None, with a note, where it is not there or is another one."""
    name, digest = (str(store.manifest.label_space.get(each, "")) for each in ("name", "hash"))
    if not name:
        return None
    try:
        space = labels_of_file(name, digest, store.path)
    except MissingData:
        notes.append(f"label space {name!r} is neither packaged nor beside the store: verbs and objects are not known")
        return None
    if space.hash != digest:
        notes.append(f"label space {name!r} is {space.hash:.12} here, the store's is {digest:.12}: drew names only")
        return None
    return space


def _points(store: Store, rows: Rows, colour: str | None) -> Points:
    """Rows as points: coloured by a group that some share, with the names of their objects; else with their own."""
    if colour is not None and colour not in rows.groups:
        held = f"colours by {' or '.join(rows.groups)}" if rows.groups else "knows neither verbs nor objects of them"
        raise UsageError(f"{store.path}: its {store.manifest.of} have no {colour} to colour by; it {held}")
    by = colour or next((each for each in COLOURS if each in rows.shared), "")
    if by not in rows.shared:
        by = ""
    group, groups = rows.groups[by] if by else (np.full(len(rows.names), -1), ())
    return Points(group, groups, by, rows.nothing, NO_INTERACTION.replace("_", " "), _written(rows))


def _written(rows: Rows) -> Sequence[str]:
    """The names on a map: of the objects that rows share, else of the rows, where there are few."""
    if "object" in rows.shared:
        objects, names = rows.groups["object"]
        return [names[o] if o >= 0 else "" for o in objects.tolist()] if len(set(objects.tolist())) <= WRITTEN else ()
    return rows.names if len(rows.names) <= WRITTEN else ()


def _title(store: Store, part: str, rows: Rows) -> str:
    """What the rows are of, the model, the prompt set."""
    held = store.manifest
    data = " ".join(filter(None, (held.label_space.get("name") if held.label_kind else held.dataset, held.subset)))
    what = " ".join(filter(None, (data, held.label_kind if held.of == "labels" else held.of)))
    prompts = ("prompts " if held.prompts else "") + (part or ", ".join(held.prompts))
    count = f"{len(rows.names):,} rows" + (f" of {rows.of:,}" if rows.of > len(rows.names) else "")
    return " · ".join(filter(None, (what, held.model, prompts, count)))
