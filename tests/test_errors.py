"""Errors: each kind has its own exit code, and a missing extra is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hoitool.errors import EXTRAS, CheckFailed, DataError, HoitoolError, MissingData, UsageError, missing_extra


@pytest.mark.parametrize(
    ("kind", "code"), [(HoitoolError, 1), (DataError, 1), (UsageError, 2), (CheckFailed, 3), (MissingData, 4)]
)
def test_each_kind_is_a_hoitool_error_with_its_exit_code(kind, code):
    assert issubclass(kind, HoitoolError)
    assert kind("told").exit_code == code
    assert str(kind("told")) == "told"


@pytest.mark.parametrize("module", ["torch", "torch.nn", "timm.models"])
def test_a_module_of_an_extra_names_what_to_install(module):
    error = missing_extra(module)
    top = module.partition(".")[0]
    told = f"this needs {top}, which is not installed: pip install 'hoitool[torch]', "
    assert str(error) == told + "or in the folder of its sources pip install '.[torch]'"


def test_a_module_of_no_extra_is_not_explained():
    assert missing_extra("numpy") is None
    assert missing_extra("torchy") is None


def test_every_extra_named_is_one_that_the_project_has():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])
