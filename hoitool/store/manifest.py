"""What a feature store says of itself: how its rows were made, so that no reader has to guess.

The manifest is a JSON object in the attribute `hoitool` of the file's root. Two stores whose manifests agree hold
vectors that may be compared; `differences` says in which fields they do not. What does not change the rows (device,
workers, shards) stands apart, in the attribute `run`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from hoitool.errors import DataError, UsageError

KIND, VERSION = "features", 1
Of = Literal["labels", "texts", "images", "regions", "grid", "verbs", "captions"]
OF: tuple[Of, ...] = ("labels", "texts", "images", "regions", "grid", "verbs", "captions")
DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Manifest:
    """Fields that do not apply are empty.

    of              what the rows are of: labels, texts, images, regions, grid, verbs, captions
    model           the encoder in full, such as clip:ViT-B-32-quickgelu; dim: numbers a row
    weights         the tag or file name of its weights; weights_sha256: of the file that they came from
    prompts         prompt set -> its hash; pooling: of the states of a text's tokens
    space           joint (where texts and images meet) or pre-projection
    precision       of the arithmetic (fp32, bf16, fp16); dtype: of the stored numbers; activation: gelu or quickgelu
    normalised      whether each row has length 1 (up to rounding to dtype)
    preprocess      how a picture becomes the encoder's input; crop: how a box becomes a picture
    boxes           truth or detected; box_frame: their frame
    dataset, subset which images; label_space, label_kind: what labels index, {name, hash}
    parts           what the column `part` indexes: kinds of rows (prompt sets, or box, union, ...)
    split           {name, hash} of the split whose training data it was made from
    sources         file name -> SHA-256 of what it was made from; hoitool: the version that made it
    notes           whatever else decides the rows, by name
    """

    of: Of
    model: str
    dim: int
    dtype: str = "float32"
    weights: str = ""
    weights_sha256: str = ""
    prompts: dict[str, str] = field(default_factory=dict)
    pooling: str = ""
    space: str = "joint"
    precision: str = "fp32"
    activation: str = ""
    normalised: bool = True
    preprocess: dict[str, Any] = field(default_factory=dict)
    crop: dict[str, Any] = field(default_factory=dict)
    boxes: str = ""
    box_frame: str = ""
    dataset: str = ""
    subset: str = ""
    label_space: dict[str, str] = field(default_factory=dict)
    label_kind: str = ""
    parts: tuple[str, ...] = ()
    split: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    hoitool: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """All fields that say something, as JSON-ready values."""
        held = {"kind": KIND, "version": VERSION} | asdict(self) | {"parts": list(self.parts)}
        return {name: value for name, value in held.items() if name not in OPTIONAL or value not in EMPTY}

    def dump(self) -> str:
        """The JSON text of it, in one order."""
        return json.dumps(self.to_json(), sort_keys=True)


TABLES = ("prompts", "preprocess", "crop", "label_space", "split", "sources", "notes")
OF_TEXTS = ("prompts", "label_space", "split", "sources")
TYPES: dict[str, type] = {"dim": int, "normalised": bool, "parts": list} | dict.fromkeys(TABLES, dict)
NAMES = {f.name for f in fields(Manifest)}
EMPTY: tuple[Any, ...] = ("", {}, [])
OPTIONAL = {f.name for f in fields(Manifest) if f.default in ("", ()) or f.default_factory is dict}


def parse(text: str, where: str) -> Manifest:
    """A manifest from its JSON text. Raises DataError for anything else, naming `where` and the field."""
    try:
        held = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: its attribute 'hoitool' is no JSON ({error})") from error
    if not isinstance(held, dict) or held.get("kind") != KIND:
        said = held.get("kind") if isinstance(held, dict) else type(held).__name__
        raise DataError(f"{where}: its attribute 'hoitool' says kind {said!r:.60}, expected {KIND!r}")
    if type(held.get("version")) is not int or held["version"] != VERSION:
        raise DataError(
            f"{where}: version {held.get('version')!r:.60} of the feature store, this hoitool reads {VERSION}; "
            "make it again, or install the hoitool that made it"
        )
    for name in ("of", "model", "dim"):
        if name not in held:
            raise DataError(f"{where}: its manifest lacks {name!r}")
    known = {name: value for name, value in held.items() if name not in ("kind", "version")}
    for name, value in known.items():
        _check(name, value, where)
    return Manifest(**known | {"parts": tuple(known.get("parts", ()))})


def _check(name: str, value: Any, where: str) -> None:
    """Raise DataError for a field that no manifest has, and for a value that it cannot have."""
    if name not in NAMES:
        raise DataError(f"{where}: its manifest has a field {name!r:.60} that is not known; put it into notes")
    kind = TYPES.get(name, str)
    texts = value if name == "parts" else value.values() if name in OF_TEXTS and isinstance(value, dict) else ()
    if type(value) is not kind or not all(isinstance(text, str) for text in texts):
        inner = " of texts" if name == "parts" or name in OF_TEXTS else ""
        raise DataError(f"{where}: {name} of its manifest is {value!r:.60}, expected {kind.__name__}{inner}")
    allowed: tuple[str, ...] | None = {"of": OF, "dtype": DTYPES}.get(name)
    if allowed is not None and value not in allowed:
        raise DataError(f"{where}: {name} of its manifest is {value!r:.60}, expected one of {', '.join(allowed)}")
    if isinstance(value, int) and name == "dim" and not 0 < value < 2**31:
        raise DataError(f"{where}: dim of its manifest is {value!r:.60}, expected how many numbers a row has")


def differences(held: Manifest, needed: Mapping[str, Any]) -> list[str]:
    """What a manifest says otherwise than needed, a text for each field: `model is a, expected b`.

    A needed value may be a set of allowed values, or for a table a part of it. UsageError for an unknown field.
    """
    told = []
    for name, wanted in needed.items():
        if name not in NAMES:
            raise UsageError(f"a manifest has no field {name!r}; it has {', '.join(sorted(NAMES))}")
        value = getattr(held, name)
        if not _agrees(value, wanted):
            told.append(f"{name} is {_shown(value)}, expected {_shown(wanted)}")
    return told


def unlike(held: Manifest, other: Manifest) -> list[str]:
    """The fields in which two manifests are not equal, told as `differences` does; none when their texts are equal."""
    one, two = held.to_json(), other.to_json()
    names = [name for name in sorted(one.keys() | two.keys()) if _plain(one.get(name)) != _plain(two.get(name))]
    return [f"{name} is {_shown(getattr(held, name))}, expected {_shown(getattr(other, name))}" for name in names]


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _agrees(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, set | frozenset):
        return value in wanted
    if isinstance(wanted, Mapping) and isinstance(value, Mapping):
        return all(value.get(key) == inner for key, inner in wanted.items()) and (bool(wanted) or not value)
    return bool(value == wanted)


def _shown(value: Any) -> str:
    if isinstance(value, set | frozenset):
        return " or ".join(sorted(map(_shown, value)))
    if isinstance(value, Mapping):
        return json.dumps(dict(value), sort_keys=True)
    return repr(value)
