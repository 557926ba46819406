"""Tutorials as programs: what a page prints, in the order of the page.

File `name`: and a fenced block   is written
```console                        `$ hoitool ...` runs in this process; what stands below must come, stdout and stderr
```python                         runs, in one namespace for the page; a ```text block after it is what it prints
An ellipsis stands for any text, as in doctest, and blanks are as good as blanks. Other blocks are only shown.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hoitool.cli import main

BLOCK = re.compile(r"^(?:File `([^`\n]+)`:\n+)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIKE = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One thing that a page does, and what it says comes of it (None: nothing is said)."""

    kind: str  # file, console or python
    text: str
    expected: str | None = None
    name: str = ""


def steps(page: str) -> Iterator[Step]:
    """The steps of a page."""
    blocks = [match.groups() for match in BLOCK.finditer(page)]
    for (name, language, text), (_, after, output) in zip(blocks, [*blocks[1:], (None, "", "")], strict=True):
        if name:
            yield Step("file", text, name=name)
        elif language == "console":
            yield from (Step("console", *match.groups()) for match in COMMAND.finditer(text))
        elif language == "python":
            yield Step("python", text, output if after == "text" else None)


def run(step: Step, namespace: dict[str, Any]) -> str:
    """Do a step in the current folder; returns what it printed."""
    if step.kind == "file":
        Path(step.name).parent.mkdir(parents=True, exist_ok=True)
        Path(step.name).write_text(step.text, encoding="utf-8")
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        if step.kind == "python":
            exec(compile(step.text, "tutorial", "exec"), namespace)
        else:
            _command(step.text)
    return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


def difference(step: Step, came: str, decimals: bool = True) -> str:
    """What came in place of what the page says, or nothing; without `decimals` fractions are not compared."""
    if step.expected is None:
        return ""
    expected, came = (_comparable(text, decimals) for text in (step.expected, came))
    checker = doctest.OutputChecker()
    if checker.check_output(expected, came, LIKE):
        return ""
    example = doctest.Example(step.text, expected)
    return f"$ {step.text}\n{checker.output_difference(example, came, LIKE | doctest.REPORT_NDIFF)}"


def _comparable(text: str, decimals: bool) -> str:
    """Text in which tables are as wide as others."""
    text = re.sub(r"([─━])\1+", r"\1", text)
    return text if decimals else re.sub(r"\d+\.\d+", "0.0", text)


def _command(line: str) -> None:
    """Run `hoitool ...`, or show a file: `cat`."""
    program, *arguments = shlex.split(line)
    if program == "cat":
        print("".join(Path(name).read_text(encoding="utf-8") for name in arguments), end="")
        return
    assert program == "hoitool", line
    try:
        main(arguments)
    except SystemExit as stop:
        if stop.code:
            print(f"(exit code {stop.code})")
