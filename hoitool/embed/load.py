"""An encoder by its name: what --model means, and whether it can do what is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hoitool.embed import ENCODERS, KINDS
from hoitool.embed.encoder import Encoder, Settings
from hoitool.errors import UsageError


def load(model: str, settings: Settings | None = None, kinds: str = "") -> Encoder:
    """The encoder that `name` or `name:variant` means; kinds: of text, image and map those that it must be able to do.

    Raises UsageError for an unknown name and one that cannot, MissingData where there are no weights.
    """
    name, _, variant = model.partition(":")
    asked = set(kinds.split())
    for kind in asked - KINDS.get(name, asked):
        able = ", ".join(each for each in KINDS if asked <= KINDS[each])
        raise UsageError(f"encoder {name!r} embeds no {kind}s; these do what is asked: {able}")
    if settings is not None and settings.image_size is not None and "image" not in KINDS.get(name, ()):
        raise UsageError(f"--image-size is of pictures, which encoder {name!r} does not take")
    made: Encoder = ENCODERS[name].load(replace(settings or Settings(), variant=variant or None))
    return made


def short_name(model: str) -> str:
    """The part of a file's name that tells the model: clip, clip-ViT-B-16, hf-bert-base-uncased."""
    name, _, variant = model.partition(":")
    tail = Path(variant).name if variant else ""
    plain = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in tail)
    return f"{name}-{plain}" if plain not in ("", name) else name
