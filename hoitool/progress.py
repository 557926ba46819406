"""Progress on stderr, on a terminal only: what is being done, how far it is, how long it takes.

`working` names a stretch of work, `progress` counts items; inside each other they share one display, which is gone
when the work is done. Nothing is shown, and nothing is imported, where stderr is no terminal.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")
_display: ContextVar[Any] = ContextVar("display", default=None)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Say what is being done, with a running clock, until the block ends."""
    with _shown() as display:
        if display is None:
            yield
            return
        task = display.add_task(what, total=None)
        try:
            yield
        finally:
            display.remove_task(task)


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Generator[Item, None, None]:
    """Iterate over `items` with a bar named `what`; `total` is how many there are, by default their length."""
    with _shown() as display:
        if display is None:
            yield from items
        else:
            yield from display.track(items, description=what, total=total)


@contextlib.contextmanager
def _shown() -> Iterator[Any]:
    """The display in use, a new one where there is none, None where stderr is no terminal."""
    current = _display.get()
    if current is not None or not sys.stderr.isatty():
        yield current
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as display:
        token = _display.set(display)
        try:
            yield display
        finally:
            _display.reset(token)
