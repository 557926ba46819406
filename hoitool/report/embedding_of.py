"""What `hoitool embed` embeds, from files and options to jobs: labels, regions, images, captions; and verbs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from hoitool import splits, workspace
from hoitool.convert import one_part, read, sniff
from hoitool.convert.captions import read_captions
from hoitool.convert.detections import read_detections
from hoitool.data import Dataset
from hoitool.embed.about import about, of_data
from hoitool.embed.captions import Captions
from hoitool.embed.crops import CropRule
from hoitool.embed.encoder import Encoder
from hoitool.embed.images import Grid, Images
from hoitool.embed.job import Job
from hoitool.embed.pictures import Album, album_in, album_of
from hoitool.embed.preprocess import FITS, Fit
from hoitool.embed.regions import Boxes, Regions, boxes_of
from hoitool.embed.roi import RULE, RoiRegions
from hoitool.embed.verbs import FORMULAS, verb_features, write_verbs
from hoitool.embed.words import Stored, Words, labels, lines
from hoitool.errors import MissingData, UsageError
from hoitool.files import refuse_overwrite, require, sha256
from hoitool.labels import LABEL_SPACES, LabelSpace, load_labels, parse
from hoitool.labels.beside import write_labels
from hoitool.labels.prompts import PROMPT_SETS, load_prompts
from hoitool.labels.texts import lines_of
from hoitool.lookup import unknown_name
from hoitool.report.embedding import Made
from hoitool.splits import Split
from hoitool.store import Store, discard

POOLS = ("crop", "roi-align")
LINES = "lines"


def words(
    source: str | None, what: str = "interactions", prompts: Sequence[str] = (), expand: Path | None = None
) -> list[Words]:
    """The texts of labels or lines.

    source  a packaged label space, the JSON file of one, a dataset whose labels are meant, or a text file of lines;
            None: the label spaces of the datasets in data/
    prompts names of prompt sets, or YAML files; expand: a text file of attributes
    Raises MissingData where there is nothing to take.
    """
    sets = [load_prompts(name) for name in (prompts or PROMPT_SETS[:1])]
    if source is not None and source not in LABEL_SPACES and Path(source).suffix.lower() == ".txt":
        return [lines(Path(source), [load_prompts(name) for name in prompts], expand)]
    attributes = () if expand is None else lines_of(expand).key
    return [labels(space, what, sets, attributes, sources) for space, sources in _spaces(source)]


def _spaces(source: str | None) -> list[tuple[LabelSpace, dict[str, str]]]:
    """Label spaces, each with the file that it came from where it is not packaged."""
    if source is None:
        every = [_space_of(path) for path in workspace.datasets()]
        found = {
            space.hash: (space, of) for space, of in every if space.objects or space.verbs
        }  # captions have neither
        if not found:
            raise MissingData(
                f"no dataset with labels in {workspace.DATA}/ here; name labels: {', '.join(LABEL_SPACES)}, or a file"
            )
        return list(found.values())
    if source in LABEL_SPACES:
        return [(load_labels(source), {})]
    if not Path(source).exists():
        raise unknown_name("label space or file", source, LABEL_SPACES)
    return [_space_of(Path(source))]


def _space_of(path: Path) -> tuple[LabelSpace, dict[str, str]]:
    require(path, "a label space, a dataset or lines of text")
    if path.suffix == ".json":
        text = path.read_text(encoding="utf-8", errors="replace")
        if '"interactions"' in text and '"sha256"' in text:
            return parse(text, str(path)), {path.name: sha256(path)}
    return read(path).parts[0].meta.labels, {}


@dataclass(frozen=True)
class Scenes:
    """Images that are to be embedded: a name for their file, their pictures, and what the manifest says of them.

    data  the dataset that they are of, None for a folder of pictures
    """

    name: str
    album: Album
    decided: dict[str, Any]
    data: Dataset | None = None

    @property
    def space(self) -> LabelSpace | None:
        """The label space of the dataset."""
        return None if self.data is None else self.data.meta.labels

    @property
    def annotated(self) -> Dataset:
        """The dataset. Raises UsageError for a folder of pictures."""
        if self.data is None:
            raise UsageError(f"{self.album.pictures.folder} is a folder of pictures; boxes need a dataset")
        return self.data


def scenes(
    source: Path | None, images: Path | None = None, subset: str | None = None, format: str | None = None
) -> Scenes:
    """A dataset of any format with its pictures (images: their folder), or a folder of pictures; None: that of data/.

    Raises MissingData where there is nothing to take, UsageError where several could be meant.
    """
    path = _only_dataset(subset) if source is None else source
    if path.is_dir() and images is None and format is None and sniff(path) is None:
        album = album_in(path)
        return Scenes(path.name, album, {"dataset": path.name})
    data = one_part(read(path, format), path, subset)
    folder = workspace.images_folder(data.meta.dataset) if images is None else images
    name = "-".join(filter(None, (data.meta.dataset or path.stem, data.meta.subset)))
    decided = of_data(data.meta) | {"sources": {path.name: sha256(path)}}
    return Scenes(name, album_of(data, folder), decided, data)


def _only_dataset(subset: str | None) -> Path:
    found = workspace.datasets(subset)
    if not found:
        raise MissingData(f"no dataset in {workspace.DATA}/ here; name a dataset, or a folder of pictures")
    if len(found) > 1:
        raise UsageError(f"which dataset? {', '.join(map(str, found))}: name one")
    return found[0]


def images(made: Scenes, encoder: Encoder, stored: Stored, fit: str | None = None, grid: bool = False) -> Job:
    """The job of one row an image, or of one for each cell of a grid."""
    refit(encoder, fit)
    kind = Grid if grid else Images
    said = about(encoder, "grid" if grid else "images", dtype=stored.dtype, normalised=stored.normalise, **made.decided)
    return kind(made.album, encoder, said)


@dataclass(frozen=True)
class Cut:
    """How boxes become rows: by crops or RoIAlign, the crops' rule and fit, what is embedded of pairs."""

    rule: CropRule = field(default_factory=CropRule)
    pool: str = "crop"
    pairs: tuple[str, ...] = ()
    fit: str | None = None


