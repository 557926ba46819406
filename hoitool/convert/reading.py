"""What a reader returns, for annotations and predictions alike."""

from __future__ import annotations

from dataclasses import dataclass, field

from hoitool.data import Dataset


@dataclass(frozen=True)
class Reading:
    """The parts of a source (one per subset), what was dropped (reason -> how many), and what else to know.

    lost  what a target format cannot hold of them (reason -> how many), filled in by a conversion
    """

    parts: list[Dataset]
    dropped: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    lost: dict[str, int] = field(default_factory=dict)
