import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from hypothesis import given, settings
from hypothesis import strategies as st

from edgevolve.graph import Concat, Conv2D, Dense, Graph, GraphBuilder, MaxPool2D, ShapeError
from edgevolve.tflite import skeleton
from resource_models import model_size
from tests.training.random_graphs import random_graph

NAMES = {
    "Conv2D": "CONV_2D",
    "DepthwiseConv2D": "DEPTHWISE_CONV_2D",
    "Dense": "FULLY_CONNECTED",
    "MaxPool2D": "MAX_POOL_2D",
    "AveragePool2D": "AVERAGE_POOL_2D",
    "GlobalAveragePool": "MEAN",
    "Add": "ADD",
    "Multiply": "MUL",
    "Concat": "CONCATENATION",
    "Pad": "PAD",
    "Reshape": "RESHAPE",
    "Softmax": "SOFTMAX",
}


def opened(content: bytes) -> Interpreter:
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    return interpreter


def name_of(content: bytes, index: int) -> str:
    details = {detail["index"]: detail["name"] for detail in opened(content).get_tensor_details()}
    return details.get(index, "")


def check_against_litert(graph: Graph) -> None:
    interpreter = opened(skeleton(graph))
    operators = [op for op in interpreter._get_ops_details() if op["op_name"] != "DELEGATE"]
    tensors = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    assert len(operators) == len(graph.nodes)
    for op, node in zip(operators, graph.nodes, strict=True):
        name = type(node.op).__name__
        assert op["op_name"] == NAMES.get(name, op["op_name"])
        (output,) = op["outputs"]
        assert tuple(tensors[output]["shape"]) == node.output.shape
    (entry,) = interpreter.get_input_details()
    x = np.random.default_rng(0).integers(-128, 128, entry["shape"], dtype=np.int8)
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    (end,) = interpreter.get_output_details()
    assert interpreter.get_tensor(end["index"]).shape == graph.outputs[0].shape


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_litert_runs_every_skeleton_operator_by_operator(seed):
    check_against_litert(random_graph(seed))


def test_vectors_are_joined_along_their_last_axis():
    net = GraphBuilder()
    x = net.input((1, 8))
    graph = net.build(net.add(Concat(), net.add(Dense(3), x), net.add(Dense(5), x)))
    check_against_litert(graph)


def test_a_skeleton_is_the_same_for_the_same_seed_and_another_for_another():
    graph = random_graph(3)
    assert skeleton(graph) == skeleton(graph)
    assert skeleton(graph, seed=1) != skeleton(graph)
    assert len(skeleton(graph, seed=1)) == len(skeleton(graph))


def test_kernels_of_one_shape_may_be_one_buffer():
    net = GraphBuilder()
    x = net.input((1, 8, 8, 16))
    for _ in range(3):
        x = net.add(Conv2D(16, (3, 3)), x)
    graph = net.build(x)
    shared = skeleton(graph, shared=True)
    saved = len(skeleton(graph)) - len(shared)
    assert 2 * 16 * 16 * 9 <= saved <= 2 * 16 * 16 * 9 + 100
    kernels = [opened(shared).get_tensor(index) for index in range(10) if "kernel" in name_of(shared, index)]
    assert len(kernels) == 3 and all(np.array_equal(kernels[0], kernel) for kernel in kernels)


@settings(deadline=None)
@given(st.integers(0, 10**6))
def test_a_skeleton_holds_all_weights(seed):
    graph = random_graph(seed)
    assert len(skeleton(graph)) > model_size(graph)


def test_an_operator_without_a_name_is_refused():
    class Strange(MaxPool2D):
        pass

    net = GraphBuilder()
    x = net.input((1, 4, 4, 1))
    graph = net.build(net.add(Strange((2, 2), (2, 2)), x))
    with pytest.raises(ShapeError, match="Strange cannot be written"):
        skeleton(graph)
