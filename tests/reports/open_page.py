"""A page of a run in a browser, as the tests use it."""

import json
import os
import time
from pathlib import Path

WAIT_S = 90


class Page:
    """A page that is open in the browser."""

    def __init__(self, browser):
        self.browser = browser

    def open(self, address, width=1280, height=900, dark=False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.browser.get("about:blank")
        self.browser.get_log("browser")
        self.browser.get(address)
        self.until("document.documentElement.dataset.ready === 'true'")
        return self

    def run(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def until(self, expression):
        begun = time.monotonic()
        while not self.run(f"return !!({expression})"):
            assert time.monotonic() - begun < WAIT_S, f"never: {expression}; {self.errors()}"
            time.sleep(0.1)

    def errors(self):
        return [entry["message"] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"]

    def column(self, place):
        cells = f"#table tbody tr td:nth-child({place})"
        return self.run("return [...document.querySelectorAll(arguments[0])].map((cell) => cell.innerText)", cells)

    def becomes(self, place, expected):
        begun = time.monotonic()
        while self.column(place) != expected and time.monotonic() - begun < WAIT_S:
            time.sleep(0.1)
        assert self.column(place) == expected

    def one(self, selector):
        from selenium.webdriver.common.by import By

        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def bring(self, selector):
        """Scroll to an element and wait for the charts that come with it."""
        self.run(
            "document.querySelector(arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})", selector
        )
        time.sleep(0.3)
        return self.one(selector)

    def drawn(self, selector):
        """Bring a chart into view and wait until it is there."""
        self.bring(selector)
        self.until(f"document.querySelector({json.dumps(selector)}).querySelector('.main-svg')")

    def place(self, number):
        """Where a point of the front is in the window."""
        return self.run(
            """const div = document.getElementById("scatter"), box = div.getBoundingClientRect();
            const trace = div._fullData.find((each) => each.name === "front");
            const at = trace.customdata.indexOf(arguments[0]), layout = div._fullLayout;
            const along = (axis, value) => axis._offset + axis.c2p(axis.d2c(value));
            return [box.left + along(layout.xaxis, trace.x[at]), box.top + along(layout.yaxis, trace.y[at])]""",
            number,
        )

    def picture(self, name):
        """A screenshot as PNG, kept for the docs in the folder EDGEVOLVE_SCREENSHOTS."""
        content = self.browser.get_screenshot_as_png()
        folder = os.environ.get("EDGEVOLVE_SCREENSHOTS")
        if folder:
            (Path(folder) / f"{name}.png").write_bytes(content)
        return content


def drawn(selector):
    return f"document.querySelector({json.dumps(selector)})"


def show_in_table(page, what):
    """Choose which candidates the table shows."""
    page.run(
        "const s = document.getElementById('shown'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", what
    )
