"""The loop: a task, a module and a plan in; checkpoints, metrics and the best weights out.

On one GPU, on several under torchrun, or on the CPU, by way of accelerate. A step is one effective batch: its gradient
is that of the mean over all its samples, however they lie over processes and accumulated parts, the last and smaller
batch of an epoch included. Before every part the generators are seeded from (seed, step, process, part), and the
learning rate is a function of the step, so that a training that was killed goes on bit for bit.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hoitool.errors import UsageError
from hoitool.files import writing
from hoitool.models import checkpoints
from hoitool.progress import progress
from hoitool.train import checkpoint, metrics
from hoitool.train.average import Average, State, put
from hoitool.train.checkpoint import Best, Checkpoint
from hoitool.train.device import accelerator_of, bare, from_main, memory, moved, save_memory, threads, within_memory
from hoitool.train.loader import Batch, batches
from hoitool.train.metrics import Clock
from hoitool.train.optimisers import drop_frozen, optimiser_of, set_rate
from hoitool.train.order import Order, Parts
from hoitool.train.plan import Pace, Plan, spread
from hoitool.train.schedules import factor
from hoitool.train.task import Task
from hoitool.train.trackers import Track, numbers
from hoitool.train.watch import Step, Watch, by_name

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """What a training left: steps made in all, the last evaluation's figures, the best one, the last checkpoint."""

    steps: int
    figures: dict[str, float]
    best: Best | None
    checkpoint: Path


def train(
    task: Task,
    module: torch.nn.Module,
    plan: Plan,
    folder: Path,
    pace: Pace | None = None,
    *,
    resume: bool = False,
    track: Track | None = None,
) -> Trained:
    """Train `module` in place and write `folder`/metrics.jsonl and `folder`/checkpoint/.

    resume: go on from the last checkpoint there, or begin where there is none yet. track: called in the main process
    with the numbers of each line of metrics. Afterwards the module has the last weights, averaged ones where the plan
    averages. Raises UsageError where checkpoints are in the way or of another plan, DataError at the first loss that is
    no finite number, and what the task raises.
    """
    pace = pace or Pace()
    with threads(pace.threads):
        return _Training(task, module, plan, folder, pace, resume, track).run()


