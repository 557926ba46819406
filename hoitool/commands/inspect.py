"""hoitool inspect: what any hoitool file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hoitool.commands.console import Json, show, show_json


def inspect(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A dataset, predictions, result, feature store or label space.")
    ],
    as_json: Json = False,
) -> None:
    """Show what a hoitool file holds."""
    from hoitool.eval import Result
    from hoitool.report.inspect import describe
    from hoitool.report.terminal import facts, result_report

    held = describe(path)
    if isinstance(held, Result):
        show_json(held.to_json()) if as_json else show(result_report(held))
    elif as_json:
        show_json(held)
    else:
        _show(str(path), held, facts)


def _show(title: str, held: dict[str, Any], facts: Any) -> None:
    plain = {key: value for key, value in held.items() if not isinstance(value, dict)}
    show(facts(title, plain))
    for key, value in held.items():
        if isinstance(value, dict) and value:
            show(facts(key, value))
