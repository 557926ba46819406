"""The triplet loss is that of the whole batch, on however many processes it lies."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch
from tiny_matching import make_workspace

from hoitool.models import checkpoints
from hoitool.store import Store
from hoitool.train import metrics

CHANGES = ["optimise.optimiser=sgd", "optimise.lr=0.05", "optimise.momentum=0.5"]


def ended(folder):
    """The weights, the losses and the figures that a run left."""
    (made,) = checkpoints.steps(folder / checkpoints.FOLDER)
    lines = metrics.lines(folder / metrics.FILE)
    return checkpoints.evaluated(made), [line["loss"] for line in lines if "loss" in line], lines[-1]["evaluation"]


def test_two_processes_give_the_weights_of_one(tmp_path, monkeypatch, hoitool):
    """torchrun with gloo. Each process alone would find other hardest negatives, and other weights."""
    monkeypatch.chdir(make_workspace(tmp_path))
    assert hoitool("train", "grid.yaml", *CHANGES, "--name", "one", "--device", "cpu").code == 0
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hoitool"]
    command += ["train", "grid.yaml", *CHANGES, "--name", "two", "--device", "cpu"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (one, losses, figures), (two, other, found) = (ended(tmp_path / "runs" / name) for name in ("one", "two"))
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=1e-4, atol=1e-5)
    assert losses == pytest.approx(other, rel=1e-4)
    assert figures == pytest.approx(found, abs=1e-6)
    stores = [Store(tmp_path / "runs" / name / "predictions-test.h5") for name in ("one", "two")]
    rows = [torch.from_numpy(each.rows(0, int(each.offsets[-1]))) for each in stores]
    torch.testing.assert_close(*rows, rtol=1e-3, atol=1e-4)
