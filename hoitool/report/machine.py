"""What the machine has for hoitool: cores and memory, GPUs, weights in the caches of hubs, completion of shells.

Nothing heavy is imported: GPUs are those that the driver's `nvidia-smi` lists, and PyTorch is asked whether it can use
them in a process of its own, where both are here. Caches are where their libraries keep them: huggingface_hub
(HF_HUB_CACHE, HF_HOME), torch.hub (TORCH_HOME) and open_clip's former own.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60  # seconds that PyTorch may take to start
ASKED = (
    "import json, torch; print(json.dumps([torch.__version__, torch.version.cuda, torch.cuda.is_available(), "
    "[torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]]))"
)
SHELLS = {
    "bash": ".bash_completions/hoitool.sh",
    "zsh": ".zfunc/_hoitool",
    "fish": ".config/fish/completions/hoitool.fish",
}


@dataclass(frozen=True)
class Cached:
    """Weights in a cache: of which model or file, which library's cache, where, bytes."""

    name: str
    cache: str
    path: Path
    bytes: int


def machine() -> dict[str, str]:
    """Named facts about the computer and its Python."""
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    told = {
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processors": str(os.cpu_count() or 1),
        "disk": f"{free:,.0f} GiB free in this folder",
    }
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        told["memory"] = f"{memory:,.0f} GiB"
    return told


def gpus() -> list[str]:
    """The GPUs of NVIDIA that the driver lists: name, memory, driver; none where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    wanted = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    return [" ".join(line.split()) for line in _said(program, *wanted).splitlines() if line.strip()]


def torch_says() -> str:
    """Whether PyTorch can use the GPUs, from a process of its own."""
    said = _said(sys.executable, "-c", ASKED)
    try:
        version, cuda, usable, names = json.loads(said.strip().splitlines()[-1])
    except (ValueError, IndexError):
        return "PyTorch did not start"
    if usable:
        return f"PyTorch {version} uses {', '.join(names)} (CUDA {cuda})"
    why = "is built for the CPU alone" if cuda is None else f"is built for CUDA {cuda}, which this driver does not run"
    return f"PyTorch {version} cannot use them: it {why}"


def cached() -> list[Cached]:
    """The weights in the caches of hubs, by name."""
    home = Path.home()
    general = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache"))
    hub = Path(os.environ.get("HF_HUB_CACHE", Path(os.environ.get("HF_HOME", general / "huggingface")) / "hub"))
    torch_hub = Path(os.environ.get("TORCH_HOME", general / "torch")) / "hub" / "checkpoints"
    found = [
        Cached(path.name.removeprefix("models--").replace("--", "/"), "Hugging Face", path, _size(path / "blobs"))
        for path in sorted(hub.glob("models--*"))
    ]
    for cache, folder in (("torch.hub", torch_hub), ("open_clip", home / ".cache" / "clip")):
        files = [path for path in sorted(folder.glob("*.pt*")) if path.is_file()]
        found += [Cached(path.name, cache, path, path.stat().st_size) for path in files]
    return found


def completions() -> dict[str, bool]:
    """Shell that is on this machine -> whether it completes hoitool's commands, as --install-completion has it."""
    return {shell: (Path.home() / file).is_file() for shell, file in SHELLS.items() if shutil.which(shell)}


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0


def _said(*command: str) -> str:
    """What a program prints, nothing where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)  # noqa: S603 our own words
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout
