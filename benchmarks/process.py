"""Time and peak memory of a command as a whole process, by the operating system's own accounting."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds and peak resident megabytes of one run."""

    wall: float
    cpu: float
    megabytes: float


def apart(function: Callable[..., None], *arguments: Any) -> None:
    """Run a function in a process of its own: what is measured later inherits the peak memory of its parent."""
    process = get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{function.__name__} failed")


def measure(command: list[str], runs: int = 5, warmup: int = 1) -> list[Cost]:
    """Run a command `warmup + runs` times and return the cost of the counted ones. Raises when it fails."""
    costs = []
    for _ in range(warmup + runs):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status != 0:
            sys.exit(f"{' '.join(command)} failed: {told.decode()}")
        costs.append(Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000))
    return costs[warmup:]


def report(name: str, costs: list[Cost], limit: str = "") -> None:
    """Print the median and range of the runs in one line."""
    wall = sorted(cost.wall for cost in costs)
    cpu = statistics.median(cost.cpu for cost in costs)
    memory = max(cost.megabytes for cost in costs)
    print(
        f"{name:<44} wall {statistics.median(wall):6.2f} s ({wall[0]:.2f}..{wall[-1]:.2f})  "
        f"cpu {cpu:6.2f} s  peak {memory:6.0f} MB  {limit}",
        flush=True,
    )
