"""Published models, one a file. A name here is a module with

SUMMARY      what it is, in a line
build(...)   the torch module, its numbers by name
CHECKPOINTS  the key map that published checkpoints load through, and our own (hoitool/models/weights.py)
"""

from __future__ import annotations

from hoitool.lookup import Lookup

MODELS = Lookup(
    "model",
    {
        "defr": "hoitool.models.defr",
        "defr-detection": "hoitool.models.defr_detection",
        "vild": "hoitool.models.vild",
        "vse": "hoitool.models.vse",
    },
)
