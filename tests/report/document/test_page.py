"""The page of a report in a real browser: what it loads, sorts, filters and shows, to whom and on what."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from browser import browser
from report.document.making import EVIL, everything

from hoitool.report.document.html import html

TAB, ENTER, ESCAPE, SPACE = "\ue004", "\ue007", "\ue00c", " "
PHONE = 360  # pixels
CHECKS = Path(__file__).with_name("checks.js").read_text(encoding="utf-8")
ELSEWHERE = "http://127.0.0.1:9/"
SORTED = "all('#per-class thead th').map((head) => head.getAttribute('aria-sort'))"


@pytest.fixture(scope="module")
def chromium():
    with browser() as session:
        yield session


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html(everything()), encoding="utf-8")
    return path


@pytest.fixture
def page(chromium, file):
    """The report, freshly opened in a window of a desk."""
    chromium.show_as()
    chromium.open(file)
    return chromium


def ask(page, expression):
    """The value of an expression in the page, which may use checks.js."""
    return page.run(f"{CHECKS}\nreturn {expression}")


def status(page, section="classes"):
    return ask(page, f"document.querySelector('#{section} output').textContent")


def focused(page):
    return ask(page, "document.activeElement.textContent.trim()")


def test_it_loads_itself_and_nothing_else_without_a_word_on_the_console(page, file):
    assert page.requested() == [file.as_uri()]
    assert page.log("browser") == []
    assert ask(page, "document.title").startswith("one and <script>")


def test_names_from_data_are_text_and_nothing_of_them_runs(page):
    assert ask(page, "window.hacked") is None
    assert ask(page, "all('img[src=x], main script').length") == 0
    assert ask(page, "column(0)")[3] == EVIL
    assert ask(page, "all('.chart .legend li')[1].textContent.trim()") == EVIL
    page.run("document.querySelector('.shot button').click()")
    assert ask(page, "window.hacked") is None


def test_the_pictures_are_there_with_what_is_drawn_on_them(page):
    assert ask(page, "all('.shot img').map((i) => [i.complete, i.naturalWidth])") == [[True, 120]] * 6
    drawn = ask(page, "all('.shot').map((s) => s.querySelectorAll('.mark').length)")
    assert drawn == [3, 6, 3, 6, 3, 6]  # two boxes and their link, of one pair or two
    places = ask(
        page,
        "[...document.querySelector('.picture').children].map((e) => e.getBoundingClientRect())"
        ".map((r) => [r.x, r.y, r.width, r.height])",
    )
    assert places[0] == pytest.approx(places[1], abs=1)


@pytest.mark.parametrize(
    ("directive", "attempt"),
    {
        "connect-src": f"fetch('{ELSEWHERE}').catch(() => 0)",
        "img-src": f"new Image().src = '{ELSEWHERE}'",
        "frame-src": f"document.body.insertAdjacentHTML('beforeend', '<iframe src=\"{ELSEWHERE}\">')",
        "style-src-elem": f"document.body.insertAdjacentHTML('beforeend', '<link rel=stylesheet href={ELSEWHERE}>')",
        "script-src-elem": "const s = document.createElement('script'); s.text = 'hacked = 3'; document.body.append(s)",
    }.items(),
)
def test_what_would_leave_the_file_or_run_in_it_is_refused(page, directive, attempt):
    page.requested()
    assert ask(page, f"refused(() => {{ {attempt} }})") == directive
    assert ask(page, "window.hacked") is None
    assert page.requested() == []


def test_columns_sort_by_keyboard_and_say_so(page):
    page.run("document.querySelector('#per-class thead button').focus()")
    page.press(TAB, TAB)
    assert focused(page) == "Truths"
    page.press(ENTER)
    assert ask(page, SORTED) == ["none", "none", "descending", "none"]
    assert ask(page, "column(2)") == [str(n) for n in range(39, -1, -1)]
    assert status(page) == "40 of 40 rows, sorted by Truths, largest first"
    page.press(SPACE)
    assert ask(page, SORTED) == ["none", "none", "ascending", "none"]
    assert ask(page, "column(2)") == [str(n) for n in range(40)]


def test_the_arrows_of_heads_are_not_read_aloud(page):
    nodes = page.command("Accessibility.getFullAXTree")["nodes"]
    names = [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "columnheader"]
    assert "Truths" in names and not any(arrow in name for name in names for arrow in "↕↑↓")


def test_what_is_not_known_stands_last_either_way(page):
    page.run("document.querySelectorAll('#per-class thead button')[3].focus()")
    page.press(ENTER)
    *falling, last = ask(page, "column(3)")
    page.press(ENTER)
    *rising, still_last = ask(page, "column(3)")
    assert last == still_last == "–"
    assert rising == falling[::-1]
    assert [float(text.split()[0]) for text in rising] == sorted(float(text.split()[0]) for text in rising)


def test_names_sort_as_people_count(page):
    page.run("document.querySelector('#per-class thead button').click()")
    names = [name for name in ask(page, "column(0)") if name.startswith("verb")]
    assert names == [f"verb {i} thing" for i in range(40) if i != 3]


def test_rows_are_found_by_words_and_chosen_by_values(page):
    page.run("document.querySelector('#classes input').focus()")
    page.press(*"THING 1")
    assert status(page).startswith("13 of 40 rows")  # 1, 10 to 19, 21 and 31
    ask(page, "choose('#classes select', 'object b')")
    assert {*ask(page, "column(1)")} == {"object b"}
    assert status(page).startswith("6 of 40 rows")
    page.run("document.querySelector('#classes button[type=reset]').click()")
    page.run("return new Promise((done) => setTimeout(done))")
    assert status(page).startswith("40 of 40 rows")
    page.run("document.querySelector('#classes input').focus()")
    page.press(*"zebra")
    assert status(page) == "0 of 40 rows"


def test_pictures_are_chosen_by_kind_and_cause(page):
    ask(page, "choose('#gallery select[data-key=kind]', 'missed pair')")
    assert status(page, "gallery") == "3 of 6 pictures"
    ask(page, "choose('#gallery select[data-key=cause]', 'background')")
    assert status(page, "gallery") == "1 of 6 pictures"
    assert ask(page, "all('.shot').filter((shot) => shot.offsetParent).length") == 1


def test_a_picture_is_enlarged_and_put_back_by_keyboard(page):
    page.run("document.querySelector('.shot button').focus()")
    page.press(ENTER)
    assert ask(page, "document.querySelector('dialog').open")
    wide = "document.querySelector('{} img').getBoundingClientRect().width"
    assert ask(page, wide.format("dialog")) > ask(page, wide.format(".shot"))
    page.press(ESCAPE)
    assert not ask(page, "document.querySelector('dialog').open")
    assert focused(page) == "Enlarge"


def test_the_first_key_leads_to_the_content(page):
    page.press(TAB)
    assert focused(page) == "Skip to the content"
    assert ask(page, "document.activeElement.getBoundingClientRect().x") >= 0
    page.press(ENTER)
    assert ask(page, "document.activeElement.id") == "content"


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [PHONE, 768, 1280])
def test_no_window_scrolls_sideways_and_all_text_can_be_read(chromium, file, width, dark):
    chromium.show_as(width=width, height=740, dark=dark)
    chromium.open(file)
    assert ask(chromium, "document.documentElement.scrollWidth") <= width
    assert ask(chromium, "faint()") == []
    assert ask(chromium, "all('th').filter((head) => head.scrollWidth > head.clientWidth + 1).length") == 0
    assert min(ask(chromium, "series()")) >= 3  # of what is no text: WCAG 2.2, 1.4.11
    assert (ask(chromium, "light(paper(document.body))") < 0.5) == dark
    letter = "12 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width"
    assert ask(chromium, f"((svg) => {letter})(document.querySelector('.chart > svg'))") >= 8.5


def test_headings_and_landmarks_are_in_order(page):
    levels = ask(page, "all('h1, h2, h3, h4').map((heading) => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    for landmark in ("header", "nav", "main", "footer"):
        assert ask(page, f"all('body > {landmark}').length") == 1
    assert ask(page, "document.documentElement.lang") == "en"
    ids = ask(page, "all('[id]').map((e) => e.id)")
    assert len(ids) == len({*ids})
    assert ask(page, "all('nav a, .skip').every((a) => document.getElementById(a.hash.slice(1)))")


def test_everything_has_a_name_for_those_who_do_not_see_it(page):
    assert ask(page, "unnamed()") == []
    assert ask(page, "[...document.images].every((image) => image.alt)")
    assert ask(page, "all('svg').every((s) => s.getAttribute('aria-label') || s.getAttribute('aria-hidden'))")
    assert ask(page, "all('.chart').every((chart) => chart.querySelector('details table'))")
    assert ask(page, "all('table').every((table) => table.caption && table.querySelector('th[scope=col]'))")
    assert ask(page, "unreachable()") == []


def test_without_its_script_the_page_shows_all_it_has(chromium, file, tmp_path):
    text = file.read_text(encoding="utf-8")
    bare = tmp_path / "bare.html"
    bare.write_text(text[: text.rindex("<script>")], encoding="utf-8")
    chromium.show_as()
    chromium.open(bare)
    assert len(ask(chromium, "column(0)")) == 40
    assert ask(chromium, "all('.controls').every((form) => !form.offsetParent)")


def test_print_shows_every_row_on_white_and_no_controls(chromium, file, tmp_path):
    chromium.show_as(dark=True, media="print")
    chromium.open(file)
    assert ask(chromium, "paper(document.body)") == [255, 255, 255]
    assert ask(chromium, "all('nav, .controls, .shot button').every((each) => !each.offsetParent)")
    assert ask(chromium, "all('.scroll').every((table) => table.clientHeight >= table.scrollHeight)")
    assert ask(chromium, "faint()") == []
    chromium.pdf(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
