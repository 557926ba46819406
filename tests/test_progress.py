"""Progress bars: never where stderr is not a terminal, never in the way of the items."""

from __future__ import annotations

import io
import sys

import pytest

from hoitool.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_every_item_comes_through_in_order(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    assert list(progress(iter(range(5)), "counting", total=5)) == [0, 1, 2, 3, 4]


def test_nothing_is_written_where_stderr_is_no_terminal(capsys):
    assert list(progress("abc", "spelling")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_what_ends_quickly_shows_no_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert len(list(progress(range(100), "counting"))) == 100
    assert "counting" not in terminal.getvalue()


def test_what_lasts_shows_its_name_and_the_total(monkeypatch):
    import tqdm

    terminal, bar = Terminal(), tqdm.tqdm
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(tqdm, "tqdm", lambda *args, **options: bar(*args, **(options | {"delay": 0, "mininterval": 0})))
    assert len(list(progress(iter(range(3)), "counting", total=3))) == 3
    assert "counting" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_items_are_asked_for_one_by_one():
    asked = []
    items = progress((asked.append(i) or i for i in range(9)), "counting")
    assert next(items) == 0
    assert asked == [0]
