"""Formats: what is read, what is written, and how a path is recognised.

>>> from hoitool.convert import load
>>> load(Path("data/hico-det/test.parquet"))
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.convert.reading import Reading
from hoitool.data import Dataset, by_subset, concat, validate
from hoitool.data.parquet import require_ended
from hoitool.errors import DataError, UsageError
from hoitool.files import load_json, require
from hoitool.lookup import Lookup, unknown_name

__all__ = ["FORMATS", "PREDICTION_FORMATS", "Reading", "load", "one_part", "read", "sniff"]

# A format is a module or value with SUMMARY, HOLDS, sniff(path), read(path, truth) and write(parts, path, overwrite).
FORMATS = Lookup(
    "dataset format",
    {
        "hoitool": "hoitool.convert.hoitool",
        "hico-det": "hoitool.convert.hico_det",
        "v-coco": "hoitool.convert.v_coco",
        "hoia": "hoitool.convert.hoia",
        "pocket": "hoitool.convert.pocket",
        "coco": "hoitool.convert.coco",
        "hico": "hoitool.convert.hico",
        "csv": "hoitool.convert.csv_pairs",
        "label-studio": "hoitool.convert.label_studio",
        "open-images": "hoitool.convert.open_images",
        "open-images-json": "hoitool.convert.open_images_json",
        "visual-genome": "hoitool.convert.visual_genome",
        "vg-sgg": "hoitool.convert.vg_sgg",
        "lvis": "hoitool.convert.lvis",
        "voc": "hoitool.convert.voc",
        "captions": "hoitool.convert.captions",
        "karpathy": "hoitool.convert.karpathy",
        "scan": "hoitool.convert.scan",
    },
)
PREDICTION_FORMATS = Lookup(
    "prediction format",
    {
        "pairs": "hoitool.convert.predictions.pairs",
        "recognition": "hoitool.convert.predictions.recognition",
        "hico-matlab": "hoitool.convert.predictions.hico_matlab:COCO_ORDER",
        "hico-matlab-alphabetical": "hoitool.convert.predictions.hico_matlab:ALPHABETICAL",
        "hico-matlab-all": "hoitool.convert.predictions.hico_matlab:SINGLE",
        "v-coco-pickle": "hoitool.convert.predictions.v_coco_pickle",
        "qpic": "hoitool.convert.predictions.pair_lists:QPIC",
        "gen-vlkt": "hoitool.convert.predictions.pair_lists:GEN_VLKT",
        "ppdm": "hoitool.convert.predictions.pair_lists:PPDM",
        "open-images-challenge": "hoitool.convert.predictions.open_images_challenge",
        "pseudo-relations": "hoitool.convert.predictions.pseudo_relations",
        "coco-results": "hoitool.convert.predictions.coco_results",
    },
)


def sniff(path: Path) -> str | None:
    """The name of the format that a path is in, None when no format knows it. UsageError when several fit."""
    fitting = [name for table in (FORMATS, PREDICTION_FORMATS) for name in table if table[name].sniff(path)]
    if len(fitting) > 1:
        raise UsageError(f"{path}: could be {' or '.join(fitting)}; say which with --from")
    return fitting[0] if fitting else None


def read(path: Path, format: str | None = None, truth: Dataset | None = None) -> Reading:
    """Everything a path holds, one checked part per subset, in a named format or the one it is recognised as.

    truth  the annotations that predictions belong to: their image order and label space.
    Raises UsageError for an unknown format, DataError for a file that none recognises or whose content is not
    consistent, and what the readers raise.
    """
    require(path, "data")
    name = format or sniff(path)
    if name is None:
        raise _unrecognised(path)
    held: Reading = format_named(name).read(path, truth)
    try:
        parts = _one_per_subset(held.parts)
        for part in parts if name != "hoitool" or len(parts) < len(held.parts) else []:  # its reader has checked them
            validate(part)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return replace(held, parts=parts)


def _unrecognised(path: Path) -> Exception:
    """What to say of a path that no format recognises: why, where that can be seen."""
    from hoitool.convert.cxc import tables_of
    from hoitool.convert.hdf5 import require_whole

    if path.is_file() and path.suffix.lower() == ".json":
        load_json(path, "JSON", object)  # says where a broken file ends
    for file in [path] if path.is_file() else sorted(path.glob("[!.]*.h5")):
        require_whole(file)
    require_ended(path)
    if tables_of(path):
        return UsageError(
            f"{path}: ratings of Crisscrossed Captions, which are no dataset; `hoitool inspect` shows them, and "
            "`hoitool eval STORE --protocol cxc --truth FOLDER` scores by them"
        )
    if workspace.only_pictures(path):
        return UsageError(f"{path}: a folder of pictures; they stay where they are, their annotations are converted")
    if path.is_dir() and not any(path.iterdir()):
        return DataError(f"{path}: the folder is empty (data expected)")
    if path.is_file() and path.suffix.lower() == ".csv":
        with path.open("rb") as stream:
            begins = stream.readline(80).decode("utf-8", "replace").strip()
        return DataError(
            f"{path}: no format has a table that begins {begins!r}; columns are known by their names, with commas "
            "between them, in UTF-8 (`hoitool convert --explain csv`, or pairs)"
        )
    return DataError(f"{path}: no format recognises it; --from says which it is of those of `hoitool convert --list`")


def _one_per_subset(parts: list[Dataset]) -> list[Dataset]:
    """Parts of the same kind and subset as one."""
    groups: dict[tuple[str, str], list[Dataset]] = {}
    for part in parts:
        groups.setdefault((part.kind, part.meta.subset), []).append(part)
    return [concat(group) for group in groups.values()]


def format_named(name: str) -> Any:
    """The format of a name, of annotations or predictions. Raises UsageError for an unknown one."""
    for table in (FORMATS, PREDICTION_FORMATS):
        if name in table:
            return table[name]
    raise unknown_name("format", name, [*FORMATS, *PREDICTION_FORMATS])


def load(
    path: Path | str, format: str | None = None, truth: Dataset | None = None, subset: str | None = None
) -> Dataset:
    """One dataset, or predictions, from any registered format. Raises UsageError when a subset must be named."""
    return one_part(read(Path(path), format, truth), Path(path), subset)


def one_part(held: Reading, path: Path, subset: str | None = None) -> Dataset:
    """The only part of a reading, or its part of a subset. Raises UsageError where that does not decide."""
    names = [part.meta.subset for part in held.parts]
    if subset is not None:
        for part in held.parts:
            if part.meta.subset == subset or (part.subset is not None and subset in part.subset):
                return by_subset(part, subset)
        raise unknown_name(f"subset in {path}", subset, names)
    if len(held.parts) != 1:
        raise UsageError(f"{path}: holds {len(names)} subsets, name one of {', '.join(names)}")
    return held.parts[0]
