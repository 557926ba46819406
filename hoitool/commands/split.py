"""hoitool split: seen and unseen classes, training filters, parts of training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.names import FORMATS, SPLITS, SUBSETS

if TYPE_CHECKING:
    from hoitool.report.splitting import Checked

SHOWN = 20  # findings on a terminal
app = typer.Typer(help="Named splits: list and show them, filter training data by one, check data against one.")
Name = Annotated[
    str,
    typer.Argument(help="A split's name (see `hoitool split list`), or the JSON file of one.", autocompletion=SPLITS),
]
Data = Annotated[Path, typer.Argument(metavar="DATASET", help="Training data in any format.")]
Seed = Annotated[int, typer.Option(min=0, help="For what is drawn: percentages and k-shot.")]
Images = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Take the images of this list (text or JSON) in place of a draw.")
]
Subset = Annotated[
    str | None, typer.Option(help="Images of DATASET; default: train, where it holds several.", autocompletion=SUBSETS)
]
Format = Annotated[
    str | None, typer.Option("--from", help="Format of DATASET; default: recognised.", autocompletion=FORMATS)
]


@app.command("list")
def listing(as_json: Json = False) -> None:
    """List the named splits: classes, training filter, hash."""
    from hoitool.report.splitting import listed
    from hoitool.report.terminal import grid

    rows = listed()
    if as_json:
        show_json(rows)
        return
    cells = [
        [row["name"], _classes(row["classes"]), row["filter"] or "-", row["hash"][:12], row["title"]] for row in rows
    ]
    show(grid("Splits", ["name", "classes", "filter", "hash", "what"], cells))
    say("any percentage (7.5%) and any k-shot is taken, and `listed` with --images FILE; hashes of draws: with seed 0")


def _classes(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "-"


@app.command("show")
def show_split(
    name: Name,
    seed: Seed = 0,
    counts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Training data to count rare classes in; default: the full set.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a split: its classes by name, what is left to learn from, its filter and source."""
    from hoitool.report.splitting import shown
    from hoitool.report.terminal import facts, grid

    held = shown(name, seed, counts)
    if as_json:
        show_json(held)
        return
    plain: dict[str, Any] = {key: held[key] for key in ("name", "version", "hash", "title", "source") if held[key]}
    plain["label space"] = (
        "-" if held["labels"] is None else f"{held['labels']['name']} ({held['labels']['hash'][:12]})"
    )
    if held["filter"] is not None:
        plain["filter"] = f"{held['filter']}: {held['filter_means']}"
    if held["draw"] is not None:
        plain["draw"] = {key: value for key, value in held["draw"].items() if value or key == "seed"}
    if held["images"] is not None:
        plain["images"] = len(held["images"])
    show(facts("Split", plain))
    if held.get("facts"):
        show(facts("Facts", {key.replace("_", " "): _joined(value) for key, value in held["facts"].items()}))
    groups = held.get("names") or {group: map(str, classes) for group, classes in held["groups"].items()}
    rows = [[group, str(len(held["groups"][group])), ", ".join(members)] for group, members in groups.items()]
    if rows:
        show(grid("Classes", ["group", "classes", "which"], rows))


def _joined(value: Any) -> Any:
    return (", ".join(value) or "none") if isinstance(value, list) else value


@app.command("apply")
def apply_split(
    name: Name,
    source: Data,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where to write (.parquet).")],
    seed: Seed = 0,
    images: Images = None,
    subset: Subset = None,
    source_format: Format = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write training data as a split has them, and say what they lost."""
    from hoitool.progress import working
    from hoitool.report.splitting import Source, Target, apply
    from hoitool.report.terminal import grid

    with working(f"applying {name}"):
        made = apply(name, Source(source, source_format, subset), Target(out, overwrite), seed, images)
    for note in made["notes"]:
        say(f"note: {note}")
    if as_json:
        show_json(made)
        return
    split, kinds = made["split"], ("images", "boxes", "pairs")
    rows = [["before", *(f"{made['of'][k]:,}" for k in kinds)], ["after", *(f"{made['written'][k]:,}" for k in kinds)]]
    show(grid(f"{split['name']} ({split['hash'][:12]})", ["", *kinds], rows))
    told = ", ".join(f"{count:,} {what}" for what, count in made["dropped"].items() if count)
    show(f"dropped {told or 'nothing'}")
    show(f"wrote {out}")


@app.command("check")
def check_split(
    name: Name,
    source: Data,
    features: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A feature file (HDF5) that must be of these data.")
    ] = None,
    of: Annotated[
        Path | None, typer.Option("--of", metavar="FILE", help="The training data before the split: compare exactly.")
    ] = None,
    images: Images = None,
    seed: Seed = 0,
    subset: Subset = None,
    source_format: Format = None,
    as_json: Json = False,
) -> None:
    """Prove that nothing unseen is left in training data, and that a feature file was not made from it."""
    from hoitool.progress import working
    from hoitool.report.splitting import Source, check

    with working(f"checking {source}"):
        made = check(name, Source(source, source_format, subset), features, of, images, seed)
    for note in made.notes:
        say(f"note: {note}")
    if as_json:
        show_json(made.summary())
    else:
        _show(made)
    made.raise_for()


def _show(made: Checked) -> None:
    for finding in made.findings[:SHOWN]:
        show(str(finding))
    if len(made.findings) > SHOWN:
        show(f"... and {len(made.findings) - SHOWN:,} more (all of them with --json)")
    if not made.findings:
        show(f"{made.data}: nothing that {made.split.name} ({made.split.hash[:12]}) takes away is left")
    for finding in made.feature_findings:
        show(f"{made.features}: {finding}")
    if made.proof:
        show(f"{made.features}: {made.proof}")
