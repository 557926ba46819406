"""The texts that are embedded for labels, or for the lines of a file, as columns: one row for each text.

The rows of one label, one prompt set and one attribute that differ in `template` only are an ensemble. They stand
beside each other; `ensemble` numbers them and `heads` is where each begins.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError, UsageError
from hoitool.files import reading, require
from hoitool.labels import english
from hoitool.labels.prompts import PromptSet, fields_of
from hoitool.labels.space import LabelSpace
from hoitool.lookup import unknown_name

Kind = Literal["interactions", "verbs", "objects", "objects+nothing", "actions", "agents+roles"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NO_OBJECT = "nothing"  # the text of the class `no object` of a detector's head (DETR's; GEN-VLKT embeds it as a word)
NO_INTERACTION = "no_interaction"  # HICO's verb for a pair that does not interact
LINE = "line"  # the part of lines to which no prompt set is applied
BASE_OF = {"lying": "lie"}  # -ing forms whose verb the label space names otherwise (V-COCO: lay)


@dataclass(frozen=True, eq=False)
class Texts:
    """Texts and what each is of. Index columns are (R,) int32, where R is the number of texts.

    key         one name for each label, in the order of the label space or the file
    text        R texts
    label       index into key, -1 for the text of an attribute alone
    part        index into parts, the names of the prompt sets
    template    index into the templates of that set
    attribute   index into attributes, -1 for a text without one
    """

    key: tuple[str, ...]
    text: tuple[str, ...]
    label: NDArray[np.int32]
    part: NDArray[np.int32]
    template: NDArray[np.int32]
    attribute: NDArray[np.int32]
    parts: tuple[str, ...]
    attributes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """The number of texts."""
        return len(self.text)

    @cached_property
    def heads(self) -> NDArray[np.int64]:
        """(G,): the first row of each ensemble; `label[heads]` is what each is of."""
        return np.flatnonzero(self.template == 0)

    @cached_property
    def ensemble(self) -> NDArray[np.int64]:
        """(R,): the ensemble of each text, 0..G-1."""
        return np.cumsum(self.template == 0) - 1

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all texts, keys and columns: what an embedding of them depends on."""
        columns = [c.tolist() for c in (self.label, self.part, self.template, self.attribute)]
        held = [self.key, self.text, self.parts, self.attributes, columns]
        return hashlib.sha256(json.dumps(held).encode()).hexdigest()


@dataclass(frozen=True)
class _Item:
    """What a text is made of: the kind of its phrase, and the words that fill it."""

    phrase: str
    verb: str = ""
    verb_ing: str = ""
    noun: str = ""
    line: str = ""

    def fill(self, prompts: PromptSet, attribute: str) -> str:
        """This item's phrase in a set's wording, with an attribute before its object."""
        return prompts.phrase(self.phrase).format(
            verb=self.verb,
            verb_ing=self.verb_ing,
            verb_s=english.third_person(self.verb),
            object=english.described(self.noun, attribute),
            an_object=prompts.one(self.noun, attribute),
            something=english.one("something", attribute),
            attribute=attribute,
            line=self.line,
        )

    def takes_attribute(self, prompts: PromptSet) -> bool:
        """Whether a set's phrase for this item has a place for one."""
        held = set(fields_of(prompts.phrase(self.phrase)))
        return bool(held & {"object", "an_object", "something"}) and self.noun != NO_OBJECT


def texts_of(
    labels: LabelSpace,
    kind: Kind,
    sets: Sequence[PromptSet],
    attributes: Sequence[str] = (),
    combinations: bool = True,
) -> Texts:
    """The texts of all labels of a kind, in each prompt set.

    objects+nothing   the objects, then the class `nothing` of a detector's head
    actions           V-COCO's actions, as what a person does; agents+roles: these, then the verbs that are roles
    attributes        adds a text of each attribute alone, and with `combinations` of each label with each attribute
                      before its object (a red bicycle), which a label without an object (stand) does not have
    Raises UsageError for an unknown kind, sets of one name, and a label that a set has no phrase for.
    """
    keys, items = _items(labels, kind)
    if not keys:
        others = [other for other in ("verbs", "objects") if getattr(labels, other)]
        raise UsageError(f"label space {labels.name!r} has no {kind}, but it has {' and '.join(others)}")
    attributes = [english.words(attribute) for attribute in attributes]
    _distinct("attribute", attributes)
    return _rows(keys, items, sets, attributes, combinations)


def lines_of(path: Path | str, sets: Sequence[PromptSet] = ()) -> Texts:
    """The lines of a UTF-8 text file, each with the phrase `line` of a set; without a set each line is its own text.

    Spaces at both ends of a line go, blank lines are left out, and a line that comes again counts once, at its first
    place: `key` is what is left.
    Raises MissingData without the file, DataError when it has no text.
    """
    path = Path(path)
    with reading(require(path, "lines of text"), "lines of text (UTF-8)"):
        content = path.read_bytes().decode("utf-8-sig")
    keys = tuple(dict.fromkeys(line for line in map(str.strip, content.split("\n")) if line))
    if not keys:
        raise DataError(f"{path}: expected one text on each line, came blank lines only")
    if "\0" in content:
        line = content[: content.index("\0")].count("\n") + 1
        raise DataError(f"{path}, line {line}: holds the character U+0000, which no text has")
    items = [_Item("line", line=key) for key in keys]
    return _rows(keys, items, sets or [PromptSet(LINE, "", ("{phrase}",), {"line": "{line}"})])


