"""The fields of a rule, and their values as text, for signatures and explanations."""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from typing import Any


def choice(default: Any, doc: str) -> Any:
    """A field of a rule with what it means."""
    return field(default=default, metadata={"doc": doc})


def told(value: Any) -> str:
    """A field's value in one word: yes, no, none, a number, a name, or the parts of a nested rule."""
    if is_dataclass(value):
        return ",".join(f"{f.name}={told(getattr(value, f.name))}" for f in fields(value))
    if isinstance(value, tuple):
        return ",".join(map(told, value))
    if value is None:
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def signature(name: str, rule: Any) -> str:
    """A rule in one line: its name, then every field but `reproduces`."""
    parts = [f"{f.name}:{told(getattr(rule, f.name))}" for f in fields(rule) if f.name != "reproduces"]
    return f"{name}|{'|'.join(parts)}"
