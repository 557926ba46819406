"""A training that was killed goes on to the same weights, bit for bit; damaged or foreign checkpoints are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

import tiny_task  # noqa: E402
from tiny_task import FACTORS, RICH, RICH_PACE, Regression, mlp, pace, plan, rich  # noqa: E402

from hoitool.errors import DataError, HoitoolError, MissingData, UsageError  # noqa: E402
from hoitool.models import checkpoints  # noqa: E402
from hoitool.train import checkpoint, metrics  # noqa: E402
from hoitool.train.loop import train  # noqa: E402


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted training: its folder, result and module. 20 steps, 4 an epoch, of 2, 2, 2 and 1 parts."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, *rich(folder)


def killed(how: str, folder: Path, number: int) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(tiny_task.__file__)), how, str(folder), str(number)]
    assert subprocess.run(command, env=environment, check=False, capture_output=True).returncode == -9


def states(folder: Path):
    """What the last checkpoint holds, and the metrics but for the times."""
    made = checkpoint.read(checkpoints.steps(folder / "checkpoint")[-1], RICH)
    kept = [{k: v for k, v in line.items() if k not in ("samples_per_second", "memory_mb")} for line in lines(folder)]
    return made, kept


def lines(folder: Path):
    return metrics.lines(folder / metrics.FILE)


def assert_equal_runs(whole, folder, trained, module):
    for name, tensor in whole[2].state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name
    (one, one_lines), (other, other_lines) = states(whole[0]), states(folder)
    assert one.step == other.step == trained.steps
    torch.testing.assert_close(one.optimiser, other.optimiser, rtol=0, atol=0)
    torch.testing.assert_close(one.weights, other.weights, rtol=0, atol=0)
    torch.testing.assert_close(one.average, other.average, rtol=0, atol=0)
    assert one_lines == other_lines
    assert (trained.best, trained.figures) == (whole[1].best, whole[1].figures)
    assert sorted(path.name for path in (folder / "checkpoint").iterdir()) == sorted(
        path.name for path in (whole[0] / "checkpoint").iterdir()
    ), "nothing unfinished is left"


@pytest.mark.parametrize(
    ("how", "number"),
    [
        ("die-in-step", 3),  # before the first checkpoint
        ("die-in-step", 17),  # between two parts of a step, in the middle of an epoch
        ("die-in-checkpoint", 9),  # while a checkpoint is being written
    ],
)
def test_killed_and_resumed_equals_uninterrupted(whole, tmp_path, how, number):
    killed(how, tmp_path, number)
    assert_equal_runs(whole, tmp_path, *rich(tmp_path, resume=True))


@pytest.mark.parametrize("call", range(1, 35, 6))
def test_stopped_anywhere_and_resumed_equals_uninterrupted(whole, tmp_path, call):
    class Stopping(Regression):
        def loss(self, module, batch, at):
            if len(self.seen) == call:
                raise KeyboardInterrupt
            return super().loss(module, batch, at)

    with pytest.raises(KeyboardInterrupt):
        rich(tmp_path, Stopping(factors=FACTORS))
    assert_equal_runs(whole, tmp_path, *rich(tmp_path, resume=True))


def test_a_finished_training_has_nothing_left_to_do(whole, tmp_path):
    rich(tmp_path)
    before = lines(tmp_path)
    _, module = rich(tmp_path, resume=True)
    assert lines(tmp_path) == before
    assert torch.equal(module[0].weight, whole[2][0].weight)


def test_another_part_size_goes_on(whole, tmp_path):
    with pytest.raises(UsageError, match="--resume goes on"):
        rich(whole[0])
    train(Regression(), mlp(), plan(steps=4, epochs=None), tmp_path, pace())
    trained = train(Regression(), mlp(), plan(steps=4, epochs=None), tmp_path, pace(per_device=2), resume=True)
    assert trained.steps == 4


def test_another_plan_is_refused_by_its_field(whole):
    other = RICH.model_copy(update={"weight_decay": 0.2})
    with pytest.raises(UsageError, match=r"made with another plan \(weight_decay is 0.1 there and 0.2 here\)"):
        train(Regression(), mlp(), other, whole[0], RICH_PACE, resume=True)


def test_another_model_is_refused_by_its_tensor(tmp_path):
    train(Regression(), mlp(), plan(epochs=1), tmp_path, pace())
    wider = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Linear(3, 2))
    with pytest.raises(DataError, match=r"0.weight: \[16, 6\] there and \[3, 6\] in the model"):
        train(Regression(), wider, plan(epochs=1), tmp_path, pace(), resume=True)


@pytest.fixture
def made(tmp_path):
    train(Regression(), mlp(), plan(epochs=1, ema=0.9), tmp_path, pace())
    return checkpoints.steps(tmp_path / "checkpoint")[-1]


@pytest.mark.parametrize("name", ["weights.safetensors", "average.safetensors", "optimiser.pt"])
@pytest.mark.parametrize("damage", ["truncated", "changed", "absent"])
def test_a_damaged_checkpoint_is_one_line(made, name, damage):
    path = made / name
    content = path.read_bytes()
    if damage == "absent":
        path.unlink()
    else:
        path.write_bytes(content[:-5] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(HoitoolError, match=name) as refused:
        checkpoint.read(made, plan(epochs=1, ema=0.9))
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 1, "step": 1}'])
def test_a_damaged_description_is_one_line(made, content):
    (made / "about.json").write_text(content)
    with pytest.raises(HoitoolError, match="about.json") as refused:
        checkpoint.read(made, plan(epochs=1))
    assert len(str(refused.value).splitlines()) == 1


def test_a_folder_without_description_is_no_checkpoint(made):
    (made / "about.json").unlink()
    with pytest.raises(MissingData, match="a checkpoint of hoitool expected"):
        checkpoints.evaluated(made)


def test_an_optimiser_that_wants_to_run_code_is_refused(made, tmp_path):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    torch.save({"state": Evil()}, made / "optimiser.pt")
    about = json.loads((made / "about.json").read_text())
    about["sha256"]["optimiser.pt"] = checkpoint.sha256(made / "optimiser.pt")
    (made / "about.json").write_text(json.dumps(about))
    with pytest.raises(DataError, match=r"optimiser.pt: not readable"):
        checkpoint.read(made, plan(epochs=1, ema=0.9))
    assert not (tmp_path / "ran").exists()


def test_evaluated_weights_are_the_averaged_ones(made):
    state = checkpoint.read(made, plan(epochs=1, ema=0.9))
    assert torch.equal(checkpoints.evaluated(made)["0.weight"], state.average["0.weight"])
    assert not torch.equal(state.weights["0.weight"], state.average["0.weight"])


def test_an_unfinished_line_of_metrics_is_left_out(tmp_path):
    path = tmp_path / metrics.FILE
    metrics.add(path, {"step": 1, "loss": float("nan")})
    metrics.add(path, {"step": 2, "loss": 0.5})
    with path.open("a") as stream:
        stream.write('{"step": 3, "lo')
    assert metrics.lines(path) == [{"step": 1, "loss": None}, {"step": 2, "loss": 0.5}]
    metrics.cut(path, 1)
    assert metrics.lines(path) == [{"step": 1, "loss": None}]


def test_a_training_that_has_ended_still_knows_its_figures(whole):
    trained, module = rich(whole[0], resume=True)
    assert_equal_runs(whole, whole[0], trained, module)
