"""The systems that are trained, by the name of their model: what their recipes say, and what is made of a recipe."""

from __future__ import annotations

from hoitool.lookup import Lookup

# name -> the class of its recipes; no torch is loaded
RECIPES = Lookup(
    "system",
    {
        "defr": "hoitool.train.defr.settings:Recipe",
        "vse": "hoitool.train.vse.settings:Recipe",
        "vild": "hoitool.train.vild.settings:Recipe",
    },
)

# name -> module with prepare(recipe, say, device, lenient), the job, and card_of(recipe, labels), for published weights
SYSTEMS = Lookup(
    "system",
    {
        "defr": "hoitool.train.defr.prepare",
        "vse": "hoitool.train.vse.prepare",
        "vild": "hoitool.train.vild.prepare",
    },
)
DEFAULT = "defr"
