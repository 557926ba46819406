"""hoitool embed: embeddings of labels, regions, images, captions and verbs, written once into feature stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hoitool.commands.console import Json, say, show, show_json
from hoitool.commands.embedding import (
    Choice,
    Data,
    Fit,
    Loading,
    Storing,
    encoder_of,
    left_out,
    make_store,
    report,
    scenes_of,
)
from hoitool.commands.names import LABELS, PROMPTS, SPLITS, VERB_FORMULAS, of_these
from hoitool.commands.options import expanded
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name

DEFAULT = "labels"


class Group(TyperGroup):
    """A group whose command may be left out: `hoitool embed --model clip` embeds labels."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before options that are not the group's own."""
        own = {spelling for parameter in self.get_params(ctx) for spelling in parameter.opts}
        if not args or (args[0].startswith("-") and args[0] not in own):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=Group, help="Embed labels (the default job), regions, images, captions and verbs into feature stores (HDF5)."
)


def labels(
    choice: Choice,
    storing: Storing,
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="[LABELS]",
            help="hico, v-coco, a label space's JSON, a dataset, or a .txt of lines; default: the labels of data/.",
            autocompletion=LABELS,
        ),
    ] = None,
    what: Annotated[
        str,
        typer.Option(
            help="interactions, verbs, objects, objects+nothing, actions or agents+roles.",
            autocompletion=of_these("interactions", "verbs", "objects", "objects+nothing", "actions", "agents+roles"),
        ),
    ] = "interactions",
    prompts: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|YAML", help="Prompt set; several times: side by side. Default: photo.", autocompletion=PROMPTS
        ),
    ] = None,
    expand: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also with each attribute of this text file: a red bicycle.")
    ] = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            help="Of a text's tokens: cls, mean, pooler; default: the model's.",
            autocompletion=of_these("cls", "mean", "pooler"),
        ),
    ] = (None),
    space: Annotated[
        str,
        typer.Option(
            help="joint, or pre-projection: before CLIP's visual projection, as DEFR needs.",
            autocompletion=of_these("joint", "pre-projection"),
        ),
    ] = "joint",
) -> None:
    """Embed labels, or lines of a file, in the wordings of prompt sets."""
    from hoitool.embed.words import Stored, job_of
    from hoitool.report import embedding_of as of

    found = of.words(source, what, prompts or (), expand)
    if storing.out is not None and len(found) > 1:
        raise UsageError(
            f"-o names one file for {len(found)} label spaces ({', '.join(w.name for w in found)}): name one"
        )
    encoder = encoder_of("text", choice, pooling=pooling, space=space)
    if source is None and choice.model:
        say(f"took the labels of data/: {', '.join(each.name for each in found)} (name others as the first argument)")
    stored = Stored(storing.dtype or "float32", not storing.raw)
    made = [make_store(job_of(each, encoder, stored), encoder, choice, storing, Loading(), each) for each in found]
    report(made, storing.as_json)


def regions(
    choice: Choice,
    storing: Storing,
    loading: Loading,
    source: Data = None,
    boxes: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Boxes of another file: predictions, a dataset, or a COCO result JSON."),
    ] = None,
    pairs: Annotated[bool, typer.Option("--pairs", help="Also the union of each pair of boxes.")] = False,
    masked: Annotated[
        bool, typer.Option("--masked", help="Also the union with everything outside of the pair in one colour.")
    ] = False,
    context: Annotated[
        list[float] | None,
        typer.Option(help="Add the embedding of a larger crop to that of the box: 1.5 as in ViLD."),
    ] = None,
    pool: Annotated[
        str,
        typer.Option(
            help="crop (encode each box) or roi-align (pool one map an image).",
            autocompletion=of_these("crop", "roi-align"),
        ),
    ] = "crop",
    fit: Fit = None,
    min_side: Annotated[int, typer.Option(min=1, help="Least side of a crop, in pixels.")] = 1,
) -> None:
    """Embed each box of a dataset, and the unions of its pairs."""
    from hoitool.embed.crops import CropRule
    from hoitool.embed.words import Stored
    from hoitool.report import embedding_of as of

    found = scenes_of(source, loading)
    boxed, sources = of.boxes_from(boxes, found)
    encoder = encoder_of("map" if pool == "roi-align" else "image", choice)
    parts = tuple(name for name, wanted in (("union", pairs), ("union-masked", masked)) if wanted)
    how = of.Cut(CropRule(of.contexts(context or ()), min_side), pool, parts, fit)
    job = of.regions(found, boxed, encoder, Stored(storing.dtype or "float16", not storing.raw), how, sources)
    what = f"-{'pairs' if parts else 'regions'}{f'-{boxes.stem}' if boxes else ''}"
    report([make_store(job, encoder, choice, storing, loading, found, what)], storing.as_json)


def images(
    choice: Choice,
    storing: Storing,
    loading: Loading,
    source: Annotated[
        Path | None, typer.Argument(metavar="[DATASET|DIR]", help="A dataset or a folder of pictures.")
    ] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="A row for each cell of a grid in place of one an image.")
    ] = False,
    fit: Fit = None,
) -> None:
    """Embed whole images, or the cells of a grid over them."""
    from hoitool.embed.words import Stored
    from hoitool.report import embedding_of as of

    found = scenes_of(source, loading)
    encoder = encoder_of("map" if grid else "image", choice)
    job = of.images(found, encoder, Stored(storing.dtype or "float16", not storing.raw), fit, grid)
    what = "-grid" if grid else "-images"
    report([make_store(job, encoder, choice, storing, loading, found, what)], storing.as_json)


