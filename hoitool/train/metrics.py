"""Metrics as JSON lines: each line says its step and its fractional epoch, and losses or figures of an evaluation."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

from hoitool.errors import DataError
from hoitool.files import write_text, writing

FILE = "metrics.jsonl"


def add(path: Path, line: dict[str, Any]) -> None:
    """Append a line at once; what is no finite number becomes null."""
    with writing(path), path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(_plain(line), allow_nan=False) + "\n")


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a file up to one that a killed process left unfinished; none where there is no file."""
    if not path.exists():
        return []
    found: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            raise DataError(f"{path}, line {len(found) + 1}: expected an object with a step, came {text:.60}")
        found.append(line)
    return found


def figures(path: Path) -> dict[str, float]:
    """The figures of the last evaluation in a file; none where there is none."""
    found = [line["evaluation"] for line in lines(path) if "evaluation" in line]
    return {name: math.nan if value is None else value for name, value in found[-1].items()} if found else {}


def cut(path: Path, step: int) -> None:
    """Leave out what was written after a step, by a process that was killed later than its last checkpoint."""
    kept = [line for line in lines(path) if line["step"] <= step]
    if path.exists():
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


class Clock:
    """Samples a second since the last time it was asked."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Begin a new stretch."""
        self._samples, self._since = 0, time.perf_counter()

    def add(self, samples: int) -> None:
        """Count samples."""
        self._samples += samples

    def rate(self) -> float:
        """Samples a second of this stretch; the next one begins."""
        made = self._samples / max(time.perf_counter() - self._since, 1e-9)
        self.start()
        return made


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(held) for name, held in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
