"""Splits: seen and unseen classes, training filters, parts of training data.

>>> from hoitool.splits import apply, resolve
>>> apply(train, resolve("rf-uc/pairs")).data
"""

from hoitool.splits.apply import Applied, apply
from hoitool.splits.check import Finding, violations
from hoitool.splits.facts import facts
from hoitool.splits.features import judge, read_manifest
from hoitool.splits.listing import Listed, read_index
from hoitool.splits.split import CHOICES, FILTERS, Draw, Space, Split, load, parse
from hoitool.splits.table import (
    LISTED,
    RARE,
    named,
    names,
    rare,
    rare_in,
    require_filter,
    resolve,
    spellings,
    with_images,
    zero_shot,
)

__all__ = [
    "CHOICES",
    "FILTERS",
    "LISTED",
    "RARE",
    "Applied",
    "Draw",
    "Finding",
    "Listed",
    "Space",
    "Split",
    "apply",
    "facts",
    "judge",
    "load",
    "named",
    "names",
    "parse",
    "rare",
    "rare_in",
    "read_index",
    "read_manifest",
    "require_filter",
    "resolve",
    "spellings",
    "violations",
    "with_images",
    "zero_shot",
]
