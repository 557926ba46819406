"""hoitool doctor: what it finds, and what it says where something is missing."""

from __future__ import annotations

import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import typer

from hoitool.cli import app
from hoitool.report import doctor, installed, machine
from hoitool.report.installed import Package

NAMES = list(typer.main.get_command(app).commands)
HERE = (Package("numpy", "1.26", "", "2.4.6"), Package("torch", "2.6", "torch", "2.10.0+cu128"))


@pytest.fixture(autouse=True)
def nobody(tmp_path, monkeypatch):
    """An empty home and folder, no GPU."""
    for name in ("HF_HOME", "HF_HUB_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine.shutil, "which", lambda name: None)
    return tmp_path


def with_packages(monkeypatch, *held):
    monkeypatch.setattr(doctor, "packages", lambda: held)


def test_every_command_has_a_state(hoitool):
    done = hoitool("doctor")
    assert done.code == 0, done.err
    told = hoitool("doctor", "--json")
    held = json.loads(told.out)
    assert list(held["commands"]) == NAMES
    assert {row["name"]: row["version"] for row in held["packages"]}["numpy"] == np.__version__
    assert set(doctor.NEEDS) | set(doctor.BARE) <= set(NAMES)
    assert held["gpus"] == []


def test_a_command_that_lacks_something_is_exit_code_4(hoitool, monkeypatch):
    with_packages(monkeypatch, HERE[0], Package("torch", "2.6", "torch", None))
    done = hoitool("doctor", "--for", "train")
    assert (done.code, done.out) == (4, "")
    assert done.err == "hoitool: hoitool train: torch not installed: pip install 'hoitool[torch]'\n"
    assert "--zero-shot needs nothing" in hoitool("doctor", "--for", "predict").err
    assert hoitool("doctor", "--for", "eval").out == "hoitool eval is ready\n"
    assert hoitool("doctor").code == 0
    with_packages(monkeypatch, Package("numpy", "1.26", "", "1.20.1"))
    assert "numpy older than 1.26: pip install 'hoitool'" in hoitool("doctor", "--for", "eval").err


def test_what_is_lacking_is_said_once_for_all_packages(hoitool, monkeypatch):
    gone = [Package(name, "1", "torch", None) for name in ("torch", "timm", "accelerate")]
    with_packages(monkeypatch, HERE[0], *gone, Package("open_clip", "2", "torch", "1.9"))
    done = hoitool("doctor", "--for", "train")
    assert "train: torch, timm, accelerate not installed; open_clip older than 2: pip install" in done.err
    assert "│ torch, timm, accelerate not installed; open_clip older than 2" in hoitool("doctor").out


def test_without_an_installation_it_says_that_nothing_is_known(hoitool, monkeypatch):
    with_packages(monkeypatch)
    assert "it runs from its sources: what it requires is not known" in hoitool("doctor").out


def test_an_unknown_command_is_told_with_the_nearest(hoitool):
    done = hoitool("doctor", "--for", "evla")
    assert (done.code, done.err) == (2, "hoitool: No command named 'evla'. Did you mean 'eval'?\n")


@pytest.mark.parametrize(
    ("least", "came", "lacking"),
    [
        ("2.6", "2.6.0+cu124", ""),
        ("2.6", "2.10.0", ""),
        ("2.6", "2.5.9", "older than 2.6"),
        ("", "0.1", ""),
        ("3", "3.0rc1", ""),
        ("10.1", "10.0.1", "older than 10.1"),
        ("1", None, "not installed"),
    ],
)
def test_versions_are_compared_by_their_numbers(least, came, lacking):
    assert Package("a", least, "", came).lacking == lacking


def test_requirements_are_read_as_they_are_written(monkeypatch):
    lines = ["numpy>=1.26", "PyYAML>=6", 'torch>=2.6; extra == "torch"', "gt-x ; extra == 'minilm'", "pytest"]
    monkeypatch.setattr(installed, "requires", lambda name: lines)
    installed.packages.cache_clear()
    held = installed.packages()
    assert [(p.name, p.least, p.extra) for p in held] == [
        ("numpy", "1.26", ""), ("PyYAML", "6", ""), ("torch", "2.6", "torch"), ("gt-x", "", "minilm"),
        ("pytest", "", ""),
    ]  # fmt: skip
    assert held[3].version is None
    assert "gt-x    not installed (extra minilm)" in installed.version_text()

    def none(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installed, "requires", none)
    installed.packages.cache_clear()
    assert installed.packages() == ()
    assert installed.version_text().splitlines()[1].startswith("Python")
    monkeypatch.undo()
    installed.packages.cache_clear()


def test_what_lies_in_the_workspace_and_in_caches(hoitool, nobody, monkeypatch):
    for name in ("data/demo/test.parquet", "weights/clip/a", "runs/first/config.yaml", "raw/hico"):
        (nobody / name).parent.mkdir(parents=True, exist_ok=True)
        (nobody / name).write_text("x")
    blobs = nobody / ".cache" / "huggingface" / "hub" / "models--timm--vit" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / "1").write_bytes(b"x" * 2**20)
    checkpoints = nobody / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "resnet.pth").write_bytes(b"12")
    monkeypatch.setenv("TORCH_HOME", str(nobody / "torch"))
    held = json.loads(hoitool("doctor", "--json").out)
    assert held["workspace"] == {
        "raw": ["hico"], "data": ["demo/test.parquet"], "weights": ["clip"], "features": [], "runs": ["first"],
    }  # fmt: skip
    assert [(each["name"], each["cache"], each["bytes"]) for each in held["cached"]] == [
        ("timm/vit", "Hugging Face", 2**20), ("resnet.pth", "torch.hub", 2),
    ]  # fmt: skip
    told = hoitool("doctor").out
    assert "timm/vit (1 MiB)" in told
    assert "finds its files" in told


def test_gpus_are_asked_for_by_programs_of_their_own(hoitool, nobody, monkeypatch):
    program = nobody / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'NVIDIA H200, 143771 MiB, 570.1'\n")
    program.chmod(0o755)
    monkeypatch.setattr(machine.shutil, "which", lambda name: str(program) if name == "nvidia-smi" else None)
    with_packages(monkeypatch, HERE[0])
    told = hoitool("doctor").out
    assert "NVIDIA H200, 143771 MiB, 570.1, PyTorch is not installed" in told
    with_packages(monkeypatch, *HERE)
    for asked, said in (
        ('print(\'["2.9", "12.8", true, ["H200"]]\')', "PyTorch 2.9 uses H200 (CUDA 12.8)"),
        ("print('[\"2.9\", null, false, []]')", "PyTorch 2.9 cannot use them: it is built for the CPU alone"),
        ('print(\'["2.9", "12.8", false, []]\')', "CUDA 12.8, which this driver does not run"),
        ("raise SystemExit(1)", "PyTorch did not start"),
    ):
        monkeypatch.setattr(machine, "ASKED", asked)
        assert said in hoitool("doctor").out


def test_nothing_heavy_is_loaded(nobody):
    import subprocess

    code = (
        "import sys; from hoitool.report.doctor import examine; examine(['eval']); "
        "print(set(sys.modules) & {'torch', 'numpy', 'pandas', 'pyarrow', 'matplotlib'})"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert done.stdout == "set()\n"
