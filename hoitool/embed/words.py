"""Texts that are to be embedded: of labels in the wording of prompt sets, or the lines of a file; and the job of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from hoitool.embed.about import about
from hoitool.embed.encoder import Encoder
from hoitool.embed.job import Job
from hoitool.embed.labels import Labels
from hoitool.errors import UsageError
from hoitool.files import sha256
from hoitool.labels import LabelSpace
from hoitool.labels.prompts import PromptSet
from hoitool.labels.texts import Kind, Texts, lines_of, texts_of
from hoitool.lookup import unknown_name
from hoitool.store.manifest import DTYPES, Of


@dataclass(frozen=True)
class Stored:
    """How rows are stored: float32 or float16 (UsageError for others), normalised or as the encoder gives them."""

    dtype: str = "float32"
    normalise: bool = True

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown_name("dtype of a store", self.dtype, DTYPES)


@dataclass(frozen=True)
class Words:
    """Texts that are to be embedded: a name for their file, what the manifest says of them, their label space."""

    name: str
    texts: Texts
    decided: dict[str, Any]
    space: LabelSpace | None = None


def labels(
    space: LabelSpace,
    what: str,
    sets: Sequence[PromptSet],
    attributes: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> Words:
    """The texts of a kind of labels in the wording of prompt sets; sources: file -> SHA-256 of what they came from."""
    texts = texts_of(space, cast(Kind, what), sets, attributes)  # it refuses other kinds
    decided = _said(texts, sets) | {"label_space": {"name": space.name, "hash": space.hash}, "label_kind": what}
    return Words(f"{space.name}-{what.replace('+', '-')}", texts, decided | {"sources": dict(sources or {})}, space)


def lines(path: Path, sets: Sequence[PromptSet], expand: Path | None = None) -> Words:
    """The lines of a text file. Raises UsageError for attributes, which have no object to stand before."""
    if expand is not None:
        raise UsageError("--expand puts attributes before the objects of labels; lines of a file have none")
    texts = lines_of(path, sets)
    return Words(path.stem, texts, _said(texts, sets) | {"sources": {path.name: sha256(path)}})


def job_of(words: Words, encoder: Encoder, stored: Stored) -> Job:
    """The job of embedding texts."""
    of: Of = "labels" if "label_space" in words.decided else "texts"
    normalised = stored.normalise and encoder.facts.get("space", "joint") == "joint"
    return Labels(words.texts, encoder, about(encoder, of, dtype=stored.dtype, normalised=normalised, **words.decided))


def _said(texts: Texts, sets: Sequence[PromptSet]) -> dict[str, Any]:
    made: dict[str, Any] = {"prompts": {each.name: each.hash for each in sets}, "parts": texts.parts}
    notes: dict[str, Any] = {"texts_sha256": texts.hash, "templates": {each.name: len(each.templates) for each in sets}}
    return made | {"notes": notes | ({"attributes": list(texts.attributes)} if texts.attributes else {})}
