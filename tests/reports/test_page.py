import base64
import gzip
import hashlib
import html
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import journals
import pytest
from journals import HOSTILE, ODD, hostile_history

from edgevolve.reports.page import report_page
from edgevolve.reports.quantities import quantity
from edgevolve.runs import Run
from predictors import LATENCY

ROOT = Path(__file__).resolve().parent.parent.parent


def unpacked(page, name="data"):
    (text,) = re.findall(rf'<script type="application/octet-stream" id="{name}">([A-Za-z0-9+/=]*)</script>', page)
    return gzip.decompress(base64.b64decode(text)).decode()


def data(page):
    return json.loads(unpacked(page), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def page_of(folder, *history):
    return report_page([Run.open(journals.write(folder, *history))], [str(folder)])


def test_the_page_has_the_rows_charts_and_networks_of_the_run(tmp_path):
    folder = journals.write(tmp_path / "run", *journals.long_history(60))
    run = Run.open(folder)
    (view,) = data(report_page([run], [str(folder)]))["runs"]
    rows = {row[0]: row for row in view["rows"]}
    names = [metric["name"] for metric in view["metrics"]]
    evaluated = [record for record in run.records.values() if record.genotype_json]
    assert list(rows) == [record.number for record in evaluated]
    for record in evaluated:
        known = dict(zip(names, rows[record.number][6], strict=True))
        assert {name: value for name, value in known.items() if value is not None} == record.metrics
        for name, words in zip(names, rows[record.number][7], strict=True):
            expected = quantity(run.metric(name), record.metrics[name]) if name in record.metrics else ""
            assert words.removesuffix(" !") == expected
    assert view["front"] == [record.number for record in run.front]
    assert set(view["networks"]) == {str(record.number) for record in run.front}
    for network in view["networks"].values():
        assert list(network["charts"]) == ["Graph", "Live memory", "Planned memory on a microcontroller", "Training"]
        assert any("← peak" in operator[-1] for operator in network["operators"])
    assert {"Hypervolume", "Best error", "Feasible share", "Workers"} <= set(view["charts"])
    assert view["failures"][0]["count"] == 1


def test_the_page_asks_no_network_for_anything_and_runs_its_own_script_alone(tmp_path):
    page = page_of(tmp_path / "run", *journals.long_history(10))
    assert not re.findall(r"<(?:link|img|script|iframe)[^>]*(?:src|href)=\"(?!data:,)", page)
    (policy,) = map(html.unescape, re.findall(r'Content-Security-Policy" content="([^"]*)"', page))
    (script,) = re.findall(r'<script type="module">(.*?)</script>', page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert f"script-src 'sha256-{digest}' blob:" in policy


def test_several_runs_are_compared(tmp_path):
    folders = [journals.write(tmp_path / str(seed), *journals.long_history(40, seed)) for seed in (0, 1, 2)]
    comparison = data(report_page([Run.open(folder) for folder in folders], list(map(str, folders))))["compare"]
    assert [row[0] for row in comparison["rows"]] == ["made (1)", "made (2)", "made (3)"]
    assert {"Fronts", "Hypervolume", "Equal budgets"} == set(comparison["charts"])
    (legend,) = {
        trace["name"] for trace in comparison["charts"]["Equal budgets"]["evaluation"]["data"] if "name" in trace
    }
    assert legend == "AgingEvolution, 3 runs"


@pytest.mark.parametrize("kind", ODD)
def test_odd_journals_give_a_page_and_pictures(tmp_path, kind):
    from edgevolve.reports.pictures import write_pictures

    folder = journals.write(tmp_path / "run", *ODD[kind]())
    run = Run.open(folder)
    (view,) = data(report_page([run], [str(folder)]))["runs"]
    assert len(view["rows"]) == len([r for r in run.records.values() if r.genotype_json])
    assert view["summary"].endswith("not ended (! beyond a soft bound)")
    assert write_pictures([run, run], tmp_path / "pictures")


def test_predictions_are_shown_with_interval_device_and_provenance(tmp_path):
    run = Run.open(journals.write(tmp_path / "run", *journals.predicted_history(30)))
    (view,) = data(report_page([run], ["run"]))["runs"]
    assert view["devices"] == ["edge_tpu_v9: simulated from rumoured figures"]
    place = [metric["name"] for metric in view["metrics"]].index("latency_ms")
    for row in view["rows"]:
        record = run.records[row[0]]
        low, high = record.intervals["latency_ms"]
        assert row[8] == {str(place): [low, high]}
        assert row[7][place] == f"{quantity(LATENCY, record.metrics['latency_ms'])} [{low:.3g}, {high:.3g}]"
    for number, network in view["networks"].items():
        value = quantity(LATENCY, run.records[int(number)].metrics["latency_ms"])
        ((metric, predicted, between, device, provenance),) = network["predictions"]
        assert (metric, predicted, device) == ("latency", value, "edge_tpu_v9")
        assert between.startswith("[")
        assert provenance == "simulated from rumoured figures"


def test_the_page_of_an_empty_journal_says_so(tmp_path):
    page = report_page([], ["artifacts/<b>"])
    assert "The journal is empty: no search has begun." in page
    assert '<h1 id="name">artifacts/&lt;b&gt;</h1>' in page
    assert data(page)["runs"] == []


def test_a_torn_journal_gives_the_page_of_what_is_whole(tmp_path):
    folder = journals.write(tmp_path / "run", *journals.long_history(5))
    whole = report_page([Run.open(folder)], ["run"])
    with (folder / "journal.jsonl").open("a") as file:
        file.write('{"event":"asked","time":1')
    assert report_page([Run.open(folder)], ["run"]) == whole


class Elements(HTMLParser):
    """What a browser would make of a page, roughly."""

    def __init__(self):
        super().__init__()
        self.names, self.attributes = [], []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_hostile_text_in_a_journal_reaches_the_page_as_text_alone(tmp_path):
    folder = journals.write(tmp_path / "run", *hostile_history())
    page = report_page([Run.open(folder)], [f"{folder}; rm -rf $HOME <b>"])
    elements = Elements()
    elements.feed(page)
    assert elements.names.count("script") == 4
    assert not {"img", "iframe", "object", "svg", "b"} & set(elements.names)
    assert not [name for name in elements.attributes if name.startswith("on")]
    (view,) = data(page)["runs"]
    assert view["rows"][0][2].startswith(HOSTILE[:60])
    assert max(len(row[2]) for row in view["rows"]) <= 2000
    every = [chart for forms in view["charts"].values() for chart in forms.values()]
    every += [chart for network in view["networks"].values() for chart in network["charts"].values()]
    for chart in every:
        chart["layout"].get("meta", {}).pop("alt", None)  # set as an attribute, never as markup
    shown = json.dumps(every)
    assert "&lt;script" in shown
    assert "<script" not in shown
    assert "<img" not in shown
    export = next(iter(view["networks"].values()))["export"]
    assert "'; rm" not in export.replace(f"'{folder}; rm -rf $HOME <b>'", "")


@pytest.mark.slow
def test_ten_thousand_candidates_make_a_page_below_10_MB_in_less_than_1_GB(tmp_path):
    folder = journals.write(tmp_path / "run", *journals.long_history(10_000))
    script = (
        "import re, sys; from pathlib import Path\n"
        "from edgevolve.reports.page import report_page; from edgevolve.runs import Run\n"
        "page = report_page([Run.open(sys.argv[1])], sys.argv[1:])\n"
        "peak = re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1]\n"
        "print(len(page.encode()), peak)"
    )
    done = subprocess.run([sys.executable, "-c", script, folder], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page_bytes, peak_kib = map(int, done.stdout.split())
    assert page_bytes < 10e6
    assert peak_kib < 1 << 20
