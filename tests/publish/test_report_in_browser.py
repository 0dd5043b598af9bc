"""The report in a real browser, cut off from every network: what people do with it, and what screen readers need."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from plantation_rwa.publish.report import SummaryData, render_summary
from plantation_rwa.publish.report.memo import render_memo
from plantation_rwa.publish.report.view import gather
from plantation_rwa.publish.report.words import STRESSES
from plantation_rwa.schema.checks import finalise
from tests.browser import Page, chromium
from tests.publish.report_states import STATES_OF_THE_REPORT, many, whole

pytestmark = [pytest.mark.slow, pytest.mark.server]
READY = "document.documentElement.dataset.ready === 'yes'"
AXE = "4.10.3"
#: rules of axe about what this page promises; all others of its default set run as well
RULES = {"color-contrast", "label", "heading-order", "select-name", "button-name", "image-alt", "html-has-lang",
         "scrollable-region-focusable", "svg-img-alt", "role-img-alt", "page-has-heading-one"}  # fmt: skip


@pytest.fixture
def browser(requires: Callable[..., None], tmp_path: Path) -> Iterator[Page]:
    requires("chromium")
    with chromium(tmp_path / "profile") as page:
        yield page


@pytest.fixture
def opened(browser: Page, tmp_path: Path) -> Callable[[SummaryData], Page]:
    """Opens the report of some tables and waits until its script is done."""

    def open_it(data: SummaryData) -> Page:
        path = tmp_path / "index.html"
        path.write_text(render_summary(data), "utf-8")
        browser.open(path)
        browser.wait(READY)
        return browser

    return open_it


def quiet(page: Page) -> None:
    """Nothing was asked of a network, and nothing complained."""
    assert page.requests == []
    assert page.errors == []


@pytest.mark.parametrize("state", [s for s in STATES_OF_THE_REPORT if s != "many"])
def test_every_state_opens_without_a_word_or_a_request(opened: Callable[[SummaryData], Page], state: str) -> None:
    page = opened(STATES_OF_THE_REPORT[state]())
    # what is drawn only near the window is brought there
    page.run(
        "(async () => { for (const e of document.querySelectorAll('.pair [data-chart]')) {"
        " e.scrollIntoView(); await new Promise((done) => setTimeout(done, 100)); } })()"
    )
    page.wait("[...document.querySelectorAll('.pair [data-chart]')].every((e) => e.childElementCount > 0)")
    # nothing sticks out sideways, however long a name is
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
    quiet(page)


def test_rights_are_searched_and_sorted_by_keyboard(opened: Callable[[SummaryData], Page]) -> None:
    page = opened(whole(12))
    page.run("document.getElementById('find').focus()")
    page.type("no_harvest")
    assert page.run("document.getElementById('found').textContent") == "3 of 12 rows"
    shown = "[...document.querySelectorAll('#rights tbody tr')].filter((r) => !r.hidden)"
    assert page.run(f"{shown}.map((r) => r.cells[1].dataset.v)") == ["P-03 R1", "P-07 R1", "P-11 R1"]
    page.run(
        "document.getElementById('find').value = ''; document.getElementById('find').dispatchEvent(new Event('input'))"
    )
    values = "[...document.querySelectorAll('#rights tbody tr')].map((r) => Number(r.cells[2].dataset.v))"
    before = page.run(values)
    page.run("document.querySelectorAll('#rights th button')[2].focus()")
    for order, wanted in (("ascending", sorted(before)), ("descending", sorted(before, reverse=True))):
        page.press("Enter")
        assert page.run("document.querySelectorAll('#rights th')[2].ariaSort") == order
        assert page.run(values) == wanted
    quiet(page)


def pick(page: Page, plantation: int) -> None:
    """Choose a plantation in the list."""
    page.run(
        f"document.getElementById('chosen').value = '{plantation}';"
        "document.getElementById('chosen').dispatchEvent(new Event('change'))"
    )


def test_amounts_of_two_currencies_are_sorted_within_each(opened: Callable[[SummaryData], Page]) -> None:
    page = opened(STATES_OF_THE_REPORT["two_currencies"]())
    assert page.run("document.querySelector('input[name=mode]:checked').value") == "grade", "no scale over both"
    assert page.run("document.getElementById('one-name').textContent") == "P-01", "none is worth most"
    shown = (
        "[...document.querySelectorAll('#rights tbody tr')].map((r) => [r.cells[2].dataset.g,"
        " Number(r.cells[2].dataset.v)])"
    )
    for turn in (1, -1):
        page.run("document.querySelectorAll('#rights th button')[2].click()")
        rows = page.run(shown)
        assert [g for g, _ in rows] == ["IDR"] * 4 + ["MYR"] * 6
        for currency in ("IDR", "MYR"):
            amounts = [v for g, v in rows if g == currency]
            assert amounts == sorted(amounts)[::turn]
    totals = page.run("[...document.querySelectorAll('.tile')].slice(0, 2).map((t) => t.textContent)")
    assert [t.split()[1][:3] for t in totals] == ["IDR", "MYR"]
    pick(page, 8)
    told = page.run("document.getElementById('one-facts').textContent")
    assert " MYR (real world" in told
    assert " IDR (real world" in told
    quiet(page)


def test_pictures_of_the_chosen_plantation_are_shown_with_outline_and_scale(
    opened: Callable[[SummaryData], Page],
) -> None:
    page = opened(STATES_OF_THE_REPORT["whole"]())
    chips = "document.getElementById('one-chips')"
    page.wait(f"[...{chips}.querySelectorAll('img')].every((i) => i.complete)")
    assert page.run(f"[...{chips}.querySelectorAll('img')].map((i) => i.naturalWidth)") == [64, 64]
    assert "tile 48NUG" in page.run(f"{chips}.textContent")
    assert page.run(f"[...{chips}.querySelectorAll('.fake')].map((e) => e.textContent)") == ["SIMULATED"] * 2
    # the outline fills most of the square, which leaves a fifth of room around it
    box = page.run(f"(() => {{ const b = {chips}.querySelector('.outline').getBBox(); return [b.x, b.width]; }})()")
    assert 10 < box[0] < 30
    assert 140 < box[1] < 180
    assert page.run(f"{chips}.querySelector('text').textContent") in ("100 m", "200 m")
    # the last one is a point
    pick(page, 11)
    assert page.run(f"{chips}.textContent") == "No picture: the register gives a point, no outline."
    quiet(page)


@pytest.mark.parametrize("width", [420, 768, 1400])
@pytest.mark.parametrize("state", ["whole", "odd_names", "two_currencies"])
def test_the_value_is_in_sight_at_any_width(
    opened: Callable[[SummaryData], Page], tmp_path: Path, state: str, width: int
) -> None:
    page = opened(STATES_OF_THE_REPORT[state]())
    page.open(tmp_path / "index.html", width=width)
    page.wait(READY)
    assert page.run("document.documentElement.scrollWidth <= window.innerWidth")
    edges = "[...document.querySelectorAll('#rights tbody tr')].map((r) => r.cells[2].getBoundingClientRect().right)"
    assert max(page.run(edges)) <= width
    # and no row fills the window
    tall = "Math.max(...[...document.querySelectorAll('#rights tbody tr')].map((r) => r.offsetHeight))"
    assert page.run(tall) < 150
    quiet(page)


def test_the_first_shown_is_the_largest_with_pictures_else_the_largest(opened: Callable[[SummaryData], Page]) -> None:
    data = STATES_OF_THE_REPORT["whole"]()
    worth = data.valuations.groupby("plantation_id")["npv_fair"].sum().sort_values(ascending=False).index
    for chips, wanted in (
        (data.chips[data.chips["plantation_id"].isin(worth[2:4])], worth[2]),
        (data.chips[:0], worth[0]),
    ):
        page = opened(replace(data, chips=chips))
        assert page.run("document.getElementById('one-name').textContent") == wanted
        quiet(page)


def test_the_remarks_of_pools_are_read_without_scrolling(opened: Callable[[SummaryData], Page], tmp_path: Path) -> None:
    data = whole(3)
    (row,) = data.pools.to_dict("records")
    flags = "limit_mill;limit_plantation;limit_region;limit_sponsor;simulated"
    big = {k: 1e7 * v for k, v in row.items() if k.startswith("npv_q") or k in ("npv_fair", "es95")}
    rows = [row | big | {"tranche": t, "quality_flag": flags} for t in ("fees", "junior", "reserve", "senior", "whole")]
    page = opened(replace(data, pools=finalise(pd.DataFrame(rows), "pools")))
    page.open(tmp_path / "index.html", width=1400)
    page.wait(READY)
    frame = "document.querySelector('[aria-label=\"Pools and tranches\"]')"
    assert page.run(f"{frame}.scrollWidth <= {frame}.clientWidth")


def test_every_control_is_reached_and_worked_by_keyboard(opened: Callable[[SummaryData], Page]) -> None:
    page = opened(whole(3))
    focus = (
        "(({tagName: t, id: i, className: c}) => t + (i ? '#' + i : '') + (c ? '.' + c : ''))(document.activeElement)"
    )
    seen = []
    for _ in range(60):
        page.press("Tab")
        seen.append(page.run(focus))
        if seen[-1].startswith("BUTTON#after"):
            break
    kinds = [s for k, s in enumerate(seen) if s not in seen[:k]]
    for wanted in ("A", "INPUT", "INPUT#find", "DIV.scroll values", "BUTTON", "BUTTON.pick", "SELECT#chosen",
                   "BUTTON#before", "BUTTON#after"):  # fmt: skip
        assert wanted in kinds, kinds
    before = page.run("document.getElementById('one-name').textContent")
    page.press("Enter")
    assert page.run("document.getElementById('one-name').textContent") != before
    ring = page.run("getComputedStyle(document.activeElement).outlineStyle")
    assert ring == "solid", "what has the focus is marked"
    quiet(page)


def test_a_plantation_is_chosen_in_the_table_in_the_list_and_on_the_map(opened: Callable[[SummaryData], Page]) -> None:
    page = opened(whole(12))
    name = "document.getElementById('one-name').textContent"
    assert page.run(name) == "P-06", "the one of most value comes first"
    page.run("document.querySelectorAll('.pick')[2].focus()")
    page.press("Enter")
    assert page.run(name) == "P-03"
    page.run("document.getElementById('after').click()")
    assert page.run(name) == "P-04"
    assert page.run("document.querySelector('tr.chosen').cells[1].dataset.v") == "P-04 R1"
    x, y = place(page, 0)
    page.move(x, y)
    page.wait(f"{TIPS}.includes('P-01')")
    assert "250,000 MYR" in page.run(TIPS)
    page.click(x, y)
    page.wait(f"{name} === 'P-01'")
    # its fan ends where the table of forecasts does
    page.wait("document.querySelector('[data-chart=fan]').childElementCount > 0")
    quiet(page)


#: text of the tips that the chart library shows, each in a shadow of its own
TIPS = """(() => {
  const texts = [];
  const walk = (node) => {
    for (const child of node.querySelectorAll("*")) {
      if (child.classList.contains("bk-Tooltip")) texts.push((child.shadowRoot ?? child).textContent);
      if (child.shadowRoot) walk(child.shadowRoot);
    }
  };
  walk(document);
  return texts.join(" ");
})()"""


def place(page: Page, plantation: int) -> tuple[float, float]:
    """Where a plantation stands in the window, after its area was chosen and the map scrolled to the middle."""
    page.run("document.querySelectorAll('#areas button')[1].click()")
    page.run("document.getElementById('map-place').scrollIntoView({block: 'center', behavior: 'instant'})")
    time.sleep(1.0)
    found: list[float] = page.run(
        f"""(() => {{
          const told = JSON.parse(document.getElementById("report-data").textContent).map;
          const view = Bokeh.index.roots.find((v) => document.getElementById("map-place").contains(v.el));
          const box = view.canvas_view.el.getBoundingClientRect();
          return [box.x + view.frame.x_scale.compute(told.lon[{plantation}]),
                  box.y + view.frame.y_scale.compute(told.lat[{plantation}])];
        }})()"""
    )
    return found[0], found[1]


def test_the_map_changes_its_colours_and_its_key(opened: Callable[[SummaryData], Page]) -> None:
    page = opened(whole(12))
    key = "document.getElementById('map-key').textContent"
    assert "Fair value, MYR per ha of mature area" in page.run(key)
    for mode, words in (("anomaly", "against the region's usual harvest"), ("grade", "Confidence grade")):
        page.run(f"document.querySelector('input[value={mode}]').click()")
        assert words in page.run(key)
    quiet(page)


#: plantations -> CPU seconds of the page's thread until it can be used, and megabytes
LIMITS = {200: (2.0, 5.0), 2000: (10.0, 12.0)}


@pytest.mark.parametrize("count", LIMITS)
def test_many_plantations_are_ready_soon(browser: Page, tmp_path: Path, count: int) -> None:
    start = time.process_time()
    text = render_summary(many(count))
    made = time.process_time() - start
    path = tmp_path / "index.html"
    path.write_text(text, "utf-8")
    # the thread's own clock: what other programs of the machine do meanwhile does not count
    browser.call("Performance.enable", timeDomain="threadTicks")
    browser.open(path)
    browser.wait(READY)
    told = {m["name"]: m["value"] for m in browser.call("Performance.getMetrics")["metrics"]}
    took = browser.run("performance.getEntriesByType('navigation')[0].domComplete") / 1000
    size = len(text.encode()) / 1e6
    print(
        f"{count} plantations: {size:.2f} MB, made in {made:.1f} CPU s with its tables, ready after "
        f"{told['TaskDuration']:.2f} CPU s ({took:.2f} s by the clock)"
    )
    seconds, megabytes = LIMITS[count]
    assert told["TaskDuration"] < seconds
    assert size < megabytes
    assert made < 30
    before = browser.run("document.getElementById('one-name').textContent")
    browser.run("document.getElementById('after').click()")
    assert browser.run("document.getElementById('one-name').textContent") != before
    quiet(browser)


@pytest.fixture
def axe(requires: Callable[..., None], tmp_path: Path) -> str:
    requires("npm", "--version")
    place = tmp_path / "npm"
    command = [
        "npm",
        "install",
        "--prefix",
        str(place),
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        f"axe-core@{AXE}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    return (place / "node_modules/axe-core/axe.min.js").read_text("utf-8")


def violations(page: Page, axe: str) -> list[tuple[str, list[str]]]:
    """What axe finds with all its default rules, each with the places."""
    page.run(axe + "; 1")
    told: dict[str, Any] = page.run("axe.run(document, {resultTypes: ['violations']})")
    assert RULES & {r["id"] for r in told["passes"]}, "axe looked at nothing"
    return [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in told["violations"]]


@pytest.mark.parametrize("state", [s for s in STATES_OF_THE_REPORT if s != "many"])
def test_axe_finds_nothing_in_the_report(opened: Callable[[SummaryData], Page], axe: str, state: str) -> None:
    page = opened(STATES_OF_THE_REPORT[state]())
    page.run("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert violations(page, axe) == []


def test_axe_finds_nothing_in_a_memo(browser: Page, axe: str, tmp_path: Path) -> None:
    data = whole(4)
    plantation = gather(data).plantations[0]
    path = tmp_path / "memo.html"
    path.write_text(render_memo(data, plantation, plantation.records[0]), "utf-8")
    browser.open(path)
    assert violations(browser, axe) == []
    quiet(browser)


def test_no_word_of_a_memos_drawings_is_cut_off(browser: Page, tmp_path: Path) -> None:
    data = whole(4)
    plantation = gather(data).plantations[0]
    path = tmp_path / "memo.html"
    path.write_text(render_memo(data, plantation, plantation.records[0] | dict.fromkeys(STRESSES, 120_000.0)), "utf-8")
    browser.open(path)
    cut = """[...document.querySelectorAll('svg text')].filter(t => {
        const [own, whole] = [t.getBoundingClientRect(), t.ownerSVGElement.getBoundingClientRect()];
        return own.left < whole.left - 1 || own.right > whole.right + 1;
    }).map(t => t.textContent)"""
    assert browser.run(cut) == []
    assert "local prices still" in browser.run("document.body.textContent")
