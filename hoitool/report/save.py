"""A result as a folder of files."""

from __future__ import annotations

from pathlib import Path

from hoitool.eval import Result
from hoitool.files import write_text
from hoitool.report.per_class import write_per_class
from hoitool.report.tables import latex, markdown


def save(result: Result, folder: Path, name: str) -> list[Path]:
    """Write result.json, per-class.csv, table.md and table.tex; `name` is what the method is called in the tables."""
    files = [folder / n for n in ("result.json", "per-class.csv", "table.md", "table.tex")]
    write_text(files[0], result.to_json() + "\n")
    write_per_class(result, files[1])
    write_text(files[2], markdown(result, name))
    write_text(files[3], latex(result, name))
    return files
