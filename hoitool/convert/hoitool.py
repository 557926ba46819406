"""hoitool's own Parquet as a format: one file, a folder `*.parquet` of shards, or a folder with a file per subset.

Kind: annotations or predictions, as the file says. Specification: hoitool/convert/pages/hoitool.md.
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
HOLDS = None  # everything
FOREIGN = {".csv", ".npz", ".mat", ".json", ".txt"}  # suffixes that ask for another format


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
    files = targets(parts, path)
    for file in files:
        refuse_overwrite(file, overwrite)
    for part, file in zip(parts, files, strict=True):
        data.write(part, file, shards)
    return files


def targets(parts: Sequence[Dataset], path: Path) -> list[Path]:
    """Where `write` puts each part. Raises UsageError for a path that is no Parquet file and no folder."""
    if path.suffix in FOREIGN:
        raise UsageError(f"{path}: hoitool's files end in .parquet; --to names another format")
    if path.suffix != ".parquet":
        return [path / f"{part.meta.subset or 'all'}.parquet" for part in parts]
    if len(parts) > 1:
        names = ", ".join(part.meta.subset for part in parts)
        raise UsageError(f"{path}: the source holds {len(parts)} subsets ({names}); name a folder for them")
    return [path]
