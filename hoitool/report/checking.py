"""A check from files to a report: read the data, check them, and write what was found and a mended copy."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hoitool.convert import FORMATS
from hoitool.convert.inputs import read_parts
from hoitool.data import Dataset, is_ours
from hoitool.data.quality import Report, Rules, check, fix, look_at_files
from hoitool.errors import CheckFailed, UsageError
from hoitool.files import atomic, refuse_overwrite, sha256


@dataclass(frozen=True)
class Fixed:
    """A mended copy: its files, how many findings of which kind were mended, and what is found in it."""

    written: list[Path]
    changes: dict[str, int]
    report: Report


@dataclass(frozen=True)
class Checked:
    """What was found in the parts of a file, what its reader remarked, and the mended copy where one was written."""

    path: Path
    parts: Sequence[Dataset]
    report: Report
    notes: list[str] = field(default_factory=list)
    fixed: Fixed | None = None

    def summary(self, strict: bool = False) -> dict[str, Any]:
        """JSON-ready values, all findings included."""
        made: dict[str, Any] = {
            "dataset": str(self.path),
            "parts": [
                {"kind": part.kind, "dataset": part.meta.dataset, "subset": part.meta.subset}
                | {"images": len(part), "boxes": len(part.boxes), "pairs": len(part.subject)}
                for part in self.parts
            ],
            "failed": self.failure(strict) is not None,
            "summary": self.report.summary(),
            "findings": list(self.report.records()),
            "notes": [*self.notes, *self.report.notes],
        }
        if self.fixed is not None:
            written = [str(path) for path in self.fixed.written]
            left = self.fixed.report.summary()
            made["fixed"] = {"written": written, "changes": self.fixed.changes, "left": left}
        return made

    def failure(self, strict: bool = False) -> CheckFailed | None:
        """What is wrong: errors, and warnings where they count too, in the mended copy where there is one."""
        path, report = (self.path, self.report) if self.fixed is None else (self.fixed.written[0], self.fixed.report)
        counts = report.by_kind("error", "warning") if strict else report.by_kind("error")
        if not counts:
            return None
        told = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        where = f"{path}" if self.fixed is None else f"{path}, after mending"
        return CheckFailed(f"{where}: {told}")


def check_path(
    path: Path,
    format: str | None = None,
    truth: Path | None = None,
    subset: str | None = None,
    images: Path | None = None,
    rules: Rules | None = None,
    mend: Path | None = None,
    overwrite: bool = False,
) -> Checked:
    """Check a file in any format; write a mended copy to `mend`, in hoitool's own.

    Raises UsageError where the copy would replace a file or go into the data themselves, and what `read`, `check` and
    `fix` raise.
    """
    parts, notes = read_parts(path, format, truth, subset)
    if mend is not None:
        _require_elsewhere(path, parts, mend, overwrite)
    files = look_at_files(parts, images) if images is not None else None
    rules = rules or Rules()
    checked = Checked(path, parts, check(parts, files, rules), notes)
    if mend is None:
        return checked
    mended, changes = fix(parts, files, rules.tolerance)
    made = [_traced(part, path) for part in mended]
    written: list[Path] = FORMATS["hoitool"].write(made, mend, overwrite)
    return replace(checked, fixed=Fixed(written, changes, check(made, files, rules)))


def _require_elsewhere(path: Path, parts: Sequence[Dataset], out: Path, overwrite: bool) -> None:
    source = path.resolve()
    for target in FORMATS["hoitool"].targets(parts, out):
        if source in (target.resolve(), *target.resolve().parents):
            raise UsageError(f"{target}: the data are never changed in place; name another file or folder")
        refuse_overwrite(target, overwrite)


def _traced(data: Dataset, path: Path) -> Dataset:
    """The data with the hash of the file that they came from, where they name none."""
    if data.meta.sources:
        return data
    return data.with_columns(replace(data.meta, sources={path.name: sha256(path)}))


FIELDS = ("kind", "severity", "subset", "image", "row", "text")


def check_suffix(path: Path, overwrite: bool) -> None:
    """Raise UsageError where findings cannot be written to a path, or would replace a file there."""
    if path.suffix not in WRITERS:
        raise UsageError(f"{path}: findings are written as {', '.join(WRITERS)}")
    if is_ours(path):
        raise UsageError(f"{path}: holds a dataset or predictions, which findings do not replace")
    refuse_overwrite(path, overwrite)


def write_findings(checked: Checked, path: Path, strict: bool = False) -> None:
    """Write all findings; the suffix says how: a table (.csv), a line each (.jsonl), or the whole report (.json)."""
    with atomic(path) as temporary:
        WRITERS[path.suffix](checked, temporary, strict)


def _csv(checked: Checked, path: Path, strict: bool) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(checked.report.records())


def _jsonl(checked: Checked, path: Path, strict: bool) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(record) + "\n" for record in checked.report.records())


def _json(checked: Checked, path: Path, strict: bool) -> None:
    path.write_text(json.dumps(checked.summary(strict), indent=1) + "\n", encoding="utf-8")


WRITERS = {".csv": _csv, ".json": _json, ".jsonl": _jsonl}
