"""hoitool explain: every choice of a protocol, and how its variants differ."""

from __future__ import annotations

from typing import Annotated

import typer

from hoitool.commands.console import Json, show, show_json
from hoitool.commands.names import ALL_PROTOCOLS


def explain(
    protocol: Annotated[
        str | None, typer.Argument(help="A protocol; default: list them.", autocompletion=ALL_PROTOCOLS)
    ] = None,
    as_json: Json = False,
) -> None:
    """Print each field of a protocol's rule and how its variants differ."""
    from hoitool.eval import PROTOCOLS, SEARCHES, explained, protocol_named
    from hoitool.report.terminal import grid

    if protocol is None:
        rows = [[name, protocol_named(name).__doc__.strip().splitlines()[0]] for name in (*PROTOCOLS, *SEARCHES)]
        if as_json:
            show_json([dict(zip(("name", "summary"), row, strict=True)) for row in rows])
        else:
            show(grid("Protocols", ["name", "what"], rows))
        return
    told = explained(protocol)
    if as_json:
        show_json(told)
        return
    show(told["summary"])
    first = told["variants"][0]["name"]
    show(
        grid(
            "Rule",
            ["field", first, "meaning"],
            [[f["name"], f["value"], f["meaning"]] for f in told["fields"]],
        )
    )
    rows = [[v["name"], v["reproduces"], _differences(v["differs"])] for v in told["variants"]]
    show(grid("Variants", ["variant", "reproduces", f"differs from {first} in"], rows))


def _differences(differs: dict[str, str]) -> str:
    return "\n".join(f"{name} = {value}" for name, value in differs.items()) or "-"
