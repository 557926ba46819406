"""Protocols: one file each over one matching core.

>>> from hoitool.eval import score
>>> score(truth, predictions, "hico-det").mean("rare")
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from hoitool.data import Dataset, Predictions
from hoitool.errors import DataError, UsageError
from hoitool.eval.result import Result, Row, from_json
from hoitool.eval.signature import signature, told
from hoitool.lookup import Lookup, unknown_name

__all__ = [
    "OF_TRAINING",
    "PROTOCOLS",
    "SEARCHES",
    "Result",
    "Row",
    "choose_variant",
    "explained",
    "from_json",
    "natural_protocol",
    "protocol_named",
    "score",
    "variants",
]

# name -> module with VARIANTS (the first is the default) and evaluate(truth, predictions, variant)
PROTOCOLS = Lookup(
    "protocol",
    {
        "hico-det": "hoitool.eval.hico_det",
        "hico": "hoitool.eval.hico",
        "v-coco": "hoitool.eval.v_coco",
        "open-images-vrd": "hoitool.eval.open_images_vrd",
        "sgg": "hoitool.eval.sgg",
        "open-vocab": "hoitool.eval.open_vocab",
    },
)

# protocols that look at the training data too, where they are given: their evaluate takes `training`
OF_TRAINING = ("sgg",)

SCENE_GRAPHS = ("visual-genome", "vg150")  # datasets whose predicates are scored by sgg where nothing is said

# name -> module with VARIANTS and evaluate(embedded, ...), of images and captions in feature stores
SEARCHES = Lookup(
    "protocol",
    {
        "retrieval": "hoitool.eval.retrieval",
        "cxc": "hoitool.eval.cxc",
    },
)


def score(
    truth: Dataset,
    predictions: Dataset,
    protocol: str = "hico-det",
    variant: str | None = None,
    training: Dataset | None = None,
) -> Result:
    """Score predictions against truth under a named protocol, in its first variant unless one is named.

    training  what was trained on, for the protocols of OF_TRAINING
    Raises UsageError for an unknown name, for a search, and for training data that a protocol does not look at,
    DataError when the predictions do not fit the truth.
    """
    if protocol in SEARCHES:
        raise UsageError(f"protocol {protocol!r} scores embeddings in feature stores, not predictions")
    chosen = choose_variant(protocol, variant)
    if not isinstance(predictions, Predictions):
        raise DataError(f"{predictions!r} holds annotations, expected predictions")
    if truth.kind != "dataset":
        raise DataError(f"{truth!r} holds predictions, expected annotations as the truth")
    if training is not None and protocol not in OF_TRAINING:
        raise UsageError(f"protocol {protocol!r} does not look at training data; {', '.join(OF_TRAINING)} does")
    more = {} if training is None else {"training": training}
    result: Result = PROTOCOLS[protocol].evaluate(truth, predictions, chosen, **more)
    return result


def natural_protocol(predictions: Dataset) -> str:
    """The protocol that predictions are scored by where none is named, by what they hold."""
    if predictions.image_scores is not None and not len(predictions.subject):
        return "hico"
    if predictions.meta.label_kind == "predicates":
        return "sgg" if predictions.meta.dataset in SCENE_GRAPHS else "open-images-vrd"
    if predictions.meta.label_kind == "objects":
        return "open-vocab"
    return "v-coco" if predictions.meta.labels.roles else "hico-det"


def choose_variant(protocol: str, variant: str | None = None) -> str:
    """The variant named, or the protocol's first. Raises UsageError for an unknown protocol or variant."""
    names = variants(protocol)
    if variant is not None and variant not in names:
        raise unknown_name(f"variant of {protocol}", variant, names)
    return variant or names[0]


def variants(protocol: str) -> list[str]:
    """The names of a protocol's variants, the default first."""
    return list(protocol_named(protocol).VARIANTS)


def protocol_named(name: str) -> Any:
    """The module of a protocol. Raises UsageError, with suggestions, for an unknown name."""
    if name not in PROTOCOLS and name not in SEARCHES:
        raise unknown_name("protocol", name, [*PROTOCOLS, *SEARCHES])
    return PROTOCOLS[name] if name in PROTOCOLS else SEARCHES[name]


def explained(protocol: str) -> dict[str, Any]:
    """Each field of a protocol's rule with its meaning, and what each variant replaces, as JSON-ready values."""
    module = protocol_named(protocol)
    rules = module.VARIANTS
    first = next(iter(rules.values()))
    names = [f for f in fields(first) if f.name != "reproduces"]
    return {
        "protocol": protocol,
        "summary": (module.__doc__ or "").strip(),
        "fields": [
            {"name": f.name, "value": told(getattr(first, f.name)), "meaning": f.metadata["doc"]} for f in names
        ],
        "variants": [
            {
                "name": name,
                "reproduces": rule.reproduces,
                "signature": signature(f"{protocol}/{name}", rule),
                "differs": {
                    f.name: told(getattr(rule, f.name))
                    for f in names
                    if getattr(rule, f.name) != getattr(first, f.name)
                },
            }
            for name, rule in rules.items()
        ],
    }
