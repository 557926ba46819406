"""hoitool eval: the score of predictions under a named protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import ALL_PROTOCOLS, FORMATS, SETTINGS, SHOWN_SPLITS, SUBSETS, variants
from hoitool.errors import UsageError

if TYPE_CHECKING:
    from hoitool.diagnose.bootstrap import Sampling


def evaluate(
    predictions: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Predictions in any format; default: the newest run in runs/. Or stores of images and captions."
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Annotations, or cxc's ratings; default: the matching file in data/.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="What to score by, see `hoitool explain`; default: by what the predictions hold.",
            autocompletion=ALL_PROTOCOLS,
        ),
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="Variant of the protocol; default: the official one.", autocompletion=variants)
    ] = None,
    setting: Annotated[str, typer.Option(help="default, known-object, ..., or all.", autocompletion=SETTINGS)] = "all",
    split: Annotated[
        str,
        typer.Option(
            help="Classes to show: full, rare, few@1, ..., all; a split (`hoitool split list`); zero-shot: all.",
            autocompletion=SHOWN_SPLITS,
        ),
    ] = "all",
    counts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Training data to count rare classes in, or (sgg) to know unseen triplets; default: the full set.",
        ),
    ] = None,
    subset: Annotated[
        str | None, typer.Option(help="Images of the truth: train, test, ...", autocompletion=SUBSETS)
    ] = None,
    source_format: Annotated[
        str | None,
        typer.Option("--from", help="Format of the predictions; default: recognised.", autocompletion=FORMATS),
    ] = None,
    per_class: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the figures of every class (.csv or .parquet).")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Write result.json, per-class.csv, table.md and table.tex."),
    ] = None,
    ci: Annotated[bool, typer.Option("--ci", help="Confidence intervals, by drawing the images again.")] = False,
    resamples: Annotated[int | None, typer.Option(help="With --ci: how often; default: 1000.")] = None,
    seed: Annotated[int | None, typer.Option(help="With --ci: the seed of the draws; default: 0.")] = None,
    level: Annotated[float | None, typer.Option(help="With --ci: what an interval holds; default: 0.95.")] = None,
    as_json: Json = False,
) -> None:
    """Score predictions exactly as a published protocol does."""
    from hoitool.progress import working
    from hoitool.report.per_class import check_suffix, write_per_class
    from hoitool.report.save import save
    from hoitool.report.scoring import keep, score_paths
    from hoitool.report.terminal import result_report

    if per_class is not None:
        check_suffix(per_class)
    sampling = _sampling(ci, resamples=resamples, seed=seed, level=level)
    with working("scoring"):
        scored = score_paths(
            predictions or (), truth, protocol, variant, subset, source_format, split, counts, sampling
        )
    for line in scored.notes:
        say(line)
    shown = scored.result.select(setting, scored.shown)
    if per_class is not None:
        write_per_class(scored.result, per_class)
    if out is not None:
        save(scored.result, out, scored.name)
    if as_json:
        show_json(shown.to_json())
        for note in shown.notes:
            say(f"note: {note}")
    else:
        show(result_report(shown))
    if out is None and (remark := keep(scored)):
        say(f"note: {remark}")


def _sampling(ci: bool, **chosen: Any) -> Sampling | None:
    """How intervals are made, None where none are asked for. Raises UsageError for choices without --ci."""
    given = {name: value for name, value in chosen.items() if value is not None}
    if not ci:
        if given:
            raise UsageError(f"--{next(iter(given))} is of confidence intervals: ask for them with --ci")
        return None
    from hoitool.diagnose.bootstrap import Sampling

    return Sampling(**given)
