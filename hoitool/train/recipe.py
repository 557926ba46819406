"""Recipes: YAML files of the settings of a training, read strictly, changed by name, written canonically.

A recipe may name another one as its `base`, a packaged one or a file beside it, and then states what differs; name,
summary and reference are never taken from a base, since a changed recipe is another one. Every key and value is checked
(hoitool/train/settings.py), and what does not fit becomes one line: file, key, expected, came.

>>> recipe = resolve("defr-clip-lse", ["optimise.epochs=2"])
>>> recipe.optimise.batch, recipe.optimise.epochs
(128, 2)
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.files import reading, require
from hoitool.lookup import unknown_name
from hoitool.train.settings import Recipe
from hoitool.train.systems import DEFAULT, RECIPES

__all__ = ["Recipe", "digest", "dump", "field_of", "names", "paths", "resolve"]

OWN = ("name", "summary", "reference")  # of one recipe: neither inherited nor part of what decides a training
TABLES = ("optimise.groups.", "optimise.frozen.", "reference.figures.")  # settings whose keys are the user's
DEEPEST = 8  # recipes on the way to the last base


def names() -> list[str]:
    """The packaged recipes, in name order."""
    found = (entry.name for entry in _packaged().iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def resolve(recipe: str | Path, overrides: Iterable[str] = (), over: Path | None = None) -> Recipe:
    """The packaged recipe of that name or that of a YAML file, with its bases, changed by `path.to.setting=value`.

    over: a YAML file whose settings go over the recipe's; it names no base of its own. Values are YAML: 1e-4, true,
    null, [0.7, 1.0], text. Raises UsageError for an unknown name or setting and for a value that does not fit,
    MissingData and DataError (file, key, expected, came) for a file.
    """
    layers = _layers(str(recipe), None, 0)
    if over is not None:
        layers.append(_over(over, recipe))
    name = Path(recipe).stem if _is_file(str(recipe)) else str(recipe)
    layers.insert(0, Layer(str(recipe), {"name": name}, DataError))
    made = _checked(layers)
    changed = [_override(text, type(made)) for text in overrides]
    return _checked([*layers, *changed]) if changed else made


def paths(section: type[BaseModel], before: str = "") -> Iterator[str]:
    """The dotted name of every setting: seed, model.name, model.classifier.kind, ..."""
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        if inner is None:
            yield f"{before}{name}"
        else:
            yield from paths(inner, f"{before}{name}.")


def field_of(recipe: type[Recipe], path: str) -> FieldInfo:
    """The field of a setting, whose description and default it has."""
    *sections, name = path.split(".")
    return _section_at(recipe, sections).model_fields[name]


def dump(recipe: Recipe) -> str:
    """Canonical YAML: every setting in the order of the sections. `resolve` reads it back to an equal recipe."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    return text


def digest(recipe: Recipe) -> str:
    """SHA-256 of what decides the training: of all but the name, the summary and the reference."""
    held = recipe.model_dump(mode="json", exclude=set(OWN))
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


def _over(path: Path, recipe: str | Path) -> Layer:
    layer, _ = _read(str(path), Path())
    if "base" in layer.held:
        raise UsageError(f"{path}, base: {layer.held['base']!r:.60}, and the recipe {recipe} is named too; name one")
    return layer


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, with numbers as YAML 1.2 has them (1e-4 is one), that takes no key twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """A mapping, of which each key stands once."""
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r:.40} twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _packaged() -> Any:
    return files("hoitool.train") / "recipes"


def _is_file(recipe: str) -> bool:
    return recipe.lower().endswith((".yaml", ".yml")) or Path(recipe).is_file()


@dataclass(frozen=True)
class Layer:
    """Settings that one file or override states, where they stand, and the error for one that does not fit."""

    where: str
    held: dict[str, Any]
    error: type[HoitoolError]


def _layers(recipe: str, beside: Path | None, depth: int) -> list[Layer]:
    """What a recipe and its bases state, the last base first. beside: the folder of a file that names it."""
    if depth > DEEPEST:
        raise DataError(f"{recipe}, base: more than {DEEPEST} recipes one upon the other; they may name each other")
    layer, folder = _read(recipe, beside)
    base = layer.held.pop("base", None)
    if base is None:
        return [layer]
    if not isinstance(base, str):
        raise DataError(f"{layer.where}, base: expected the name or file of a recipe, came {base!r:.60}")
    under = _layers(base, folder, depth + 1)
    for each in under:
        for key in OWN:
            each.held.pop(key, None)
    return [*under, layer]


def _read(recipe: str, beside: Path | None) -> tuple[Layer, Path | None]:
    """What a recipe's own file states, and the folder it lies in, None for a packaged one."""
    if not _is_file(recipe) and not (beside and (beside / recipe).is_file()):
        if recipe not in names():
            raise unknown_name("recipe", recipe, names())
        return _stated((_packaged() / f"{recipe}.yaml").read_text(encoding="utf-8"), f"{recipe}.yaml"), None
    path = Path(recipe) if beside is None else beside / recipe
    with reading(require(path, "a recipe"), "a recipe"):
        text = path.read_bytes().decode("utf-8-sig")
    return _stated(text, str(path)), path.parent


def _stated(text: str, where: str) -> Layer:
    held = _yaml(text, where, DataError)
    if not isinstance(held, dict):
        raise DataError(f"{where}: expected keys with values ({', '.join(Recipe.model_fields)}), came {_kind(held)}")
    return Layer(where, held, DataError)


