"""Metrics go where they are asked to, by step, and go on there; modules that stand for the real ones take them."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tiny_task import Regression, mlp, pace, plan

from hoitool.errors import HoitoolError, MissingData, UsageError
from hoitool.train import metrics, trackers
from hoitool.train.loop import train


class Wandb(ModuleType):
    """What a training calls of wandb."""

    class Error(Exception):
        pass

    def __init__(self):
        super().__init__("wandb")
        self.runs, self.refuses = [], False
        self.errors = SimpleNamespace(Error=self.Error)

    def init(self, **told):
        if self.refuses:
            raise self.Error("no API key\nsecond line")
        self.runs.append(SimpleNamespace(told=told, lines=[], ended=False))
        run = self.runs[-1]
        run.log = lambda numbers, step: run.lines.append((step, numbers))
        run.finish = lambda: setattr(run, "ended", True)
        return run


class Tensorboard(ModuleType):
    """torch.utils.tensorboard with a writer that remembers."""

    def __init__(self):
        super().__init__("torch.utils.tensorboard")
        self.writers = made = []

        class SummaryWriter:
            def __init__(self, folder, purge_step):
                self.folder, self.purge_step, self.scalars, self.closed = folder, purge_step, [], False
                made.append(self)

            def add_scalar(self, name, value, step):
                self.scalars.append((name, value, step))

            def flush(self):
                """It is on the disk."""

            def close(self):
                self.closed = True

        self.SummaryWriter = SummaryWriter


@pytest.fixture
def wandb(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "wandb", module := Wandb())
    return module


@pytest.fixture
def tensorboard(monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module := Tensorboard())
    return module


def run(folder, *names, resume=False, epochs=2):
    trackers.require(names)
    folder.mkdir(exist_ok=True)
    with trackers.tracked(names, folder, {"lr": 0.02}) as track:
        return train(Regression(), mlp(), plan(epochs=epochs), folder, pace(log_every=3), resume=resume, track=track)


def test_both_get_the_lines_of_the_file(tmp_path, wandb, tensorboard):
    made = run(tmp_path / "one", "wandb", "tensorboard")
    (there,), (writer,) = wandb.runs, tensorboard.writers
    assert [step for step, _ in there.lines] == [3, 3, 6, 6]
    assert there.lines[-1] == (6, {"epoch": 2.0, "evaluation/error": made.figures["error"]})
    written = [trackers.numbers(line) for line in metrics.lines(tmp_path / "one" / metrics.FILE)]
    assert written == [numbers for _, numbers in there.lines]
    assert writer.scalars == [(name, value, step) for step, held in there.lines for name, value in held.items()]
    assert there.told["config"] == {"lr": 0.02}
    assert (there.told["project"], there.told["name"]) == ("hoitool", "one")
    assert there.ended
    assert writer.closed


def test_a_run_goes_on_where_it_was(tmp_path, wandb, tensorboard, monkeypatch):
    folder = tmp_path / "one"
    run(folder, "wandb", "tensorboard")
    with pytest.raises(UsageError, match="has checkpoints"):
        run(folder, "wandb", "tensorboard")
    run(folder, "wandb", "tensorboard", resume=True)
    assert len({there.told["id"] for there in wandb.runs}) == 1
    assert {there.told["resume"] for there in wandb.runs} == {"allow"}
    assert [writer.purge_step for writer in tensorboard.writers] == [None, 7, 7]
    assert all(writer.closed for writer in tensorboard.writers)
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    run(tmp_path / "two", "wandb")
    assert wandb.runs[-1].told["project"] == "mine"
    assert wandb.runs[-1].told["id"] != wandb.runs[0].told["id"]


def test_it_ends_with_an_error_too(tmp_path, wandb):
    with pytest.raises(ZeroDivisionError), trackers.tracked(["wandb"], tmp_path, {}):
        _ = 1 / 0
    assert wandb.runs[0].ended


def test_what_cannot_be_is_said_in_a_line(tmp_path, wandb, monkeypatch):
    with pytest.raises(UsageError, match=r"No tracker named 'wandbb'. Did you mean 'wandb'\?"):
        trackers.require(["wandbb"])
    wandb.refuses = True
    with (
        pytest.raises(HoitoolError, match="^wandb: no API key; `wandb login`"),
        trackers.tracked(["wandb"], tmp_path, {}),
    ):
        pass
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    for name in trackers.TRACKERS:
        with pytest.raises(MissingData, match=f"^{name} is not installed; pip install {name}"):
            trackers.require([name])


def test_numbers_of_a_line():
    line = {"step": 4, "epoch": 0.5, "loss": float("nan"), "evaluation": {"full": 0.25, "rare": float("nan")}}
    assert trackers.numbers(line) == {"epoch": 0.5, "evaluation/full": 0.25}
