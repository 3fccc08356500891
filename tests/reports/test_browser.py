"""The page as people meet it: in a real browser."""

import json
import os
import threading
import time
from itertools import pairwise
from pathlib import Path

import journals
import numpy as np
import pytest
from journals import ODD, hostile_history

from edgevolve.quantity import size
from edgevolve.reports.metrics import luck
from edgevolve.reports.page import report_page
from edgevolve.reports.watch import HOST, make_server
from edgevolve.runs import Run
from tests.reports.open_page import WAIT_S, Page, drawn, show_in_table

JOURNAL = Path(__file__).resolve().parent.parent / "data" / "journals" / "0.1.0.jsonl"


def test_every_chart_is_drawn_and_nothing_is_asked_of_a_network(page):
    for section in ("front", "candidate", "search"):
        page.bring(f"#{section}")
        for chart in page.run(
            "return [...document.querySelectorAll(arguments[0])].map((_, i) => i)", f"#{section} .chart"
        ):
            place = f"[...document.querySelectorAll('#{section} .chart')][{chart}]"
            page.run(f"{place}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
            page.until(f"{place}.querySelector('.main-svg')")
    asked = page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [name for name in asked if not name.startswith(("blob:", "data:"))] == []


def test_how_well_the_error_of_the_best_is_known_stands_below_the_title(browser, config, run_search, tmp_path):
    run = run_search(config(evaluations=6))
    path = tmp_path / "report.html"
    path.write_text(report_page([run], ["run"]))
    page = Page(browser).open(path.as_uri())
    shown = page.run("return document.getElementById('luck').innerText")
    assert luck(run) == [shown]
    assert "partly lucky" in shown


def test_the_table_sorts_filters_and_searches(page, made):
    run, _ = made
    page.until("window.Plotly && document.querySelector('#scatter .main-svg')")
    show_in_table(page, "whole")
    page.bring("#table")
    sizes = [record.metrics["model_size_bytes"] for record in run.front]
    words = [size(bytes_) for bytes_ in sorted(sizes)]
    for expected in (words[:10], words[::-1][:10]):
        page.one("#table thead th:nth-child(4)").click()
        page.becomes(4, expected)
    show_in_table(page, "all")
    assert "78" in page.one(".dt-info").text or str(run.evaluations) in page.one(".dt-info").text
    page.one(".dt-search input").send_keys("probe is not")
    page.becomes(6, ["failed"])


def test_the_filter_keeps_what_meets_a_condition(page, made):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    run, _ = made
    page.until("window.Plotly && document.querySelector('#scatter .main-svg')")
    show_in_table(page, "whole")
    page.bring("#table")
    page.one(".dt-button").click()
    page.until("document.querySelector('.dtsb-add')")
    if not page.browser.find_elements(By.CSS_SELECTOR, ".dtsb-data"):
        page.one(".dtsb-add").click()
    bound = sorted(record.metrics["model_size_bytes"] for record in run.front)[3]
    Select(page.one(".dtsb-data")).select_by_visible_text("model size")
    Select(page.one(".dtsb-condition")).select_by_visible_text("Less Than")
    page.one("input.dtsb-value").send_keys(f"{bound:.0f}")
    page.until("document.querySelector('.dt-info').innerText.includes('of 3 ')")


def test_a_point_opens_its_network_and_its_address_leads_back_to_it(page, made):
    from selenium.webdriver import ActionChains

    run, address = made
    page.bring("#scatter")
    page.until(f"{drawn('#scatter')}.querySelector('.main-svg')")
    other = next(record.number for record in run.front if record.number != run.best.number)
    x, y = page.place(other)
    ActionChains(page.browser).move_by_offset(int(x) + 1, int(y)).pause(0.3).click().perform()
    ActionChains(page.browser).move_by_offset(-int(x) - 1, -int(y)).perform()
    page.until("document.getElementById('candidate-title').innerText !== 'Network'")
    title = page.one("#candidate-title").text
    number = int(title.split()[1])
    assert number in {record.number for record in run.front}
    assert number == other
    assert f"--pick {number}" in page.one("#network pre").text
    assert page.run("return document.activeElement.id") == "candidate-title"
    again = Page(page.browser).open(f"{address}#candidate-{number}")
    again.until(f"document.getElementById('candidate-title').innerText.startsWith('Network {number}')")


def test_downloads_hold_the_rows_that_are_shown(page, made, tmp_path):
    run, _ = made
    page.browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.bring("#table")
    texts = {}
    show_in_table(page, "whole")
    for kind in ("JSON", "CSV"):
        page.run("[...document.querySelectorAll('.dt-button')].find((b) => b.innerText === arguments[0]).click()", kind)
        path = tmp_path / f"candidates.{kind.lower()}"
        begun = time.monotonic()
        while not path.exists() and time.monotonic() - begun < WAIT_S:
            time.sleep(0.1)
        texts[kind] = path.read_text()
    rows = json.loads(texts["JSON"])
    assert {row["number"]: row["metrics"] for row in rows} == {r.number: dict(r.metrics) for r in run.front}
    assert len(texts["CSV"].splitlines()) == len(run.front) + 1
    assert texts["CSV"].startswith('"number","status","error"')


def test_dark_and_light_follow_the_system_and_the_button(browser, made):
    page = Page(browser).open(made[1], dark=True)
    background = "return getComputedStyle(document.body).backgroundColor"
    dark = page.run(background)
    page.until(f"{drawn('#scatter')}.querySelector('.main-svg')")
    page.one("#theme").click()
    assert page.run(background) != dark
    page.run("localStorage.clear()")
    assert page.errors() == []


@pytest.mark.slow
def test_the_pictures_of_the_docs_show_a_run(browser, tmp_path):
    """Of the run EDGEVOLVE_RUN, into the folder EDGEVOLVE_SCREENSHOTS, where they are given."""
    from selenium.webdriver import ActionChains

    run = Run.open(os.environ.get("EDGEVOLVE_RUN", JOURNAL))
    path = tmp_path / "report.html"
    path.write_text(report_page([run], [f"artifacts/{run.started.name}"]))
    pictures = []
    page = Page(browser).open(path.as_uri(), 1180, 1020)
    page.until(f"{drawn('#scatter')}.querySelector('.main-svg')")
    shown = next(record.number for record in run.front if record.number not in (run.best.number, run.knee.number))
    x, y = page.place(run.knee.number if run.knee is not run.best else shown)
    mouse = ActionChains(browser)
    mouse.w3c_actions.pointer_action.move_to_location(int(x) + 1, int(y))
    mouse.perform()
    page.until("document.querySelector('#scatter .hoverlayer text')")
    pictures.append(page.picture("report"))
    page = Page(browser).open(path.as_uri(), 1180, 1120, dark=True)
    page.drawn("#network .chart:last-of-type")
    page.run("document.getElementById('candidate').scrollIntoView({behavior: 'instant'})")
    time.sleep(1)
    pictures.append(page.picture("report-network"))
    page = Page(browser).open(path.as_uri(), 390, 844)
    page.drawn("#scatter")
    pictures.append(page.picture("report-phone"))
    assert all(5_000 < len(picture) < 300_000 for picture in pictures)
    assert page.errors() == []


def test_predictions_have_error_bars_intervals_and_provenance(browser, tmp_path):
    folder = journals.write(tmp_path / "run", *journals.predicted_history(30))
    path = tmp_path / "report.html"
    path.write_text(report_page([Run.open(folder)], ["run"]))
    page = Page(browser).open(path.as_uri())
    assert page.one("#devices").text == "edge_tpu_v9: simulated from rumoured figures"
    page.drawn("#scatter")
    assert not page.run("return document.querySelectorAll('#scatter .xerror').length")
    page.run("const s = document.getElementById('x'); s.value = '4'; s.dispatchEvent(new Event('change'))")
    page.until("document.querySelectorAll('#scatter .xerror').length > 1")
    assert "Bars are the intervals of predictions." in page.one("#drawn").text
    words = page.run("return [...document.querySelectorAll('#network table')].map((table) => table.innerText)")
    assert any("edge_tpu_v9" in text and "simulated from rumoured figures" in text for text in words)
    assert page.errors() == []


def test_an_empty_journal_has_a_page_and_a_search_may_begin_in_it(browser, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(report_page([], ["artifacts/begun"]))
    page = Page(browser).open(path.as_uri())
    assert page.one("main").text == "artifacts/begun\nThe journal is empty: no search has begun."
    assert page.errors() == []
    (tmp_path / "journal.jsonl").touch()
    with make_server(str(tmp_path)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        page = Page(browser).open(f"http://{HOST}:{server.server_port}/")
        page.until("document.getElementById('live').innerText.includes('waiting')")
        journals.write(tmp_path, *journals.long_history(3))
        page.until("document.querySelector('#network pre')")
        page.browser.get("about:blank")
        server.shutdown()


def test_a_phone_shows_everything_without_scrolling_sideways(browser, made):
    page = Page(browser).open(made[1], width=390, height=844)
    page.until(f"{drawn('#scatter')}.querySelector('.main-svg')")
    assert page.run("return document.documentElement.scrollWidth") <= 390
    assert page.errors() == []


def test_the_keyboard_reaches_the_table_and_opens_a_network(page):
    from selenium.webdriver.common.keys import Keys

    page.one("body").send_keys(Keys.TAB)
    assert page.run("return document.activeElement.className") == "skip"
    button = page.bring("#table tbody button")
    number = int(page.column(1)[0].split()[0])
    button.send_keys(Keys.ENTER)
    page.until(f"document.getElementById('candidate-title').innerText.startsWith('Network {number}')")


def test_headings_labels_and_alternatives_are_there_for_a_screen_reader(page):
    unnamed = page.run(
        """const named = (e) => e.labels?.length || e.getAttribute("aria-label") || e.innerText?.trim() || e.title;
        const shown = [...document.querySelectorAll("button, select, input")].filter((e) => e.offsetParent);
        return shown.filter((e) => !named(e)).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    assert page.run("return document.querySelectorAll('h1').length") == 1
    levels = page.run("return [...document.querySelectorAll('h1, h2, h3')].map((e) => Number(e.tagName[1]))")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.run("return [...document.querySelectorAll('.chart')].every((e) => e.getAttribute('aria-label'))")


@pytest.mark.parametrize("kind", ODD)
def test_odd_journals_give_a_page_without_errors(browser, tmp_path, kind):
    folder = journals.write(tmp_path / "run", *ODD[kind]())
    path = tmp_path / "report.html"
    path.write_text(report_page([Run.open(folder)], ["run"]))
    page = Page(browser).open(path.as_uri())
    said = page.one("#nothing").text
    words = {"failed": "Every evaluation failed", "begun": "No candidate", "rejected": "No candidate"}
    assert said.startswith(words.get(kind, ""))
    assert bool(said) is (kind in words)
    assert page.errors() == []


def test_hostile_text_is_shown_as_text(browser, tmp_path):
    folder = journals.write(tmp_path / "run", *hostile_history())
    path = tmp_path / "report.html"
    path.write_text(report_page([Run.open(folder), Run.open(folder)], ["run", "run"]))
    page = Page(browser).open(path.as_uri())
    for section in ("compare", "front", "candidates", "candidate", "search", "about"):
        page.bring(f"#{section}")
        time.sleep(0.5)
    assert (
        page.run("return document.querySelectorAll('main img, main iframe, main script, svg script, svg image').length")
        == 0
    )
    assert "<script>alert(1)</script>" in page.one("#table").text
    assert "<script>alert(1)</script>" in page.one("#network .lead").text
    assert page.run("return document.documentElement.scrollWidth") <= 1280
    assert page.errors() == []


def test_several_runs_are_compared_and_chosen(browser, tmp_path):
    folders = [journals.write(tmp_path / str(seed), *journals.long_history(40, seed)) for seed in (0, 1)]
    path = tmp_path / "report.html"
    path.write_text(report_page([Run.open(folder) for folder in folders], ["a", "b"]))
    page = Page(browser).open(path.as_uri())
    assert len(page.run("return [...document.querySelectorAll('#compared tbody tr')]")) == 2
    best = page.one(".tile strong").text
    page.run("const s = document.getElementById('run'); s.value = '1'; s.dispatchEvent(new Event('change'))")
    assert page.one(".tile strong").text != best
    assert page.errors() == []


def test_a_live_page_follows_without_reload(browser, tmp_path):
    events = [event.model_dump_json() + "\n" for event in journals.long_history(30)]
    folder = tmp_path / "run"
    with make_server(str(folder)) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        page = Page(browser).open(f"http://{HOST}:{server.server_port}/")
        page.until("document.getElementById('live').innerText.includes('waiting')")
        page.run("window.sameDocument = true")
        folder.mkdir()
        (folder / "journal.jsonl").write_text("".join(events[:20]))
        page.until("document.getElementById('name').innerText === 'made'")
        page.until("document.querySelectorAll('.tile strong')[1]?.innerText === '9'")
        page.until("document.querySelector('#network pre')")
        with (folder / "journal.jsonl").open("a") as file:
            file.write("".join(events[20:]))
        page.until("document.querySelectorAll('.tile strong')[1]?.innerText === '30'")
        assert page.run("return window.sameDocument")
        page.browser.get("about:blank")
        server.shutdown()
    assert [message for message in page.errors() if "events" not in message] == []


@pytest.mark.slow
def test_a_page_of_ten_thousand_candidates_opens(browser, tmp_path):
    folder = journals.write(tmp_path / "run", *journals.long_history(10_000))
    path = tmp_path / "report.html"
    run = Run.open(folder)
    path.write_text(report_page([run], ["run"]))
    page = Page(browser).open(path.as_uri())
    page.run("const s = document.getElementById('shown'); s.value = 'all'; s.dispatchEvent(new Event('change'))")
    assert "10,000" in page.one(".dt-info").text
    page.drawn("#scatter")
    said = page.one("#drawn").text
    front, failures = len(run.front), 200
    assert f"2 000 of {10_000 - failures - front:,}".replace(",", " ") + " dominated candidates are drawn" in said
    assert (
        page.run("return document.getElementById('scatter').data.find((t) => t.name === 'dominated').x.length") == 2000
    )
    print("ready after", page.run("return document.documentElement.dataset.readyMs"), "ms")
    assert page.errors() == []
    assert np.isfinite(float(page.run("return document.documentElement.dataset.readyMs")))
