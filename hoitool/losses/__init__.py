"""Losses of many-label recognition, one per file.

An entry of LOSSES is a class; its parameters are fields that a recipe gives, checked when it is built. What it makes is
a `contract.Loss`:

    loss(logits (B, C), targets (B, C)) -> tensor ()

logits   any floating type, one score per row (an image, a pair) and class, before the sigmoid
targets  any type; 1 is positive, anything else is negative: HICO's 0, -1 and -2 too
value    a mean over rows of what each row costs, so that batches combine weighted by their numbers of rows;
         float32 arithmetic and result, float64 for float64 logits; finite for all finite float16 logits
Nothing is modified. Tables that are not two of one shape (B, C), or are empty, raise DataError; a parameter out of its
range raises UsageError. Each file also has the pure function per row or element.

Losses of other inputs are no entries, what trains with them names them: triplet.py (image-text matching), vild.py (the
embeddings of an open-vocabulary detector).
"""

from __future__ import annotations

from hoitool.lookup import Lookup

LOSSES = Lookup(
    "loss",
    {
        "lse-sign": "hoitool.losses.lse_sign:LSESign",
        "bce": "hoitool.losses.bce:BCE",
        "weighted-bce": "hoitool.losses.bce:WeightedBCE",
        "focal": "hoitool.losses.focal:Focal",
    },
)
