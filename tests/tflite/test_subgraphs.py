"""Files of several subgraphs: what is read of them, whom they may call, and what TensorFlow Lite Micro plans."""

import struct
from typing import Any

import numpy as np
import pytest

from edgevolve.graph import DType
from edgevolve.reports.network import facts, inspect_file, network_json
from edgevolve.tflite import HOST, TfliteError, read_tflite, runtimes
from resource_models import file_footprint, placed_buffers, timeline
from tests.tflite.subgraph_files import (
    CASES,
    I32,
    SHAPE,
    F,
    counting,
    floats,
    loop,
    one_more,
    relu,
    scratch_that_nobody_reaches,
)
from tests.tflite.test_hostile_tflite import mutated, outcome
from tests.tflite.tflite_files import Builtin, TfliteFile, schema


def test_each_subgraph_is_read_and_each_signature_names_its_own():
    model = read_tflite(CASES["signatures"])
    assert [len(part.operators) for part in model.subgraphs] == [2, 1]
    assert [(each.name, each.subgraph) for each in model.signatures] == [("one", 0), ("two", 1)]
    assert [name for name, _ in model.signatures[1].inputs] == ["a", "b"]
    assert model.signatures[1].inputs[0][1] == model.subgraphs[1].tensors[0]
    assert model.reached == (0,)


def test_operators_say_which_subgraphs_they_run():
    assert [part.operators[0].calls for part in read_tflite(CASES["branches"]).subgraphs] == [(1, 2), (), ()]
    assert read_tflite(CASES["streaming"]).operators[0].calls == (1,)
    model = read_tflite(CASES["nested_loops"])
    assert model.subgraphs[2].operators[1].calls == (3, 4)
    assert model.reached == (0, 1, 2, 3, 4)


def test_what_sets_a_variable_up_needs_neither_inputs_nor_outputs():
    graph = read_tflite(CASES["streaming"]).subgraphs[1].graph
    assert (graph.inputs, graph.outputs) == ((), ())
    assert [node.outputs[0].dtype for node in graph.nodes if node.outputs] == [DType.RESOURCE]


def test_a_branch_may_give_a_constant():
    part = read_tflite(CASES["constant_branch"]).subgraphs[2]
    assert part.graph.outputs == ()
    assert part.outputs[0].constant


def test_time_runs_through_calls():
    """Step 0 enters the first subgraph; the loop of step 2 enters its condition in 3 and its body in 5."""
    times = timeline(read_tflite(CASES["loop_with_weights"]))
    assert times.steps == [(0, None), (0, 0), (0, 1), (1, None), (1, 0), (2, None), (2, 0), (2, 1), (0, 2)]
    assert times.operators[0][1] == (2, 7)
    assert times.tensors[0]["t0"] == (0, 1)
    inside = times.tensors[2]
    assert set(inside.values()) <= {(first, last) for first in range(5, 8) for last in range(5, 8)}


def test_a_body_that_two_loops_run_lives_from_the_first_to_the_second():
    times = timeline(read_tflite(CASES["shared_body"]))
    visits = [step for step, place in enumerate(times.steps) if place == (2, None)]
    assert len(visits) == 2
    first, last = times.tensors[2]["t1"]
    assert first == visits[0] and last > visits[1]


def test_what_nobody_reaches_is_planned_and_drawn_nowhere():
    model = read_tflite(CASES["signatures"])
    assert timeline(model).tensors[1] == {}
    assert file_footprint(model, HOST).greedy_head_bytes == 3 * 64
    assert len(placed_buffers(model)) == 3


def test_macs_are_of_every_subgraph_that_runs_and_loops_count_once():
    shown = network_json(inspect_file(read_tflite(CASES["loop_with_weights"])))
    assert shown["macs"] == 16 * 16 + 1 == shown["subgraphs"][2]["macs"]
    assert shown["weight_bytes"] == 16 * 16 * 4 + 3 * 4
    assert shown["subgraphs"][0]["calls"] == {2: [1, 2]}
    assert [part["runs"] for part in shown["subgraphs"]] == [True] * 3
    assert len(shown["subgraphs"][2]["operators"]) == 2
    only_first = network_json(inspect_file(read_tflite(CASES["signatures"])))
    assert only_first["macs"] == 0
    assert [part["runs"] for part in only_first["subgraphs"]] == [True, False]


def test_words_say_what_is_shown_and_who_runs_whom():
    words = facts(inspect_file(read_tflite(CASES["nested_loops"])))
    assert words["subgraphs"] == (
        "5; peak memory is the first one's; step 1 (WHILE) runs 1 and 2; step 2 of subgraph 2 (WHILE) runs 3 and 4"
    )
    assert words["MACs"].endswith("each subgraph that runs counted once, so are loops")
    words = facts(inspect_file(read_tflite(CASES["signatures"])))
    assert words["signatures"] == "one (0), two (1)"
    micro = words["TensorFlow Lite Micro"]
    assert micro == "has all its operators, runs the first subgraph alone; no call reaches 1 of 2"


