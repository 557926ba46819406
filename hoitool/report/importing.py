"""What `hoitool embed import` makes stores of: the region features of SCAN's folders."""

from __future__ import annotations

from pathlib import Path

from hoitool.convert.scan import read_regions
from hoitool.embed.precomputed import Precomputed
from hoitool.files import sha256

SHORT = "scan"  # what their stores are called after, in place of a model
BATCH = 4  # images in a batch, each with its regions; 128 of them are written at once


def precomputed(path: Path, subset: str | None = None, dtype: str = "float32") -> dict[str, Precomputed]:
    """The job of each subset of a folder (or of one), by a name for its store.

    Its images are named as `hoitool convert` names them. Raises what `read_regions` raises.
    """
    made = {}
    for found in read_regions(path, subset):
        meta = found.data.meta
        sources = meta.sources | {found.file.name: sha256(found.file)}
        name = "-".join(filter(None, (meta.dataset, meta.subset, "regions")))
        made[name] = Precomputed(found.features, found.rows, found.data.key, dtype, meta.dataset, meta.subset, sources)
    return made
