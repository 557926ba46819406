"""Progress on stderr: never where it is no terminal, never in the way of the items."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from hoitool.progress import progress, working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch) -> Terminal:
    """Make stderr a terminal; not a fixture, because pytest sets stderr anew between set-up and test."""
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    return terminal


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_every_item_comes_through_in_order(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    assert list(progress(iter(range(5)), "counting", total=5)) == [0, 1, 2, 3, 4]
    assert list(progress(iter("abc"), "counting")) == ["a", "b", "c"]


def test_nothing_is_written_where_stderr_is_no_terminal(capsys):
    with working("spelling"):
        assert list(progress("abc", "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_nothing_is_imported_where_stderr_is_no_terminal():
    code = "import sys; from hoitool.progress import progress; list(progress([1], 'x')); print('rich' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout == "False\n"


def test_a_terminal_is_told_what_is_done_and_how_far_it_is(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    for _ in progress([1, 2, 3], "counting"):
        pass
    assert "counting" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


def test_stretches_inside_each_other_share_one_display(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    with working("outer work"):
        assert list(progress(range(3), "inner work")) == [0, 1, 2]
        with working("second work"):
            pass
    for told in ("outer work", "inner work"):
        assert told in terminal.getvalue()
    assert terminal.getvalue().count("\x1b[?25l") == 1  # the cursor was hidden once, by the one display


def test_the_display_is_gone_after_an_exception(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    with pytest.raises(RuntimeError), working("failing"):
        raise RuntimeError
    before = terminal.getvalue()
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert list(progress(range(3), "after")) == [0, 1, 2]
    assert terminal.getvalue() == before
    assert "failing" in before
    assert before.count("\x1b[?25h") == 1  # the cursor is back


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_items_are_asked_for_one_by_one(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    asked = []
    items = progress((asked.append(i) or i for i in range(9)), "counting")
    assert next(items) == 0
    assert asked == [0]
    items.close()
