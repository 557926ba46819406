"""hoitool doctor: what is installed and found, and what is missing for which command."""

from __future__ import annotations

from typing import Annotated

import typer

from hoitool.commands.console import Json, show, show_json
from hoitool.commands.names import commands


def doctor(
    context: typer.Context,
    command: Annotated[
        str | None,
        typer.Option("--for", metavar="COMMAND", help="Exit code 4 when it lacks something.", autocompletion=commands),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at the installation: packages, GPUs, weights, shell completion, what is missing for which command."""
    from hoitool.report.doctor import examine, require_ready
    from hoitool.report.terminal import facts, grid

    found = examine(list(commands(context)))
    ready = None if command is None else require_ready(found, command)
    if as_json:
        show_json(found.to_json())
        return
    if ready is not None:
        show(ready)
        return
    show(facts("This machine", found.told()))
    show(grid("Packages", ["what", "here", "lacking"], found.installed()))
    show(grid("This folder, and the caches", ["where", "what"], found.found()))
    show(grid("Commands", ["command", "state", "without arguments, here"], found.states()))
