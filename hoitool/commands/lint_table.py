"""hoitool lint-table: whether the figures of a published table can belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, show, show_json
from hoitool.commands.names import SPLITS


def lint_table(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="Tables in a .csv, .tsv, .md or .tex file.")],
    split: Annotated[
        str | None,
        typer.Option(
            help="Split of rows that name none: hico-det, rf-uc, ... or a JSON file; default: hico-det for Rare and "
            "Non-Rare, any named one for Unseen and Seen.",
            autocompletion=SPLITS,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check Full, Rare and Non-Rare (or Unseen, Seen, HM) of published tables; exit code 3 when a row cannot be."""
    from hoitool.report.linting import lint, linted_report

    linted = lint(table, split)
    if as_json:
        show_json(linted.to_json())
    else:
        show(linted_report(linted))
    linted.raise_for()