def captions(
    choice: Choice,
    storing: Storing,
    loading: Loading,
    source: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="Captions in any format: COCO's or Karpathy's JSON, .csv, ..."),
    ] = None,
    fit: Fit = None,
) -> None:
    """Embed images and their captions, for retrieval."""
    from hoitool.embed.words import Stored
    from hoitool.report import embedding_of as of

    found = of.captioned(source, loading.images, loading.subset, loading.source_format)
    encoder = encoder_of("image text", choice)
    job = of.captions(found, encoder, Stored(storing.dtype or "float16", not storing.raw), fit)
    report([make_store(job, encoder, choice, storing, loading, found, "-captions")], storing.as_json)


def verbs(
    choice: Choice,
    storing: Storing,
    loading: Loading,
    source: Data = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            "--regions", metavar="FILE", help="Store of the crops of pairs (--pairs --raw); default: made first."
        ),
    ] = None,
    formula: Annotated[
        str,
        typer.Option(
            help="hoiclip, union-object, union-object-human, or one of these as released: -last.",
            autocompletion=VERB_FORMULAS,
        ),
    ] = "hoiclip",
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Leave out what a split's training filter takes: uv/pairs.", autocompletion=SPLITS
        ),
    ] = None,
    fit: Fit = None,
) -> None:
    """Embed verbs: what is left of the unions of their pairs without the objects (visual semantic arithmetic)."""
    from hoitool import workspace
    from hoitool.embed.load import short_name
    from hoitool.embed.words import Stored
    from hoitool.report import embedding_of as of
    from hoitool.splits import resolve

    chosen = None if split is None else resolve(split)
    found = scenes_of(source, loading)
    named = "-".join(filter(None, (found.name, "verbs", (split or "").replace("/", "-"))))
    out = storing.out or workspace.features_path(named, short_name(choice.model))
    of.check_verbs(found, out, formula, chosen, storing.overwrite)
    if crops is None:
        encoder = encoder_of("image", choice)
        job = of.regions(found, None, encoder, Stored("float32", False), of.Cut(pairs=("union",), fit=fit), {})
        made = make_store(job, encoder, choice, replace(storing, out=None), loading, found, "-pairs-raw", renew=True)
        if made.state not in ("made", "up to date"):
            report([made], storing.as_json)
            return
        say(made.told())
        left_out({} if made.done is None else made.done.failed)
        crops = made.path
    report([of.verbs(crops, found, out, formula, chosen, storing.raw)], storing.as_json)


def precomputed(
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of SCAN's: *_ims.npy, *_ids.txt, *_caps.txt.")
    ],
    subset: Annotated[
        str | None,
        typer.Option(
            help="Only this subset: train, dev, testall, ...", autocompletion=of_these("train", "dev", "testall")
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Store to write; default: in features/.")
    ] = None,
    dtype: Annotated[str, typer.Option(help="Of what is stored: float32 or float16.")] = "float32",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a store, finished or not.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be made, how large it is, and stop.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """Put region features that others computed into stores, one for each subset."""
    from hoitool import workspace
    from hoitool.report.embedding import Target, make
    from hoitool.report.importing import BATCH, SHORT, precomputed
    from hoitool.store.manifest import DTYPES

    if dtype not in DTYPES:
        raise unknown_name("dtype", dtype, DTYPES)
    jobs = precomputed(source, subset, dtype)
    if out is not None and len(jobs) > 1:
        raise UsageError(f"-o names one file for {len(jobs)} subsets ({', '.join(jobs)}): name one with --subset")
    made = []
    for name, job in jobs.items():
        path = out or workspace.features_path(name, SHORT)
        made.append(make(job, Target(path, say, overwrite, dry_run, BATCH), None))
    report(made, as_json)


def merge(
    shards: Annotated[
        list[Path], typer.Argument(metavar="SHARD...", help="Finished stores, in the order of their rows.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Store to write.")],
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the rows, so that the shards can go; default: they stay in the shards.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Join shards into one store, virtual or copied."""
    from hoitool import store

    content = store.merge(shards, out, copy, overwrite)
    if as_json:
        show_json({"path": str(out), "shards": [str(shard) for shard in shards], "copy": copy, "content": content})
    else:
        show(f"wrote {out} ({'a copy' if copy else 'its rows stay in the shards'}; content {content[:16]})")


def verify(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A feature store.")], as_json: Json = False
) -> None:
    """Read all of a store and compare it with its content hash."""
    from hoitool import store

    found = store.verify(path)
    if as_json:
        held = {"path": str(path), "content": found.said, "found": found.found, "altered": found.altered}
        show_json(held | {"failed": found.failed})
    found.raise_for()
    if not as_json:
        show(f"{path}: holds what was written (content {found.found})")


for function in (labels, regions, images, verbs, captions):
    app.command(function.__name__)(expanded(function))
app.command("import")(precomputed)
app.command("merge")(merge)
app.command("verify")(verify)
