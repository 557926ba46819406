"""Imports point down only, neighbours on one row do not import each other, and start-up stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "hoitool"
LAYERS = [
    ["cli"],
    ["commands"],
    ["demo"],
    ["train", "pseudo", "report"],
    ["predict", "diagnose"],
    ["convert", "eval", "viz", "embed", "models", "losses"],
    ["splits", "nn", "store"],
    ["data"],
    ["labels"],
    ["lookup", "boxes", "files", "progress", "workspace", "launch"],
    ["errors"],
]
RANK = {name: len(LAYERS) - i for i, row in enumerate(LAYERS) for name in row}
OUTSIDE = {"__init__", "__main__"}  # the package's lazy face and its way in; they stand above everything
TORCH = {"torch", "torchvision", "open_clip", "transformers", "timm", "accelerate", "safetensors"}
TORCH_LAYERS = {"nn", "models", "losses", "predict", "train", "pseudo"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The dotted names that a module imports, anywhere in it, names in tables included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("hoitool."):
            found.add(node.value.partition(":")[0])
    return found


def layers_used(path: Path) -> set[str]:
    parts = [name.split(".") for name in imported(path) if name.split(".")[0] == "hoitool"]
    return {name[1] for name in parts if len(name) > 1 and name[1] in RANK}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    mine = layer(path)
    if mine in OUTSIDE:
        return
    assert mine in RANK, f"{mine} has no layer: add it to ARCHITECTURE.md and to LAYERS"
    for used in layers_used(path) - {mine}:
        assert RANK[used] < RANK[mine], f"{path} ({mine}) imports {used}, which is not below it"


def test_the_lowest_rows_are_where_the_test_thinks():
    assert layers_used(PACKAGE / "errors.py") == set()
    assert "errors" in layers_used(PACKAGE / "files.py")
    assert {"convert", "eval"} <= layers_used(PACKAGE / "report" / "scoring.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_torch_stays_in_its_layers(path):
    if layer(path) in TORCH_LAYERS or "encoders" in path.parts:
        return
    assert not {name.split(".")[0] for name in imported(path)} & TORCH


def test_the_architecture_page_shows_these_layers():
    text = (PACKAGE.parent / "ARCHITECTURE.md").read_text()
    for row in LAYERS:
        assert " ".join(row) in text, row


def loaded_after(code: str, *arguments: str) -> set[str]:
    """The top-level modules that a fresh process has loaded at its end."""
    report = "import sys, atexit; atexit.register(lambda: sys.stderr.write('LOADED ' + ' '.join(sys.modules)))\n"
    done = subprocess.run(
        [sys.executable, "-c", report + code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stderr.partition("LOADED ")[2].split()}


COMMAND = "from hoitool.cli import main; main(sys.argv[1:])"
HEAVY = {"torch", "pandas", "scipy", "matplotlib", "h5py"}  # pydantic: some versions of typer parse options with it


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["eval", "--help"],
        ["convert", "--help"],
        ["--version"],
        ["inspect", "--help"],
        ["split", "apply", "--help"],
        ["embed", "--help"],
        ["embed", "labels", "--help"],
        ["embed", "regions", "--help"],
        ["draw", "embeddings", "--help"],
        ["predict", "--help"],
        ["report", "--help"],
        ["diagnose", "--help"],
    ],
)
def test_help_loads_nothing_heavy(arguments):
    assert not loaded_after(COMMAND, *arguments) & (HEAVY | {"numpy", "pyarrow"})


def test_importing_the_package_loads_nothing():
    assert not loaded_after("import hoitool") & (HEAVY | {"numpy", "pyarrow", "typer", "rich"})


def test_the_library_way_to_a_score_loads_no_pydantic_either(small, detected, tmp_path):
    from hoitool.data import write

    paths = [str(tmp_path / name) for name in ("truth.parquet", "predictions.parquet")]
    write(small.test, tmp_path / "truth.parquet")
    write(detected, tmp_path / "predictions.parquet")
    code = "from hoitool import load, score; score(load(sys.argv[1]), load(sys.argv[2]), 'hico-det').mean('rare')"
    assert not loaded_after(code, *paths) & (HEAVY | {"pydantic", "typer", "rich"})


@pytest.mark.parametrize("suffix", [".parquet", ".npz"])
def test_scoring_loads_numpy_and_pyarrow_and_no_more(small, detected, tmp_path, suffix):
    from hoitool.convert import PREDICTION_FORMATS
    from hoitool.data import write

    write(small.test, tmp_path / "truth.parquet")
    path = tmp_path / f"predictions{suffix}"
    if suffix == ".parquet":
        write(detected, path)
    else:
        PREDICTION_FORMATS["pairs"].write([detected], path)
    loaded = loaded_after(
        COMMAND, "eval", str(path), "--truth", str(tmp_path / "truth.parquet"), "-o", str(tmp_path / "out")
    )
    assert not loaded & HEAVY
    assert {"numpy", "pyarrow"} <= loaded
