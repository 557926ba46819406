"""The whole way of a system on synthetic scenes: a workspace with raw data, ready for the bare commands.

raw/           annotations in the official layouts, and pictures
recipe.yaml    what bare `hoitool train` trains there
A system's module has `make(folder, seed)`, which fills a folder and says what it wrote, and COMMANDS, the bare commands
that are run there in their order.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hoitool.errors import EXTRAS, UsageError
from hoitool.lookup import Lookup

DEFAULT = "defr"
SYSTEMS = Lookup(
    "system to demonstrate",
    {
        "defr": "hoitool.demo.recognising",
        "vse": "hoitool.demo.matching",
        "vild": "hoitool.demo.detecting",
    },
)


def make_workspace(folder: Path, seed: int = 0, system: str = DEFAULT) -> list[Path]:
    """Fill an empty folder for a system and say what was written.

    Raises UsageError when the folder holds something already, and for an unknown system.
    """
    module: Any = SYSTEMS[system]
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name another folder, or remove it first")
    written: list[Path] = module.make(folder, seed)
    return written


def has(extra: str) -> bool:
    """Whether all packages of an extra are installed."""
    return all(find_spec(module) is not None for module, brings in EXTRAS.items() if brings == extra)
