"""hoitool's own Parquet as a format: one file, a folder `*.parquet` of shards, or a folder with a file per subset.

Kind: annotations or predictions, as the file says. Specification: docs/formats/hoitool.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hoitool import data
from hoitool.convert.reading import Reading
from hoitool.data import Dataset
from hoitool.errors import UsageError
from hoitool.files import refuse_overwrite, require

SUMMARY = "hoitool's columnar Parquet, one row per image"


def sniff(path: Path) -> bool:
    """Whether a path is a hoitool Parquet file or a folder of them."""
    return data.is_ours(path)


def read(path: Path, truth: Dataset | None = None) -> Reading:
    """All subsets that a path holds."""
    require(path, "a hoitool Parquet file or folder")
    if path.is_dir() and path.suffix != ".parquet":
        return Reading([data.read(file) for file in data.shard_files(path)])
    return Reading([data.read(path)])


def write(parts: Sequence[Dataset], path: Path, overwrite: bool = False, shards: int = 1) -> list[Path]:
    """Write each part: to `path` itself when it ends in .parquet, else to <path>/<subset>.parquet."""
    if path.suffix == ".parquet":
        if len(parts) > 1:
            names = ", ".join(part.meta.subset for part in parts)
            raise UsageError(f"{path}: the source holds {len(parts)} subsets ({names}); name a folder for them")
        targets = [path]
    else:
        targets = [path / f"{part.meta.subset or 'all'}.parquet" for part in parts]
    for target in targets:
        refuse_overwrite(target, overwrite)
    for part, target in zip(parts, targets, strict=True):
        data.write(part, target, shards)
    return targets
