"""A prompt set: the wording of the texts that are embedded for labels. A frozen value with a name, a source and a hash.

A set has phrases, one for each kind of label, and templates, in which `{phrase}` is that phrase. Several templates are
an ensemble: each label then has one text for each, whose embeddings are averaged (hoitool/embed/ensembles.py).
Packaged sets are the YAML files of hoitool/labels/prompt_sets/; a user's own has the same keys: docs/prompts.md.

>>> from hoitool.labels.prompts import load_prompts
>>> load_prompts("photo").phrases["interaction"]
'a person {verb_ing} {an_object}'
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Any

from hoitool.errors import DataError, UsageError
from hoitool.files import reading, require
from hoitool.labels import english
from hoitool.lookup import unknown_name

PROMPT_SETS = ("photo", "plain", "bare", "gen-vlkt", "defr", "clip-7", "clip-ensemble")  # the first is the default

VERB, OBJECT = ("verb", "verb_ing", "verb_s"), ("object", "an_object")
# kind of phrase -> the fields that it may have
PHRASES = {
    "interaction": (*VERB, *OBJECT),
    "no_interaction": (*VERB, *OBJECT),  # HICO's verb of that name with an object
    "verb": (*VERB, "something"),  # without its object
    "no_interaction_verb": (*VERB, "something"),
    "action": VERB,  # of a person alone: V-COCO's agents, and its verbs that take no object
    "object": OBJECT,
    "attribute": ("attribute", "something"),
    "line": ("line",),
}
INSTEAD = {"no_interaction": "interaction", "no_interaction_verb": "verb"}  # what is taken where a set has none
KEYS = ("name", "source", "templates", "phrases", "an_before")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class PromptSet:
    """See the module.

    source     the paper or code that uses this wording
    templates  each with the field {phrase}
    phrases    kind of phrase (PHRASES) -> its wording
    an_before  letters that take `an`, with no exceptions, as published code has it; None for English
    """

    name: str
    source: str
    templates: tuple[str, ...]
    phrases: dict[str, str]
    an_before: str | None = None

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the wording, whatever the set is called."""
        decides = [list(self.templates), sorted(self.phrases.items()), self.an_before]
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    def phrase(self, kind: str) -> str:
        """The wording of a kind of phrase. Raises UsageError where the set has none."""
        found = self.phrases.get(kind, self.phrases.get(INSTEAD.get(kind, ""), "{line}" if kind == "line" else ""))
        if not found:
            raise UsageError(
                f"prompt set {self.name!r} has no phrase {kind!r}; it has {', '.join(self.phrases)}. "
                f"Add it, or take another set: {', '.join(PROMPT_SETS)}"
            )
        return found

    def one(self, noun: str, attribute: str = "") -> str:
        """A noun with its article, as this set writes it."""
        if self.an_before is None or noun in english.PRONOUNS:
            return english.one(noun, attribute)
        phrase = english.described(noun, attribute)
        return f"{english.article_by_letter(phrase, self.an_before)} {phrase}"


def load_prompts(name: str | Path) -> PromptSet:
    """The packaged prompt set `name`, or that of a YAML file at this path.

    Raises UsageError for an unknown name, MissingData and DataError (file, key, expected, came) for a file.
    """
    if str(name) in PROMPT_SETS:
        file = f"{name}.yaml"
        return parse((files("hoitool.labels") / "prompt_sets" / file).read_text(encoding="utf-8"), file)
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml") and not path.is_file():
        raise unknown_name("prompt set", str(name), PROMPT_SETS)
    with reading(require(path, "prompt set"), "prompt set"):
        text = path.read_bytes().decode("utf-8-sig")
    return parse(text, str(path))


def parse(text: str, where: str) -> PromptSet:
    """A prompt set from its YAML text; `where` names the file. Raises DataError: file, key, expected, came."""
    table = _mapping(_yaml(text, where), where, KEYS)
    for key in ("name", "templates", "phrases"):
        if key not in table:
            raise DataError(f"{where}: no key {key!r}, which a prompt set needs; it has {', '.join(table) or 'none'}")
    name = _text(table["name"], where, "name")
    if not NAME.fullmatch(name):
        raise DataError(f"{where}, name: expected letters, digits, '.', '_' and '-', came {name!r:.40}")
    phrases = _mapping(table["phrases"], f"{where}, phrases", tuple(PHRASES))
    if not phrases:
        raise DataError(f"{where}, phrases: expected at least one of {', '.join(PHRASES)}; came none")
    return PromptSet(
        name,
        _text(table.get("source", "own wording"), where, "source"),
        tuple(_templates(table["templates"], where)),
        {kind: _wording(value, where, f"phrases: {kind}", PHRASES[kind]) for kind, value in phrases.items()},
        _text(table["an_before"], where, "an_before").lower() if "an_before" in table else None,
    )


def fields_of(wording: str) -> list[str]:
    """The names of the fields in a wording, in order. Raises ValueError for braces that do not pair."""
    return [name for _, name, _, _ in Formatter().parse(wording) if name is not None]


def _yaml(text: str, where: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{where}{line}: not YAML ({error.problem}); texts that hold {{ or : go in quotes") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DataError(f"{where}: not YAML ({str(error).splitlines()[0]:.80})") from error


def _mapping(value: Any, where: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f"{where}: expected keys with values ({', '.join(known)}), came {_came(value)}")
    for key in value:
        if key not in known:
            raise DataError(f"{where}: {unknown_name('key', f'{key!s:.40}', known)}")
    return value


def _templates(value: Any, where: str) -> list[str]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}, templates: expected a list of texts with {{phrase}}, came {_came(value)}")
    found = [_wording(text, where, f"templates, number {n}", ("phrase",)) for n, text in enumerate(value, 1)]
    for n, text in enumerate(found, 1):
        if not fields_of(text):
            raise DataError(f"{where}, templates, number {n}: expected a text with {{phrase}}, came {text!r:.60}")
        if text in found[: n - 1]:
            raise DataError(f"{where}, templates, number {n}: repeats number {found.index(text) + 1}, {text!r:.60}")
    return found


def _wording(value: Any, where: str, key: str, known: tuple[str, ...]) -> str:
    """A text whose fields are all known, and plain: nothing of Python's formatting is taken from a file."""
    text = _text(value, where, key)
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise DataError(f"{where}, {key}: expected fields as {{{known[0]}}}, came {text!r:.60} ({error})") from error
    for _, name, form, conversion in parts:
        if name is not None and name not in known:
            raise DataError(f"{where}, {key}: {unknown_name('field', f'{name:.40}', known)}")
        if form or conversion:
            raise DataError(f"{where}, {key}: expected {{{name}}} without a format, came {text!r:.60}")
    return text


def _text(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}, {key}: expected a text, came {_came(value)}")
    return value.strip()


def _came(value: Any) -> str:
    return "nothing" if not value else f"a {type(value).__name__}"
