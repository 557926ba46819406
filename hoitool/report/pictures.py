"""Pictures with what files say of them, from paths to files: a dataset or predictions, beside the truth and another
model's predictions where they are named.

A drawn picture lies where the image lies below its own folder, under its name. Images are those of the first file, in
its order; what another file does not say of one is drawn as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hoitool import workspace
from hoitool.convert.inputs import load_truth, read_parts
from hoitool.data import Dataset, select_images
from hoitool.embed.pictures import Pictures
from hoitool.errors import DataError, HoitoolError, MissingData, UsageError
from hoitool.files import atomic, refuse_overwrite
from hoitool.lookup import unknown_name
from hoitool.predict.draw import TOP, drawn_names, in_threads
from hoitool.viz.pairs import columns_page, one_page
from hoitool.viz.seen import Seen, Size, seer
from hoitool.viz.shapes import FORMS, save

LIMIT = 20  # images, unless more are asked for
TRUTH = "Truth"
View = dict[str, Callable[[Size], Seen]]  # what a file says, by the key of an image


@dataclass(frozen=True)
class Asked:
    """What to draw.

    images           folder of the pictures; None: raw/<dataset>/images
    truth, other     annotations and another model's predictions to draw beside; subset: of files that hold several
    top, min_score   so many lines of a view at most, of those that score so much or more
    keys             images by key or file name; none: the first `limit`
    out              folder to write; None: <file>-boxes beside it; form: one of FORMS
    """

    images: Path | None = None
    truth: Path | None = None
    other: Path | None = None
    subset: str | None = None
    top: int = TOP
    min_score: float = -np.inf
    keys: Sequence[str] = ()
    limit: int = LIMIT
    out: Path | None = None
    form: str = FORMS[0]
    overwrite: bool = False


@dataclass(frozen=True)
class Drawn:
    """The folder, the files written, how many images there were to choose from, remarks of readers."""

    folder: Path
    written: list[Path]
    images: int
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        written = [str(path) for path in self.written]
        return {"folder": str(self.folder), "written": written, "images": self.images, "notes": self.notes}


def draw_pictures(path: Path, asked: Asked) -> Drawn:
    """Draw what a dataset or predictions say on their pictures; those that cannot be read are left out, with a note.

    Raises UsageError for an unknown format or image and for a file that is there already, MissingData for pictures that
    are not there, and what the readers raise; an image that is asked for by its key must be readable.
    """
    if asked.form not in FORMS:
        raise unknown_name("format of pictures", asked.form, FORMS)
    files, notes = _read(path, asked)
    parts = files[_name(path)]
    pictures, names = _pictures(next(iter(files.values())), asked)
    keys = _chosen(parts, names, asked)
    views = {name: _view(each, set(keys)) for name, each in files.items()}
    folder = asked.out or path.with_name(f"{path.stem}-boxes")
    targets = [folder / name for name in drawn_names([names.get(key, key) for key in keys], f".{asked.form}")]
    for target in targets:
        refuse_overwrite(target, asked.overwrite)

    def one(number: int) -> Path | HoitoolError:
        key = keys[number]
        try:
            picture = pictures.open(names.get(key, key))
        except (DataError, MissingData) as error:
            return error
        held = {name: view[key](picture.size) for name, view in views.items() if key in view}
        nothing = Seen(next(iter(held.values())).what, [])
        seen = [(name, held.get(name, nothing)) for name in views]
        limits = asked.top, asked.min_score, key
        page = one_page(picture, seen[0][1], *limits) if len(seen) == 1 else columns_page(picture, seen, *limits)
        with atomic(targets[number]) as temporary:
            save(page, temporary, asked.form)
        return targets[number]

    made = in_threads(one, len(keys), 1 if asked.form == "pdf" else None)  # matplotlib has one state for all threads
    failed = [error for error in made if isinstance(error, HoitoolError)]
    if failed and (asked.keys or len(failed) == len(made)):
        raise failed[0]
    if failed:
        notes = [*notes, f"left out {len(failed):,} of {len(made):,} pictures, such as {failed[0]}"]
    return Drawn(folder, [path for path in made if isinstance(path, Path)], sum(map(len, parts)), notes)


def _read(path: Path, asked: Asked) -> tuple[dict[str, Sequence[Dataset]], list[str]]:
    """The subsets of each file by its title, in the order of the columns, and what the readers remarked."""
    parts, notes = read_parts(path, None, asked.truth, asked.subset)
    files: dict[str, Sequence[Dataset]] = {_name(path): parts}
    if asked.truth is not None:
        truth, remarks = load_truth(asked.truth, asked.subset)
        files, notes = {TRUTH: [truth]} | files, [*notes, *remarks]
    if asked.other is not None:
        beside, remarks = read_parts(asked.other, None, asked.truth, asked.subset)
        files[_apart(_name(asked.other), files)] = beside
        notes = [*notes, *remarks]
    return files, notes


def _view(parts: Sequence[Dataset], keys: set[str]) -> View:
    """What the subsets of a file say of images; of one that is in several what the first says."""
    made: View = {}
    for part in parts:
        if part.dense:  # a score for every pair and label is much to unfold
            part = select_images(part, np.array([str(key) in keys for key in part.key.tolist()], bool))
        see = seer(part)
        for image, key in enumerate(part.key.tolist()):
            if str(key) in keys:
                made.setdefault(str(key), partial(see, image))
    return made


def _pictures(parts: Sequence[Dataset], asked: Asked) -> tuple[Pictures, dict[str, str]]:
    """The folder of the pictures, and the file name of each image: its own where the file says none."""
    dataset = next((part.meta.dataset for part in parts if part.meta.dataset), "")
    if asked.images is None and not dataset:
        raise UsageError("where are the pictures? Name their folder with --images")
    pictures = Pictures(asked.images or workspace.images_folder(dataset))
    held = [(part.key, part.key if part.file_name is None else part.file_name) for part in parts]
    names = {str(key): str(name) for keys, files in held for key, name in zip(keys, files, strict=True)}
    pictures.require_any(list(names.values()))
    return pictures, names


def _chosen(parts: Sequence[Dataset], names: dict[str, str], asked: Asked) -> list[str]:
    """The keys of the images to draw."""
    keys = list(dict.fromkeys(str(key) for part in parts for key in part.key.tolist()))
    if not asked.keys:
        return keys[: asked.limit]
    by_name = {name: key for key, name in names.items()} | {key: key for key in keys}
    for wanted in asked.keys:
        if wanted not in by_name:
            raise unknown_name("image", wanted, keys[:100_000])
    return list(dict.fromkeys(by_name[wanted] for wanted in asked.keys))


def _name(path: Path) -> str:
    """What a file is called above its column: its run, or its own name."""
    run = workspace.run_folder(path)
    return run.name if run is not None else path.stem


def _apart(name: str, others: Iterable[str]) -> str:
    return name if name not in others else f"{name} (2)"
