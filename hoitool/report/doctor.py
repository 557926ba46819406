"""The examination of an installation: what is here, and what is missing for which command.

A command is ready where the packages that it needs are here; data and weights are told, since every path may be named
instead of being found in the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hoitool import __version__, workspace
from hoitool.errors import MissingData
from hoitool.lookup import unknown_name
from hoitool.report.installed import Package, extras, packages
from hoitool.report.machine import Cached, cached, completions, gpus, machine, torch_says

# commands that need an extra, and what they do without it; every other one needs what comes with hoitool
NEEDS = {
    "embed": ("torch", "--model hashed and colours need nothing, --model minilm the extra minilm"),
    "train": ("torch", ""),
    "predict": ("torch", "--zero-shot needs nothing"),
}
# commands that find their files where none are named: folders of the workspace that they look in
BARE = {
    "convert": (workspace.RAW,),
    "embed": (workspace.DATA,),
    "train": (workspace.DATA,),
    "eval": (workspace.RUNS, workspace.DATA),
}


@dataclass(frozen=True)
class Examined:
    """What was found; commands: name -> what it lacks, one line, nothing where it is ready."""

    facts: dict[str, str]
    packages: tuple[Package, ...]
    gpus: list[str]
    gpu_note: str
    workspace: dict[str, list[str]]
    cached: list[Cached]
    completions: dict[str, bool]
    commands: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON-ready values."""
        return {
            "hoitool": __version__,
            "machine": self.facts,
            "packages": [
                {"name": p.name, "version": p.version, "least": p.least, "extra": p.extra, "lacking": p.lacking}
                for p in self.packages
            ],
            "gpus": self.gpus,
            "gpu_note": self.gpu_note,
            "workspace": self.workspace,
            "cached": [{"name": c.name, "cache": c.cache, "path": str(c.path), "bytes": c.bytes} for c in self.cached],
            "completion": self.completions,
            "commands": {name: {"ready": not lacks, "lacks": lacks} for name, lacks in self.commands.items()},
        }

    def told(self) -> dict[str, str]:
        """Named facts about the computer, for people."""
        shells = (f"{'in' if on else 'not in'} {shell}" for shell, on in self.completions.items())
        hint = "" if all(self.completions.values()) else " (hoitool --install-completion, in that shell)"
        shown = f"{', '.join(shells)}{hint}" if self.completions else "no known shell"
        found = ", ".join([*self.gpus, *filter(None, [self.gpu_note])])
        return (
            {"hoitool": __version__}
            | self.facts
            | {"GPUs": found or "none that nvidia-smi lists"}
            | {"completion": shown}
        )

    def installed(self) -> list[list[str]]:
        """Rows: what comes with hoitool and each extra, how many of its packages are here, which are lacking."""
        if not self.packages:
            return [["hoitool", "-", "it runs from its sources: what it requires is not known"]]
        rows = [["hoitool", *_state([p for p in self.packages if not p.extra])]]
        return rows + [[f"extra {name}", *_state(held)] for name, held in extras(self.packages).items()]

    def states(self) -> list[list[str]]:
        """Rows: each command, what it lacks, and what it finds in this folder where no files are named."""
        return [[name, lacks or "ready", self._bare(name)] for name, lacks in self.commands.items()]

    def _bare(self, command: str) -> str:
        empty = [str(folder) for folder in BARE.get(command, ()) if not self.workspace[str(folder)]]
        if command not in BARE:
            return "-"
        return f"nothing in {' and '.join(f'{name}/' for name in empty)}: name files" if empty else "finds its files"

    def found(self) -> list[list[str]]:
        """Rows: each folder of the workspace and each cache with what lies there."""
        rows = [[f"{folder}/", ", ".join(names) or "-"] for folder, names in self.workspace.items()]
        held = (f"{each.name} ({each.bytes / 2**20:,.0f} MiB)" for each in self.cached)
        return [*rows, ["caches of hubs", ", ".join(held) or "-"]]


def examine(names: list[str]) -> Examined:
    """Look at everything that hoitool needs; names: its commands. Nothing heavy is imported."""
    held, cards = packages(), gpus()
    torch = any(package.name == "torch" and package.version for package in held)
    note = torch_says() if cards and torch else "PyTorch is not installed" if cards else ""
    commands = {name: lacking(name, held) for name in names}
    return Examined(machine(), held, cards, note, _workspace(), cached(), completions(), commands)


def require_ready(examined: Examined, command: str) -> str:
    """A line that a command is ready. Raises MissingData where it is not, UsageError for an unknown one."""
    if command not in examined.commands:
        raise unknown_name("command", command, examined.commands)
    if examined.commands[command]:
        raise MissingData(f"hoitool {command}: {examined.commands[command]}")
    return f"hoitool {command} is ready"


def lacking(command: str, held: tuple[Package, ...]) -> str:
    """What a command lacks of packages, with what to try; nothing where it is ready."""
    extra, without = NEEDS.get(command, ("", ""))
    missing = [package for package in held if package.extra in ("", extra) and package.lacking]
    if not missing:
        return ""
    install = f"hoitool[{extra}]" if any(package.extra for package in missing) else "hoitool"
    return f"{_by_reason(missing)}: pip install '{install}'{f' ({without})' if without else ''}"


def _state(held: list[Package]) -> list[str]:
    wrong = [package for package in held if package.lacking]
    return [f"{len(held) - len(wrong)} of {len(held)}", _by_reason(wrong) or "-"]


def _by_reason(held: list[Package]) -> str:
    """Packages with what is wrong with them, said once for all that lack the same: torch, timm not installed."""
    reasons = dict.fromkeys(package.lacking for package in held)
    names = {reason: ", ".join(p.name for p in held if p.lacking == reason) for reason in reasons}
    return "; ".join(f"{listed} {reason}" for reason, listed in names.items())


def _workspace() -> dict[str, list[str]]:
    """Folder of the workspace -> what lies there, by the names that commands find it by."""
    listed = {
        workspace.RAW: workspace.raw_entries(),
        workspace.DATA: workspace.datasets(),
        workspace.WEIGHTS: workspace.raw_entries(workspace.WEIGHTS),
        workspace.FEATURES: workspace.raw_entries(workspace.FEATURES),
        workspace.RUNS: workspace.runs(),
    }
    return {str(folder): [str(path.relative_to(folder)) for path in paths] for folder, paths in listed.items()}
