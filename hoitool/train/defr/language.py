"""The rows that a recipe's classifier starts from: of a store of label embeddings, which is made where there is none.

A store of the workspace fits where it is of the same labels, prompt set, model and space, and, where the backbone is
the same model of CLIP, of the same weights. `embed --model clip` writes CLIP's joint space, DEFR needs the space before
the projection (Jin et al., CVPR 2022): that store is then made beside it, under a name that says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoitool import workspace
from hoitool.data import Meta
from hoitool.data.dataset import Array
from hoitool.embed import ENCODERS, engine
from hoitool.embed.encoder import Encoder, Settings
from hoitool.embed.encoders import clip_weights
from hoitool.embed.load import load, short_name
from hoitool.embed.words import Stored, Words, job_of, labels
from hoitool.errors import HoitoolError, MissingData, UsageError
from hoitool.labels.beside import write_labels
from hoitool.labels.prompts import PromptSet, load_prompts
from hoitool.launch import is_first
from hoitool.models.language import language
from hoitool.progress import working
from hoitool.store import Store, differences
from hoitool.store.hdf5 import head
from hoitool.train.defr.backbone import Backbone
from hoitool.train.defr.settings import Classifier

BATCH = 256  # texts at once
Say = Callable[[str], None]


def language_rows(
    classifier: Classifier, meta: Meta, backbone: Backbone, dim: int, say: Say, device: str = "auto"
) -> tuple[Array | None, Path | None]:
    """The rows (K, dim) float32 that a classifier over meta's labels starts from, and the store that they are of.

    None and None where it starts at random. say: called with a line for the user where a store is made.
    Raises MissingData, DataError and UsageError; of a store that is named, what `models.language` raises.
    """
    if classifier.init == "random":
        return None, None
    prompts = load_prompts(classifier.prompts)
    if classifier.store is not None:
        path = Path(classifier.store).expanduser()
        store = Store(path)
        _compare(store, backbone, say)
        return language(path, meta, dim, prompts.name if len(store.manifest.parts) > 1 else None), path
    wanted = _wanted(classifier, backbone)
    path = _fitting(_needed(wanted, meta, prompts, dim)) or _made(wanted, meta, prompts, backbone, dim, say, device)
    return language(path, meta, dim, prompts.name), path


@dataclass(frozen=True)
class Wanted:
    """Which embeddings: encoder and weights as `embed` takes --model and --weights; sha256: of the weights if known."""

    encoder: str
    weights: str | None
    sha256: str | None
    settings: Classifier

    @property
    def model(self) -> str:
        """What the manifest of a store calls the encoder."""
        kind, _, variant = self.encoder.partition(":")
        named = Path(variant or self.weights or "").expanduser()
        if kind == "clip" and (variant or self.weights) and (named / clip_weights.CONFIG).is_file():
            return f"clip:{named.resolve().name}"
        if kind == "clip":
            return f"clip:{(variant or clip_weights.ARCH).replace('/', '-')}"
        if kind == "hf":
            named = Path(self.weights or variant).expanduser()
            return f"hf:{named.resolve().name if named.is_dir() else named}"
        return self.encoder

    @property
    def pooling(self) -> str | None:
        """The encoder's own pooling, where it is known without loading it."""
        return getattr(ENCODERS[self.encoder.partition(":")[0]], "pooling", None)


def _wanted(classifier: Classifier, backbone: Backbone) -> Wanted:
    """The encoder of a classifier, with the backbone's own weights where it is the same model."""
    assert classifier.encoder is not None  # settings refuse it
    if backbone.encoder is not None and backbone.encoder[0] == classifier.encoder:
        return Wanted(*backbone.encoder, backbone.sha256, classifier)
    local = workspace.weights_of(classifier.encoder)
    if local is None:
        return Wanted(classifier.encoder, None, None, classifier)
    kind, _, variant = classifier.encoder.partition(":")
    digest = clip_weights.find(variant or None, str(local)).sha256() if kind == "clip" else None
    return Wanted(classifier.encoder, str(local), digest, classifier)


def _needed(wanted: Wanted, meta: Meta, prompts: PromptSet, dim: int) -> dict[str, Any]:
    """What the manifest of a store that fits says."""
    space = wanted.settings.space
    made: dict[str, Any] = {"of": "labels", "label_kind": meta.label_kind, "label_space": {"hash": meta.labels.hash}}
    made |= {"prompts": {prompts.name: prompts.hash}, "model": wanted.model, "dim": dim, "space": space}
    made |= {"normalised": space == "joint"}
    return made | {
        name: held
        for name, held in (("weights_sha256", wanted.sha256), ("pooling", wanted.pooling))
        if held is not None
    }


def _fitting(needed: dict[str, Any]) -> Path | None:
    """The first store of the workspace, by name, whose manifest says what is needed; None: there is none."""
    for path in sorted(workspace.FEATURES.glob("*.h5")):
        try:
            manifest = head(path).manifest
        except HoitoolError:
            continue  # unfinished, or something else
        if not differences(manifest, needed) and "attributes" not in manifest.notes:
            return path
    return None


def _made(wanted: Wanted, meta: Meta, prompts: PromptSet, backbone: Backbone, dim: int, say: Say, device: str) -> Path:
    """Embed the labels into features/. Of several processes the first does, and the others wait for its file."""
    words = labels(meta.labels, meta.label_kind, [prompts])
    space = wanted.settings.space
    model = short_name(wanted.encoder) + ("" if space == "joint" else f"-{space}")
    path = workspace.features_path(f"{words.name}-{prompts.name}", model)
    if not is_first():
        while not path.exists():  # torchrun ends this process where the first one fails
            time.sleep(0.1)
        return path
    if path.exists():
        raise UsageError(
            f"{path}: is of other weights or labels than this training; remove it, or name a store with "
            "model.classifier.store"
        )
    encoder = _encoder(wanted, device)
    if encoder.dim != dim:
        hint = "; try model.classifier.space=pre-projection" if space == "joint" else ""
        raise UsageError(
            f"the {space} space of {encoder.name} has {encoder.dim} numbers, features of {backbone.name} {dim}; a "
            f"classifier cannot start from it{hint}"
        )
    say(f"language: embedding {len(words.texts.key):,} {meta.label_kind} with {encoder.name} into {path}")
    _embed(words, meta, encoder, path)
    return path


def _encoder(wanted: Wanted, device: str) -> Encoder:
    """The encoder. MissingData says with which command its weights may be given."""
    space, prompts = wanted.settings.space, wanted.settings.prompts
    try:
        with working(f"loading {wanted.encoder}"):
            return load(wanted.encoder, Settings(weights=wanted.weights, space=space, device=device), "text")
    except MissingData as error:
        told = f"hoitool embed labels --model {wanted.encoder} --prompts {prompts}"
        told += "" if space == "joint" else f" --space {space}"
        raise MissingData(f"{error}; the command is `{told}`") from error


def _embed(words: Words, meta: Meta, encoder: Encoder, path: Path) -> None:
    write_labels(meta.labels, path.parent)
    done = engine.run(job_of(words, encoder, Stored()), path, engine.Pace(BATCH), {"batch": BATCH})
    done.raise_for()


def _compare(store: Store, backbone: Backbone, say: Say) -> None:
    """Say where a store that is named is of another CLIP than the backbone."""
    held = store.manifest
    clip = backbone.encoder is not None and held.model.startswith("clip:") and held.space == "pre-projection"
    if clip and held.weights_sha256 != backbone.sha256:
        say(f"note: {store.path} is of {held.model} with other weights than the backbone's, {backbone.weights}")
