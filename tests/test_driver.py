"""The command line, run as a user runs it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.tflite.tflite_files import small_network

ROOT = Path(__file__).resolve().parent.parent

TINY = """
from edgevolve.data import Digits
from edgevolve.runs import SearchConfig
from search_algorithms import AgingEvolution, Problem, at_most, minimise
from search_space import MlpSpace
from edgevolve.training import TrainingSettings

data = Digits()
config = SearchConfig(
    data=data,
    space=MlpSpace(data.input_shape, data.classes, max_layers=2, max_units=24),
    problem=Problem(
        [minimise("error"), minimise("model_size_bytes")],
        [at_most("error", 0.1, soft=True), at_most("model_size_bytes", 4000)],
    ),
    algorithm=AgingEvolution(population=3, sample_size=2),
    training=TrainingSettings(epochs=4),
    evaluations=6,
    workers=1,
)
"""


def edgevolve(*arguments, cwd=None, timeout=180, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "driver.py"), *map(str, arguments)],
        cwd=cwd or ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("driver")
    (made / "tiny.py").write_text(TINY)
    return made


@pytest.fixture(scope="module")
def run(folder):
    """A real search: Ray, TensorFlow, digits."""
    done = edgevolve(folder / "tiny.py", "--out", folder / "artifacts", "--name", "whole")
    assert done.returncode == 0, done.stderr
    return folder / "artifacts" / "whole", done.stdout


def history(journal):
    """What decides a run: candidates and their outcomes, without times and sessions."""
    kept = []
    for line in journal.read_text().splitlines():
        event = json.loads(line)
        if event["event"] in ("asked", "rejected", "finished", "failed"):
            for name in ("time", "started", "ended", "node", "worker"):
                event.pop(name, None)
            kept.append(event)
    return kept


def test_a_search_prints_its_progress_and_its_front(run):
    _, output = run
    assert "[6/6]" in output
    assert re.search(r"★ +\d+ +\d+\.\d\d %", output)
    assert re.search(r"6 evaluations in .*, workers \d+\.\d% busy, ended: 6 evaluations", output)


@pytest.mark.slow
def test_a_driver_killed_at_any_moment_resumes_to_the_uninterrupted_run(run, folder):
    whole, _ = run
    out = folder / "killed"
    journal = out / "cut" / "journal.jsonl"
    command = [sys.executable, str(ROOT / "driver.py"), str(folder / "tiny.py"), "--out", str(out), "--name", "cut"]
    for kill_after in (2, 4):
        resume = ["--resume"] if journal.exists() else []
        driver = subprocess.Popen([*command, *resume], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT)
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if journal.exists() and journal.read_bytes().count(b'"event":"finished"') >= kill_after:
                break
            time.sleep(0.02)
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
        assert driver.returncode == -signal.SIGKILL
    done = edgevolve(folder / "tiny.py", "--out", out, "--name", "cut", "--resume")
    assert done.returncode == 0, done.stderr
    assert history(journal) == history(whole / "journal.jsonl")


def test_an_interrupt_keeps_everything_and_exits_with_130(folder):
    out = folder / "interrupted"
    command = [
        sys.executable,
        str(ROOT / "driver.py"),
        str(folder / "tiny.py"),
        "--out",
        str(out),
        "--evaluations",
        "500",
    ]
    listening = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # also where CI runs in the background
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    driver = subprocess.Popen(command, **pipes, **listening, text=True, cwd=ROOT, start_new_session=True)
    for line in driver.stdout:
        if line.startswith("["):
            os.killpg(driver.pid, signal.SIGINT)
            break
    _, errors = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert "add --resume" in errors
    assert "Traceback" not in errors
    shown = edgevolve("show", out / "tiny")
    assert "ended: interrupted" in shown.stdout


def test_show_lists_the_front_as_table_and_as_json(run):
    path, _ = run
    table = edgevolve("show", path)
    rows = json.loads(edgevolve("show", path, "--json").stdout)
    assert table.returncode == 0
    assert [row.keys() for row in rows] == [{"number", "genotype", "network", "metrics"}] * len(rows)
    for row in rows:
        assert row["network"] in table.stdout
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)
    assert best[0]["metrics"]["error"] == min(row["metrics"]["error"] for row in rows)
    knee = json.loads(edgevolve("show", path, "--pick", "knee", "--json").stdout)
    assert len(knee) == 1
    assert knee[0] in rows
    by_size = json.loads(edgevolve("show", path / "journal.jsonl", "--sort", "model_size_bytes", "--json").stdout)
    sizes = [row["metrics"]["model_size_bytes"] for row in by_size]
    assert sizes == sorted(sizes)


def test_inspect_prints_every_operator_and_the_totals(run):
    path, _ = run
    done = edgevolve("inspect", f"{path}:best")
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    assert done.returncode == 0
    assert done.stdout.count("Dense") == len(best["genotype"]["hidden"]) + 1
    assert "← peak" in done.stdout


def test_inspect_writes_json_and_a_memory_map(run, tmp_path):
    path, _ = run
    done = edgevolve("inspect", f"{path}:best", "--json", "--plot", tmp_path / "map.svg")
    found = json.loads(done.stdout)
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    assert found["macs"] == best["metrics"]["macs"]
    assert found["peak_memory_bytes"] == best["metrics"]["peak_memory_bytes"]
    assert (tmp_path / "map.svg").read_text().startswith("<?xml")


def test_export_writes_a_model_that_was_run_on_the_test_split(run):
    path, _ = run
    done = edgevolve("export", path)
    assert done.returncode == 0, done.stderr
    best = json.loads(edgevolve("show", path, "--pick", "best", "--json").stdout)[0]
    folder = path / "export" / str(best["number"])
    assert {p.name for p in folder.iterdir()} == {"README.md", "model.tflite", "model.keras", "manifest.json"}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["genotype"] == best["genotype"]
    assert "int8" in done.stdout


def test_export_writes_the_formats_asked_for(run, tmp_path):
    for package in ("onnxruntime", "tflite_micro"):
        pytest.importorskip(package)
    path, _ = run
    done = edgevolve("export", path, "--formats", "c,onnx", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "README.md",
        "c",
        "model.tflite",
        "model.onnx",
        "manifest.json",
    }
    formats = json.loads((tmp_path / "out" / "manifest.json").read_text())["formats"]
    for name in ("c", "onnx"):
        assert re.search(rf"{name} +[\d.e-]+ from Keras at most, 360 examples on ", done.stdout)
        assert formats[name]["examples"] == 360
    assert re.search(r"c main +not compiled: TFLM_DIR names no", done.stdout)


def test_an_export_whose_extra_is_missing_is_one_line_and_exit_status_2(run, tmp_path):
    path, _ = run
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('No module named torch', name='torch')")
    for formats, message in (
        ("tflite,torch", "--formats torch needs torch: pip install '.[torch]'"),
        ("tflite,mat", "--formats mat: give one or more of tflite,c,onnx,torch"),
    ):
        done = edgevolve("export", path, "--formats", formats, "--out", tmp_path / "out", PYTHONPATH=str(tmp_path))
        assert done.returncode == 2
        assert done.stderr == f"edgevolve: {message}\n"
        assert not (tmp_path / "out").exists()


def test_export_of_a_candidate_whose_weights_were_not_kept_says_so(run):
    path, _ = run
    front = {row["number"] for row in json.loads(edgevolve("show", path, "--json").stdout)}
    other = next(n for n in range(100) if n not in front)
    done = edgevolve("export", path, "--pick", other)
    assert done.returncode == 2
    assert f"no weights of candidate {other}" in done.stderr


def test_check_tells_the_feasible_share_without_training(folder):
    done = edgevolve("check", folder / "tiny.py")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d% of 1000 random networks are within all hard bounds", done.stdout)


@pytest.mark.slow
def test_packaged_configurations_are_found_by_name_from_anywhere(folder):
    for name in ("digits_aging", "digits_random", "digits_aging.py", "configs/digits_random.py"):
        assert edgevolve("check", name, cwd=folder).returncode == 0


def test_devices_are_listed_and_each_figure_says_where_it_comes_from():
    listed = edgevolve("devices")
    assert listed.returncode == 0 and "edge_tpu_v6" in listed.stdout and "rumoured" in listed.stdout
    (v6,) = json.loads(edgevolve("devices", "edge_tpu_v6", "--json").stdout)
    assert v6["figures"]["clock_mhz"]["provenance"] == "rumoured"
    assert all(figure["source"] for figure in v6["figures"].values())
    assert "fitted to Coral's published latencies" in edgevolve("devices", "coral_edge_tpu").stdout


def test_an_unknown_device_is_one_line_and_exit_status_2():
    done = edgevolve("devices", "tpu9")
    assert done.returncode == 2
    assert done.stderr.startswith("edgevolve: unknown device 'tpu9'") and done.stderr.count("\n") == 1


def test_a_slip_on_the_command_line_gets_the_name_that_is_near(run):
    for arguments, meant in (
        (("inspect", "any.tflite", "--target", "cortex-m-dps"), "cortex-m-dsp"),
        (("show", run[0], "--sort", "eror"), "error"),
    ):
        done = edgevolve(*arguments)
        assert done.returncode == 2
        assert done.stderr.endswith(f"; did you mean {meant!r}?\n") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such configuration; give a .py file, or one of cifar10_aging, diabetes_mlp, digits_aging"),
        ("x = 1", "defines no `config`"),
        ("config = 3", "`config` is a int"),
        ("import nothing_of_this_name", "line 1: ModuleNotFoundError"),
        ("\n\nconfig = = 3", "line 3: SyntaxError"),
        ("\n1 / 0", "line 2: ZeroDivisionError"),
        (TINY.replace("evaluations=6", "evaluation=6"), "SearchConfig has no field 'evaluation'; did you mean"),
        (
            TINY.replace("epochs=4", "optimizer='adam'"),
            "unexpected keyword argument 'optimizer'; did you mean 'optimiser'?",
        ),
        (TINY.replace("evaluations=6", "evaluations='six'"), "evaluations: "),
        (TINY.replace("space=MlpSpace(", "space=list("), "line "),
        (TINY.replace('minimise("error")', 'minimise("eror", scale=1)'), "unknown metric 'eror'"),
        (TINY.replace("Digits()", "NpzImages('gone.npz')").replace("Digits", "NpzImages"), "gone.npz: No such file"),
        (TINY.replace("epochs=4", "epochs=-4"), "epochs must be at least 1"),
        (TINY.replace('minimise("model_size_bytes")', 'minimise("macs")'), "objective macs has no scale"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_status_2(tmp_path, text, message):
    config = tmp_path / "bad.py"
    if text is not None:
        config.write_text(text)
    done = edgevolve("bad.py", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "bad.py" in done.stderr or "metric" in done.stderr or "objective" in done.stderr
    assert done.stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"bad.py"}


def test_a_misshapen_npz_is_one_line_and_exit_status_2(tmp_path):
    np.savez(tmp_path / "odd.npz", x_train=np.zeros((9, 4), np.uint8), y_train=np.zeros(9, int))
    (tmp_path / "c.py").write_text(TINY.replace("Digits()", "NpzImages('odd.npz')").replace("Digits", "NpzImages"))
    done = edgevolve("c.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "odd.npz: x_train must be (number, height, width[, channels]), it is (9, 4)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_corrupt_or_foreign_journal_is_one_line_and_exit_status_2(tmp_path, run, folder):
    path, _ = run
    lines = (path / "journal.jsonl").read_bytes().splitlines(keepends=True)
    corrupt = b"".join([*lines[:2], b"garbage\n", *lines[2:]])
    for content, message in ((corrupt, "line 3: not an event"), (b"{}\n", "not a journal"), (b"", "empty")):
        run_folder = tmp_path / "tiny"
        run_folder.mkdir(exist_ok=True)
        (run_folder / "journal.jsonl").write_bytes(content)
        for arguments in (["show", run_folder], [folder / "tiny.py", "--out", tmp_path, "--resume"]):
            done = edgevolve(*arguments)
            assert done.returncode == 2
            assert message in done.stderr
            assert done.stderr.count("\n") == 1
            assert (run_folder / "journal.jsonl").read_bytes() == content


def test_an_existing_run_is_never_overwritten(run, folder):
    path, _ = run
    content = (path / "journal.jsonl").read_bytes()
    for arguments, message in (([], "exists; add --resume"), (["--resume", "--seed", "5"], "seed: 0 → 5")):
        done = edgevolve(folder / "tiny.py", "--out", path.parent, "--name", "whole", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
    assert (path / "journal.jsonl").read_bytes() == content


def test_a_bound_that_no_network_meets_is_named_with_exit_status_2(tmp_path):
    bound = 'at_most("model_size_bytes", 4000)'
    (tmp_path / "hard.py").write_text(TINY.replace(bound, 'at_most("model_size_bytes", 40)'))
    for verb in ([], ["check"]):
        done = edgevolve(*verb, "hard.py", cwd=tmp_path)
        assert done.returncode == 2
        assert "model_size_bytes ≤ 40" in done.stderr + done.stdout


def test_a_cluster_that_is_not_there_is_refused_and_nothing_is_begun(tmp_path, folder):
    done = edgevolve(folder / "tiny.py", "--out", tmp_path / "out", "--ray-address", "127.0.0.1:9")
    assert done.returncode == 2
    assert done.stderr == "edgevolve: no Ray cluster answers at 127.0.0.1:9: give HOST:PORT of a head node, or auto\n"
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_again_and_again_shows_the_first_traceback_and_exits_with_1(tmp_path):
    broken = TINY.replace(
        "config = SearchConfig(",
        """