def test_scratch_that_no_call_reaches_stops_the_runtime():
    """It notes an address for it that it never sets, and dies of it (`test_kernels` runs those that live)."""
    words = facts(inspect_file(read_tflite(scratch_that_nobody_reaches())))
    assert words["TensorFlow Lite Micro"].startswith(
        "cannot run it: it plans the scratch of MEAN, which no call reaches"
    )
    assert "arena" not in words


def grown_slice() -> bytes:
    """A slice as long as a computed number says, as the loops of Keras's `return_sequences` have it."""
    net = TfliteFile()
    x, y, amount = net.tensor(1, 4, dtype=F), net.tensor(1, 4, dtype=F), net.tensor(2, dtype=I32)
    part = net.tensor(1, 1, dtype=F, shapeSignature=[-1, -1])
    net.operator(Builtin.RELU, [x], [y])
    net.operator(Builtin.SLICE, [y, net.constant([0, 0], I32), amount], [part], table="SliceOptions")
    return net.content([x, amount], [part])


def test_a_size_that_only_running_tells_stops_tensorflow_lite_micro():
    model = read_tflite(grown_slice())
    micro, litert = runtimes(model)[:2]
    assert micro.stopped_by == ("SLICE makes a tensor whose size the file leaves open",)
    assert litert.runs
    assert inspect_file(model).footprint is None


def test_an_open_batch_is_no_open_size():
    net = TfliteFile()
    x, y = (net.tensor(1, 4, shapeSignature=[-1, 4]) for _ in range(2))
    net.operator(Builtin.RELU, [x], [y])
    assert runtimes(read_tflite(net.content([x], [y])))[0].runs
    net.tensors[x].shapeSignature = None  # as tools leave it that fix the batch of the input alone
    assert runtimes(read_tflite(net.content([x], [y])))[0].runs


def calling(name: str, table: str, inputs: int, outputs: int, **options: int) -> TfliteFile:
    """A first subgraph whose only operator runs others; close it, and add them."""
    net = TfliteFile()
    x = floats(net, max(inputs, 1))
    y = floats(net, outputs)
    net.operator(getattr(Builtin, name), x[:inputs], y, table=table, **options)
    net.close(x, y or x)
    return net


def one_way() -> tuple[TfliteFile, list[int], list[int]]:
    net = TfliteFile()
    (x,) = floats(net, 1)
    return net, [x], [relu(net, x)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"condSubgraphIndex": 1, "bodySubgraphIndex": 7}, "damaged: while_0 calls subgraph 7; the file has 2"),
        ({"condSubgraphIndex": -1, "bodySubgraphIndex": 1}, "damaged: while_0 calls subgraph -1; the file has 2"),
        ({"condSubgraphIndex": 1, "bodySubgraphIndex": 0}, "not a network that can run: subgraph 0 runs itself"),
        ({}, "not a network that can run: subgraph 0 runs itself"),
    ],
)
def test_a_call_of_no_subgraph_or_of_its_own_is_refused_in_one_line(options, message):
    net = calling("WHILE", "WhileOptions", 1, 1, **options)
    (x,) = floats(net, 1)
    with pytest.raises(TfliteError) as refusal:
        read_tflite(net.content([x], [relu(net, x)]))
    assert str(refusal.value) == message


def test_a_circle_of_calls_is_refused():
    net = calling("WHILE", "WhileOptions", 1, 1, condSubgraphIndex=1, bodySubgraphIndex=1)
    x, y = floats(net, 2)
    net.operator(Builtin.WHILE, [x], [y], table="WhileOptions", condSubgraphIndex=2, bodySubgraphIndex=2)
    net.close([x], [y])
    x, y = floats(net, 2)
    net.operator(Builtin.WHILE, [x], [y], table="WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=1)
    with pytest.raises(TfliteError, match=r"^not a network that can run: subgraph [12] runs itself, by way of [12]$"):
        read_tflite(net.content([x], [y]))


@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "options", "message"),
    [
        ("WHILE", 2, 2, {"condSubgraphIndex": 1, "bodySubgraphIndex": 1}, "while_0 gives subgraph 1 2 tensors"),
        ("WHILE", 1, 2, {"condSubgraphIndex": 1, "bodySubgraphIndex": 1}, "while_0 reads 1 tensors and makes 2"),
        ("IF", 1, 1, {"thenSubgraphIndex": 1, "elseSubgraphIndex": 1}, "if_0 gives subgraph 1 0 tensors and wants 1"),
        ("CALL_ONCE", 0, 0, {"initSubgraphIndex": 1}, "call_once_0 gives subgraph 1 0 tensors and wants 0"),
    ],
)
def test_a_call_with_other_tensors_than_its_subgraph_takes_is_refused(name, inputs, outputs, options, message):
    table = {"WHILE": "WhileOptions", "IF": "IfOptions", "CALL_ONCE": "CallOnceOptions"}[name]
    net = calling(name, table, inputs, outputs, **options)
    (x,) = floats(net, 1)
    with pytest.raises(TfliteError, match="^not a network that can run: " + message):
        read_tflite(net.content([x], [relu(net, x)]))


