"""Literal tables from a name to the code behind it, imported on use.

>>> FORMATS = Lookup("dataset format", {"hico-det": "hoitool.convert.hico_det"})
>>> FORMATS["hico-det"].read
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from hoitool.errors import UsageError


class Lookup(Mapping[str, Any]):
    """A read-only table name -> "module" or "module:attribute"; a value is imported when it is asked for."""

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._table = dict(table)

    def __getitem__(self, name: str) -> Any:
        """The module or attribute behind `name`. Raises UsageError, with suggestions, for an unknown name."""
        if name not in self._table:
            raise unknown_name(self.kind, name, self._table)
        module, _, attribute = self._table[name].partition(":")
        found = import_module(module)
        return getattr(found, attribute) if attribute else found

    def get(self, name: str, default: Any = None) -> Any:
        """The value behind `name`, `default` for an unknown one."""
        if name not in self._table:
            return default
        return self[name]

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that a table does not hold, with the nearest names or all of them."""
    known = list(dict.fromkeys(known))
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Known: {', '.join(known)}."
    return UsageError(f"No {kind} named {name!r}. {hint}")