def _yaml(text: str, where: str, error: type[HoitoolError]) -> Any:
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as problem:
        line = f", line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise error(f"{where}{line}: not YAML ({problem.problem})") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(f"{where}: not YAML ({str(problem).splitlines()[0]:.80})") from problem


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Two trees of settings as one; where both have a section it is merged, else the upper one is taken."""
    made = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = _merged(made[key], value) if both else value
    return made


def _override(text: str, recipe: type[Recipe]) -> Layer:
    """The setting that an override of a recipe of this class states."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals:
        raise UsageError(f"{text!r}: expected setting=value, such as optimise.lr=1e-4")
    known = list(paths(recipe))
    if path not in known and not path.startswith(TABLES):
        raise _unknown_setting(path, known, recipe)
    held = _yaml(value, path, UsageError)
    if path == "model.name" and held in RECIPES and RECIPES[held] is not recipe:
        raise UsageError(f"{text}: this recipe is of another system; `hoitool train --list` has recipes of {held}")
    for name in reversed(_parts(path)):
        held = {name: held}
    return Layer("override", held, UsageError)


def _unknown_setting(path: str, known: list[str], recipe: type[Recipe]) -> UsageError:
    inside = [each for each in known if each.startswith(f"{path}.")]
    if inside:
        return UsageError(f"{path!r} is a section; name a setting of it: {', '.join(inside)}")
    same = [each for each in known if each.rpartition(".")[2] == path]
    near = same or difflib.get_close_matches(path, known, n=3) or _near_last(path, known)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Sections: {', '.join(recipe.model_fields)}."
    return UsageError(f"No setting named {path!r}. {hint}")


def _near_last(path: str, known: list[str]) -> list[str]:
    """Settings whose last part is near the last part of a path."""
    by_last = {each.rpartition(".")[2]: each for each in reversed(known)}
    return [by_last[last] for last in difflib.get_close_matches(path.rpartition(".")[2], by_last, n=3)]


def _parts(path: str) -> list[str]:
    """The keys on the way to a setting; what follows a table's name is one key, dots and all."""
    return path.split(".", 2) if path.startswith(TABLES) else path.split(".")


def _checked(layers: Sequence[Layer]) -> Recipe:
    """The recipe that layers make. An error names the uppermost layer that states what is wrong."""
    held = _together(layers)
    recipe = _class_of(held, layers)
    try:
        made: Recipe = recipe.model_validate(held)
        return made
    except ValidationError as invalid:
        problems = sorted(invalid.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        stating = [layer for layer in layers if _states(layer.held, problems[0]["loc"])] or layers
        raise stating[-1].error(f"{stating[-1].where}, {_told(problems[0], recipe)}") from invalid


def _class_of(held: dict[str, Any], layers: Sequence[Layer]) -> Any:
    """The class of a recipe with these settings: that of the system that its model.name says."""
    name = _system(held)
    stating = [layer for layer in layers if _states(layer.held, ("model", "name"))]
    if not isinstance(name, str) or name not in RECIPES:
        raise stating[-1].error(f"{stating[-1].where}, model.name: {unknown_name('system', f'{name!s:.40}', RECIPES)}")
    under = _together(layers[: layers.index(stating[-1])]) if stating else {}
    if "model" in under and _system(under) != name:
        told = f"{name}, but what it changes is of {_system(under)}; `hoitool train --list` has recipes of {name}"
        raise stating[-1].error(f"{stating[-1].where}, model.name: {told}")
    return RECIPES[name]


def _together(layers: Sequence[Layer]) -> dict[str, Any]:
    """The settings of all layers, those of upper ones over those of lower ones."""
    nothing: dict[str, Any] = {}
    return functools.reduce(_merged, (layer.held for layer in layers), nothing)


def _system(held: dict[str, Any]) -> Any:
    """The system that settings name, the default one where they name none."""
    model = held.get("model")
    return model.get("name", DEFAULT) if isinstance(model, dict) else DEFAULT


def _states(held: Any, place: tuple[int | str, ...]) -> bool:
    """Whether settings have something at a place; a place inside of a list is the list's."""
    for key in place:
        if not isinstance(held, dict):
            return True
        if key not in held:
            return False
        held = held[key]
    return True


def _told(problem: Any, recipe: type[Recipe]) -> str:
    """One line of what pydantic found: key, expected, came."""
    place = [str(part) for part in problem["loc"]]
    path, kind, came = ".".join(place) or "recipe", problem["type"], problem["input"]
    if kind == "extra_forbidden":
        section = _section_at(recipe, place[:-1])
        return f"{'.'.join(place[:-1]) or 'sections'}: {unknown_name('key', f'{place[-1]:.40}', section.model_fields)}"
    if kind == "missing":
        return f"{path}: needed, and not there"
    if kind == "model_type":
        known = ", ".join(_section_at(recipe, place).model_fields)
        return f"{path}: expected a section ({known}), came {came!r:.60}"
    if kind == "literal_error":
        return f"{path}: expected {problem['ctx']['expected']}, came {came!r:.60}"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    return f"{path}: {problem['msg'][0].lower()}{problem['msg'][1:]}, came {came!r:.60}"


def _section_at(recipe: type[BaseModel], place: list[str]) -> type[BaseModel]:
    section = recipe
    for name in place:
        section = _section(section.model_fields[name].annotation) or section
    return section


def _section(annotation: Any) -> type[BaseModel] | None:
    """The section that a field holds, also where it may be none; None for a plain setting."""
    for held in (annotation, *get_args(annotation)):
        if isinstance(held, type) and issubclass(held, BaseModel):
            return held
    return None


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
