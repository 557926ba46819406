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
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from hoitool.errors import DataError, HoitoolError, UsageError
from hoitool.files import reading, require
from hoitool.lookup import unknown_name
from hoitool.train.settings import Recipe

__all__ = ["Recipe", "digest", "dump", "names", "paths", "resolve"]

OWN = ("name", "summary", "reference")  # of one recipe: neither inherited nor part of what decides a training
DEEPEST = 8  # recipes on the way to the last base


def names() -> list[str]:
    """The packaged recipes, in name order."""
    found = (entry.name for entry in _packaged().iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def resolve(recipe: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """The packaged recipe of that name or that of a YAML file, with its bases, changed by `path.to.setting=value`.

    Values are YAML: 1e-4, true, none of them (null), [0.7, 1.0], text; an override may also name a section that a
    recipe lacks, by its settings. Raises UsageError for an unknown name or setting and for a value that does not fit,
    MissingData and DataError (file, key, expected, came) for a file.
    """
    held = _with_base(str(recipe), None, 0)
    name = Path(recipe).stem if _is_file(str(recipe)) else str(recipe)
    made = _checked({"name": name} | held, str(recipe), DataError)
    changed = [_setting(text) for text in overrides]
    if not changed:
        return made
    for path, value in changed:
        held = _merged(held, _nested(path, value))
    return _checked({"name": name} | held, "override", UsageError)


def paths(section: type[BaseModel] = Recipe, before: str = "") -> Iterator[str]:
    """The dotted name of every setting: seed, model.name, model.classifier.kind, ..."""
    for name, field in section.model_fields.items():
        inner = _section(field.annotation)
        if inner is None:
            yield f"{before}{name}"
        else:
            yield from paths(inner, f"{before}{name}.")


def dump(recipe: Recipe) -> str:
    """Canonical YAML: every setting in the order of the sections. `resolve` reads it back to an equal recipe."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)
    return text


def digest(recipe: Recipe) -> str:
    """SHA-256 of what decides the training: of all but the name, the summary and the reference."""
    held = recipe.model_dump(mode="json", exclude=set(OWN))
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, with numbers as YAML 1.2 has them: 1e-4 is one."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _packaged() -> Any:
    return files("hoitool.train") / "recipes"


def _is_file(recipe: str) -> bool:
    return recipe.lower().endswith((".yaml", ".yml")) or Path(recipe).is_file()


def _with_base(recipe: str, beside: Path | None, depth: int) -> dict[str, Any]:
    """The settings that a recipe states, on top of those of its base. `beside`: the folder of a file that names it."""
    if depth > DEEPEST:
        raise DataError(f"{recipe}, base: more than {DEEPEST} recipes one upon the other; they may name each other")
    held, folder = _read(recipe, beside)
    if "base" not in held:
        return held
    base = held.pop("base")
    if not isinstance(base, str):
        raise DataError(f"{recipe}, base: expected the name or file of a recipe, came {base!r:.60}")
    under = _with_base(base, folder, depth + 1)
    return _merged({key: value for key, value in under.items() if key not in OWN}, held)


def _read(recipe: str, beside: Path | None) -> tuple[dict[str, Any], Path | None]:
    """What a recipe's own file states, and the folder it lies in, None for a packaged one."""
    if not _is_file(recipe) and not (beside and (beside / recipe).is_file()):
        if recipe not in names():
            raise unknown_name("recipe", recipe, names())
        return _mapping((_packaged() / f"{recipe}.yaml").read_text(encoding="utf-8"), f"{recipe}.yaml"), None
    path = Path(recipe) if beside is None else beside / recipe
    with reading(require(path, "a recipe"), "a recipe"):
        text = path.read_bytes().decode("utf-8-sig")
    return _mapping(text, str(path)), path.parent


def _mapping(text: str, where: str) -> dict[str, Any]:
    held = _yaml(text, where, DataError)
    if not isinstance(held, dict):
        raise DataError(f"{where}: expected keys with values ({', '.join(Recipe.model_fields)}), came {_kind(held)}")
    return held


def _yaml(text: str, where: str, error: type[HoitoolError]) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    except yaml.MarkedYAMLError as problem:
        line = f", line {problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise error(f"{where}{line}: not YAML ({problem.problem})") from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise error(f"{where}: not YAML ({str(problem).splitlines()[0]:.80})") from problem
    finally:
        loader.dispose()


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of settings as one; where both have a section it is merged, else the upper one is taken."""
    made = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(made.get(key), dict)
        made[key] = _merged(made[key], value) if both else value
    return made


def _setting(text: str) -> tuple[str, Any]:
    """The path and value of an override."""
    path, equals, value = text.partition("=")
    path = path.strip()
    if not equals:
        raise UsageError(f"{text!r}: expected setting=value, such as optimise.lr=1e-4")
    known = list(paths())
    if path not in known and not path.startswith(("optimise.groups.", "reference.figures.")):
        raise _unknown_setting(path, known)
    return path, _yaml(value, path, UsageError)


def _unknown_setting(path: str, known: list[str]) -> UsageError:
    inside = [each for each in known if each.startswith(f"{path}.")]
    if inside:
        return UsageError(f"{path!r} is a section; name a setting of it: {', '.join(inside)}")
    same = [each for each in known if each.rpartition(".")[2] == path]
    near = same or difflib.get_close_matches(path, known, n=3) or _near_last(path, known)
    hint = f"Did you mean {' or '.join(map(repr, near))}?" if near else f"Sections: {', '.join(Recipe.model_fields)}."
    return UsageError(f"No setting named {path!r}. {hint}")


def _near_last(path: str, known: list[str]) -> list[str]:
    """Settings whose last part is near the last part of a path."""
    by_last = {each.rpartition(".")[2]: each for each in reversed(known)}
    return [by_last[last] for last in difflib.get_close_matches(path.rpartition(".")[2], by_last, n=3)]


def _nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".", 2 if path.startswith(("optimise.groups.", "reference.figures.")) else -1)):
        value = {name: value}
    return dict(value)


def _checked(held: dict[str, Any], where: str, error: type[HoitoolError]) -> Recipe:
    try:
        return Recipe.model_validate(held)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        raise error(f"{where}, {_told(first, held)}") from invalid


def _told(problem: Any, held: dict[str, Any]) -> str:
    """One line of what pydantic found: key, expected, came."""
    place = [str(part) for part in problem["loc"]]
    path, kind, came = ".".join(place) or "recipe", problem["type"], problem["input"]
    if kind == "extra_forbidden":
        section = _section_at(place[:-1])
        return f"{'.'.join(place[:-1]) or 'top'}: {unknown_name('key', f'{place[-1]:.40}', section.model_fields)}"
    if kind == "missing":
        return f"{path}: needed, and not there"
    if kind == "literal_error":
        return f"{path}: expected {problem['ctx']['expected']}, came {came!r:.60}"
    if kind == "value_error":
        return f"{path}: {problem['ctx']['error']}"
    return f"{path}: {problem['msg'][0].lower()}{problem['msg'][1:]}, came {came!r:.60}"


def _section_at(place: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = Recipe
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
