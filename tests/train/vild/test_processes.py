"""Two processes train and examine one detector."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch")

from tiny_vild import make_workspace

from hoitool.data.parquet import read
from hoitool.eval import score
from hoitool.train import metrics


def test_two_processes_share_the_pictures_of_a_step_and_of_an_evaluation(tmp_path):
    """torchrun with gloo. The last evaluation, of shares, is that of the predictions that one process leaves."""
    make_workspace(tmp_path, test=7)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "hoitool"]
    command += ["train", "recipe.yaml", "model.heads=separate", "--name", "two", "--device", "cpu"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "runs" / "two"
    lines = metrics.lines(run / metrics.FILE)
    assert lines[-1]["step"] == 3
    truth = read(tmp_path / "data" / "things" / "test.parquet")
    result = score(truth, read(run / "predictions-test.parquet"), "open-vocab")
    assert lines[-1]["evaluation"] == pytest.approx({split: result.mean(split) for split in result.splits})
