import pytest
import yaml

from edgevolve.graph import Activation, Conv2D, Dense, GlobalAveragePool, GraphBuilder
from predictors import PredictorError, Provenance, analyse, read_sheet, sheet, sheets
from predictors.models import MODELS
from predictors.sheets import FOLDER

CUSTOM = {
    "name": "mine",
    "kind": "roofline",
    "description": "an accelerator of one's own",
    "figures": {
        "ops_per_second": {"value": 1e9, "provenance": "assumed", "source": "a guess"},
        "memory_bandwidth": {"value": 1e6, "provenance": "measured", "source": "a run"},
    },
}


def written(tmp_path, change):
    payload = yaml.safe_load(yaml.safe_dump(CUSTOM))
    change(payload)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(payload))
    return path


def small_network():
    net = GraphBuilder()
    x = net.add(Conv2D(8, (3, 3), activation=Activation.RELU), net.input((1, 10, 10, 4)))
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


def test_every_packaged_sheet_is_valid_and_named_as_its_file():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(sheets())
    for one in sheets().values():
        assert set(MODELS[one.kind].needs) <= set(one.figures)


def test_no_figure_of_a_chip_that_nobody_has_is_called_measured_or_published():
    for name in ("edge_tpu_v5e", "edge_tpu_v6"):
        kinds = {figure.provenance for figure in sheet(name).figures.values()}
        assert kinds <= {Provenance.ASSUMED, Provenance.RUMOURED}
        assert "simulated" in sheet(name).description


def test_v6_is_v5e_with_the_rumoured_factors():
    old, new = sheet("edge_tpu_v5e"), sheet("edge_tpu_v6")
    area = [one["rows"] * one["columns"] * one["clock_mhz"] for one in (old, new)]
    assert area[1] / area[0] == pytest.approx(2.5)
    assert new["link_bytes_per_second"] / old["link_bytes_per_second"] == pytest.approx(1.8)
    assert 2 / new["mac_pj"] == pytest.approx(75, rel=0.01), "10¹² operations a joule"
    assert new.weakest is Provenance.RUMOURED


def test_a_custom_accelerator_is_one_yaml_file(tmp_path):
    mine = sheet(str(written(tmp_path, lambda payload: None)))
    conv = 10 * 10 * 8 * 9 * 4
    moved = 400 + (8 * 9 * 4 + 32) + 800
    seconds = max(2 * conv / 1e9, moved / 1e6) + max(2 * 800 / 1e9, (800 + 8 + 8) / 1e6) + (8 + 80 + 40 + 10) / 1e6
    assert analyse(mine, small_network())["latency_ms"] == pytest.approx(1e3 * seconds)


def test_a_microcontroller_takes_cycles_by_class_of_kernel():
    m7 = sheet("cortex_m7")
    cycles = 10 * 10 * 8 * 36 * m7["cycles_per_mac_conv_3x3"] + 800 * m7["cycles_per_mac"] + 80
    assert analyse(m7, small_network())["latency_ms"] == pytest.approx(cycles / 480e3)


def cycles_with(name):
    """The figures of a microcontroller, and one more."""
    return {each: dict(CUSTOM["figures"]["ops_per_second"]) for each in ("clock_mhz", "cycles_per_mac", name)}


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda p: p["figures"]["memory_bandwidth"].update(value=-1),
            "memory_bandwidth.value: .*greater than 0, not -1",
        ),
        (lambda p: p["figures"]["memory_bandwidth"].update(value=0), "greater than 0"),
        (lambda p: p["figures"]["memory_bandwidth"].update(value=float("inf")), "finite"),
        (lambda p: p["figures"]["memory_bandwidth"].update(value=True), "a figure is a number, not True"),
        (lambda p: p["figures"]["memory_bandwidth"].update(value=10**400), "valid number, not 10{50}"),
        (lambda p: p["figures"]["memory_bandwidth"].update(provenance="guessed"), "'measured', 'published'"),
        (lambda p: p["figures"]["memory_bandwidth"].pop("source"), "memory_bandwidth.source"),
        (lambda p: p["figures"].pop("ops_per_second"), "needs the figure ops_per_second"),
        (lambda p: p.update(kind="quantum"), "kind"),
        (lambda p: p.update(kind="rofline"), r"kind: .*, not 'rofline'; did you mean 'roofline'\?"),
        (lambda p: p.update(figure={}), "figure: no such field; did you mean 'figures'"),
        (
            lambda p: p["figures"]["memory_bandwidth"].update(provenence="measured"),
            "figures.memory_bandwidth.provenence: no such field; did you mean 'provenance'",
        ),
        (
            lambda p: p["figures"]["memory_bandwidth"].update(value="120 MHz"),
            "memory_bandwidth.value: write a number such as [^']*, not '120 MHz'$",
        ),
        (
            lambda p: p.update(kind="cycles", figures=cycles_with("cycles_per_mac_depthwse")),
            "cycles_per_mac_depthwse: no class of operators is called depthwse; did you mean 'depthwise'",
        ),
        (lambda p: p.update(kind="vela", figures={"clock_mhz": CUSTOM["figures"]["ops_per_second"]}), "accelerator"),
        (lambda p: p.update(colour="red"), "colour"),
        (lambda p: p.pop("name"), "name"),
    ],
)
def test_an_impossible_sheet_is_one_clear_line(tmp_path, change, message):
    with pytest.raises(PredictorError, match=message) as caught:
        read_sheet(written(tmp_path, change))
    assert "mine.yaml" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "- a\n- b\n", "a: b: c", "\x00", "[" * 5000, "a: " + "1" * 5000, "!!python/object/apply:os.abort []"]
)
def test_what_is_no_sheet_is_one_clear_line(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PredictorError) as caught:
        sheet(str(path))
    assert "\n" not in str(caught.value)


def test_the_error_of_an_unknown_device_lists_the_devices():
    with pytest.raises(PredictorError, match="unknown device 'tpu9'.*coral_edge_tpu"):
        sheet("tpu9")
    with pytest.raises(PredictorError, match="nowhere.yaml: No such file"):
        sheet("nowhere.yaml")


def test_a_device_that_must_be_measured_says_so():
    with pytest.raises(PredictorError, match="host_cpu is known by measurements alone"):
        analyse(sheet("host_cpu"), small_network())