def boxes_from(path: Path | None, made: Scenes) -> tuple[Dataset | None, dict[str, str]]:
    """The boxes of another file, in the order of the scenes' images, and the file's hash; none for no file."""
    if path is None:
        return None, {}
    return read_detections(path, made.annotated)[0], {path.name: sha256(path)}


def contexts(larger: Sequence[float]) -> tuple[float, ...]:
    """The scales of crops: the box and larger ones. Raises UsageError for no scale, and for one that comes twice."""
    made = (1.0, *larger)
    if not all(0.1 <= context <= 100 for context in made) or len(set(made)) < len(made):
        told = ", ".join(f"{context:g}" for context in larger)
        raise UsageError(f"--context {told}: expected scales of the box from 0.1 to 100, each once, without 1")
    return made


def regions(
    made: Scenes, boxed: Dataset | None, encoder: Encoder, stored: Stored, how: Cut, sources: dict[str, str]
) -> Job:
    """The job of a row for each box (and pair) of the images, or of other boxes in them (`boxed`, of `sources`).

    Raises UsageError for options that exclude each other.
    """
    data = made.annotated if boxed is None else boxed
    boxes = boxes_of(data, how.pairs)
    drawn = "detected" if data.kind == "predictions" or data.box_scores is not None else "truth"
    decided = made.decided | {"boxes": drawn, "box_frame": boxes.frame, "parts": boxes.parts}
    decided |= {"dtype": stored.dtype, "sources": made.decided["sources"] | sources}
    if how.pool == "roi-align":
        return _pooled(made, boxes, encoder, stored, how, decided)
    if how.pool not in POOLS:
        raise unknown_name("pooling of boxes", how.pool, POOLS)
    if len(how.rule.contexts) > 1 and not stored.normalise:
        raise UsageError("--context adds normalised embeddings, which --raw does not have; leave out one of them")
    refit(encoder, how.fit)
    said = about(encoder, "regions", crop=how.rule.to_json(), normalised=stored.normalise, **decided)
    return Regions(boxes, made.album, encoder, said, how.rule)


