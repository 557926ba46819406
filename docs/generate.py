"""Write the generated pages: docs/cli.md from the commands themselves, the tables of docs/recipes.md from the recipes,
and docs/report.svg, a picture of a report.

    python docs/generate.py

tests/test_docs.py and tests/train/test_page.py compare the pages with what this makes.
"""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COMPLETION = ("install_completion", "show_completion")  # their wording is typer's and changes with its version


def cli_page() -> str:
    """The CLI reference as Markdown."""
    import typer

    from hoitool.cli import app

    group: Any = typer.main.get_command(app)
    lines = [
        "# Command line",
        "",
        "Made by `python docs/generate.py` from the commands themselves.",
        "",
        "Results go to stdout, progress and remarks to stderr. Exit codes: 0 ok, 1 failure, 2 usage, 3 a check did not",
        "hold, 4 data or weights missing. `--debug` shows the traceback of an error;",
        "`hoitool --install-completion` sets up completion for the current shell.",
        "",
        "## hoitool",
        "",
        *_parameters(group),
    ]
    for name, command in _commands(group):
        arguments = [_argument(p) for p in command.params if _is_argument(p)]
        usage = " ".join(["hoitool", name, *arguments, "[OPTIONS]" if command.params else "COMMAND"])
        lines += ["", f"## hoitool {name}", "", command.help.strip(), "", f"    {usage}"]
        lines += ["", *_parameters(command)] if command.params else []
    return "\n".join(lines).rstrip() + "\n"


def _commands(group: Any) -> Iterator[tuple[str, Any]]:
    """Every command by its name, those of a group after it and with its name before theirs."""
    for name, command in group.commands.items():
        yield name, command
        yield from ((f"{name} {each}", held) for each, held in getattr(command, "commands", {}).items())


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _argument(parameter: Any) -> str:
    name = (parameter.metavar or parameter.name).strip("[]").upper()
    return name if parameter.required else f"[{name}]"


def _parameters(command: Any) -> list[str]:
    rows = []
    for parameter in sorted(command.params, key=_is_argument, reverse=True):
        if parameter.name in COMPLETION:
            continue
        if _is_argument(parameter):
            spelling = _argument(parameter)
        else:
            value = "" if parameter.is_flag else f" {(parameter.metavar or parameter.name).upper()}"
            spelling = ", ".join(sorted(parameter.opts, key=len, reverse=True)) + value
        default = parameter.default if isinstance(parameter.default, str | int | Path) else None
        shown = "" if default is None or isinstance(default, bool) else f" (default: {default})"
        cells = (text.replace("|", "\\|") for text in (f"`{spelling}`", f"{parameter.help}{shown}"))
        rows.append(f"| {' | '.join(cells)} |")
    return ["| option | meaning |", "|---|---|", *rows] if rows else []


def recipes_page(page: str) -> str:
    """The page on recipes with its two parts after a mark made anew, each up to the next heading of its level."""
    for mark, rows in (("<!-- recipes -->", _recipes()), ("<!-- settings -->", _settings())):
        before, rest = page.split(mark)
        after = rest[rest.index("\n## ") :] if "\n## " in rest else ""
        page = before + "\n".join([mark, "", *rows]) + after
    return page


def _recipes() -> list[str]:
    """A table of the packaged recipes of each system with their published figures."""
    from hoitool.train.recipe import names, resolve
    from hoitool.train.systems import RECIPES

    made = [resolve(name) for name in names()]
    return [line for system in RECIPES for line in _recipes_of(system, [r for r in made if r.model.name == system])]


def _recipes_of(system: str, recipes: list[Any]) -> list[str]:
    figures = [recipe.reference.figures if recipe.reference else {} for recipe in recipes]
    columns = list(dict.fromkeys(name for held in figures for name in held))
    rows = []
    for recipe, held in zip(recipes, figures, strict=True):
        digits = 2 if system == "defr" and len(held) > 1 else 1  # as published
        told = (f"{held[name]:.{digits}f}" if name in held else "" for name in columns)
        rows.append(f"| `{recipe.name}` | {recipe.summary} | {' | '.join(told)} |")
    head = [f"| recipe | what | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"]
    return [f"### {system}", "", *head, *rows, ""]


def _settings() -> list[str]:
    """A table of the settings that every system has, and one of each system's own."""
    from hoitool.train.settings import Recipe
    from hoitool.train.systems import RECIPES

    common = _settings_of(Recipe)
    lines = ["### Every system", "", *TABLE, *common, ""]
    for system in RECIPES:
        own = [row for row in _settings_of(RECIPES[system]) if row not in common]
        lines += [f"### {system}", "", *TABLE, *own, ""]
    return lines


TABLE = ["| setting | default | meaning |", "|---|---|---|"]


def _settings_of(recipe: Any) -> list[str]:
    from hoitool.train.recipe import field_of, paths

    rows = []
    for path in paths(recipe):
        field = field_of(recipe, path)
        default = "needed" if field.is_required() else f"`{_default(field)}`"
        rows.append(f"| `{path}` | {default} | {field.description} |")
    return rows


def _default(field: Any) -> str:
    import yaml

    held = field.get_default(call_default_factory=True)
    held = list(held) if isinstance(held, tuple) else held
    return str(yaml.safe_dump(held, default_flow_style=True)).removesuffix("\n...\n").strip()


def picture(path: Path) -> None:
    """The demo's report as an SVG."""
    from rich.console import Console

    from hoitool.convert import load
    from hoitool.data import write
    from hoitool.data.synthetic import scenes
    from hoitool.demo.detector import imperfect
    from hoitool.eval import score
    from hoitool.report.terminal import result_report

    with tempfile.TemporaryDirectory() as folder:
        made = scenes(0)
        files = {"truth": Path(folder) / "test.parquet", "predictions": Path(folder) / "predictions.parquet"}
        write(made.test, files["truth"])
        write(imperfect(made.test, 0)[0], files["predictions"])
        result = score(load(files["truth"]), load(files["predictions"])).traced(**files)
        shown = {"truth": "data/demo/test.parquet", "predictions": "runs/imperfect-detector/predictions-test.parquet"}
        for name in files:
            result.inputs[name]["path"] = shown[name]
    console = Console(record=True, width=110, file=io.StringIO())
    console.print(result_report(result))
    drawn = console.export_svg(title="hoitool eval", unique_id="report")
    path.write_text(re.sub(r"@font-face \{.*?\}", "", drawn, flags=re.DOTALL), encoding="utf-8")  # no remote fonts


if __name__ == "__main__":
    (HERE / "cli.md").write_text(cli_page(), encoding="utf-8")
    recipes = HERE / "recipes.md"
    recipes.write_text(recipes_page(recipes.read_text(encoding="utf-8")), encoding="utf-8")
    picture(HERE / "report.svg")
