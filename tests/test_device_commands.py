"""Measuring, learning, predicting and validating through the command line."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import terminal

from edgevolve.engine import Inline, calibration, corpus
from edgevolve.graph import Conv2D, Dense, GlobalAveragePool, GraphBuilder, to_json
from edgevolve.tflite import skeleton
from tests.tflite.tflite_files import Builtin, TfliteFile

ROOT = Path(__file__).resolve().parent.parent


def edgevolve(*arguments):
    """What the command line gives: exit status, output, errors."""
    done = terminal.edgevolve(*arguments)
    return done.returncode, done.stdout, done.stderr


def network(index):
    net = GraphBuilder()
    x = net.add(Conv2D(4 + index % 23, (3, 3)), net.input((1, 8 + index % 7, 8, 3)))
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


def latency(index):
    return 0.1 + 1e-4 * sum(node.macs for node in network(index).nodes) * (1 + 0.02 * np.sin(index))


def write(folder, rows, header="file,latency_ms,device"):
    """A CSV with 40 networks beside it."""
    for index in range(40):
        (folder / f"{index}.json").write_text(json.dumps(to_json(network(index))))
    (folder / "m.csv").write_text("\n".join([header, *rows, ""]))
    return folder / "m.csv"


def made_up(folder):
    return write(folder, [f"{index}.json,{latency(index):.6g},board" for index in range(40)])


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def check_refused(answer, folder, before, message):
    status, out, err = answer
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("edgevolve: ") and err.count("\n") == 1
    assert files(folder) == before


def test_profile_measures_a_file(tmp_path):
    model = tmp_path / "model.tflite"
    model.write_bytes(skeleton(network(3)))
    status, out, _ = edgevolve("profile", model, "--repeats", 5, "--json")
    figures = json.loads(out)
    assert status == 0 and figures["model"] == "model.tflite" and figures["device"] == "cpu"
    assert 0 < figures["least_ms"] <= figures["latency_ms"] <= figures["p90_ms"]
    assert figures["runs"] >= 5
    status, out, _ = edgevolve("profile", model, "--threads", 2)
    assert status == 0 and "2 threads" in out and "median" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--device", "tpu9"], "unknown device 'tpu9': what can be measured is cpu, usb:0 or pci:0"),
        (["--device", "usb:0"], "usb:0 needs libedgetpu: install libedgetpu1-std"),
        (["--device", "pci:1"], "pci:1 needs libedgetpu: install libedgetpu1-std"),
        (["--cores", "1-2"], "--cores 1-2: write numbers, such as 0,1"),
        (["--cores", "9999"], "there is no core 9999"),
        (["--threads", "0"], "at least 1"),
    ],
)
def test_a_device_that_cannot_be_measured_is_one_line(tmp_path, arguments, message):
    model = tmp_path / "model.tflite"
    model.write_bytes(skeleton(network(3)))
    check_refused(edgevolve("profile", model, *arguments), tmp_path, files(tmp_path), message)


def custom_network():
    net = TfliteFile()
    x, y = net.tensor(1, 4), net.tensor(1, 4)
    net.operator(Builtin.CUSTOM, [x], [y], custom="OnlyAtHome")
    return net.content([x], [y])


def test_a_network_that_the_device_cannot_run_is_one_line(tmp_path):
    model = tmp_path / "model.tflite"
    for content in (custom_network(), b"", b"not a model"):
        model.write_bytes(content)
        check_refused(
            edgevolve("profile", model), tmp_path, files(tmp_path), "model.tflite: cpu cannot run the network"
        )
    model.unlink()
    check_refused(edgevolve("profile", model), tmp_path, {}, "model.tflite: no such file")


def test_a_real_process_says_no_more_than_its_one_line_and_loads_neither_tensorflow_nor_ray(tmp_path):
    script = (
        "import sys, driver\n"
        "try:\n    driver.main()\n"
        "finally:\n    assert not {'tensorflow', 'keras', 'ray'} & set(sys.modules)\n"
    )
    for name, content, status, lines in (
        ("good.tflite", skeleton(network(3)), 0, 0),
        ("custom.tflite", custom_network(), 2, 1),
    ):
        (tmp_path / name).write_bytes(content)
        command = [sys.executable, "-c", script, "profile", str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        assert (done.returncode, done.stderr.count("\n")) == (status, lines), done.stderr


@pytest.mark.parametrize("device", ["tpu9", "usb:0"])
def test_calibration_on_a_device_that_is_not_there_writes_nothing(tmp_path, device):
    done = edgevolve("calibrate", "--device", device, "--out", tmp_path / "c.csv")
    check_refused(done, tmp_path, {}, device)


def test_calibrate_never_writes_to_a_file_of_another_kind(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "on_ray", lambda address: Inline)
    table = made_up(tmp_path)
    before = files(tmp_path)
    done = edgevolve("calibrate", "--out", table, "--networks", 1, "--no-layers", "--at-most", "50k")
    check_refused(done, tmp_path, before, "m.csv: not a calibration of this version")


def test_calibrate_measures_and_what_it_wrote_can_be_learned(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "on_ray", lambda address: Inline)
    table = tmp_path / "c.csv"
    common = ("calibrate", "--out", table, "--at-most", "60k", "--repeats", 1)
    status, out, _ = edgevolve(*common, "--networks", 6)
    assert status == 0 and ", 0 measured before, 0 could not be measured" in out
    measured = len(table.read_text().splitlines()) - 1
    assert measured > 6
    status, out, _ = edgevolve(*common, "--networks", 6)
    assert f"0 measured, {measured} measured before" in out
    assert edgevolve("fit", table, "-o", tmp_path / "p.json")[0] == 0
    status, out, _ = edgevolve("validate", tmp_path / "p.json", table, "--json")
    assert status == 0 and json.loads(out)["networks"] == 6


def test_a_corpus_is_emitted_filled_in_and_learned(tmp_path):
    folder = tmp_path / "corpus"
    assert edgevolve("calibrate", "--emit", folder, "--at-most", "40k", "--networks", 12)[0] == 0
    with (folder / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12
    for row in rows:
        model = (folder / row["file"]).read_bytes()
        assert len(model) == int(row["size_bytes"]) <= 40_000
        assert row["latency_ms"] == ""
    fitting = ("fit", folder / "manifest.csv", "-o", tmp_path / "p.json")
    check_refused(edgevolve(*fitting), tmp_path, {}, "manifest.csv: line 2: latency_ms is missing")
    before = files(folder)
    done = edgevolve("calibrate", "--emit", folder, "--at-most", "40k", "--networks", 2)
    check_refused(done, folder, before, "is not empty")
    for row in rows:
        row["latency_ms"] = str(2 + int(row["macs"]) / 1e5)
    with (folder / "manifest.csv").open("w") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    assert edgevolve(*fitting)[0] == 0


def test_what_was_fitted_predicts_validates_and_improves(tmp_path):
    table = made_up(tmp_path)
    predictor, predictions = tmp_path / "p.json", tmp_path / "predicted.csv"
    status, out, _ = edgevolve("fit", table, "-o", predictor, "--device", "board")
    assert status == 0 and "board: 40 networks" in out and "← taken" in out and "90% intervals" in out
    assert edgevolve("predict", predictor, table, "-o", predictions)[0] == 0
    status, out, _ = edgevolve("validate", predictions, table, "--json")
    figures = json.loads(out)
    assert status == 0 and figures["networks"] == 40 and figures["mape"] < 0.05 and figures["spearman"] > 0.98
    assert json.loads(edgevolve("validate", predictor, table, "--json")[1])["mape"] == pytest.approx(
        figures["mape"], 1e-3
    )
    slower = tmp_path / "slower.csv"
    slower.write_text(
        "".join([f"{i}.json,{3 * latency(i):.6g}\n" if i >= 0 else "file,latency_ms\n" for i in range(-1, 15)])
    )
    status, out, _ = edgevolve("validate", predictor, slower, "--improve", tmp_path / "better.json")
    assert status == 0 and "Kendall" in out
    rest = tmp_path / "rest.csv"
    rest.write_text(
        "".join([f"{i}.json,{3 * latency(i):.6g}\n" if i > 14 else "file,latency_ms\n" for i in range(14, 40)])
    )
    before, after = (
        json.loads(edgevolve("validate", p, rest, "--json")[1]) for p in (predictor, tmp_path / "better.json")
    )
    assert before["mape"] > 0.6 and after["mape"] < 0.06


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["0.json,1"], "file,time", "no column latency_ms; it has file, time"),
        (["0.json,1"], "name,latency_ms", "no column file"),
        (["0.json,1", "1.json,"], "file,latency_ms", "line 3: latency_ms is missing"),
        (["0.json,fast"], "file,latency_ms", "line 2: latency_ms is not a number: 'fast'"),
        (["0.json,-1"], "file,latency_ms", "line 2: latency_ms must be positive and finite, not -1"),
        (["0.json,nan"], "file,latency_ms", "line 2: latency_ms must be positive and finite, not nan"),
        (["0.json,1,2"], "file,latency_ms", "line 2: 3 cells, the header has 2"),
        ([",1"], "file,latency_ms", "line 2: file is missing"),
        (["gone.json,1"], "file,latency_ms", "gone.json: No such file"),
        (["m.csv,1"], "file,latency_ms", "m.csv: not a network"),
        ([], "file,latency_ms", "no row"),
        (["0.json,1,a", "1.json,1,b"], "file,latency_ms,device", "rows of device a and b: choose one with --device"),
        (["0.json,1,1", "1.json,1,2"], "file,latency_ms,threads", "rows of threads 1 and 2: keep them in files"),
        ([f"{i}.json,1" for i in range(4)], "file,latency_ms", "at least 5 different networks"),
    ],
)
def test_bad_measurements_are_one_line_that_says_where(tmp_path, rows, header, message):
    table = write(tmp_path, rows, header)
    check_refused(edgevolve("fit", table, "-o", tmp_path / "p.json"), tmp_path, files(tmp_path), message)


def test_bad_predictors_and_predictions_are_one_line(tmp_path):
    table = made_up(tmp_path)
    assert edgevolve("fit", table, "-o", tmp_path / "p.json")[0] == 0
    good = json.loads((tmp_path / "p.json").read_text())
    old = {**good, "regressor": {**good["regressor"], "version": 0}}
    bad = {
        "empty.json": ("", "cannot be read as a predictor"),
        "foreign.json": ('{"format": "other"}', "not a predictor of this format"),
        "list.json": ("[1]", "not a predictor of this format"),
        "old.json": (json.dumps(old), "fitted on version 0 of the features"),
        "cut.json": (json.dumps({k: v for k, v in good.items() if k != "fitted"}), "not a predictor: KeyError"),
        "negative.json": (
            json.dumps(good).replace('"value": ', '"value": -', 1),
            "not a predictor: ValidationError",
        ),
    }
    for name, (text, _) in bad.items():
        (tmp_path / name).write_text(text)
    before = files(tmp_path)
    for name, (_, message) in bad.items():
        for verb in (
            ["predict", tmp_path / name, table, "-o", tmp_path / "out.csv"],
            ["validate", tmp_path / name, table],
        ):
            check_refused(edgevolve(*verb), tmp_path, before, f"{name}: {message}")
    done = edgevolve("validate", table, table)
    check_refused(done, tmp_path, before, "m.csv: no column low_ms")
    (tmp_path / "one.csv").write_text("file,latency_ms\n0.json,1\n")
    before = files(tmp_path)
    for predicted in (tmp_path / "p.json", table):
        done = edgevolve("validate", predicted, tmp_path / "one.csv")
        check_refused(
            done, tmp_path, before, "one.csv: validation needs at least 2 networks of several layers; it has 1"
        )
    done = edgevolve("validate", table, table, "--improve", tmp_path / "better.json")
    check_refused(done, tmp_path, before, "--improve needs the predictor itself")
    done = edgevolve("fit", table, "-o", tmp_path / "out.json", "--sheet", "tpu9")
    check_refused(done, tmp_path, before, "unknown device 'tpu9'")
    done = edgevolve("fit", table, "-o", tmp_path / "out.json", "--device", "other")
    check_refused(done, tmp_path, before, "m.csv: no row of device other; it has rows of board")
    done = edgevolve("fit", table, "-o", tmp_path / "no" / "p.json")
    check_refused(done, tmp_path, before, "No such file")


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("memory_bandwidth: {value: -1, provenance: measured, source: me}", "greater than 0, not -1"),
        ("memory_bandwidth: {value: 1e9, provenance: guessed, source: me}", "provenance"),
        ("", "a roofline device needs the figure memory_bandwidth"),
    ],
)
def test_an_impossible_sheet_is_one_line(tmp_path, figure, message):
    text = "name: mine\nkind: roofline\ndescription: d\nfigures:\n"
    text += "  ops_per_second: {value: 1e9, provenance: measured, source: me}\n"
    (tmp_path / "mine.yaml").write_text(text + (f"  {figure}\n" if figure else ""))
    table = made_up(tmp_path)
    before = files(tmp_path)
    done = edgevolve("fit", table, "-o", tmp_path / "p.json", "--sheet", tmp_path / "mine.yaml")
    check_refused(done, tmp_path, before, message)
    check_refused(edgevolve("devices", tmp_path / "mine.yaml"), tmp_path, before, message)


def test_what_a_sheet_says_is_shown_as_text(tmp_path):
    figure = "{value: 1.0e+9, provenance: measured, source: 'page [/3]'}"
    figures = f"figures:\n  ops_per_second: {figure}\n  memory_bandwidth: {figure}\n"
    (tmp_path / "mine.yaml").write_text(f"name: mine\nkind: roofline\ndescription: a chip [/red]\n{figures}")
    status, out, _ = edgevolve("devices", tmp_path / "mine.yaml")
    assert status == 0 and "a chip [/red]" in out and "page [/3]" in out


def test_a_size_that_no_network_meets_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus, "_ATTEMPTS", 3)
    for size, message in (
        ("10", "3 random networks in a row have more than 10 bytes"),
        ("lots", "write a number such as"),
    ):
        done = edgevolve("calibrate", "--emit", tmp_path / "corpus", "--at-most", size, "--networks", 2)
        check_refused(done, tmp_path, {}, message)
    assert not Path(tmp_path / "corpus").exists()
