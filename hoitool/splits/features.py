"""Whether a feature file was made from training data of a split, by what the file says of itself.

The contract: an HDF5 file whose root has the attribute `hoitool`, a JSON object of which this reads
    split    {"name", "hash"}: the split whose training data it was made from
    sources  {file name: SHA-256}: the files it was made from
    labels   [class, ...]: the class of each row, where rows are of one class each; also as a dataset `label` (rows,)
and, where rows or images have names, a dataset `key` of image keys. Each is optional; what is missing proves nothing.
A feature store says more: `of`, what its rows are of, and `label_kind`, what its labels index. Keys are those of images
only in stores made from images, labels are classes only where they are interactions of such rows, and a store of
embedded texts holds nothing of training data.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.files import reading, require, starts_with
from hoitool.splits.check import Finding, chain, expected_hashes
from hoitool.splits.split import Split

ATTRIBUTE = "hoitool"
MAGIC = b"\x89HDF"
OF_TEXTS = ("labels", "texts")
OF_IMAGES = ("images", "regions", "grid", "captions")


@dataclass(frozen=True)
class Manifest:
    """What a feature file says: None where it does not."""

    split: dict[str, Any] | None = None
    sources: dict[str, str] | None = None
    labels: Array | None = None
    keys: list[str] | None = None
    of: str = ""

    @property
    def of_texts(self) -> bool:
        """Whether it holds embeddings of texts that were made without images."""
        return self.of in OF_TEXTS


@dataclass(frozen=True)
class Verdict:
    """What speaks against a feature file, and what proves it; nothing of either means that it cannot be proved."""

    findings: list[Finding]
    proof: str


def read_manifest(path: Path) -> Manifest:
    """The manifest of a feature file; an empty one where it has none. Raises MissingData, DataError."""
    require(path, "a feature file (HDF5)")
    if not starts_with(path, MAGIC):
        raise DataError(f"{path}: not an HDF5 file, expected a feature file")
    import h5py

    with reading(path, "a feature file (HDF5)"), h5py.File(path, "r") as file:
        text = file.attrs.get(ATTRIBUTE)
        held = {} if text is None else _object(text, path)
        of, kind = str(held.get("of", "")), str(held.get("label_kind", "interactions"))
        label = np.asarray(file["label"][()]) if "label" in file else held.get("labels")
        if kind != "interactions" or (of and of not in OF_IMAGES):
            label = None
        keys = file["key"].asstr()[()].tolist() if "key" in file and (not of or of in OF_IMAGES) else None
        return Manifest(_table(held, "split", path), _table(held, "sources", path), _labels(label, path), keys, of)


def judge(manifest: Manifest, data: Dataset, split: Split, sha256: str, clean: bool, full: str = "") -> Verdict:
    """Whether features were made from the training data of a split.

    data    the training data; sha256: of their file; clean: whether they hold nothing that the split forbids
    full    SHA-256 of the file of the training data before the split, where it is known
    """
    hashes = expected_hashes(split)
    named = None if manifest.split is None else manifest.split.get("hash")
    found = [*_rows(manifest, split), *_images(manifest, data)]
    if manifest.of != "verbs" or named not in hashes:  # verbs that name the split were summed after its filter
        found += _origin(manifest, data, hashes, sha256, clean, full)
    if named is not None and named not in hashes:
        told = f"it was made with split {manifest.split.get('name')!r} ({named!s:.12}), not {split.name} "  # type: ignore[union-attr]
        found.append(Finding("split", f"{told}({', '.join(sorted(h[:12] for h in hashes))})"))
    if found:
        return Verdict(found, "")
    return Verdict([], _proof(manifest, split, named, sha256, clean))


def _proof(manifest: Manifest, split: Split, named: Any, sha256: str, clean: bool) -> str:
    """Why the features are of the split, empty where nothing proves it."""
    if manifest.of_texts:
        return f"it holds embeddings of {manifest.of}, and nothing of any training data"
    if named is not None:
        return f"it names the split's hash {named:.12}, and nothing in it speaks against that"
    if clean and manifest.sources and set(manifest.sources.values()) == {sha256}:
        return "it was made from these training data and no other file"
    if not clean or manifest.keys is None:
        return ""
    if split.filter == "images":
        return "each of its images is one of these training data, none of which shows an unseen class"
    if split.filter == "labels" and manifest.labels is not None:
        return "each of its rows is of a seen class, and each of its images one of these training data"
    return ""


def _rows(manifest: Manifest, split: Split) -> list[Finding]:
    """Rows of unseen classes."""
    if manifest.labels is None or not split.zero_shot:
        return []
    unseen = split.mask("unseen")
    outside = (manifest.labels < 0) | (manifest.labels >= len(unseen))
    rows = np.flatnonzero(outside | unseen[np.where(outside, 0, manifest.labels)])
    if not len(rows):
        return []
    first, label = int(rows[0]), int(manifest.labels[rows[0]])
    what = f"class {label}, which the split's label space does not have" if outside[first] else f"unseen class {label}"
    return [Finding("row", f"{len(rows):,} of its {len(manifest.labels):,} rows, the first row {first}: {what}")]


def _images(manifest: Manifest, data: Dataset) -> list[Finding]:
    """Images that the training data do not have."""
    if manifest.keys is None:
        return []
    known = set(data.key.tolist())
    other = [key for key in dict.fromkeys(manifest.keys) if key not in known]
    if not other:
        return []
    return [Finding("image", f"{len(other):,} of its images are not in the training data, such as {other[0]!r}")]


def _origin(manifest: Manifest, data: Dataset, hashes: set[str], sha256: str, clean: bool, full: str) -> list[Finding]:
    """Files from which it was made and must not have been."""
    forbidden = {full: "the training data before the split"} if full else {}
    if not clean:
        forbidden[sha256] = "these training data, which hold what the split takes away"
    stages = chain(data)
    at = next((i for i, held in enumerate(stages) if held.get("hash") in hashes), len(stages))
    for held in stages[at:]:
        of = held.get("of")
        files = of.values() if isinstance(of, dict) else ()
        forbidden |= dict.fromkeys(map(str, files), "the training data before the split")
    if stages[at:]:
        forbidden |= dict.fromkeys(data.meta.sources.values(), "of which the training data before the split were made")
    forbidden.pop(sha256 if clean else "", None)
    return [
        Finding("source", f"it was made from {name!r} ({digest:.12}): {forbidden[digest]}")
        for name, digest in (manifest.sources or {}).items()
        if digest in forbidden
    ]


def _object(text: Any, path: Path) -> dict[str, Any]:
    held = json.loads(text.decode() if isinstance(text, bytes) else text)
    if not isinstance(held, dict):
        raise DataError(f"{path}: its attribute {ATTRIBUTE!r} is a {type(held).__name__}, expected a JSON object")
    return held


def _table(held: dict[str, Any], name: str, path: Path) -> dict[str, Any] | None:
    value = held.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(inner, str | int) for inner in value.values()):
        raise DataError(f"{path}: {name} of its attribute {ATTRIBUTE!r} is {value!r:.60}, expected an object of texts")
    return value


def _labels(values: Any, path: Path) -> Array | None:
    if values is None:
        return None
    made = np.asarray(values)
    if made.ndim != 1 or (made.dtype.kind not in "iu" and len(made)):
        raise DataError(f"{path}: its row labels are {made.dtype}{list(made.shape)}, expected one integer for each row")
    return made.astype(np.int64)
