"""A job made into a store, as `hoitool embed` does it.

The size is told first, an unfinished store is gone on with, a finished one of the same plan is left as it is, and
where several processes work, each makes its share of the images.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hoitool import launch
from hoitool.embed import engine, shards
from hoitool.embed.encoder import Encoder
from hoitool.embed.job import Job
from hoitool.errors import CheckFailed, UsageError
from hoitool.labels import LabelSpace
from hoitool.labels.beside import write_labels
from hoitool.store import discard, partial_path, reopen
from hoitool.store.hdf5 import gigabytes, head, is_store, plan_of, require_suffix, size
from hoitool.store.layout import plan_hash
from hoitool.store.manifest import unlike


@dataclass(frozen=True)
class Target:
    """Where to write and how. tell: called with lines for the user; labels: kept beside the store if not packaged."""

    out: Path
    tell: Callable[[str], None]
    overwrite: bool = False
    dry_run: bool = False
    batch: int | None = None
    workers: int | None = None
    strict: bool = False
    labels: LabelSpace | None = None
    renew: bool = False


@dataclass(frozen=True)
class Made:
    """A store that was made, is up to date, or (in a dry run) would be made; done: what the engine did, if it ran."""

    path: Path
    manifest: dict[str, Any]
    entries: int
    rows: int
    bytes: int
    state: Literal["made", "up to date", "dry run", "shard made"]
    content: str = ""
    done: engine.Done | None = None
    notes: list[str] = field(default_factory=list)
    incomplete: str = ""

    def summary(self) -> dict[str, Any]:
        """JSON-ready values."""
        held = {"path": str(self.path), "state": self.state, "entries": self.entries, "rows": self.rows}
        held |= {"bytes": self.bytes, "content": self.content, "manifest": self.manifest, "notes": self.notes}
        return held | {"failed": {} if self.done is None else self.done.failed}

    def told(self) -> str:
        """One line for the user."""
        shape = f"{self.rows:,} rows of {self.manifest['dim']} ({self.manifest['model']}), {gigabytes(self.bytes)}"
        if self.state == "dry run":
            return f"would write {self.path}: {shape}"
        if self.state == "shard made":
            return f"wrote {self.path}, a shard; the last process to finish joins them"
        return f"{'wrote' if self.state == 'made' else 'up to date:'} {self.path}: {shape}, content {self.content[:16]}"

    def raise_for(self) -> None:
        """Raise CheckFailed when images were left out, or something else is incomplete."""
        if self.incomplete:
            raise CheckFailed(f"{self.path}: {self.incomplete}")
        if self.done is not None:
            self.done.raise_for()


def make(job: Job, target: Target, encoder: Encoder | None) -> Made:
    """Run a job, or this process's share of it; without an encoder in batches of target.batch.

    Raises UsageError for another store of that name, and as engine.run.
    """
    plan, path = plan_hash(job.manifest, job.layout), target.out
    whole: dict[str, Any] = {
        "path": path,
        "manifest": job.manifest.to_json(),
        "entries": len(job.layout),
        "rows": job.layout.rows,
        "bytes": size(job.manifest, job.layout),
    }
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected the name of a file to write")
    if target.dry_run:
        return Made(**whole, state="dry run")
    if path.exists() and (target.renew or not target.overwrite) and plan_of(path) == plan:
        found = engine.found(job, path)
        if found is not None:
            return Made(**whole, state="up to date", content=found.content, done=found)
        target.tell(f"{path}: pictures that could not be read have changed; they are tried again")
        reopen(path)
    _refuse(path, job, target.overwrite)
    if target.labels is not None:
        write_labels(target.labels, path.parent)
    target.tell(f"{path}: {len(job.layout):,} entries, {job.layout.rows:,} rows, {gigabytes(whole['bytes'])}")
    place = launch.place()
    if place.ranks > 1:
        return _make_shard(job, target, encoder, place, whole)
    done = _run(job, path, target, encoder)
    return Made(**whole, state="made", content=done.content, done=done)


def _refuse(path: Path, job: Job, overwrite: bool) -> None:
    """Raise UsageError for a name that no store has, or one that is taken and may not be replaced."""
    require_suffix(path)
    if not path.exists():
        return
    if not is_store(path):
        raise UsageError(f"{path} exists and is no feature store; name another file with -o")
    if not overwrite:
        told = unlike(head(path).manifest, job.manifest) or ["it is of other images or boxes"]
        raise UsageError(f"{path} exists and was made otherwise: {'; '.join(told)}; --overwrite replaces it")


def _make_shard(job: Job, target: Target, encoder: Encoder | None, place: launch.Place, whole: dict[str, Any]) -> Made:
    mine = shards.shard_paths(target.out, place.ranks)[place.rank]
    parts = [shards.Slice(job, *shards.share(job.inputs, rank, place.ranks)) for rank in range(place.ranks)]
    plans = [plan_hash(part.manifest, part.layout) for part in parts]
    same = not target.overwrite and plan_of(mine) == plans[place.rank]
    done = engine.found(parts[place.rank], mine) if same else None
    if done is None:
        if same:
            reopen(mine)
        mine.unlink(missing_ok=True)  # so that nobody joins it while it is made again
        done = _run(parts[place.rank], mine, target, encoder)
    content = shards.join(target.out, plans)
    if content is None:
        return Made(**whole | {"path": mine}, state="shard made", done=done)
    return Made(**whole, state="made", content=content, done=done)


def _run(job: Job, path: Path, target: Target, encoder: Encoder | None) -> engine.Done:
    if target.overwrite:
        discard(path)
    elif plan_of(partial_path(path)) == plan_hash(job.manifest, job.layout):
        target.tell(f"{partial_path(path)}: going on where an earlier run stopped")
    batch = target.batch or (1 if encoder is None else encoder.best_batch())
    about_run = {"batch": batch, "device": str(getattr(encoder, "device", "cpu"))}
    pace = engine.Pace(batch, target.workers or default_workers(), target.strict)
    return engine.run(job, path, pace, about_run)


def batch_size(text: str) -> int | None:
    """What --batch-size says, None for auto. Raises UsageError for anything but a number above 0."""
    if text == "auto":
        return None
    if not text.isdecimal() or not int(text):
        raise UsageError(f"--batch-size is {text!r}, expected a number above 0, or auto")
    return int(text)


def default_workers() -> int:
    """Loading threads for this process: its share of the machine's cores, at most 16."""
    return max(1, min(16, (os.cpu_count() or 1) // max(1, launch.place().local_ranks)))
