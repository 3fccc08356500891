"""Boards as a user meets them: `boards`, `inspect --board`, `check`."""

import json

import pytest
import yaml
from terminal import TINY, edgevolve, edgevolve_process

from predictors import boards
from predictors.board import FOLDER
from tests.tflite.tflite_files import small_network


def own(folder, name, **values):
    """A board of one's own, `values` by region."""
    payload = yaml.safe_load((FOLDER / "nano33ble.yaml").read_text())
    for memory in ("ram", "flash"):
        for region, figure in payload[memory].items():
            figure["value"] = values.get(region, figure["value"])
    (folder / name).write_text(yaml.safe_dump(payload, sort_keys=False))


def test_boards_are_listed_and_shown_with_their_sources():
    listed = edgevolve("boards").stdout
    assert all(one.name in listed for one in boards().values()) and "Not supported: max78000" in listed
    shown = edgevolve("boards", "nano33ble/sdk").stdout
    assert "Nordic, nRF52840 product specification" in shown and "taken by runtime_and_program" in shown
    assert "mbed" not in shown.split("source")[1].split("latency")[0].replace("mbed core", "")
    (rp2040,) = json.loads(edgevolve("boards", "rp2040", "--json").stdout)
    assert rp2040["bounds"] == {"arena_bytes@cortex-m-dsp": 237_568, "flash_bytes": 1_917_152}
    assert rp2040["ram"]["main"]["source"] and rp2040["framework"] == "sdk" and rp2040["target"] == "cortex-m-dsp"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["devices", "nano33ble"], "nano33ble is a board; to see it run: edgevolve boards nano33ble"),
        (["boards", "nano33bel"], "unknown board 'nano33bel': "),
        (["inspect", "model.tflite", "--board", "nano33bel"], "did you mean 'nano33ble'"),
        (["inspect", "model.tflite", "--board", "nano33ble", "--target", "host"], "give --target or --board"),
    ],
)
def test_a_slip_is_one_line_and_exit_status_2(tmp_path, arguments, message):
    (tmp_path / "model.tflite").write_bytes(small_network())
    done = edgevolve(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and message in done.stderr


def test_inspect_says_whether_a_file_fits(tmp_path):
    (tmp_path / "model.tflite").write_bytes(small_network())
    own(tmp_path, "tiny.yaml", sram=63_144 + 100)
    roomy, tiny = (
        json.loads(edgevolve("inspect", "model.tflite", "--board", name, "--json", cwd=tmp_path).stdout)
        for name in ("nano33ble", "tiny.yaml")
    )
    assert roomy["board"]["fits"] and not tiny["board"]["fits"]
    assert roomy["board"]["arena_bytes"] == roomy["arena"]["greedy_arena_bytes"] > 100
    assert roomy["board"]["flash_bytes"] == len(small_network())
    assert roomy["arena"]["target"] == roomy["board"]["target"] == "cortex-m-dsp"
    on_esp = json.loads(edgevolve("inspect", "model.tflite", "--board", "esp32s3", "--json", cwd=tmp_path).stdout)
    assert on_esp["board"]["fits"] is None, "scratch of ESP-NN is not known"
    words = edgevolve("inspect", "model.tflite", "--board", "tiny.yaml", cwd=tmp_path).stdout
    assert "does not fit: arena" in words and "100 B free in sram" in words and "too much" in words


def test_a_board_beside_the_configuration_is_found_from_anywhere(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    own(folder, "mine.yaml", sram=100_000)
    (folder / "odd.py").write_text(f'{TINY}\nconfig = config.with_fields(board="mine.yaml/zephyr")\n')
    done = edgevolve("check", "project/odd.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "board nano33ble/zephyr:" in done.stdout and "arena@cortex-m-dsp ≤ 65.66 KiB" in done.stdout


def test_without_a_board_check_says_what_flash_bytes_leaves_out(tmp_path):
    bound = 'config = config.with_fields(problem=Problem([minimise("error")], [at_most("flash_bytes", "64k")]))'
    (tmp_path / "file.py").write_text(f"{TINY}\n{bound}\n")
    assert "flash_bytes is the file alone: TensorFlow Lite Micro takes 50 to 180 kB" in edgevolve(
        "check", "file.py", cwd=tmp_path
    ).stdout.replace("\n", " ")


@pytest.mark.slow
def test_an_export_has_the_arena_of_the_boards_kernels(tmp_path):
    (tmp_path / "odd.py").write_text(f'{TINY}\nconfig = config.with_fields(board="nano33ble", evaluations=1)\n')
    assert edgevolve_process("odd.py", cwd=tmp_path).returncode == 0
    done = edgevolve_process("export", "artifacts/odd", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (manifest,) = tmp_path.glob("artifacts/odd/export/*/manifest.json")
    (candidate,) = json.loads(edgevolve("show", "artifacts/odd", "--json", cwd=tmp_path).stdout)
    written = json.loads(manifest.read_text())
    assert "cortex-m-dsp" in json.dumps(written)
    assert candidate["metrics"]["arena_bytes@cortex-m-dsp"] in [
        value for value in walk(written) if isinstance(value, int)
    ]


def walk(value):
    """Every value in a JSON value."""
    yield value
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        yield from walk(part)
