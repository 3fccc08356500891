import pytest
import yaml

from edgevolve.graph import Activation, Conv2D, Dense, GlobalAveragePool, GraphBuilder
from edgevolve.tflite import TARGETS
from predictors import PredictorError, Provenance, board, boards, device, read_board, sheets
from predictors.board import FOLDER

BOUNDS = {
    "nano33ble": {"arena_bytes@cortex-m-dsp": 199_000, "flash_bytes": 983_040 - 177_000},
    "rp2040": {"arena_bytes@cortex-m-dsp": (256 - 24) * 1024, "flash_bytes": 2 * 2**20 - 180_000},
    "esp32s3": {"arena_bytes": 266_000, "flash_bytes": 1_310_720 - 400_000},
    "stm32f746/zephyr": {"arena_bytes@cortex-m-dsp": (256 - 32) * 1024, "flash_bytes": 2**20 - 200_000},
    "stm32h743": {"arena_bytes@cortex-m-dsp": (512 - 16) * 1024, "flash_bytes": 2 * 2**20 - 180_000},
    "portenta_h7": {"arena_bytes@cortex-m-dsp": 523_624 - 65_536, "flash_bytes": 786_432 - 300_000},
    "alif_e7": {"arena_bytes@cortex-m-mve": (4096 - 256) * 1024, "flash_bytes": (5632 - 256) * 1024 - 300_000},
}
OWN = yaml.safe_load((FOLDER / "nano33ble.yaml").read_text())


def changed(tmp_path, change):
    payload = yaml.safe_load(yaml.safe_dump(OWN, sort_keys=False))
    change(payload)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(payload, sort_keys=False))
    return path


def small_network():
    net = GraphBuilder()
    x = net.add(Conv2D(8, (3, 3), activation=Activation.RELU), net.input((1, 10, 10, 4)))
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


def test_every_packaged_board_is_valid_named_as_its_file_and_has_a_device_that_there_is():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(boards()) and len(boards()) >= 14
    for one in boards().values():
        assert one.latency and one.latency.device in sheets()
        assert one.name not in sheets(), "latency_ms@NAME would mean two things"
        for framework in one.frameworks:
            packaged = board(f"{one.name}/{framework}")
            assert packaged.target in TARGETS.values()
            assert all(0 < room.free_bytes < room.size.value for room in packaged.rooms.values())


def test_what_nobody_measured_is_not_called_measured():
    for one in boards().values():
        for name, framework in one.frameworks.items():
            used = (*framework.ram.values(), *framework.flash.values())
            assert board(f"{one.name}/{name}").weakest is Provenance.ASSUMED, "the program is the user's"
            assert Provenance.MEASURED not in {figure.provenance for parts in used for figure in parts.values()}
        assert Provenance.MEASURED not in {figure.provenance for figure in (*one.ram.values(), *one.flash.values())}
        assert any("latency was not measured" in remark for remark in board(one.name).remarks)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_the_regions_less_what_is_taken(name):
    assert {metric: room.free_bytes for metric, room in board(name).rooms.items()} == BOUNDS[name]


def test_an_arena_is_bound_by_the_largest_region_not_by_the_sum():
    stm32 = board("stm32h743")
    assert sum(figure.value for figure in stm32.sheet.ram.values()) > 900_000
    assert stm32.arena.region == "axi" and stm32.arena.free_bytes < 512 * 1024


def test_a_full_region_gives_way_to_an_emptier_one(tmp_path):
    def two_regions(payload):
        payload["ram"]["small"] = {"value": "220KiB", "provenance": "assumed", "source": "a guess"}
        payload["frameworks"]["arduino"]["ram"]["small"] = {}

    own = board(str(changed(tmp_path, two_regions)))
    assert (own.arena.region, own.arena.free_bytes) == ("small", 220 * 1024)


