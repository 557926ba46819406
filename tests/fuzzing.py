"""Fuzzing: a valid file, broken in a drawn way, read by the command line, and what is wrong with how that ended.

Whatever the file holds, a command ends with an exit code that means something and, where that is not 0, with one line
that names the file and says what is wrong with it; nothing lies below out/ unless it ended well.
"""

from __future__ import annotations

import contextlib
import io
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from unittest.mock import patch

import typer
from broken import FOREIGN, broken_content
from fuzz_targets import OUT, Line, Target

from hoitool import cli

COMMANDS = typer.main.get_command(cli.app)  # made once: it takes longer than most files
PARTS = 64  # a file is cut after each of so many parts
LONGEST = 1000  # letters of the line of an error
SEEN = {"a.png", "b.jpg"}  # pictures of which a model with absurd weights says what is no number
ENDS = 4096  # bytes at either end of a file, where its structure lies


@dataclass(frozen=True)
class Made:
    """A target's valid files in a folder, as they were written."""

    target: Target
    folder: Path
    whole: dict[Path, bytes]

    @classmethod
    def of(cls, target: Target, folder: Path) -> Made:
        """Write them."""
        return cls(target, folder, {path: path.read_bytes() for path in target.make(folder)})

    @cached_property
    def changed(self) -> dict[Path, list[tuple[str, bytes]]]:
        """Each file with its fields of other types, missing, out of range (tests/broken.py)."""
        return {path: list(broken_content(path)) for path in self.whole}

    def cuts(self) -> Iterator[tuple[Path, str, bytes]]:
        """Each file after every 64th part of it."""
        for path, whole in self.whole.items():
            for part in range(PARTS):
                yield path, f"cut after {part}/{PARTS}", whole[: len(whole) * part // PARTS]

    def drawn(self, rng: random.Random, fields: bool = True) -> tuple[Path, str, bytes]:
        """One of the files, broken in one way or another; half of the time in its fields, where they are wanted."""
        path = rng.choice([*self.whole])
        ways = [_cut, _flipped, _flipped, _spliced, _foreign]
        if fields and rng.random() < 0.5 and self.changed[path]:
            return path, *rng.choice(self.changed[path])
        return path, *rng.choice(ways)(self.whole[path], rng)

    def judged(self, path: Path, content: bytes, line: Line) -> str:
        """What is wrong with how a line ended that read such content of a file; nothing where all was well."""
        shutil.rmtree(self.folder / OUT, ignore_errors=True)
        path.write_bytes(content)
        try:
            ended = run(line, self.folder)
        finally:
            self._restore()
        left = [str(p.relative_to(self.folder)) for p in (self.folder / OUT).rglob("*") if p.is_file()]
        left = [name for name in left if not name.endswith(".partial")]  # of a job that goes on when it is run again
        names = {path.name, path.stem, *path.relative_to(self.folder).parent.parts, *line[1:3]}
        return wrong(*ended, names | SEEN, left)

    def _restore(self) -> None:
        """Put back what was broken, and what a job that goes on has changed."""
        for path, whole in self.whole.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_bytes() != whole:
                path.write_bytes(whole)


def run(line: Line, folder: Path) -> tuple[int, str, str]:
    """The exit code of a command line in this process, its stdout and its stderr; a warning counts as an error."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    try:
        with (
            contextlib.chdir(folder),
            patch.object(cli, "app", COMMANDS),
            streams[0],
            streams[1],
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("error")
            cli.main(list(line))
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1 if stop.code else 0
    return code, out.getvalue(), err.getvalue()


def wrong(code: int, out: str, err: str, names: set[str], left: list[str]) -> str:
    """What is wrong with how a command ended."""
    lines = [text for text in err.splitlines() if text.startswith("hoitool: ")]
    if "Traceback" in err + out:
        return f"a traceback: {err[-300:]}"
    if "internal error" in err or "not enough memory" in err:
        return lines[0] if lines else err[-300:]
    if code not in (0, 1, 2, 3, 4):
        return f"exit code {code}: {err[-300:]}"
    if code == 0:
        return ""
    if len(lines) != 1 or len(lines[0]) > LONGEST:
        return f"not one line: {err[-300:]!r}"
    if not any(name in lines[0] for name in names) and code != 3:
        return f"does not name the file: {lines[0]}"
    if left and code != 3:
        return f"left {', '.join(left)} after: {lines[0]}"
    return ""


def _cut(whole: bytes, rng: random.Random) -> tuple[str, bytes]:
    at = rng.randrange(len(whole) + 1)
    return f"cut after {at} bytes", whole[:at]


def _flipped(whole: bytes, rng: random.Random) -> tuple[str, bytes]:
    made = bytearray(whole)
    places = sorted(_place(len(whole), rng) for _ in range(rng.choice((1, 1, 2, 8, 32))))
    for at in places:
        made[at] = rng.choice((made[at] ^ (1 << rng.randrange(8)), 0, 255, rng.randrange(256)))
    return f"bytes {places} changed", bytes(made)


def _place(length: int, rng: random.Random) -> int:
    """A place in a file: half of the time near one of its ends."""
    if rng.random() < 0.5 or length <= ENDS:
        return rng.randrange(length)
    return rng.choice((rng.randrange(ENDS), length - 1 - rng.randrange(ENDS)))


def _spliced(whole: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A piece of it left out, repeated, put elsewhere or replaced by any bytes."""
    start, put = rng.randrange(len(whole)), rng.randrange(len(whole))
    piece = whole[start : start + rng.choice((1, 4, 16, 256, 4096))]
    how: dict[str, Callable[[], bytes]] = {
        "left out": lambda: whole[:start] + whole[start + len(piece) :],
        "repeated": lambda: whole[:start] + piece * rng.choice((2, 100)) + whole[start + len(piece) :],
        "put elsewhere": lambda: whole[:put] + piece + whole[put:],
        "replaced": lambda: whole[:start] + rng.randbytes(len(piece)) + whole[start + len(piece) :],
    }
    what = rng.choice([*how])
    return f"{len(piece)} bytes at {start} {what}", how[what]()


def _foreign(whole: bytes, rng: random.Random) -> tuple[str, bytes]:
    what = rng.choice([*FOREIGN])
    return f"{what} in its place", FOREIGN[what]
