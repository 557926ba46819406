"""Long jobs that are killed at a random moment, and what is there afterwards and after they were run again.

A job's outputs are what lies under their final names: after a kill each of them is absent, or what an uninterrupted job
makes; after the job was run again all are there. Hidden files, and `.partial` ones, are not under their final names.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stub_encoders

from hoitool.data import read, select_images, write
from hoitool.data.synthetic import scenes
from hoitool.demo.detector import imperfect
from hoitool.report.scoring import score_files

Outputs = dict[str, str]  # name below the folder -> digest


@dataclass(frozen=True)
class Job:
    """make(folder): its inputs. line, again: arguments of hoitool, of the first run and of the one after a kill.

    outputs(folder): those that are there. same: what is compared. torch: whether the job needs it
    """

    make: Callable[[Path], None]
    line: tuple[str, ...]
    again: Callable[[Path], Sequence[str]]
    outputs: Callable[[Path], Outputs]
    same: str = "bytes"
    torch: bool = False


@dataclass(frozen=True)
class Kill:
    """One kill: whether the job still ran and had written anything by then, and what was wrong."""

    ran: bool
    left: bool
    wrong: str


@dataclass(frozen=True)
class Moment:
    """When to kill: so many seconds after the start, or after it began to write."""

    seconds: float
    writing: bool

    def wait(self, process: subprocess.Popen[str], folder: Path) -> None:
        """Wait until it has come, or the process has ended."""
        before = set(folder.iterdir())
        while self.writing and process.poll() is None and set(folder.iterdir()) == before:
            time.sleep(0.002)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.seconds)


def start(line: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    root = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "HOITOOL_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "hoitool", *line]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    )


def uninterrupted(job: Job, folder: Path) -> tuple[Outputs, float, float]:
    """What a job makes that is left alone in the folder of its inputs; its seconds before it writes, and in all."""
    begun = time.perf_counter()
    process = start(job.line, folder)
    Moment(0.0, writing=True).wait(process, folder)
    first = time.perf_counter() - begun
    told = process.communicate()[1]
    assert process.returncode == 0, told
    return job.outputs(folder), first, time.perf_counter() - begun


def kill(job: Job, folder: Path, whole: Outputs, moment: Moment) -> Kill:
    """Start a job in the folder of its inputs, kill it at a moment, see what is there, and run it again."""
    before = _paths(folder)
    process = start(job.line, folder)
    moment.wait(process, folder)
    process.kill()
    told = process.communicate()[1]
    ran = process.returncode == -signal.SIGKILL
    found = job.outputs(folder)
    left = bool(_paths(folder) - before)
    wrong = [f"{name} is not whole" for name, digest in found.items() if whole.get(name, digest) != digest]
    again = start(job.again(folder), folder) if ran else process
    told = again.communicate()[1] if ran else told
    if again.returncode:
        wrong.append(f"ended with {again.returncode}: {told[-300:]}")
    elif (made := job.outputs(folder)) != whole:
        wrong.append(f"made otherwise: {sorted(name for name in whole | made if whole.get(name) != made.get(name))}")
    if lost := before - _paths(folder):
        wrong.append(f"inputs are gone: {sorted(lost)}")
    return Kill(ran, left, "; ".join(wrong))


def kills(job: Job, folder: Path, count: int, rng: random.Random) -> list[Kill]:
    """So many kills, each of a job of its own: every other one at any moment, the others once it writes.

    A job that ends before its kill does not count, and the next one is killed sooner.
    """
    inputs = folder / "inputs"
    inputs.mkdir()
    job.make(inputs)
    whole, first, seconds = uninterrupted(job, _copy(inputs, folder / "whole"))
    longest = {True: seconds - first, False: seconds}
    done: list[Kill] = []
    while len(done) < count:
        writing = len(done) % 2 == 0
        moment = Moment(longest[writing] * rng.random(), writing)
        each = kill(job, _copy(inputs, folder / "killed"), whole, moment)
        shutil.rmtree(folder / "killed")
        if each.ran or each.wrong:
            done.append(each)
        else:
            longest[writing] = moment.seconds
    return done


def _copy(inputs: Path, folder: Path) -> Path:
    """The inputs in a folder of their own: the same files under other names, since nothing writes into a file."""
    return Path(shutil.copytree(inputs, folder, copy_function=os.link))


def _paths(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def _bytes(*patterns: str) -> Callable[[Path], Outputs]:
    """The files of some patterns by the hash of their bytes."""

    def outputs(folder: Path) -> Outputs:
        found = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
        found = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
        return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    return outputs


def _pictures(folder: Path) -> None:
    (folder / "pictures").mkdir()
    for i in range(2000):
        stub_encoders.noise(64, 48, i % 7).save(folder / "pictures" / f"{i:03}.png")


def _scene_graphs(folder: Path) -> None:
    """1,500 images of Visual Genome's kind."""
    rng = np.random.default_rng(0)
    names = [f"thing{i}" for i in range(50)]
    graphs = []
    for i in range(1500):
        x, y, w, h = (column.tolist() for column in rng.integers(1, 100, (4, 12)))
        objects = [
            {"object_id": 100 * i + k, "x": x[k], "y": y[k], "w": w[k], "h": h[k], "names": [names[(i + k) % 50]]}
            for k in range(12)
        ]
        relations = [
            {
                "relationship_id": 100 * i + k,
                "predicate": "near",
                "subject_id": 100 * i + k,
                "object_id": 100 * i + k + 1,
            }
            for k in range(8)
        ]
        graphs.append({"image_id": i + 1, "objects": objects, "relationships": relations})
    (folder / "vg").mkdir()
    (folder / "vg" / "scene_graphs.json").write_text(json.dumps(graphs))


