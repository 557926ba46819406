"""The page of a format: what its files are, what becomes what, what is lost, and a minimal example.

>>> print(page("csv"))
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from hoitool.convert import PREDICTION_FORMATS, format_named

# formats that are told of on the page of another one
SHARED = {"hico-matlab-alphabetical": "hico-matlab", "hico-matlab-all": "hico-matlab"}
SHARED |= {"pseudo-relations": "visual-genome"}


def explained(name: str) -> dict[str, Any]:
    """The name of a format, its summary, what it holds, and its page. Raises UsageError for an unknown one."""
    return {"name": name, "summary": format_named(name).SUMMARY, "holds": kind(name), "page": page(name)}


def kind(name: str) -> str:
    """What a format holds: annotations, predictions or both."""
    format_named(name)
    if name == "hoitool":
        return "both"
    return "predictions" if name in PREDICTION_FORMATS else "annotations"


def page(name: str) -> str:
    """The page of a format, in Markdown. Raises UsageError, with the nearest names, for an unknown one."""
    format_named(name)
    file = files("hoitool.convert") / "pages" / f"{SHARED.get(name, name)}.md"
    return file.read_text(encoding="utf-8")
