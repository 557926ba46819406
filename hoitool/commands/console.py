"""Results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import math
import sys
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
WIDE = 10_000  # columns where stdout is no terminal: lines are for programs, not to be wrapped


def show(renderable: Any) -> None:
    """Print a report on stdout."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    console = Console(width=width, highlight=False, markup=False, emoji=False)  # names of files are no markup
    console.print(renderable, soft_wrap=isinstance(renderable, str))


def show_json(value: Any) -> None:
    """Print JSON on stdout: a value, or text that is JSON already."""
    text = value if isinstance(value, str) else json.dumps(_finite(value), indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def _finite(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def say(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(f"{text}\n")
