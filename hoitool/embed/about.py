"""The manifest of what is about to be embedded: what the encoder decides, and what the data and the user do."""

from __future__ import annotations

from typing import Any

from hoitool import __version__
from hoitool.data import Meta
from hoitool.embed.encoder import Encoder
from hoitool.store import Manifest
from hoitool.store.manifest import Of

NOT_NOTES = Manifest.__dataclass_fields__.keys() - {"notes"}


def about(encoder: Encoder, of: Of, **decided: Any) -> Manifest:
    """A manifest; `decided` are fields that the job decides, its notes beside the encoder's."""
    facts = dict(encoder.facts)
    notes = {name: facts.pop(name) for name in list(facts) if name not in NOT_NOTES} | decided.pop("notes", {})
    if encoder.preprocess is not None and of not in ("labels", "texts"):
        facts["preprocess"] = encoder.preprocess.to_json()
    held: dict[str, Any] = {"model": encoder.name, "dim": encoder.dim, "hoitool": __version__} | facts | decided
    return Manifest(of=of, notes=notes, **held)


def of_data(meta: Meta) -> dict[str, Any]:
    """The fields that say which images and labels data have, and which split made them."""
    labels = {"name": meta.labels.name, "hash": meta.labels.hash}
    made: dict[str, Any] = {"dataset": meta.dataset, "subset": meta.subset, "label_space": labels}
    split = meta.extras.get("split")
    if isinstance(split, dict) and isinstance(split.get("hash"), str):
        made["split"] = {"name": str(split.get("name", "")), "hash": split["hash"]}
    return made
