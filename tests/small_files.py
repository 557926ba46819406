"""Small valid files of every format, as its own writer writes them: what tests break."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from builders import predictions_of, truth_of
from strategies import DEMO, HICO, V_COCO

from hoitool.convert import FORMATS, PREDICTION_FORMATS, format_named
from hoitool.convert.fit import fit
from hoitool.data import Dataset, offsets_of, strings
from hoitool.errors import DataError, UsageError
from hoitool.labels import LabelSpace

NAMES = [*FORMATS, *PREDICTION_FORMATS]
# a format whose suffix says what kind of file it is has a table WRITERS of them
CASES = [(name, suffix) for name in NAMES for suffix in getattr(format_named(name), "WRITERS", [""])]


def small(labels: LabelSpace, predicted: bool) -> Dataset:
    """Three images, the last without pairs; sizes, labels of images, captions; for predictions their scores."""
    held = np.flatnonzero(labels.interaction_objects >= 0)[:3].tolist()
    human, obj = [10.0, 20.0, 110.0, 220.0], [50.0, 120.0, 210.0, 240.0]
    rows: list[Any] = [(0, human, obj, held[0]), (0, human, obj, held[1]), (1, obj, human, held[2])]
    made: Dataset
    if predicted:
        made = predictions_of([(*row, 0.5) for row in rows], labels=labels)
        made = made.with_columns(image_scores=np.full((3, len(labels)), 0.25), box_scores=np.full(len(made.boxes), 0.5))
    else:
        made = truth_of(rows, labels=labels)
        values = {"image_label": np.array(held, np.int32), "image_value": np.ones(3, np.int8)}
        said = {"caption_id": np.arange(7, 10), "caption_text": strings(["a man", "a cup", "nobody"])}
        made = made.with_columns(**values, image_label_offsets=offsets_of([2, 1, 0]))
        made = made.with_columns(**said, caption_offsets=offsets_of([1, 1, 1]))
    return made.with_columns(width=np.full(3, 640, np.int32), height=np.full(3, 480, np.int32))


@dataclass(frozen=True)
class Written:
    """Valid files of a format: the path they were written to, and the truth to read them with."""

    path: Path
    files: list[Path]
    truth: Dataset | None


def written(name: str, suffix: str, folder: Path) -> Written:
    """Small data written into a new folder in a format, in the first label space that it takes."""
    predicted = name in PREDICTION_FORMATS
    table = format_named(name)
    path = folder / f"data{suffix}"
    for labels in (DEMO, V_COCO, HICO):
        data = small(labels, predicted)
        try:
            parts = [data] if table.HOLDS is None else fit([data], table.HOLDS).parts
            files = table.write(parts, path)
        except (UsageError, DataError):
            shutil.rmtree(folder, ignore_errors=True)
            continue
        beside = [file for file in folder.rglob("*") if file.is_file() and file not in files]
        inside = [file for each in files if each.is_dir() for file in sorted(each.iterdir())]
        every = [file for file in dict.fromkeys([*files, *inside, *beside]) if file.is_file()]
        return Written(path, every, small(labels, False) if predicted else None)
    raise AssertionError(f"{name}: small data could not be written in any label space")
