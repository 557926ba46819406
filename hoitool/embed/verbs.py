"""Visual semantic arithmetic: what a verb looks like, as the union of a pair without its object (and its human).

f(x) is the embedding of a crop as the encoder gives it, S the sum of f over instances, unit() division by the length.

    hoiclip             unit( mean over the verb's interactions of unit(S_union) - unit(S_object) )
    union-object        unit( sum over the verb's instances of f(union) - f(object) )
    union-object-human  unit( sum over the verb's instances of ((f(union) - f(human)) + (f(union) - f(object))) / 2 )

In `hoiclip` S_union is of an interaction, S_object of an object class over all of its interactions, and that of the
person also takes the mean of an image's humans, once an image. The `-last` variants count as the released code does: of
the instances of one class in an image, the last. Sources: HOICLIP, Ning et al., CVPR 2023, and its released
code; the third is a reproduction's. See docs/verb-features.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from hoitool import __version__
from hoitool.data import Dataset, strings
from hoitool.data.dataset import Array
from hoitool.embed.about import of_data
from hoitool.embed.ensembles import unit
from hoitool.embed.instances import Instances, instances
from hoitool.errors import DataError
from hoitool.lookup import unknown_name
from hoitool.splits import Split, apply
from hoitool.store import Layout, Manifest, Store, Writer

Repeats = Literal["all", "last"]


@dataclass(frozen=True)
class ByInteraction:
    """A verb is the mean of its interactions, each its unions without its object's crops. repeats: which count."""

    repeats: Repeats = "all"

    def means(self, of: Instances, verbs: int, objects: int, person: int) -> tuple[Array, Array]:
        """(V, d) a row for each verb, not normalised, NaN where it has no instance; (V,) instances that count."""
        interaction, at = np.unique(of.verb * objects + of.category, return_inverse=True)
        kept, seen = counting(of.image, at, self.repeats), counting(of.image, of.category, self.repeats)
        share = 1 / np.bincount(of.image)[of.image]  # of an instance among those of its image
        unions = np.zeros((len(interaction), of.store.manifest.dim))
        things = np.zeros((objects, of.store.manifest.dim))
        for crops in of.crops():
            rows = crops.instances
            add(unions, at[rows], crops.union, kept[rows])
            add(things, of.category[rows], crops.object, seen[rows])
            if person >= 0:
                things[person] += share[rows] @ crops.human
        means = mean_of_interactions(unions, interaction // objects, things[interaction % objects], verbs)
        return means, np.bincount(of.verb[kept], minlength=verbs)


@dataclass(frozen=True)
class ByInstance:
    """A verb is the mean of its instances, each its union without the mean of the crops `minus`."""

    minus: tuple[Literal["object", "human"], ...] = ("object",)
    repeats: Repeats = "all"

    def means(self, of: Instances, verbs: int, objects: int, person: int) -> tuple[Array, Array]:
        """As ByInteraction.means; objects and person do not matter."""
        kept = counting(of.image, of.verb, self.repeats)
        total = np.zeros((verbs, of.store.manifest.dim))
        for crops in of.crops():
            without = crops.union - sum(getattr(crops, name) for name in self.minus) / len(self.minus)
            add(total, of.verb[crops.instances], without, kept[crops.instances])
        count = np.bincount(of.verb[kept], minlength=verbs)
        return _divided(total, count), count


HOICLIP = ByInteraction()
UNION_OBJECT_HUMAN = ByInstance(("object", "human"))
FORMULAS: dict[str, ByInteraction | ByInstance] = {
    "hoiclip": HOICLIP,
    "hoiclip-last": replace(HOICLIP, repeats="last"),
    "union-object": ByInstance(("object",)),
    "union-object-human": UNION_OBJECT_HUMAN,
    "union-object-human-last": replace(UNION_OBJECT_HUMAN, repeats="last"),
}


@dataclass(frozen=True, eq=False)
class VerbFeatures:
    """Rows for all verbs of a label space, and what they were made of.

    names           (V,) the verbs
    means           (V, d) float64 before the last normalisation, NaN for a verb without any instance
    count           (V,) instances that a row is made of
    excluded        pairs that the split takes away
    without_object  pairs without an object box, which have no union
    unread          pairs of images that the regions store could not read
    manifest        what a store of these rows says, but for the data's file
    """

    names: tuple[str, ...]
    means: Array
    count: Array
    excluded: int
    without_object: int
    unread: int
    manifest: Manifest

    @property
    def rows(self) -> Array:
        """(V, d) float64, each of length 1; NaN for a verb without a direction."""
        made, known = np.full_like(self.means, np.nan), self._directed
        made[known] = unit(self.means[known], "verb")
        return made

    @property
    def missing(self) -> list[str]:
        """The verbs that have no normalised row: those without instances, and those whose instances cancel out."""
        return [name for name, known in zip(self.names, self._directed.tolist(), strict=True) if not known]

    @property
    def _directed(self) -> Array:
        found: Array = (self.count > 0) & self.means.any(axis=1)
        return found


def verb_features(store: Store, data: Dataset, formula: str = "hoiclip", split: Split | None = None) -> VerbFeatures:
    """The rows of all verbs of the data's label space.

    store  made by hoitool/embed/regions.py with the parts box and union, not normalised, of these images or more
    data   labelled with interactions or verbs; split: first takes from them what its training filter says
    Raises UsageError for an unknown formula, and for a split or data that cannot be meant; DataError for a store of
    another kind or of other images, boxes or pairs, and for data without a single instance.
    """
    if formula not in FORMULAS:
        raise unknown_name("formula of verbs", formula, FORMULAS)
    kept = data if split is None else apply(data, split).data
    labels = kept.meta.labels
    of = instances(store, kept)
    if not len(of):
        raise DataError(f"{kept!r} has no pair of two boxes in a readable image, so no verb has an instance")
    means, count = FORMULAS[formula].means(of, len(labels.verbs), len(labels.objects), labels.person)
    excluded = len(data.subject) - len(kept.subject)
    told = {"excluded": excluded, "without_object": of.without_object, "unread": of.unread}
    manifest = _manifest(store, kept, {"formula": formula, **told})
    return VerbFeatures(labels.verbs, means, count, **told, manifest=manifest)


def write_verbs(made: VerbFeatures, path: Path, sources: dict[str, str] | None = None, normalised: bool = True) -> str:
    """Write a store of a row for each verb, in the label space's order; return its content hash.

    sources  file name -> SHA-256 of the data's file; that of the regions store is known
    A verb in made.missing is marked as failed, its row is NaN; without `normalised` one whose instances cancel out is
    zero. Raises what Writer raises.
    """
    rows = made.rows if normalised else made.means
    manifest = replace(made.manifest, normalised=normalised, sources=(sources or {}) | made.manifest.sources)
    columns: dict[str, Array] = {"label": np.arange(len(rows), dtype=np.int32), "count": made.count.astype(np.int64)}
    layout = Layout(strings(made.names), np.arange(len(rows) + 1), columns)
    with Writer(path, manifest, layout) as writer:
        writer.write(0, [row[None] if np.isfinite(row).all() else None for row in rows])
        return writer.finish()


def mean_of_interactions(unions: Array, verb: Array, things: Array, verbs: int) -> Array:
    """(V, d): the mean over a verb's interactions of unit(union) - unit(object); NaN for a verb without any.

    unions (K, d): sums over the instances of each interaction; verb (K,): its verb; things (K, d): sums of its object.
    """
    total = np.zeros((verbs, unions.shape[1]))
    np.add.at(total, verb, unit(unions, "interaction") - unit(things, "object of interaction"))
    return _divided(total, np.bincount(verb, minlength=verbs))


def counting(image: Array, group: Array, repeats: Repeats) -> Array:
    """(n,) whether an instance counts: all do, or of a group's instances in an image the last one does."""
    kept = np.ones(len(image), bool)
    if repeats == "last":
        order = np.lexsort((group, image))  # stable: equal ones stay in their order
        kept[order[:-1]] = (np.diff(image[order]) != 0) | (np.diff(group[order]) != 0)
    return kept


def add(total: Array, group: Array, rows: Array, kept: Array) -> None:
    """Add the rows (n, d) of a mask to the totals (G, d) of their groups (n,)."""
    chosen = np.flatnonzero(kept)
    if not len(chosen):
        return
    order = chosen[np.argsort(group[chosen], kind="stable")]
    ordered = group[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    total[ordered[starts]] += np.add.reduceat(rows[order], starts)


def _divided(total: Array, count: Array) -> Array:
    made: Array = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)
    return made


def _manifest(store: Store, data: Dataset, notes: dict[str, object]) -> Manifest:
    """That of the regions, where it tells how a crop became a row, and of the data."""
    told = {"split": {}} | of_data(data.meta)
    return replace(
        store.manifest,
        of="verbs",
        dtype="float32",
        label_kind="verbs",
        box_frame="",
        parts=(),
        hoitool=__version__,
        sources={store.path.name: store.content},
        notes=store.manifest.notes | notes,
        **told,
    )
