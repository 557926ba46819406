"""Results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
WIDE = 10_000  # columns where stdout is no terminal: lines are for programs, not to be wrapped


def show(renderable: Any) -> None:
    """Print a report on stdout."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)
    console.print(renderable)


def show_json(value: Any) -> None:
    """Print JSON on stdout: a value, or text that is JSON already."""
    text = value if isinstance(value, str) else json.dumps(value, indent=2)
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(f"{text}\n")
