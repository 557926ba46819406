"""What the shell completes: the names that options and arguments take, imported when they are asked for.

Where no name begins as what was typed, the shell offers files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

import typer

Completion = Callable[[str], list[str]]


def commands(context: typer.Context, incomplete: str = "") -> list[str]:
    """The commands of hoitool."""
    root = context.find_root()
    listed: list[str] = root.command.list_commands(root)  # type: ignore[attr-defined]
    return _beginning(listed, incomplete)


def variants(context: typer.Context, incomplete: str) -> list[str]:
    """The variants of the protocol that was named before, of hico-det else."""
    from hoitool import eval

    return _beginning(eval.variants(context.params.get("protocol") or "hico-det"), incomplete)


def of(*tables: str) -> Completion:
    """A completion by the names of tables, each "module:attribute": names, or a function that finds them."""

    def complete(incomplete: str) -> list[str]:
        return _beginning((name for table in tables for name in _names(table)), incomplete)

    return complete


def of_these(*names: str) -> Completion:
    """A completion by names that are known beforehand."""

    def complete(incomplete: str) -> list[str]:
        return _beginning(names, incomplete)

    return complete


def run_names() -> list[str]:
    """The runs in runs/."""
    from hoitool import workspace

    return [path.name for path in workspace.runs()]


def shown_splits() -> list[str]:
    """What `hoitool eval` shows the figures of: a protocol's own splits, all named ones."""
    from hoitool.splits import names

    return ["full", "rare", "non-rare", "few@1", "few@5", "few@10", "zero-shot", "all", *names()]


def _names(table: str) -> Iterable[str]:
    module, _, attribute = table.partition(":")
    found = getattr(import_module(module), attribute)
    held: Iterable[str] = found() if callable(found) else found
    return held


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


PROTOCOLS = of("hoitool.eval:PROTOCOLS")
ALL_PROTOCOLS = of("hoitool.eval:PROTOCOLS", "hoitool.eval:SEARCHES")
FORMATS = of("hoitool.convert:FORMATS", "hoitool.convert:PREDICTION_FORMATS")
FILTERS = of("hoitool.convert.scene_filters:names")
SPLITS = of("hoitool.splits:names")
SHOWN_SPLITS = of("hoitool.commands.names:shown_splits")
RECIPES = of("hoitool.train.recipe:names")
RUNS = of("hoitool.commands.names:run_names")
LABELS = of("hoitool.labels:LABEL_SPACES")
PROMPTS = of("hoitool.labels.prompts:PROMPT_SETS")
ENCODERS = of("hoitool.embed:ENCODERS")
DETECTORS = of("hoitool.predict.detectors:DETECTORS")
VERB_FORMULAS = of("hoitool.embed.verbs:FORMULAS")
SYSTEMS = of("hoitool.demo:SYSTEMS")
SUBSETS = of_these("train", "test", "val", "trainval", "dev", "testall")
SETTINGS = of_these("default", "known-object", "known-object-boxes", "scenario-1", "scenario-2", "agent", "all")
DEVICES = of_these("auto", "cpu", "cuda")
PRECISIONS = of_these("fp32", "bf16", "fp16")
