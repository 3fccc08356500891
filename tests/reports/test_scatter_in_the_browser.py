"""The scatter of the front and the axes, in a real browser."""

import time

import journals
import numpy as np

from edgevolve.reports.page import report_page
from edgevolve.reports.terminal import within_soft_bounds
from edgevolve.runs import Run
from tests.reports.open_page import Page, drawn, show_in_table


def drawn_page(browser, folder, errors_and_sizes):
    """The page of a run with these errors and model sizes, its front in view; the soft bound on the error is 3 %."""
    rng = np.random.default_rng(0)
    events = [journals.started()]
    for number, (error, size_) in enumerate(errors_and_sizes):
        event = journals.asked(
            number, rng, metrics={"model_size_bytes": size_, "peak_memory_bytes": size_, "macs": 9.0}
        )
        events += [event, journals.finished(event, rng, metrics=dict(event.metrics) | {"error": error})]
    folder.mkdir(exist_ok=True)
    path = folder / "report.html"
    path.write_text(report_page([Run.open(journals.write(folder / "run", *events))], ["run"]))
    page = Page(browser).open(path.as_uri())
    page.drawn("#scatter")
    return page


def ticks(page):
    return page.run("return [...document.querySelectorAll('#scatter .ytick text')].map((tick) => tick.textContent)")


def test_what_is_beyond_a_soft_bound_is_a_ring_and_not_in_the_table_of_the_front(page, made):
    run, _ = made
    page.drawn("#scatter")
    within = {record.number for record in within_soft_bounds(run)}
    assert 0 < len(within) < len(run.front)
    front = page.run("return document.getElementById('scatter').data.find((trace) => trace.name === 'front')")
    symbols = dict(zip(front["customdata"], front["marker"]["symbol"], strict=True))
    best = run.best.number
    assert symbols == {
        record.number: "circle" if record.number in within else "circle-open"
        for record in run.front
        if record.number != best
    }
    line = page.run("return document.getElementById('scatter').data.find((t) => t.name === 'front of the two').y")
    assert max(line) <= 3
    page.bring("#table")
    assert {int(words.split()[0]) for words in page.column(1)} == within
    show_in_table(page, "whole")
    assert f"of {len(run.front)} " in page.one(".dt-info").text


def test_where_the_whole_front_is_beyond_a_soft_bound_it_is_shown(browser, tmp_path):
    page = drawn_page(browser, tmp_path, [(0.2, 900.0), (0.3, 100.0)])
    front = page.run("return document.getElementById('scatter').data.find((trace) => trace.name === 'front')")
    assert front["marker"]["symbol"] == ["circle"]
    assert page.run("return [...document.getElementById('shown').options].map((each) => each.value)") == [
        "front",
        "all",
    ]
    assert len(page.column(1)) == 2
    assert page.errors() == []


def test_an_error_of_0_is_visible_on_the_logarithmic_axis(browser, tmp_path):
    page = drawn_page(browser, tmp_path, [(0.0, 900.0), (0.02, 400.0), (0.3, 100.0)])
    assert ticks(page)[0] == "0 %"
    places = page.run("return document.getElementById('scatter').data.find((trace) => trace.name === 'best').y")
    assert places == [1]
    bounds = page.run(
        "const axis = document.getElementById('scatter')._fullLayout.yaxis; return axis.range.map((e) => 10 ** e)"
    )
    assert bounds[0] < 1 < bounds[1]
    page = drawn_page(browser, tmp_path / "all", [(0.0, 900.0)])
    assert "0" in ticks(page)
    assert page.errors() == []


def test_a_short_range_of_errors_has_ticks_to_read(browser, tmp_path):
    page = drawn_page(browser, tmp_path, [(0.0201, 900.0), (0.0202, 400.0), (0.0203, 100.0)])
    words = ticks(page)
    assert len(words) == len(set(words)) >= 3


def test_brushing_an_axis_keeps_a_range_in_scatter_and_table(page, made):
    from selenium.webdriver import ActionChains

    run, _ = made
    page.bring("#parallel")
    page.until(f"{drawn('#parallel')}.querySelector('.axis-brush .background')")
    axis = page.one("#parallel .axis-brush .background")
    height = axis.size["height"]
    drag = ActionChains(page.browser).move_to_element_with_offset(axis, 0, int(height * 0.1)).click_and_hold()
    for _ in range(5):
        drag = drag.move_by_offset(0, int(height * 0.06))
    drag.release().perform()
    page.until("!document.getElementById('brushed').hidden")
    assert " of 79 candidates chosen" in page.one("#brushed-words").text
    kept = int(page.one("#brushed-words").text.split()[0])
    low, high = page.run("return document.getElementById('parallel').data[0].dimensions[0].constraintrange")
    errors = [100 * record.metrics["error"] for record in run.records.values() if "error" in record.metrics]
    assert kept == sum(low <= error <= high for error in errors)
    assert 0 < kept < 79
    assert f"of {kept} " in page.one(".dt-info").text
    page.one("#unbrush").click()
    assert page.run("return document.getElementById('brushed').hidden")


def test_a_box_in_the_scatter_keeps_what_lies_in_it(page):
    from selenium.webdriver import ActionChains

    page.drawn("#scatter")
    page.run("document.querySelector(\"#scatter .modebar-btn[data-val='select']\").click()")
    time.sleep(0.5)
    x, y, width, height = page.run(
        "const b = document.querySelector('#scatter .nsewdrag').getBoundingClientRect();"
        "return [b.x, b.y, b.width, b.height]"
    )
    left, top, right, bottom = int(x + 0.2 * width), int(y + 0.2 * height), int(x + 0.7 * width), int(y + 0.8 * height)
    drag = ActionChains(page.browser)
    drag.w3c_actions.pointer_action.move_to_location(left, top).pointer_down()
    drag.w3c_actions.pointer_action.move_to_location((left + right) // 2, (top + bottom) // 2)
    drag.w3c_actions.pointer_action.move_to_location(right, bottom).pointer_up()
    drag.perform()
    page.until("!document.getElementById('brushed').hidden")
    inside = page.run(
        """const div = document.getElementById("scatter"), box = div.getBoundingClientRect();
        const {xaxis, yaxis} = div._fullLayout, [left, top, right, bottom] = arguments;
        const at = (axis, start) => (value) => start + axis._offset + axis.c2p(value);
        const [x, y] = [at(xaxis, box.left), at(yaxis, box.top)];
        const named = div._fullData.filter((trace) => ["dominated", "front", "best"].includes(trace.name));
        return named.flatMap((trace) => [...trace.x].map((value, i) => [x(value), y(trace.y[i])]))
          .filter(([x, y]) => left <= x && x <= right && top <= y && y <= bottom).length""",
        left,
        top,
        right,
        bottom,
    )
    assert 0 < inside < 79
    assert page.one("#brushed-words").text == f"{inside} of 79 candidates chosen."
    page.bring("#unbrush").click()
    assert page.run("return document.getElementById('brushed').hidden")