def _rows(
    keys: tuple[str, ...],
    items: list[_Item],
    sets: Sequence[PromptSet],
    attributes: Sequence[str] = (),
    combinations: bool = False,
) -> Texts:
    """Set by set: every item, then with every attribute where combinations are wanted, then every attribute alone."""
    _distinct("prompt set", [prompts.name for prompts in sets])
    rows = [
        (template.format(phrase=phrase), label, part, t, a)
        for part, prompts in enumerate(sets)
        for label, a, phrase in _phrases(items, prompts, attributes, combinations)
        for t, template in enumerate(prompts.templates)
    ]
    texts, *columns = zip(*rows, strict=True)
    label, part, template, attribute = (np.array(column, np.int32) for column in columns)
    parts = tuple(prompts.name for prompts in sets)
    return Texts(keys, texts, label, part, template, attribute, parts, tuple(attributes))


def _phrases(
    items: list[_Item], prompts: PromptSet, attributes: Sequence[str], combinations: bool
) -> Iterator[tuple[int, int, str]]:
    """(label, attribute, phrase) of all items in one set, -1 for neither."""
    for i, item in enumerate(items):
        yield i, -1, item.fill(prompts, "")
    for i, item in enumerate(items):
        if combinations and item.takes_attribute(prompts):
            yield from ((i, a, item.fill(prompts, attribute)) for a, attribute in enumerate(attributes))
    for a, attribute in enumerate(attributes):
        yield -1, a, _Item("attribute").fill(prompts, attribute)


def _distinct(what: str, names: Sequence[str]) -> None:
    if what == "prompt set" and not names:
        raise UsageError("no prompt set given; 'photo' is the default one")
    for n, name in enumerate(names):
        if not name or name in names[:n]:
            raise UsageError(f"{what} {n + 1} of {len(names)}: expected a name of its own, came {name!r:.40}")


def _items(labels: LabelSpace, kind: str) -> tuple[tuple[str, ...], list[_Item]]:
    """The keys of a kind of labels, and what their texts are made of."""
    verbs = range(len(labels.verbs))
    match kind:
        case "interactions":
            pairs = zip(labels.interaction_verbs.tolist(), labels.interaction_objects.tolist(), strict=True)
            names = tuple(labels.interaction_name(i) for i in range(len(labels)))
            return names, [_interaction(labels, v, o) for v, o in pairs]
        case "verbs":
            return labels.verbs, _verbs(labels, verbs)
        case "objects":
            return labels.objects, _objects(labels.objects)
        case "objects+nothing":
            return (*labels.objects, NO_OBJECT), _objects([*labels.objects, NO_OBJECT])
        case "actions":
            return labels.actions, _actions(labels)
        case "agents+roles":
            return labels.agents_and_roles, _actions(labels) + _verbs(labels, labels.role_verbs.tolist())
    raise unknown_name("kind of labels", kind, KINDS)


def _objects(names: Iterable[str]) -> list[_Item]:
    return [_Item("object", noun=english.words(name)) for name in names]


def _verbs(labels: LabelSpace, verbs: Iterable[int]) -> list[_Item]:
    return [_interaction(labels, v, -1) for v in verbs]


def _interaction(labels: LabelSpace, v: int, o: int) -> _Item:
    """A verb with an object, or without one (-1)."""
    base, ing = _forms(labels, v)
    noun = english.words(labels.objects[o]) if o >= 0 else ""
    if labels.verbs[v] == NO_INTERACTION:
        return _Item("no_interaction" if noun else "no_interaction_verb", base, ing, noun)
    if noun:
        return _Item("interaction", base, ing, noun)
    takes_object = not labels.roles or bool(labels.roles[v].name)
    return _Item("verb" if takes_object else "action", base, ing)


def _forms(labels: LabelSpace, v: int) -> tuple[str, str]:
    """A verb's plain form and its -ing form: ride, riding; with roles the -ing form has the particle: hit with."""
    ing = english.words(labels.verbs_ing[v])
    if not labels.roles:
        return english.words(labels.verbs[v]), ing
    first, *particle = ing.split(" ")
    base = BASE_OF.get(first) or labels.roles[v].action.split("_")[0]
    return " ".join([base, *particle]), ing


def _actions(labels: LabelSpace) -> list[_Item]:
    """V-COCO's actions: what a person does, without a role: holding, sitting, talking on a phone."""
    found = []
    for a, name in enumerate(labels.actions):
        base, ing = _forms(labels, int(np.flatnonzero(labels.verb_actions == a)[0]))
        held = english.words(name).split(" ")
        noun = held[len(ing.split(" ")) :]  # what the action's name has beyond the verb and its particle
        tail = [english.one(" ".join(noun))] if noun else []
        found.append(_Item("action", *(" ".join([*form.split(" ")[: len(held)], *tail]) for form in (base, ing))))
    return found
