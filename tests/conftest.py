"""What many tests share: the shared oracles, a small synthetic dataset, and the command line in one process."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hoitool.cli import main
from hoitool.data import Predictions
from hoitool.data.synthetic import Scenes, scenes
from hoitool.demo.detector import imperfect

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a shared oracle or data file; skips, saying so, where it is absent."""
    folder = Path(os.environ.get("HOITOOL_SHARED", ROOT.parent / "shared"))

    def at(name: str) -> Path:
        path = folder / name
        if not path.exists():
            pytest.skip(f"{name} is not in HOITOOL_SHARED ({folder})")
        return path

    return at


@pytest.fixture(scope="session")
def small() -> Scenes:
    """A small synthetic dataset, both subsets."""
    return scenes(seed=7, scale=0.2)


@pytest.fixture(scope="session")
def detected(small: Scenes) -> Predictions:
    """An imperfect detector's predictions for its test subset."""
    return imperfect(small.test, seed=7)[0]


@dataclass(frozen=True)
class Ran:
    """What a command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def hoitool(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process; arguments become text."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run
