"""Claims about the page in a browser: silent, alone, legible on any width, led by keys, whole on paper."""

import pytest

from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor
from tests.report.browser import CHROMIUM, Browser
from tests.report.pages import hostile, page

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium or Chrome"),
    pytest.mark.filterwarnings("ignore:os.fork"),
]

PAGES = {"regressor": lambda: page(BLRegressor), "classifier": lambda: page(BLClassifier), "hostile": hostile}

every_page = pytest.mark.parametrize("name", PAGES)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, html in PAGES.items():
        (folder / f"{name}.html").write_text(html(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in PAGES}


SPILLING = """[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, svg, .skip, .row') &&
  e.getClientRects().length && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + ' ' + e.className + ' ' + e.textContent.slice(0, 60))"""

SMALL_TEXT = """[...document.querySelectorAll('svg.plot text, #explorer-chart text')]
  .filter(t => t.getClientRects().length)
  .map(t => [t.textContent,
    parseFloat(getComputedStyle(t).fontSize) * Math.hypot(t.getScreenCTM().a, t.getScreenCTM().b)])
  .filter(([, s]) => s < 7.4)"""


@every_page
@pytest.mark.parametrize("width", [400, 1400])
def test_a_page_is_silent_alone_and_legible(browser, paths, name, width):
    browser.open(paths[name], width)
    browser.ask("document.getElementById('unfold').click()")
    assert browser.complaints == []
    assert browser.requests == [paths[name].resolve().as_uri()]
    assert not [event for event in browser.events if event["method"] == "Page.javascriptDialogOpening"]
    assert browser.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert browser.ask(SPILLING) == []
    assert browser.ask(SMALL_TEXT) == []


def test_tables_sort_by_keys_in_both_directions(browser, paths):
    browser.open(paths["regressor"])
    column = (
        "[...document.querySelectorAll('#effects table')[0].tBodies[0].rows].map(r => Number(r.cells[1].dataset.value))"
    )
    browser.ask("document.querySelectorAll('#effects table')[0].querySelectorAll('th button')[1].focus()")
    browser.press("Enter")
    rising = browser.ask(column)
    assert rising == sorted(rising)
    assert browser.ask("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    browser.press("Enter")
    assert browser.ask(column) == rising[::-1]


def test_blocks_of_the_diagram_lead_to_their_equations_by_keys(browser, paths):
    browser.open(paths["regressor"])
    assert not browser.ask("document.getElementById('block-1-2').open")
    browser.ask("document.querySelector('svg a[href=\"#block-1-2\"]').focus()")
    assert browser.ask("document.activeElement.getAttribute('href')") == "#block-1-2"
    browser.press("Enter")
    browser._until("document.getElementById('block-1-2').open")
    assert browser.ask("document.activeElement.closest('details').id") == "block-1-2"


def test_a_row_can_be_chosen_and_its_curve_walked_along_by_keys(browser, paths):
    browser.open(paths["regressor"])
    said = "document.getElementById('explorer-said').textContent"
    drawn = "document.querySelector('#explorer-chart .line').getAttribute('d')"
    first = browser.ask(f"[{said}, {drawn}, document.getElementById('explorer-inputs').textContent]")
    browser.ask("document.getElementById('explorer-on').focus()")
    browser.press("Enter")
    second = browser.ask(f"[{said}, {drawn}, document.getElementById('explorer-inputs').textContent]")
    assert all(a != b for a, b in zip(first, second, strict=True))
    browser.ask("document.getElementById('explorer-chart').focus()")
    browser.press("ArrowRight")
    third = browser.ask(said)
    browser.press("ArrowRight")
    assert "density" in third != browser.ask(said)


def test_the_tab_key_reaches_the_whole_page(browser, paths):
    browser.open(paths["classifier"])
    reached = set()
    for _ in range(60):
        browser.press("Tab")
        reached.add(browser.ask("document.activeElement.id || document.activeElement.getAttribute('href') || ''"))
    assert {"#main", "#quality", "#settings", "theme", "unfold", "#block-1-1"} <= reached


def test_dark_and_light_differ_and_text_stays_readable(browser, paths):
    browser.open(paths["regressor"])
    colors = "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    before = browser.ask(colors)
    browser.ask("document.getElementById('theme').click()")
    after = browser.ask(colors)
    assert before != after
    for ink, paper in (before, after):
        assert _contrast(ink, paper) > 7
    label = browser.ask("getComputedStyle(document.querySelector('svg.plot text')).fill")
    assert _contrast(label, after[1]) > 4.5


def _contrast(*colors):
    """Of two colours, by the Web Content Accessibility Guidelines."""

    def luminance(color):
        parts = [float(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted(map(luminance, colors))
    return (high + 0.05) / (low + 0.05)


def test_everything_is_unfolded_on_paper_and_folded_again(browser, paths):
    browser.open(paths["regressor"])
    folded = "[...document.querySelectorAll('details')].filter(d => !d.open).length"
    before = browser.ask(folded)
    assert before > 0
    browser.send("Emulation.setEmulatedMedia", media="print")
    inside = "[...document.querySelectorAll('details table, details svg.plot')]"
    assert browser.ask(f"{inside}.filter(e => !e.getClientRects().length).length") == 0, (
        "by the style sheet, without any script"
    )
    assert browser.ask("getComputedStyle(document.querySelector('nav')).display") == "none"
    browser.send("Emulation.setEmulatedMedia", media="")
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 4 or pdf.count(b"/Type /Page") >= 5
    assert browser.ask(folded) == before
