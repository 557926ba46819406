"""An encoder by its name: what --model means, and whether it can do what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hoitool.embed import ENCODERS
from hoitool.embed.encoder import Encoder, Settings
from hoitool.errors import UsageError


def load(model: str, settings: Settings | None = None, kinds: str = "") -> Encoder:
    """The encoder that `name` or `name:variant` means; kinds: of text, image and map those that it must be able to do.

    Raises UsageError for an unknown name and one that cannot, MissingData where there are no weights.
    """
    name, _, variant = model.partition(":")
    module = ENCODERS[name]
    for kind in set(kinds.split()) - module.KINDS:
        able = ", ".join(each for each in ENCODERS if set(kinds.split()) <= ENCODERS[each].KINDS)
        raise UsageError(f"encoder {name!r} embeds no {kind}s ({module.SUMMARY}); these do what is asked: {able}")
    made: Encoder = module.load(replace(settings or Settings(), variant=variant or None))
    return made


def short_name(model: str) -> str:
    """The part of a file's name that tells the model: clip, clip-ViT-B-16, hf-bert-base-uncased."""
    name, _, variant = model.partition(":")
    tail = Path(variant).name if variant else ""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in tail)
    return f"{name}-{plain}" if plain not in ("", name) else name
