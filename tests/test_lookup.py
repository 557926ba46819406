"""Lookup tables: a literal name, imported on use, misspellings suggested."""

from __future__ import annotations

import sys

import pytest

from hoitool.errors import UsageError
from hoitool.lookup import Lookup, unknown_name

TABLE = Lookup("thing", {"path": "os.path", "join": "os.path:join", "absent": "no.such.module", "gone": "os.path:gone"})


def test_a_name_gives_its_module_or_attribute():
    import os

    assert TABLE["path"] is os.path
    assert TABLE["join"] is os.path.join


def test_a_value_is_imported_only_when_asked_for(tmp_path, monkeypatch):
    (tmp_path / "lazy_thing.py").write_text("loaded = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    table = Lookup("thing", {"lazy": "lazy_thing:loaded"})
    assert list(table) == ["lazy"]
    assert "lazy" in table
    assert "lazy_thing" not in sys.modules
    assert table["lazy"] is True
    assert "lazy_thing" in sys.modules
    monkeypatch.delitem(sys.modules, "lazy_thing")


def test_it_is_a_mapping_in_the_order_of_the_table():
    assert list(TABLE) == ["path", "join", "absent", "gone"]
    assert len(TABLE) == 4
    assert "join" in TABLE
    assert "joins" not in TABLE
    assert 3 not in TABLE


def test_get_gives_the_default_for_an_unknown_name():
    assert TABLE.get("joins", "nothing") == "nothing"


def test_later_changes_of_the_literal_do_not_reach_it():
    literal = {"join": "os.path:join"}
    table = Lookup("thing", literal)
    literal["more"] = "os"
    assert list(table) == ["join"]


def test_a_misspelt_name_is_suggested():
    with pytest.raises(UsageError, match=r"^No thing named 'jion'\. Did you mean 'join'\?$"):
        TABLE["jion"]


def test_several_near_names_are_joined_with_or():
    assert str(unknown_name("format", "abcx", ["abcd", "abce", "zz"])).endswith("Did you mean 'abce' or 'abcd'?")
    assert str(unknown_name("split", "raer", ["rare", "rare"])).endswith("Did you mean 'rare'?")


def test_a_name_near_to_none_gets_the_whole_list():
    with pytest.raises(UsageError, match=r"No thing named 'zzzz'\. Known: path, join, absent, gone\."):
        TABLE["zzzz"]


def test_a_broken_entry_raises_what_the_import_raises():
    with pytest.raises(ModuleNotFoundError):
        TABLE["absent"]
    with pytest.raises(AttributeError):
        TABLE["gone"]


def test_the_package_itself_offers_its_names_lazily():
    import hoitool

    assert hoitool.load_labels("hico").name == "hico"
    assert set(hoitool.__all__) <= set(dir(hoitool))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hoitool.nonsense  # noqa: B018