class _Training:
    """One training from its first or next step to its last."""

    def __init__(
        self,
        task: Task,
        module: torch.nn.Module,
        plan: Plan,
        folder: Path,
        pace: Pace,
        resume: bool,
        track: Track | None,
    ) -> None:
        self.task, self.plan, self.pace, self.track = task, plan, pace, track
        self.checkpoints, self.metrics = folder / checkpoints.FOLDER, folder / metrics.FILE
        self.order = Order(plan, len(task), task.factors())
        self.accelerator = accelerator_of(plan, pace)
        self.spread = spread(plan, pace, self.accelerator.num_processes)
        self.module = module.to(self.accelerator.device)
        save_memory(module, pace)
        optimiser = optimiser_of(self.module, plan)
        self.step = 0
        self.best: Best | None = None
        self.figures: dict[str, float] = {}
        averaged = self._begin(optimiser, resume)
        self.model = self.accelerator.prepare_model(torch.compile(module) if pace.compile else module)
        # not before: on several CPUs accelerate gives the module's weights another place in memory
        self.average = None if plan.ema is None else Average(self.module, plan.ema, averaged)
        self.optimiser = self.accelerator.prepare_optimizer(optimiser)
        self.watch = Watch(self.accelerator)

    def _begin(self, optimiser: torch.optim.Optimizer, resume: bool) -> State | None:
        """Look for checkpoints, and take over the last one's state; returns its averaged weights."""
        made = checkpoints.steps(self.checkpoints)
        if made and not resume:
            raise UsageError(f"{self.checkpoints}: has checkpoints; --resume goes on, or train into another folder")
        state = checkpoint.read(made[-1], self.plan) if made else None
        self.accelerator.wait_for_everyone()  # before the main process clears up
        if self.accelerator.is_main_process:
            with writing(self.checkpoints):
                self.checkpoints.mkdir(parents=True, exist_ok=True)
            checkpoint.clean(self.checkpoints)
            metrics.cut(self.metrics, state.step if state else 0)
        if state is None:
            return None
        self._take(state, optimiser)
        return state.average

    def _take(self, state: Checkpoint, optimiser: torch.optim.Optimizer) -> None:
        if state.world != self.spread.world:
            log.warning(
                "the checkpoint was made by %d processes and goes on with %d: weights may differ in their last digits",
                state.world,
                self.spread.world,
            )
        put(checkpoint.fitting(state.weights, self.module), self.module.state_dict())
        optimiser.load_state_dict(state.optimiser)
        if self.accelerator.scaler is not None and state.scaler:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.step, self.best = state.step, state.best
        self.figures = metrics.figures(self.metrics)

    def run(self) -> Trained:
        """All remaining steps, and what is due after each."""
        log.info("%s", self.spread.told())
        self.model.train()
        parts = Parts(self.order, self.step, self.accelerator.process_index, self.spread.world, self.spread.per_device)
        pinned = self.accelerator.device.type == "cuda"
        self.written, self.clock = time.monotonic(), Clock()
        with (
            within_memory(self.spread.per_device),
            closing(batches(self.task, parts, self.pace.workers, pinned)) as loaded,
        ):
            for step in self._counted(range(self.step, self.order.steps)):
                self.clock.add(self._advance(step, loaded))
                self.step = step + 1
                self._after_step()
        if self.average is not None:
            put(self.average.state, self.module.state_dict())
        self.accelerator.wait_for_everyone()
        return Trained(self.step, self.figures, self.best, checkpoints.steps(self.checkpoints)[-1])

    def _counted(self, steps: range) -> Iterator[int]:
        yield from progress(steps, "training") if self.accelerator.is_main_process else steps

    def _advance(self, step: int, loaded: Iterator[Batch]) -> int:
        """One step of the optimiser; returns how many samples it took, over all processes."""
        rank, world = self.accelerator.process_index, self.spread.world
        set_rate(
            self.optimiser, self.plan.lr * factor(self.plan.schedule, step, self.order.per_epoch, self.order.steps)
        )
        count = len(self.order.batch(step))
        parts = self.order.parts(step, rank, world, self.spread.per_device)
        seen = Step(step)
        for i, part in enumerate(parts):
            batch = moved(next(loaded), self.accelerator.device)
            torch.manual_seed(seed_of(self.plan.seed, step, rank, i))
            last = i == len(parts) - 1
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                losses = by_name(self.task.loss(self.model, batch, step / self.order.per_epoch))
                self.accelerator.backward(losses["loss"] * (len(part) * world / count))
            seen.add(losses, len(part) / count, list(self.task.names(batch)))
        drop_frozen(self.module, self.plan, step / self.order.per_epoch)
        if self.plan.clip is not None:
            self.accelerator.clip_grad_norm_(self.module.parameters(), self.plan.clip)
        self.optimiser.step()
        self.optimiser.zero_grad()
        if self.average is not None:
            self.average.update()
        self.watch.add(seen)
        return count

    def _after_step(self) -> None:
        """Metrics, evaluation and checkpoint, in this order, where they are due."""
        last = self.step == self.order.steps
        between = self.pace.evaluate_every * self.order.per_epoch
        if due(self.step, self.pace.log_every) or last:
            self._log()
        if (between and due(self.step, between)) or last:
            self._evaluate()
        late = self.pace.checkpoint_minutes and time.monotonic() - self.written > 60 * self.pace.checkpoint_minutes
        if last or due(self.step, self.pace.checkpoint_steps) or (late and self._is_seen()):
            self._write()

    def _is_seen(self) -> bool:
        """Whether metrics are written after this step, or an epoch ends."""
        return due(self.step, self.pace.log_every) or due(self.step, self.order.per_epoch)

    def _line(self, **held: Any) -> None:
        if not self.accelerator.is_main_process:
            return
        line = {"step": self.step, "epoch": self.step / self.order.per_epoch} | held
        metrics.add(self.metrics, line)
        if self.track is not None:
            self.track(self.step, numbers(line))

    def _log(self) -> None:
        means = self.watch.means()
        rate = max(group["lr"] for group in self.optimiser.param_groups)
        self._line(**means, lr=rate, samples_per_second=self.clock.rate(), memory_mb=memory(self.accelerator.device))

    def _evaluate(self) -> None:
        """Figures of the weights, averaged ones where there are any, and these weights kept where they are the best."""
        self.watch.settle()
        with self.average.within() if self.average else nullcontext():
            self.figures = self._figures()
            if not self.figures:
                return
            self._line(evaluation=self.figures)
            if self.pace.best is not None and self._is_best(self.pace.best):
                self.best = Best(self.step, self.figures[self.pace.best])
                if self.accelerator.is_main_process:
                    checkpoint.write_best(self.checkpoints, self.module.state_dict(), self.best, self.figures)

    def _figures(self) -> dict[str, float]:
        """The task's evaluation; all processes go on with the main one's figures."""
        self.model.eval()
        with torch.no_grad():
            figures = self.task.evaluate(bare(self.model))
        self.model.train()
        self.clock.start()
        return from_main(figures)

    def _is_best(self, name: str) -> bool:
        if name not in self.figures:
            raise UsageError(f"best: no figure named {name!r} in the evaluation; it has {', '.join(self.figures)}")
        value, sign = self.figures[name], 1 if self.pace.best_is == "highest" else -1
        return value == value and (self.best is None or sign * value > sign * self.best.value)

    def _write(self) -> None:
        self.watch.settle()
        self.written = time.monotonic()
        if not self.accelerator.is_main_process:
            return
        scaler = self.accelerator.scaler
        made = Checkpoint(
            step=self.step,
            world=self.spread.world,
            weights=self.module.state_dict(),
            optimiser=self.optimiser.state_dict(),
            average=self.average.state if self.average else None,
            scaler=dict(scaler.state_dict()) if scaler is not None else {},
            best=self.best,
        )
        checkpoint.write(self.checkpoints, made, self.plan, self.pace.keep)


def seed_of(*place: int) -> int:
    """The seed of what is random in a place: a seed, a step, a process and the part of the step."""
    return int(np.random.SeedSequence(place).generate_state(1, np.uint64)[0] >> np.uint64(1))


def due(step: int, every: int | None) -> bool:
    """Whether something that happens every so many steps happens after this one."""
    return every is not None and step % every == 0