def test_what_is_wrong_with_a_further_subgraph_is_said_with_its_number():
    net, x, y = one_way()
    net.close(x, y)
    (x,) = floats(net, 1)
    relu(net, x)
    with pytest.raises(TfliteError, match="^subgraph 1: damaged: it names tensor 9 of 2$"):
        read_tflite(net.content([x], [9]))


def tower(storeys: int, calls: int) -> bytes:
    """Each subgraph runs the next one, so many times."""
    net = TfliteFile()
    for storey in range(storeys):
        (x,) = floats(net, 1)
        y = x
        for _ in range(calls):
            (y,), given = floats(net, 1), y
            options = {"condSubgraphIndex": storey + 1, "bodySubgraphIndex": storey + 1}
            net.operator(Builtin.WHILE, [given], [y], table="WhileOptions", **options)
        net.close([x], [y])
    (x,) = floats(net, 1)
    return net.content([x], [relu(net, x)])


def test_calls_without_end_are_refused_before_anything_is_planned():
    with pytest.raises(TfliteError, match="^subgraphs run each other 500 deep; edgevolve reads up to 64$"):
        read_tflite(tower(500, 1))
    with pytest.raises(TfliteError, match="^more than 10000 operators along its calls; edgevolve reads no more$"):
        read_tflite(tower(40, 2))


def test_operators_of_variables_may_lack_their_tensors():
    net, x, y = one_way()
    net.operator(Builtin.VAR_HANDLE, [], [], table="VarHandleOptions", sharedName="v")
    net.operator(Builtin.ASSIGN_VARIABLE, [], [])
    net.operator(Builtin.CUSTOM, y, [], custom="VAR_HANDLE")
    net.operator(Builtin.CUSTOM, y, [], custom="WHILE")
    assert outcome(net.content(x, y)) is None


def with_a_list_of(content: bytes, table: Any, field: int, count: int) -> bytes:
    """The file with a list of `count` tables without fields, at one place, for that of a table."""
    place, start = table.Pos + table.Offset(field), len(content) + -len(content) % 4
    empty = start + 4 + 4 * count
    offsets = [empty + 4 - (start + 4 + 4 * i) for i in range(count)]
    data = bytearray(content.ljust(start, b"\0"))
    data += struct.pack(f"<I{count}I2Hi", count, *offsets, 4, 4, 4)
    data[place : place + 4] = struct.pack("<I", start - place)
    return bytes(data)


def test_more_subgraphs_or_tensors_than_any_file_has_are_refused():
    net, x, y = one_way()
    content = net.content(x, y)
    root = schema.Model.GetRootAs(content, 0)
    with pytest.raises(TfliteError, match="^10000 subgraphs; edgevolve reads 1 to 1000$"):
        read_tflite(with_a_list_of(content, root._tab, 8, 10_000))
    with pytest.raises(TfliteError, match="^30000 tensors beside constants; edgevolve reads up to 20000$"):
        read_tflite(with_a_list_of(content, root.Subgraphs(0)._tab, 4, 30_000))


def test_a_signature_of_what_the_file_lacks_is_left_aside():
    net, x, y = one_way()
    net.signature("far", 7, {"x": 0}, {"y": 1})
    net.signature("odd", 0, {"x": 70}, {"y": 1})
    net.signature("good", 0, {"x": 0}, {"y": 1})
    assert [each.name for each in read_tflite(net.content(x, y)).signatures] == ["good"]


def test_the_body_may_hand_an_input_on():
    net = TfliteFile()
    (x,) = floats(net, 1)
    i, y = loop(net, 1, 2, [net.constant(0, I32), x])
    net.close([x], [i, y])
    counting(net, 2, SHAPE)
    i, (a,) = net.tensor(dtype=I32), floats(net, 1)
    model = read_tflite(net.content([i, a], [one_more(net, i), a]))
    assert model.subgraphs[2].outputs[1].name == model.subgraphs[2].graph.inputs[1].name


@pytest.mark.parametrize("block", range(4))
def test_six_hundred_mutated_files_of_several_subgraphs_are_read_or_refused_in_one_line(block):
    rng = np.random.default_rng([9, block])
    sources = list(CASES.values())
    refusals = [outcome(mutated(sources[i % len(sources)], rng)) for i in range(150)]
    refused = [refusal for refusal in refusals if refusal is not None]
    assert all(0 < len(refusal.splitlines()) == 1 for refusal in refused)
    assert len(set(refused)) > 25
    assert refusals.count(None) > 4
