"""hoitool compare: whether one system is better than another, or the difference is noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import PROTOCOLS, RUNS, SETTINGS, SHOWN_SPLITS, SUBSETS, variants


def compare(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...",
            help="Two or more runs, files of predictions in any format, result.json files or folders with one; the "
            "others are compared with the first.",
            autocompletion=RUNS,
        ),
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Annotations; default: those that a result names, or the file in data/.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="What to score by; default: by what the predictions hold.", autocompletion=PROTOCOLS),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the protocol; default: the official one.", autocompletion=variants)
    ] = None,
    setting: Annotated[str, typer.Option(help="default, known-object, ..., or all.", autocompletion=SETTINGS)] = "all",
    split: Annotated[
        str,
        typer.Option(
            help="Classes to compare: full, rare, ..., all; a split (`hoitool split list`); zero-shot: all.",
            autocompletion=SHOWN_SPLITS,
        ),
    ] = "all",
    subset: Annotated[
        str | None, typer.Option(help="Images of the truth: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    resamples: Annotated[int, typer.Option(help="How many resamples, and as many permutations.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the draws.")] = 0,
    level: Annotated[float, typer.Option(help="What an interval holds, and how sure a verdict is.")] = 0.95,
    top: Annotated[int, typer.Option(min=0, help="How many classes that rose and fell most to show.")] = 5,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Write comparison.json, classes.csv, tables and plots."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare systems on the same images: differences with intervals, tests, and the classes that moved."""
    from hoitool.diagnose.bootstrap import Sampling
    from hoitool.report.compared import comparison_report
    from hoitool.report.comparing import compare_paths, save
    from hoitool.report.document.sources import Wanted

    wanted = Wanted(truth, protocol, variant, subset, split)
    found, remarks = compare_paths(paths, wanted, setting, Sampling(resamples, seed, level))
    for remark in remarks:
        say(remark)
    if as_json:
        show_json(found.to_json())
    else:
        show(comparison_report(found, top))
    for path in save(found, out) if out is not None else ():
        say(f"wrote {path}")