def _pooled(
    made: Scenes, boxes: Boxes, encoder: Encoder, stored: Stored, how: Cut, decided: dict[str, Any]
) -> RoiRegions:
    if how.rule != CropRule() or how.fit is not None:
        raise UsageError("--context, --min-side and --fit are of crops; --pool roi-align takes boxes out of one map")
    from hoitool.embed.encoders.roi import roi_align

    assert encoder.preprocess is not None
    encoder.preprocess = replace(encoder.preprocess, fit="squash", crop=1.0)  # the manifest says what RoiRegions does
    said = about(encoder, "regions", crop=RULE, normalised=stored.normalise, **decided)
    return RoiRegions(boxes, made.album, encoder, said, roi_align)


def refit(encoder: Encoder, fit: str | None) -> None:
    """Have an encoder take pictures by another fit. Raises UsageError for an unknown one."""
    if fit is None or encoder.preprocess is None:
        return
    if fit not in FITS:
        raise unknown_name("fit", fit, FITS)
    encoder.preprocess = replace(encoder.preprocess, fit=cast(Fit, fit))


def captioned(
    source: Path | None, images: Path | None = None, subset: str | None = None, format: str | None = None
) -> Scenes:
    """Images with captions: a file of captions or a dataset that has them, with the pictures' folder.

    Raises MissingData where there is nothing to take, UsageError for data without captions.
    """
    path = _only_dataset(subset) if source is None else source
    data = read_captions(path, subset) if format is None else one_part(read(path, format), path, subset)
    folder = workspace.images_folder(data.meta.dataset) if images is None else images
    name = "-".join(filter(None, (data.meta.dataset or path.stem, data.meta.subset)))
    decided = {"dataset": data.meta.dataset, "subset": data.meta.subset, "sources": {path.name: sha256(path)}}
    return Scenes(name, album_of(data, folder), decided, data)


def captions(made: Scenes, encoder: Encoder, stored: Stored, fit: str | None = None) -> Job:
    """The job of a row for each image and each of its captions."""
    refit(encoder, fit)
    said = about(encoder, "captions", dtype=stored.dtype, normalised=stored.normalise, **made.decided)
    return Captions(made.annotated, made.album, encoder, said)


def check_verbs(made: Scenes, out: Path, formula: str, split: Split | None, overwrite: bool) -> None:
    """Raise UsageError, before any picture is read, for what `verbs` could not do in the end."""
    if formula not in FORMULAS:
        raise unknown_name("formula of verbs", formula, FORMULAS)
    refuse_overwrite(out, overwrite)
    if split is not None:
        splits.apply(made.annotated, split)


def verbs(store: Path, made: Scenes, out: Path, formula: str, split: Split | None, raw: bool) -> Made:
    """Verb features from a store of the pairs of a dataset. split: first takes from it what its filter says.

    Raises what hoitool/embed/verbs.py raises. A store of that name is replaced.
    """
    write_labels(made.annotated.meta.labels, out.parent)
    found = verb_features(Store(store), made.annotated, formula, split)
    discard(out)
    content = write_verbs(found, out, made.decided["sources"], not raw)
    written = Store(out)
    told = [f"{found.excluded:,} pairs of unseen classes excluded"] if split is not None else []
    if found.without_object:
        told.append(f"{found.without_object:,} pairs without an object have no union")
    if found.missing:
        shown = ", ".join(found.missing[:5]) + (", ..." if len(found.missing) > 5 else "")
        told.append(f"{len(found.missing)} verbs have no instance, their rows are NaN: {shown}")
    manifest, rows = written.manifest.to_json(), written.layout.rows
    unread = f"without {found.unread:,} pairs of pictures that could not be read" if found.unread else ""
    return Made(out, manifest, len(written), rows, out.stat().st_size, "made", content, notes=told, incomplete=unread)
