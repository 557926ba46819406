"""The systems that are trained, by the name of their model: what their recipes say, and what is made of a recipe."""

from __future__ import annotations

from hoitool.lookup import Lookup

RECIPES = Lookup("system", {"defr": "hoitool.train.defr.settings:Recipe"})  # its class; no torch is loaded

# name -> module with prepare(recipe, say, device, lenient), the job, and card_of(recipe, labels), for published weights
SYSTEMS = Lookup("system", {"defr": "hoitool.train.defr.prepare"})
DEFAULT = "defr"
