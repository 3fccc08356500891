import io
import json
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console

from edgevolve.graph import Graph, Node, Opaque, Tensor
from edgevolve.reports.network import inspect_file, inspect_network, network_json, network_table, short_name
from edgevolve.tflite import operators, read_tflite
from tests.tflite.tflite_files import Builtin, TfliteFile, small_network
from tests.training.random_graphs import random_graph


def printed(inspection):
    console = Console(width=120, file=io.StringIO())
    console.print(network_table(inspection))
    return console.file.getvalue()


def wasteful_file() -> bytes:
    """Two large branches made before either is shrunk: another order needs less."""
    net = TfliteFile()
    x, *large = (net.tensor(1, n) for n in (1, 100, 100))
    small = [net.tensor(1, 1), net.tensor(1, 1)]
    total, state = net.tensor(1, 1), net.tensor(1, 7, isVariable=True)
    for y in large:
        net.operator(Builtin.TILE, [x, net.kernel(2)], [y])
    for y, z in zip(large, small, strict=True):
        net.operator(Builtin.SVDF, [y, net.kernel(3), state], [z])
    net.operator(Builtin.ADD, small, [total], table="AddOptions")
    net.tensors[x].shapeSignature = [-1, 1]
    return net.content([x], [total])


def test_a_file_is_shown_operator_by_operator():
    shown = network_json(inspect_file(read_tflite(small_network())))
    assert [row["operator"] for row in shown["operators"]] == [
        "Conv2D",
        "SPLIT",
        "Add",
        "Pad",
        "GlobalAveragePool",
        "Dense",
        "Softmax",
    ]
    assert [row["macs"] for row in shown["operators"]] == [6912, 0, 128, 0, 180, 10, 0]
    assert [row["weight_bytes"] for row in shown["operators"]] == [108 + 16, 4, 0, 32, 8, 10 + 20, 0]
    assert [row["live_bytes"] for row in shown["operators"]] == [192 + 256, 512, 384, 128 + 180, 182, 7, 10]
    assert shown["operators"][1]["outputs"] == [
        {"name": "t2", "shape": [1, 8, 8, 2], "dtype": "int8", "bytes": 128},
        {"name": "t3", "shape": [1, 8, 8, 2], "dtype": "int8", "bytes": 128},
    ]
    assert shown["peak"]["step"] == 2
    assert [tensor["name"] for tensor in shown["peak"]["tensors"]] == ["t1", "t2", "t3"]
    assert (shown["peak"]["bytes"], shown["peak_memory_bytes"], shown["peak_memory_exact"]) == (512, 512, True)
    assert shown["file_bytes"] == len(small_network())
    assert shown["unknown_operators"] == ["SPLIT"]
    assert (shown["macs"], shown["weight_bytes"]) == (7230, 198)
    json.dumps(shown)


def test_the_order_of_the_file_and_the_best_order_have_figures_of_their_own():
    inspected = inspect_file(read_tflite(wasteful_file()))
    shown = network_json(inspected)
    assert shown["peak"] | {"tensors": len(shown["peak"]["tensors"])} == {"bytes": 201, "step": 2, "tensors": 3}
    assert shown["peak_memory_bytes"] == 102
    order = shown["best_order"]
    assert sorted(order) == [1, 2, 3, 4, 5]
    assert {order.index(3) - order.index(1), order.index(4) - order.index(2)} == {1}
    assert shown["dynamic_batch"]
    assert [tensor["bytes"] for tensor in shown["variables"]] == [7]
    text = printed(inspected)
    assert "201 B in the file's order, 102 B in the best order" in text
    assert "left open by the file, taken as 1" in text
    assert "7 B live all the time" in text
    assert "TILE, SVDF: MACs are counted where a formula is known" in text
    assert "step 2: t1 (100 B), t2 (100 B), t0 (1 B)" in text


def test_constants_that_nodes_share_are_counted_once():
    net = TfliteFile()
    x, y, z = (net.tensor(1, 4) for _ in range(3))
    shared = net.kernel(50)
    net.operator(Builtin.MUL, [x, shared], [y])
    net.operator(Builtin.MUL, [y, shared], [z])
    shown = network_json(inspect_file(read_tflite(net.content([x], [z]))))
    assert [row["weight_bytes"] for row in shown["operators"]] == [50, 50]
    assert shown["weight_bytes"] == 50


@pytest.mark.parametrize("seed", range(5))
def test_a_network_of_a_run_is_shown_in_the_best_order(seed):
    inspected = inspect_network(random_graph(seed))
    shown = network_json(inspected)
    assert shown["peak"]["bytes"] == shown["peak_memory_bytes"]
    assert shown["macs"] == sum(row["macs"] for row in shown["operators"])
    assert "file_bytes" not in shown
    text = printed(inspected)
    assert "← peak" in text
    assert "model size" in text


def test_a_network_of_very_many_nodes_is_shown_without_a_search_for_an_order():
    x = Tensor("x", (1, 4))
    tensors = [x, *(Tensor(f"t{i}", (1, 4)) for i in range(1500))]
    op = Opaque("ABS", ((1, 4),))
    nodes = tuple(Node(f"n{i}", op, (a,), (), (b,)) for i, (a, b) in enumerate(pairwise(tensors)))
    graph = Graph((x,), nodes, (tensors[-1],))
    model = read_tflite(small_network())
    listed = operators(graph)
    inspected = inspect_file(
        replace(model, subgraphs=(replace(model.subgraphs[0], graph=graph, operators=listed, tensors=tuple(tensors)),))
    )
    assert network_json(inspected)["peak_memory_bytes"] is None
    assert "8 B in the file's order, not searched in the best order" in printed(inspected)


def test_names_are_shortened_from_the_left():
    assert short_name("a/b;c/d") == "a/b"
    assert short_name("x" * 30 + "/conv2d/Relu6", 20) == "…" + ("x" * 30 + "/conv2d/Relu6")[-19:]
    assert len(short_name("y" * 500)) == 40
