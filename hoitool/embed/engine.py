"""The way of every job: workers load, the encoder never waits, blocks reach the disk, and a killed run goes on.

Images are taken in order and in blocks, which the number of inputs alone decides; batches never cross the end of a
block. A run that goes on therefore forms the batches that an uninterrupted one forms, and its rows are equal bit for
bit. Loading runs in threads (Pillow decodes and resizes outside Python's lock), two batches are under way on the
device, and a block is written while the next one is made.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.encoder import Pending
from hoitool.embed.job import Inputs, Job, joined
from hoitool.embed.pictures import quiet
from hoitool.errors import CheckFailed, DataError, HoitoolError, UsageError
from hoitool.progress import progress
from hoitool.store import Store, Writer
from hoitool.store.layout import FAILED, MADE, TO_DO

BATCHES = 32  # batches in a block
UNDER_WAY = 2  # batches on the device
EARLIER = "could not be read earlier; --overwrite makes all again"
Loaded = dict[str, Inputs] | HoitoolError


@dataclass(frozen=True)
class Pace:
    """How to work, none of which changes the rows but the batch size, in their last bits.

    batch    inputs in a batch
    workers  threads that load images
    strict   stop at the first image that cannot be read, in place of leaving it out
    """

    batch: int = 32
    workers: int = 1
    strict: bool = False


@dataclass(frozen=True)
class Done:
    """What a run left: the store, its content hash, how many images it made now and found made, which it left out."""

    path: Path
    content: str
    made: int
    found: int
    failed: dict[str, str] = field(default_factory=dict)

    def raise_for(self) -> None:
        """Raise CheckFailed when images were left out."""
        if self.failed:
            key, reason = next(iter(self.failed.items()))
            raise CheckFailed(
                f"{self.path}: {len(self.failed):,} images could not be read; the first, {key!r}: {reason}"
            )


def run(job: Job, path: Path, pace: Pace, about: dict[str, Any] | None = None) -> Done:
    """Make the store of a job, or go on with an unfinished one; `about` (JSON-ready) is kept beside its manifest.

    Raises what Writer raises, and DataError for the first image that cannot be read where pace.strict says so.
    """
    failed: dict[str, str] = {}
    size = getattr(job, "picture_size", None)
    with (
        quiet(),
        Writer(path, job.manifest, job.layout, {"batch": pace.batch} | (about or {}), size is not None) as writer,
    ):
        writer.again(changed(job, writer.status, writer.pictures, writer.partial))
        batch = int(writer.run.get("batch", pace.batch))  # a run that goes on keeps the batches of the first
        left = writer.left
        waiting = [(a, b) for a, b in blocks(job.inputs, batch * BATCHES) if left[a:b].any()]
        found = len(left) - sum(b - a for a, b in waiting)
        with _writing() as write, closing(_made(job, waiting, batch, pace, failed)) as blocks_made:
            for first, rows in blocks_made:
                write(_put, writer, first, rows, size)
        content = writer.finish()
        unread = {str(job.layout.key[i]): i for i in np.flatnonzero(writer.status == FAILED).tolist()}
        reasons = {key: failed.get(key) or _why(job, image) for key, image in unread.items()}
    return Done(path, content, len(left) - found, found, reasons)


def _put(writer: Writer, first: int, rows: list[Array | None], size: Callable[[int], int] | None) -> None:
    """Write a block, with the sizes of its pictures."""
    writer.write(first, rows, None if size is None else [size(first + i) for i in range(len(rows))])


def changed(job: Job, status: Array, sizes: Array | None, path: Path) -> Array:
    """The images (places) that could not be read and whose files are others now.

    sizes: of the files that rows were made from. Raises UsageError when rows were made from another file than the one
    that is there: other pictures, which must not be mixed.
    """
    size = getattr(job, "picture_size", None)
    if size is None or sizes is None:
        return np.empty(0, np.int64)
    done = np.flatnonzero(status != TO_DO)
    with ThreadPoolExecutor(16) as pool:
        now = np.fromiter(pool.map(size, done.tolist()), np.int64, len(done))
    other = now != sizes[done]
    mixed = done[other & (status[done] == MADE) & (sizes[done] >= 0)]
    if len(mixed):
        key, was = job.layout.key[mixed[0]], int(sizes[mixed[0]])
        raise UsageError(
            f"{path}: was made from other pictures ({len(mixed):,} of {len(done):,} differ in size, the first {key!r}: "
            f"{was:,} bytes then, {size(int(mixed[0])):,} now); --overwrite makes it anew, -o names another file"
        )
    retried: Array = done[other & (status[done] == FAILED)]
    return retried


def found(job: Job, path: Path) -> Done | None:
    """What an earlier run of the same plan left; None where images that it could not read may be read now.

    Raises what opening a store raises, and UsageError where it was made from other pictures.
    """
    store = Store(path)
    if len(changed(job, store.status, store.pictures, path)) and not store.virtual:
        return None
    return Done(path, store.content, 0, len(store), dict.fromkeys(store.failed, EARLIER))


def blocks(inputs: Array, size: int) -> list[tuple[int, int]]:
    """Consecutive images (first, last) that have at least `size` inputs together, the last block fewer."""
    ends = np.cumsum(inputs)
    cuts = [0]
    while cuts[-1] < len(inputs):
        before = int(ends[cuts[-1] - 1]) if cuts[-1] else 0
        cuts.append(min(len(inputs), int(np.searchsorted(ends, before + size)) + 1))
    return list(pairwise(cuts))


def _made(
    job: Job, waiting: list[tuple[int, int]], batch: int, pace: Pace, failed: dict[str, str]
) -> Generator[tuple[int, list[Array | None]], None, None]:
    """(first image, rows of each image) of block after block."""
    images = [image for first, last in waiting for image in range(first, last)]
    with (
        ThreadPoolExecutor(max(1, pace.workers)) as pool,
        closing(_ahead(pool, job, images, 2 * batch, pace.workers)) as loading,
        closing(progress(loading, f"embedding {job.manifest.of}", len(images))) as shown,
    ):  # closed in this order on the way out: no bar is drawn over an error, nothing more is loaded
        yield from _blocks_of(job, waiting, _in_flight(_batches(job, waiting, shown, batch, pace.strict, failed)))


def _ahead(
    pool: ThreadPoolExecutor, job: Job, images: list[int], limit: int, workers: int
) -> Generator[Loaded, None, None]:
    """What images load as, in order, a few in advance: up to `limit` inputs or images, at least one a worker."""
    coming: deque[tuple[int, Future[Loaded]]] = deque()
    held, at = 0, iter(images)
    try:
        while True:
            while max(held, len(coming)) < limit or len(coming) <= workers:
                image = next(at, None)
                if image is None:
                    break
                held += int(job.inputs[image])
                coming.append((image, pool.submit(_load, job, image)))
            if not coming:
                return
            image, future = coming.popleft()
            held -= int(job.inputs[image])
            yield future.result()
    finally:
        for _, future in coming:
            future.cancel()


def _load(job: Job, image: int) -> Loaded:
    try:
        return job.load(image)
    except HoitoolError as error:
        return error


def _why(job: Job, image: int) -> str:
    """Why an image could not be read when an earlier run came to it."""
    again = _load(job, image)
    return str(again) if isinstance(again, HoitoolError) else EARLIER


@dataclass
class _Batch:
    """A batch under way: its lane, whose inputs it has (image, how many), and the wait for its result."""

    lane: str
    owners: list[tuple[int, int]]
    pending: Pending


@dataclass
class _End:
    """The end of a block: the images of it that could not be read."""

    unread: set[int]


def _batches(
    job: Job, waiting: list[tuple[int, int]], loaded: Iterator[Loaded], batch: int, strict: bool, failed: dict[str, str]
) -> Iterator[_Batch | _End]:
    """Batches of one block after the other, each lane on its own, and the end of each block."""
    for first, last in waiting:
        lanes = {name: _Lane(name, job, batch) for name in job.lanes}
        unread = set()
        for image in range(first, last):
            inputs = next(loaded)
            if isinstance(inputs, HoitoolError):
                if strict:
                    raise DataError(f"{inputs} (--strict; without it, the image is left out and listed)") from inputs
                unread.add(image)
                failed[str(job.layout.key[image])] = str(inputs)
                continue
            for name, piece in inputs.items():
                yield from lanes[name].add(image, piece)
        for lane in lanes.values():
            yield from lane.rest()
        yield _End(unread)


class _Lane:
    """Inputs of one lane, given out in batches."""

    def __init__(self, name: str, job: Job, size: int) -> None:
        self.name, self.call, self.size = name, job.lanes[name], size
        self._pieces: list[Inputs] = []
        self._owners: list[tuple[int, int]] = []
        self._held = 0

    def add(self, image: int, inputs: Inputs) -> Iterator[_Batch]:
        while len(inputs):
            piece = inputs[: self.size - self._held]
            inputs = inputs[len(piece) :]
            self._pieces.append(piece)
            self._owners.append((image, len(piece)))
            self._held += len(piece)
            if self._held == self.size:
                yield from self.rest()

    def rest(self) -> Iterator[_Batch]:
        if self._held:
            made = _Batch(self.name, self._owners, self.call(joined(self._pieces)))
            self._pieces, self._owners, self._held = [], [], 0
            yield made


def _in_flight(started: Iterable[_Batch | _End]) -> Iterator[_Batch | _End]:
    """The same, a few batches later: each is started before an earlier one is waited for."""
    coming: deque[_Batch | _End] = deque()
    for item in started:
        coming.append(item)
        while sum(isinstance(held, _Batch) for held in coming) > UNDER_WAY or isinstance(coming[0], _End):
            yield coming.popleft()
            if not coming:
                break
    yield from coming


def _blocks_of(
    job: Job, waiting: list[tuple[int, int]], results: Iterator[_Batch | _End]
) -> Iterator[tuple[int, list[Array | None]]]:
    """The rows of block after block."""
    for first, last in waiting:
        pieces: dict[int, dict[str, list[Array]]] = {image: {} for image in range(first, last)}
        for item in results:
            if isinstance(item, _End):
                yield first, [_rows(job, image, pieces[image], item.unread) for image in range(first, last)]
                break
            made, at = item.pending(), 0
            if len(made) != sum(count for _, count in item.owners):
                raise ValueError(
                    f"{job.manifest.model} gave {len(made)} rows for {sum(c for _, c in item.owners)} inputs"
                )
            for image, count in item.owners:
                pieces[image].setdefault(item.lane, []).append(made[at : at + count])
                at += count


def _rows(job: Job, image: int, pieces: dict[str, list[Array]], unread: set[int]) -> Array | None:
    if image in unread:
        return None
    try:
        return job.combine(image, {lane: joined(held) for lane, held in pieces.items()})
    except DataError as error:
        raise DataError(f"{job.layout.key[image]}: {error}; {job.manifest.model} gave it") from error


@contextlib.contextmanager
def _writing() -> Iterator[Any]:
    """A call that runs the one before to its end, and the new one beside what comes next."""
    with ThreadPoolExecutor(1) as pool:
        under_way: list[Future[Any]] = []

        def write(function: Any, *arguments: Any) -> None:
            if under_way:
                under_way.pop().result()
            under_way.append(pool.submit(function, *arguments))

        yield write
        for future in under_way:
            future.result()
