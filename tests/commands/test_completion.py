"""Completion: names where options and arguments take names, and real shells that complete them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer._completion_classes import BashComplete as ShellComplete

from hoitool.cli import app
from hoitool.eval import PROTOCOLS, variants
from hoitool.splits import names

ROOT = Path(__file__).parent.parent.parent
COMMAND = typer.main.get_command(app)
NAMED = ("--protocol", "--variant", "--setting", "--split", "--from", "--subset", "--model", "--prompts", "--device")
PROGRAM = f"""#!{sys.executable}
import sys
sys.argv[0] = "hoitool"
from hoitool.cli import main
main()
"""


def completed(line):
    """What is offered for the last word of a line."""
    *words, last = line.split(" ")
    found = ShellComplete(COMMAND, {}, "hoitool", "_HOITOOL_COMPLETE").get_completions(words, last)
    return [item.value for item in found]


def parameters(command, path=()):
    """Each command with its parameters, groups' own commands too."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command.params


def test_every_option_that_takes_a_name_completes_it():
    for path, held in parameters(COMMAND):
        for parameter in held:
            for spelling in set(parameter.opts) & set(NAMED):
                has = parameter._custom_shell_complete is not None
                assert has, f"{' '.join(path)} {spelling}: give it autocompletion= of hoitool.commands.names"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("eval --protocol hic", ["hico-det", "hico"]),
        ("eval --protocol retr", ["retrieval"]),
        ("eval --protocol v-coco --variant ", variants("v-coco")),
        ("eval --variant of", ["official"]),
        ("eval --split rare", ["rare"]),
        ("eval --split rf-uc", [name for name in names() if name.startswith("rf-uc")]),
        ("eval --setting kn", ["known-object", "known-object-boxes"]),
        ("explain v-", ["v-coco"]),
        ("explain open", [name for name in PROTOCOLS if name.startswith("open")]),
        ("convert --to hoia", ["hoia"]),
        ("convert --from upt-", []),
        ("convert --filter rl", ["rlip"]),
        ("train defr-det", ["defr-detection"]),
        ("embed labels v", ["v-coco"]),
        ("embed labels --model simc", ["simcse"]),
        ("embed labels --prompts clip", ["clip-7", "clip-ensemble"]),
        ("embed verbs --formula hoiclip", ["hoiclip", "hoiclip-last"]),
        ("predict --detector detr", ["detr"]),
        ("split show uo", [name for name in names() if name.startswith("uo")]),
        ("demo --system v", ["vse", "vild"]),
        ("doctor --for tr", ["train"]),
        ("doctor --for nothing", []),
    ],
)
def test_names_are_offered_by_how_they_begin(line, offered):
    assert completed(line) == offered


def test_runs_are_those_of_the_workspace(tmp_path, monkeypatch):
    (tmp_path / "runs" / "first").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert completed("train --name f") == ["first"]


@pytest.fixture
def shell(tmp_path):
    """Run a line in a shell whose home is empty, with hoitool on its path."""
    (tmp_path / "hoitool").write_text(PROGRAM)
    (tmp_path / "hoitool").chmod(0o755)
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def run(name, line):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
        command = [name, "--norc", "-c", line] if name == "bash" else [name, "-c", line]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "bash",
            "source .bash_completions/hoitool.sh; COMP_WORDS=(hoitool explain sg); COMP_CWORD=2; "
            '_hoitool_completion hoitool; echo "${COMPREPLY[@]}"',
        ),
        ("zsh", "_arguments() { print $@ }; compdef() { :; }; words='hoitool explain sg'; "
                "CURRENT=${#words}; source .zfunc/_hoitool; _hoitool_completion"),
        ("fish", "source .config/fish/completions/hoitool.fish; complete -C 'hoitool explain sg'"),
    ],
)  # fmt: skip
def test_shells_complete_after_the_installation_and_doctor_sees_it(shell, tmp_path, monkeypatch, name, line):
    from hoitool.report.machine import completions

    monkeypatch.setenv("HOME", str(tmp_path))
    assert f"{name} completion installed" in shell(name, "hoitool --install-completion; true")
    assert "sgg" in shell(name, line)
    assert completions()[name]
