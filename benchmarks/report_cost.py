"""What looking at a long run costs: making its page, opening it in a browser, following a journal that grows.

    python benchmarks/report_cost.py [--candidates 10000] [--rejections 0] [--repeats 5]

The journal is made up. Needs Chromium and its driver for what a browser takes; without them those figures are left
out. Prints a table, then one line of JSON: `report_s` and `report_peak_mb` of `driver.py report` as a whole with its
pictures (`page_s` without), `page_mb`; `show_s` of `driver.py show` with its `show_cpu_s` of processor time;
`watch_address_s` until `driver.py watch` prints its address, `watch_ready_s` until a page has got all rows and charts
from it, and the `watch_cpu_s` that it took by then; `readable_ms` until texts and the table stand and answer and
`drawn_ms` until the scatter does too, from the start of the navigation, medians, in headless Chromium without a GPU;
`watch_events`, taken in at `watch_events_per_s`, and `watch_behind_s`, the longest that the page was behind the
journal.
"""

import argparse
import json
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console
from rich.table import Table

from edgevolve.reports.watch import HOST, make_server
from tests import journals
from tests.reports.conftest import opened

_ROOT = Path(__file__).resolve().parent.parent
_DRIVER = [sys.executable, str(_ROOT / "driver.py")]
_EVENTS_PER_S = 100
_FOLLOWED_S = 20
_SHOWN = "Number(document.querySelectorAll('.tile strong')[1]?.innerText ?? 0)"
"""The evaluations that the page tells."""


def make(folder: Path) -> dict[str, float]:
    """`driver.py report` with its pictures, then without."""
    figures: dict[str, float] = {}
    for name, options in {"report": [], "page": ["--no-pictures"]}.items():
        began = time.perf_counter()
        command = ["/usr/bin/time", "-f", "%M", *_DRIVER, "report", str(folder), *options]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        figures[f"{name}_s"] = time.perf_counter() - began
        figures[f"{name}_peak_mb"] = int(done.stderr.split()[-1]) / 1024
    return figures | {"page_mb": (folder / "report" / "report.html").stat().st_size / 1e6}


def show(folder: Path) -> dict[str, float]:
    """`driver.py show`."""
    began, before = time.perf_counter(), _cpu_of_children()
    subprocess.run([*_DRIVER, "show", str(folder)], check=True, capture_output=True)
    return {"show_s": time.perf_counter() - began, "show_cpu_s": _cpu_of_children() - before}


def watch(folder: Path) -> dict[str, float]:
    """`driver.py watch`, until a page that connects at once has everything."""
    began, before = time.perf_counter(), _cpu_of_children()
    with subprocess.Popen([*_DRIVER, "watch", str(folder)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        address = server.stdout.readline().split()[1]
        figures = {"watch_address_s": time.perf_counter() - began}
        with urllib.request.urlopen(f"{address}events") as events:
            while b'"rows"' not in events.readline():
                pass
        figures["watch_ready_s"] = time.perf_counter() - began
        server.send_signal(signal.SIGINT)
    return figures | {"watch_cpu_s": _cpu_of_children() - before}


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load(browser: Any, page: Path, repeats: int) -> dict[str, float]:
    """Open the page from the disk, again and again."""
    browser.set_window_size(1280, 1000)  # the scatter is drawn when it comes into view
    times_ms: dict[str, list[int]] = {"readable_ms": [], "drawn_ms": []}
    for _ in range(repeats):
        browser.get("about:blank")
        browser.get(page.as_uri())
        while not browser.execute_script("return document.documentElement.dataset.drawnMs"):
            time.sleep(0.05)
        times = browser.execute_script("return document.documentElement.dataset")
        times_ms["readable_ms"].append(int(times["readyMs"]))
        times_ms["drawn_ms"].append(int(times["drawnMs"]))
    return {name: statistics.median(values) for name, values in times_ms.items()}


def follow(browser: Any, folder: Path) -> dict[str, float]:
    """Append 100 events a second, half of them the ends of evaluations, and look how far the page is behind."""
    lines = [event.model_dump_json() + "\n" for event in journals.long_history(_EVENTS_PER_S * _FOLLOWED_S // 2)]
    folder.mkdir()
    path = folder / "journal.jsonl"
    path.write_text(lines[0])
    written: list[tuple[float, int]] = []

    def write() -> None:
        ended, began = 0, time.monotonic()
        with path.open("a") as file:
            for place, line in enumerate(lines[1:]):
                time.sleep(max(0.0, began + place / _EVENTS_PER_S - time.monotonic()))
                file.write(line)
                file.flush()
                ended += json.loads(line)["event"] in ("finished", "failed")
                written.append((time.monotonic(), ended))

    behind = 0.0
    with make_server(str(folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.get(f"http://{HOST}:{server.server_port}/")
        writer = threading.Thread(target=write)
        writer.start()
        shown, began = 0, time.monotonic()
        while not written or writer.is_alive() or shown < written[-1][1]:
            shown, now = browser.execute_script(f"return {_SHOWN}"), time.monotonic()
            waiting = next((at for at, ended in written if ended > shown), now)
            behind = max(behind, now - waiting)
            time.sleep(0.1)
        took = written[-1][0] - began
        browser.get("about:blank")
        server.shutdown()
    return {"watch_events": len(written), "watch_events_per_s": len(written) / took, "watch_behind_s": behind}


def main() -> None:
    """Make, open, follow; print what each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=10_000, help="how many were evaluated")
    parser.add_argument("--rejections", type=int, default=0, help="how many more were rejected before each")
    parser.add_argument("--repeats", type=int, default=5, help="how often the page is opened")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = journals.write(
            Path(name) / "run", *journals.long_history(arguments.candidates, rejections=arguments.rejections)
        )
        figures: dict[str, float] = {"candidates": arguments.candidates, "rejections": arguments.rejections}
        figures |= show(folder) | watch(folder) | make(folder)
        browser = opened(Path(name) / "profile")
        if browser:
            figures |= load(browser, folder / "report" / "report.html", arguments.repeats)
            figures |= follow(browser, Path(name) / "followed")
            browser.quit()
    table = Table("figure", "value", box=None, pad_edge=False)
    for figure, value in figures.items():
        table.add_row(figure, f"{value:.2f}" if isinstance(value, float) else str(value))
    Console().print(table)
    print(json.dumps({figure: round(value, 2) for figure, value in figures.items()}))


if __name__ == "__main__":
    main()
