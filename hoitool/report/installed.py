"""What is installed of what hoitool needs: the requirements of its own metadata, none of them imported.

Requirements are read as they are written in pyproject.toml: a name, the least version, the extra that brings it.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version

from hoitool import __version__

OF_DEVELOPERS = "test"  # the extra that nobody needs who only uses hoitool
REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)\s*(?:>=\s*(?P<least>[\w.]+))?[^;]*(?:;.*extra\s*==\s*[\"'](?P<extra>[\w-]+))?"
)


@dataclass(frozen=True)
class Package:
    """A package: the least version that hoitool takes ('' for any), its extra ('' for none), what is here (None)."""

    name: str
    least: str
    extra: str
    version: str | None

    @property
    def lacking(self) -> str:
        """What is wrong with it, nothing where it is as it should be."""
        if self.version is None:
            return "not installed"
        return f"older than {self.least}" if _numbers(self.version) < _numbers(self.least) else ""


@cache
def packages() -> tuple[Package, ...]:
    """What hoitool requires, in its order, extras last; nothing where hoitool runs from sources alone."""
    try:
        stated = requires("hoitool") or []
    except PackageNotFoundError:
        return ()
    return tuple(_package(line) for line in stated)


def extras(held: Sequence[Package]) -> dict[str, list[Package]]:
    """The packages of each extra."""
    return {name: [p for p in held if p.extra == name] for name in dict.fromkeys(p.extra for p in held if p.extra)}


def version_text() -> str:
    """What `hoitool --version` says: hoitool on the first line, then Python and each package that users need."""
    rows = [("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")]
    rows += [(package.name, _told(package)) for package in packages() if package.extra != OF_DEVELOPERS]
    width = max(len(name) for name, _ in rows)
    return "\n".join([f"hoitool {__version__}", *(f"{name:<{width}}  {said}" for name, said in rows)])


def _told(package: Package) -> str:
    """The version of a package, and what is wrong with it."""
    extra = f"(extra {package.extra})" if package.lacking and package.extra else ""
    return " ".join(filter(None, (package.version, package.lacking, extra)))


def _package(line: str) -> Package:
    """A requirement such as `torch>=2.6; extra == "torch"`."""
    found = REQUIREMENT.match(line)
    assert found is not None, line
    name, least, extra = (found[group] or "" for group in ("name", "least", "extra"))
    try:
        return Package(name, least, extra, version(name))
    except PackageNotFoundError:
        return Package(name, least, extra, None)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with, without zeros at the end: 2.6.0+cu124 is (2, 6)."""
    found = re.match(r"\d+(\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