def test_the_framework_is_the_first_unless_it_is_named(tmp_path):
    assert board("nano33ble").name == "nano33ble/arduino"
    assert board("nano33ble/zephyr").arena.free_bytes > board("nano33ble").arena.free_bytes
    path = changed(tmp_path, lambda payload: payload.update(name="mine"))
    assert [board(f"{path}{end}").name for end in ("", "/sdk")] == ["mine/arduino", "mine/sdk"]


def test_a_sheet_that_counts_cycles_runs_at_the_boards_clock():
    graph = small_network()
    at_64, at_480 = (board(name).device().predict(graph)["latency_ms"].value for name in ("nano33ble", "stm32h743"))
    assert at_64 == pytest.approx(device("cortex_m4").predict(graph)["latency_ms"].value)
    assert board("stm32f746").device().predict(graph)["latency_ms"].value == pytest.approx(at_480 * 480 / 216)
    assert board("nano33ble").device().name == "nano33ble"


def test_an_accelerator_runs_at_the_boards_clock():
    pytest.importorskip("ethosu")
    graph = small_network()
    at_400, at_500 = (
        one.predict(graph)["latency_ms"].value for one in (board("alif_e7").device(), device("ethos_u55_256"))
    )
    assert at_400 == pytest.approx(at_500 * 500 / 400)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nano33", "unknown board 'nano33': give a .yaml file, or one of alif_e7, .*; did you mean 'nano33ble'"),
        ("rp2350/zefyr", "rp2350 has no framework 'zefyr': give one of sdk, zephyr; did you mean 'zephyr'"),
        ("max78000", "board max78000 is not supported: .* not TensorFlow Lite Micro"),
        ("cortex_m4", "cortex_m4 is a device, not a board"),
        ("f28p55x/sdk", "board f28p55x is not supported"),
        ("nowhere.yaml", r"nowhere.yaml: No such file or directory \(looked in"),
    ],
)
def test_a_board_that_is_none_is_one_clear_line(name, message):
    with pytest.raises(PredictorError, match=message) as caught:
        board(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p["ram"]["sram"].pop("source"), "ram.sram.source: Field required"),
        (lambda p: p["ram"]["sram"].update(value="-1k"), "ram.sram.value: .*greater than 0"),
        (lambda p: p["frameworks"]["sdk"]["ram"].update(ccm={}), "frameworks.sdk.ram: nano33ble has no region ccm"),
        (lambda p: p["ram"]["sram"].update(value="16k"), "frameworks.arduino.ram: nothing is left of sram"),
        (lambda p: p["frameworks"]["sdk"].update(flash={}), "frameworks.sdk.flash: .*at least 1"),
        (lambda p: p.update(frameworks={}), "frameworks: .*at least 1"),
        (lambda p: p.update(kernels="avx"), "kernels: .*'cmsis-nn-mve' or 'esp-nn', not 'avx'"),
        (lambda p: p.update(name="Nano 33"), "name: "),
        (lambda p: p.update(price=30), "price: no such field"),
        (lambda p: p.pop("clock_mhz"), "clock_mhz: Field required"),
    ],
)
def test_an_impossible_board_is_one_clear_line(tmp_path, change, message):
    with pytest.raises(PredictorError, match=message) as caught:
        read_board(changed(tmp_path, change))
    assert "mine.yaml" in str(caught.value) and "\n" not in str(caught.value)


def test_a_device_that_a_board_names_and_nobody_has_is_one_clear_line(tmp_path):
    own = board(str(changed(tmp_path, lambda payload: payload.update(latency={"device": "cortex_m5"}))))
    with pytest.raises(PredictorError, match="unknown device 'cortex_m5'.*did you mean 'cortex_m"):
        own.device()


def test_without_a_device_the_latency_is_said_not_to_be_known(tmp_path):
    own = board(str(changed(tmp_path, lambda payload: payload.pop("latency"))))
    assert own.device() is None and "latency is not known" in own.remarks
