"""The loop learns, keeps the effective batch, records what it does, and stops where the loss is no number."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

import numpy as np  # noqa: E402
import tiny_task  # noqa: E402
from tiny_task import SPREAD, Regression, mlp, pace, plan  # noqa: E402

from hoitool.errors import DataError, UsageError  # noqa: E402
from hoitool.models import checkpoints  # noqa: E402
from hoitool.train import checkpoint, metrics  # noqa: E402
from hoitool.train.loop import train  # noqa: E402


def same(one, other, **tolerance):
    for name, tensor in one.state_dict().items():
        torch.testing.assert_close(tensor, other.state_dict()[name], **(tolerance or {"rtol": 0, "atol": 0}))


def losses(folder):
    return [line["loss"] for line in metrics.lines(folder / metrics.FILE) if "loss" in line]


def test_one_batch_is_learned_by_heart(tmp_path):
    task = Regression(samples=8, noise=0.0)
    trained = train(task, mlp(), plan(epochs=300, batch=8), tmp_path, pace(evaluate_every=0, log_every=50))
    assert trained.figures["error"] < 1e-3 < losses(tmp_path)[0]
    assert trained.steps == 300


def test_it_is_a_plain_loop(tmp_path):
    """Against torch's own optimiser in ten lines, bit for bit, over the same samples."""
    task, module, other = Regression(), mlp(), mlp()
    train(task, module, plan(epochs=2, weight_decay=0.1), tmp_path, pace())
    optimiser = torch.optim.AdamW(other.parameters(), lr=0.02, weight_decay=0.1)
    for i, names in enumerate(list(task.seen)):
        samples = [task.sample(int(name.removesuffix(".jpg")), i // 3) for name in names]
        optimiser.zero_grad()
        task.loss(other, task.collate(samples), 0.0)["loss"].backward()
        optimiser.step()
    same(module, other)


def test_a_loss_is_told_the_fractional_epoch(tmp_path):
    told = []

    class Timed(Regression):
        def loss(self, module, batch, at):
            told.append(at)
            return super().loss(module, batch, at)

    train(Timed(), mlp(), plan(epochs=2), tmp_path, pace(per_device=4))
    assert told == pytest.approx([0, 0, 1 / 3, 1 / 3, 2 / 3, 2 / 3, 1, 1, 4 / 3, 4 / 3, 5 / 3, 5 / 3])


def test_frozen_parameters_stay_for_their_epochs_and_then_learn_as_if_new(tmp_path):
    """Neither the optimiser's moments nor the norm that is clipped know of them, and a resumed training neither."""
    held, module, other, start = plan(epochs=2, clip=0.1, weight_decay=0.1, frozen={"0.": 1}), mlp(), mlp(), mlp()
    train(Regression(), module, held, tmp_path / "once", pace())
    first = plan(epochs=1, clip=0.1, weight_decay=0.1, groups={"0.": 0})
    train(Regression(), other, first, tmp_path / "one", pace())
    assert torch.equal(other[0].weight, start[0].weight) and not torch.equal(other[3].weight, start[3].weight)
    assert not torch.equal(module[0].weight, start[0].weight)

    class Stopping(Regression):
        def evaluate(self, module):
            torch.save(module.state_dict(), tmp_path / "epoch.pt")
            raise KeyboardInterrupt

    cut = mlp()
    with pytest.raises(KeyboardInterrupt):
        train(Stopping(), cut, held, tmp_path / "cut", pace(checkpoint_steps=2))
    same(cut, other)
    again = mlp()
    train(Regression(), again, held, tmp_path / "cut", pace(checkpoint_steps=2), resume=True)
    same(again, module)


def test_what_is_frozen_must_be_there(tmp_path):
    with pytest.raises(UsageError, match="frozen: no parameter begins with 'cnn.'; they begin with 0, 3"):
        train(Regression(), mlp(), plan(frozen={"cnn.": 1}), tmp_path, pace())


@pytest.mark.parametrize("batch", [8, 16])
def test_accumulation_equals_the_big_batch(tmp_path, batch):
    """22 samples: the last batch of an epoch has 6, in parts of 4 and 2."""
    once, parts = mlp(), mlp()
    train(Regression(), once, plan(batch=batch, clip=0.5), tmp_path / "once", pace())
    task = Regression()
    train(task, parts, plan(batch=batch, clip=0.5), tmp_path / "parts", pace(per_device=4))
    assert {len(names) for names in task.seen} == {2, 4}
    same(once, parts, rtol=1e-6, atol=1e-6)
    assert losses(tmp_path / "once") == pytest.approx(losses(tmp_path / "parts"), rel=1e-5)


def test_every_sample_is_seen_once_an_epoch(tmp_path):
    task = Regression()
    train(task, mlp(), plan(), tmp_path, pace())
    for epoch in range(3):
        names = [name for part in task.seen[3 * epoch : 3 * epoch + 3] for name in part]
        assert sorted(names) == sorted(f"{i}.jpg" for i in range(22))


def test_workers_change_nothing(tmp_path):
    alone, helped = mlp(), mlp()
    train(Regression(), alone, plan(), tmp_path / "alone", pace())
    train(Regression(), helped, plan(), tmp_path / "helped", pace(workers=2))
    same(alone, helped)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_sample_stops_with_its_one_line(tmp_path, workers):
    with pytest.raises(DataError, match="^7.jpg: not an image$"):
        train(Regression(broken=7), mlp(), plan(), tmp_path, pace(workers=workers))


def test_a_loss_that_is_no_number_stops_with_the_samples(tmp_path):
    task = Regression()
    task.targets[13] = np.inf
    with pytest.raises(DataError, match=r"^step \d: the loss is inf, in a batch of .*13\.jpg.*; try") as stopped:
        train(task, mlp(), plan(batch=4, epochs=1), tmp_path, pace())
    step = int(str(stopped.value).split()[1].rstrip(":"))
    assert "13.jpg" in task.seen[step - 1]
    assert len(str(stopped.value).splitlines()) == 1
    assert not checkpoints.steps(tmp_path / "checkpoint"), "nothing of broken weights is kept"


def test_only_the_part_that_is_no_number_is_named(tmp_path):
    task = Regression()
    task.targets[13] = np.nan
    with pytest.raises(DataError, match="the loss is nan") as stopped:
        train(task, mlp(), plan(batch=22, epochs=1), tmp_path, pace(per_device=2))
    assert str(stopped.value).count(".jpg") == 2
    assert "13.jpg" in str(stopped.value)


def test_threads_are_those_of_the_pace_while_it_trains(tmp_path):
    before, seen = torch.get_num_threads(), set()

    class Watched(Regression):
        def loss(self, module, batch, at):
            seen.add(torch.get_num_threads())
            return super().loss(module, batch, at)

    train(Watched(), mlp(), plan(epochs=1), tmp_path, pace(threads=before + 1))
    assert (seen, torch.get_num_threads()) == ({before + 1}, before)


def test_metrics_say_what_happened(tmp_path):
    module = mlp()
    trained = train(Regression(), module, plan(), tmp_path, pace(log_every=3))
    lines = metrics.lines(tmp_path / metrics.FILE)
    assert [line["step"] for line in lines] == [3, 3, 6, 6, 9, 9]
    assert [line["epoch"] for line in lines[::2]] == [1, 2, 3]
    assert set(lines[0]) == {"step", "epoch", "loss", "root", "lr", "samples_per_second", "memory_mb"}
    assert lines[-1]["evaluation"] == trained.figures
    assert lines[0]["lr"] == 0.02


def test_the_average_is_evaluated_and_returned(tmp_path):
    """The formula, step by step, over weights that checkpoints of every step keep."""
    module, task = mlp(), Regression()
    decay = 0.8
    train(task, module, plan(ema=decay), tmp_path, pace(checkpoint_steps=1, keep=100))
    expected = {name: tensor.double() for name, tensor in mlp().state_dict().items()}
    for path in checkpoints.steps(tmp_path / "checkpoint"):
        weights = checkpoint.read(path, plan(ema=decay)).weights
        expected = {name: decay * held + (1 - decay) * weights[name] for name, held in expected.items()}
    for name, tensor in module.state_dict().items():
        torch.testing.assert_close(tensor, expected[name].float(), rtol=1e-5, atol=1e-6)
    assert task.evaluate(module)["error"] == pytest.approx(task.evaluations[-2], rel=1e-6)


def test_the_best_weights_are_kept(tmp_path):
    task = Regression()
    errors = iter([0.5, 0.2, 0.9, 0.3])
    task.evaluate = lambda module: {"error": next(errors), "bias": float(module[0].bias.sum())}
    trained = train(task, mlp(), plan(epochs=4), tmp_path, pace(best="error", best_is="lowest"))
    (best,) = checkpoints.steps(tmp_path / "checkpoint", "best")
    assert (trained.best.step, trained.best.value, best.name) == (6, 0.2, "best-00000006")
    bias = metrics.lines(tmp_path / metrics.FILE)
    kept = checkpoints.evaluated(best)["0.bias"].sum().item()
    assert kept == next(line["evaluation"]["bias"] for line in bias if line["step"] == 6 and "evaluation" in line)


def test_the_last_checkpoints_are_kept(tmp_path):
    train(Regression(), mlp(), plan(), tmp_path, pace(checkpoint_steps=2, keep=3))
    assert [path.name for path in checkpoints.steps(tmp_path / "checkpoint")] == [
        "step-00000006",
        "step-00000008",
        "step-00000009",
    ]


def test_a_figure_that_is_not_evaluated_cannot_be_the_best(tmp_path):
    with pytest.raises(UsageError, match="no figure named 'mAP' in the evaluation; it has error"):
        train(Regression(), mlp(), plan(), tmp_path, pace(best="mAP"))


def test_groups_have_rates_of_their_own_or_stay(tmp_path):
    module, start = mlp(), mlp()
    train(Regression(), module, plan(groups={"0.": 0.0, "3.bias": 0.5}, epochs=1, batch=22), tmp_path, pace())
    moved = {
        name: (tensor - start.state_dict()[name]).abs().max().item() for name, tensor in module.state_dict().items()
    }
    assert moved["0.weight"] == moved["0.bias"] == 0
    assert moved["3.weight"] == pytest.approx(0.02, rel=1e-3), "the first step of Adam is as long as the rate"
    assert moved["3.bias"] == pytest.approx(0.01, rel=1e-3)


def test_a_group_without_parameters_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no parameter begins with 'backbone'; they begin with 0, 3"):
        train(Regression(), mlp(), plan(groups={"backbone": 0.1}), tmp_path, pace())


def test_float16_needs_a_gpu_and_bfloat16_does_not(tmp_path):
    with pytest.raises(UsageError, match="float16 needs a GPU"):
        train(Regression(), mlp(), plan(precision="float16"), tmp_path, pace())
    module = mlp()
    train(Regression(), module, plan(precision="bfloat16", epochs=1), tmp_path, pace())
    assert {tensor.dtype for tensor in module.state_dict().values()} == {torch.float32}


def test_gradient_checkpointing_that_a_model_does_not_know_is_refused(tmp_path):
    with pytest.raises(UsageError, match="Sequential knows no gradient checkpointing"):
        train(Regression(), mlp(), plan(), tmp_path, pace(gradient_checkpointing=True))


def test_two_processes_equal_one(tmp_path):
    """torchrun with gloo: the same effective batch, and the same weights but for the rounding of sums.

    The last batch of an epoch has 6 samples: 3 for each process, in parts of 2 and 1. What is compared are averages.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    script = [str(Path(tiny_task.__file__)), "spread", str(tmp_path / "two"), "8"]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    module = mlp()
    train(Regression(), module, plan(batch=8, **SPREAD), tmp_path / "one", pace(per_device=4))
    for name, tensor in torch.load(tmp_path / "two" / "module.pt", weights_only=True).items():
        torch.testing.assert_close(tensor, module.state_dict()[name], rtol=1e-5, atol=1e-6)
    assert losses(tmp_path / "one") == pytest.approx(losses(tmp_path / "two"), rel=1e-5)
    figures = json.loads((tmp_path / "two" / "figures.json").read_text())
    assert figures == pytest.approx(metrics.lines(tmp_path / "one" / metrics.FILE)[-1]["evaluation"], rel=1e-5)


@pytest.mark.parametrize(
    ("held", "told"), [(8, r"8 samples; try optimise.per_device=4 \(accum"), (1, "1 samples; try opt")]
)
def test_the_end_of_a_devices_memory_is_one_line(tmp_path, held, told):
    class Large(Regression):
        def loss(self, module, batch, at):
            raise torch.OutOfMemoryError("CUDA out of memory.\nmuch more")

    with pytest.raises(UsageError, match=told) as stopped:
        train(Large(), mlp(), plan(), tmp_path, pace(per_device=held))
    assert len(str(stopped.value).splitlines()) == 1
