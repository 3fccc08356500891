"""What `inspect` promises of a file's memory, and which runtimes it says can run it."""

import json
from itertools import pairwise

import pytest
from typer.testing import CliRunner

import driver
from edgevolve.deployment import ExportError
from edgevolve.deployment.flatbuffer import packed, set_plan, unpacked
from edgevolve.deployment.micro import available
from edgevolve.deployment.optimise import optimised
from edgevolve.reports.network import facts, inspect_file, network_json
from edgevolve.tflite import HOST, TfliteError, read_tflite, runtimes
from resource_models import file_footprint
from tests.tflite.custom_operator_files import I16, B
from tests.tflite.custom_operator_files import custom as custom_operator
from tests.tflite.tflite_files import Builtin, TfliteFile, Type


def two_relus() -> TfliteFile:
    net = TfliteFile()
    x, y, z = (net.tensor(1, 256) for _ in range(3))
    net.operator(Builtin.RELU, [x], [y])
    net.operator(Builtin.RELU, [y], [z])
    return net


def custom(name: str) -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 8), net.tensor(1, 5)
    net.operator(Builtin.CUSTOM, [x], [y], custom=name)
    return net.content([x], [y])


def hybrid() -> bytes:
    net = TfliteFile()
    x, y = net.tensor(1, 8, dtype=Type.FLOAT32), net.tensor(1, 5, dtype=Type.FLOAT32)
    bias = net.constant([0.0] * 5, Type.FLOAT32)
    net.operator(Builtin.FULLY_CONNECTED, [x, net.kernel(5, 8), bias], [y], table="FullyConnectedOptions")
    return net.content([x], [y])


def framed() -> bytes:
    """The runtime takes the options of this operator by their places; the model takes them by their names."""
    return custom_operator(
        "SignalFramer", [((160,), I16)], [((1, 400), I16), ((), B)], first=400, second=160, third=False
    )


def said(content: bytes) -> tuple[dict, dict]:
    inspected = inspect_file(read_tflite(content), HOST)
    return facts(inspected), network_json(inspected)


def test_a_plan_in_the_file_counts_and_so_does_what_optimise_makes_of_it():
    content = unpacked(two_relus().content([0], [2]))
    set_plan(content, [0, 20_000, 40_000])
    words, arena = said(packed(content))
    arena = arena["arena"]
    assert (arena["planned_head_bytes"], arena["tail_bytes"], arena["arena_bytes"]) == (40_256, 912, 41_168)
    assert (arena["best_head_bytes"], arena["best_arena_bytes"], arena["plan_in_file"]) == (512, 1424, True)
    assert "with the plan that the file brings" in words["arena"]


def test_a_network_of_more_than_a_thousand_operators_has_an_arena():
    net = TfliteFile()
    tensors = [net.tensor(1, 4, dtype=Type.FLOAT32) for _ in range(1102)]
    for a, b in pairwise(tensors):
        net.operator(Builtin.RELU, [a], [b])
    net.codes = net.codes[:1]
    for operator in net.operators:
        operator.opcodeIndex = 0
    _, shown = said(net.content(tensors[:1], tensors[-1:]))
    arena = shown["arena"]
    assert (arena["planned_head_bytes"], arena["tail_bytes"], arena["arena_bytes"]) == (32, 132_800, 212_192)
    assert arena["exact"]


@pytest.mark.parametrize(("name", "device"), [("edgetpu-custom-op", "Edge TPU"), ("ethos-u", "Ethos-U")])
def test_a_file_that_a_compiler_made_is_known_as_such_and_has_no_arena(name, device):
    words, shown = said(custom(name))
    assert shown["compiled_for"] == device
    assert shown["arena"] is None
    assert "arena" not in words
    assert [verdict["runs"] for verdict in shown["runtimes"]] == [
        False,
        False,
        device == "Edge TPU",
        device == "Ethos-U",
    ]
    with pytest.raises(ExportError, match=f"^compiled for an {device}, so TensorFlow Lite has no memory to plan$"):
        optimised(custom(name))


def test_a_file_of_arm_s_compiler_with_scratch_that_nobody_makes_is_refused_as_such():
    net = TfliteFile()
    x, stream, scratch, y = net.tensor(1, 8), net.constant([1] * 64), net.tensor(1536), net.tensor(1, 5)
    net.operator(Builtin.CUSTOM, [stream, scratch, x], [y], custom="ethos-u")
    with pytest.raises(TfliteError, match="^compiled for an Ethos-U: it computes in memory that the device's driver"):
        read_tflite(net.content([x], [y]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (custom("FlexErf"), "FlexErf (Flex, an operator of TensorFlow itself)"),
        (custom("MyOwn"), "MyOwn (custom)"),
        (hybrid(), "FULLY_CONNECTED (hybrid: weights of int8, activations of float32)"),
    ],
    ids=["flex", "custom", "hybrid"],
)
def test_an_operator_that_stops_the_runtime_is_named_and_no_arena_is_printed(content, reason):
    words, shown = said(content)
    assert shown["arena"] is None
    assert words["TensorFlow Lite Micro"] == f"cannot run it: {reason}"


def test_litert_runs_what_is_hybrid_and_an_edge_tpu_does_not():
    verdicts = {verdict.runtime: verdict for verdict in runtimes(read_tflite(hybrid()))}
    assert verdicts["LiteRT"].runs
    assert verdicts["Edge TPU"].stopped_by == ("FULLY_CONNECTED of float32",)


def test_a_kernel_without_a_model_makes_a_lower_bound_that_names_it():
    words, shown = said(framed())
    assert shown["arena"]["unmodelled"] == ["SignalFramer"]
    assert shown["arena"]["lower_bound"] and not shown["arena"]["exact"]
    assert words["arena"].startswith("at least ")
    assert words["figures"].startswith("lower bounds: what the kernels of SignalFramer keep")


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
def test_the_runtime_is_asked_where_a_model_lacks(tmp_path):
    path = tmp_path / "framed.tflite"
    path.write_bytes(framed())
    done = CliRunner().invoke(driver.app, ["inspect", str(path), "--json", "--target", "host"])
    arena = json.loads(done.stdout)["arena"]
    measured = arena["measured_on_this_host"]
    assert arena["arena_bytes"] <= measured["arena_bytes"]
    assert measured["head_bytes"] == arena["greedy_head_bytes"]


def test_variables_are_counted_in_the_arena():
    net = two_relus()
    kept = net.tensor(1, 640, isVariable=True)
    net.operators[0].inputs = [0, kept]
    with_state = file_footprint(read_tflite(net.content([0], [2])), HOST)
    without = file_footprint(read_tflite(two_relus().content([0], [2])), HOST)
    assert with_state.tail_bytes >= without.tail_bytes + 640