def _scored(folder: Path) -> None:
    made = scenes(seed=7, scale=1.0)
    write(made.test, folder / "truth.parquet")
    write(imperfect(made.test, seed=7)[0], folder / "predictions.parquet")


def _reported(folder: Path) -> None:
    """A result with its truth, its predictions and their pictures."""
    from hoitool.demo.draw import draw_all

    made = select_images(scenes(seed=7, scale=1.0).test, range(120))
    write(made, folder / "truth.parquet")
    write(imperfect(made, seed=7)[0], folder / "predictions.parquet")
    draw_all([made], folder / "images", 0)
    with contextlib.chdir(folder):
        result = score_files(Path("predictions.parquet"), Path("truth.parquet")).result
    (folder / "result.json").write_text(result.to_json())


def _workspace(folder: Path) -> None:
    from tiny_run import make_workspace

    make_workspace(folder)


def _trained(folder: Path) -> Outputs:
    """The weights of the last step by their bytes, the predictions by their values."""
    made = _bytes("runs/recipe/checkpoint/step-00000024/*.safetensors", "runs/recipe/model.json")(folder)
    for path in (folder / "runs").glob("recipe/predictions-*.parquet"):
        held = read(path)
        values = b"".join(np.ascontiguousarray(v).tobytes() for v in held.columns().values() if v.dtype != object)
        made[str(path.relative_to(folder))] = hashlib.sha256(values + repr(held.key.tolist()).encode()).hexdigest()
    return made


def _going_on(folder: Path) -> Sequence[str]:
    """As a user does it: go on where there is a run, else start it."""
    there = (folder / "runs" / "recipe" / "environment.json").exists()
    return ("train", "--resume", "--device", "cpu") if there else TRAIN


TRAIN = ("train", "recipe.yaml", "optimise.epochs=8", "optimise.checkpoint_minutes=0.0001", "--device", "cpu")
EMBED = ("embed", "images", "pictures", "--model", "hashed", "--batch-size", "2", "-o", "features/x.h5")
CONVERT = ("convert", "vg", "--shards", "12", "-o", "data/vg.parquet")
REPORT = ("report", "result.json", "--images", "images", "--gallery", "30", "-o", "report.html")
EVAL = ("eval", "predictions.parquet", "--truth", "truth.parquet", "-o", "out")

JOBS: dict[str, Job] = {
    "embed": Job(_pictures, EMBED, lambda _: EMBED, _bytes("features/*.h5")),
    "train": Job(_workspace, TRAIN, _going_on, _trained, "bytes of the weights, values of the predictions", True),
    "convert --shards": Job(
        _scene_graphs, CONVERT, lambda _: (*CONVERT, "--overwrite"), _bytes("data/vg.parquet/*", "data/*.json")
    ),
    "report": Job(_reported, REPORT, lambda _: (*REPORT, "--overwrite"), _bytes("report.html")),
    "eval -o": Job(_scored, EVAL, lambda _: EVAL, _bytes("out/*")),
}