class Broken:
    metric_names = ("error",)
    def prepare(self): pass
    def __call__(self, job, splits, progress):
        if len(splits.train) < 1000:  # tried on a few examples, it works
            from edgevolve import Completed
            return Completed({"error": 0.5})
        raise OSError("the probe is not connected")

config = SearchConfig(task=Broken(), failures_in_a_row=2,""",
    )
    (tmp_path / "broken.py").write_text(broken)
    done = edgevolve("broken.py", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert re.search(r"[23] failures in a row; the first: OSError: the probe is not connected\n$", done.stderr)


def test_a_task_and_data_of_a_users_own_are_tried_by_check_in_one_line(tmp_path):
    task = TINY.replace(
        "config = SearchConfig(",
        """
class Mine:
    metric_names = ("error",)
    def prepare(self): pass
    def __call__(self, job, splits): return splits.train.x.mean(axis="rows")

config = SearchConfig(task=Mine(),""",
    )
    data = TINY.replace(
        "config = SearchConfig(",
        """
class Mine(Digits):
    __slots__ = ()
    def load(self):
        splits = super().load()
        return splits.train, splits.validation, splits.test

data = Mine()
config = SearchConfig(""",
    )
    wanted = {
        task: r"edgevolve: task: Mine failed on a few examples of the data: TypeError: .* \(mine.py, line \d+\)\n",
        data: r"edgevolve: Mine.load\(\) gives a tuple; it must give Splits\(train, validation, test\)\n",
    }
    for text, message in wanted.items():
        (tmp_path / "mine.py").write_text(text)
        done = edgevolve("check", "mine.py", cwd=tmp_path)
        assert done.returncode == 2
        assert re.fullmatch(message, done.stderr), done.stderr


LOOKING = [
    ["--help"],
    ["check", "digits_aging"],
    ["show", "RUN"],
    ["inspect", "RUN:best"],
    ["inspect", "RUN/model.tflite", "--plot", "RUN/map.png"],
    ["report", "RUN", "--no-pictures"],
]


@pytest.mark.parametrize("arguments", LOOKING)
def test_looking_loads_neither_tensorflow_nor_ray(run, arguments):
    path, _ = run
    (path / "model.tflite").write_bytes(small_network())
    script = (
        "import sys, driver\n"
        f"sys.argv[1:] = {[argument.replace('RUN', str(path)) for argument in arguments]!r}\n"
        "try:\n    driver.main()\nexcept SystemExit as done:\n    assert not done.code, done.code\n"
        "heavy = {'tensorflow', 'keras', 'ray'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_modules_of_the_users_own_may_be_named_as_they_like(tmp_path):
    (tmp_path / "tiny.py").write_text(TINY)
    for name in ("data", "graph", "runs", "engine", "training", "reports", "deployment"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError")
    done = edgevolve("tiny.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_workers_that_the_machine_cannot_hold_are_refused_before_anything_begins(tmp_path):
    (tmp_path / "gpu.py").write_text(TINY.replace("workers=1", "workers=1, gpus_per_worker=64.0"))
    done = edgevolve("gpu.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "1 workers need 1 CPUs and 64 GPUs" in done.stderr
    assert not (tmp_path / "artifacts").exists()


def test_a_rejected_candidate_is_shown_with_its_reason():
    done = edgevolve("show", ROOT / "tests" / "data" / "journals" / "0.1.0.jsonl", "--pick", "0")
    assert done.returncode == 0
    assert "rejected: breaks" in done.stdout
