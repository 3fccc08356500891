import json
import random

import pytest

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Padding,
    ShapeError,
    Softmax,
    Tensor,
    from_json,
    graph_hash,
    to_json,
)


def random_graph(seed):
    rng = random.Random(seed)
    net = GraphBuilder()
    maps = [net.input((1, 8, 8, 4))]
    for _ in range(rng.randint(1, 12)):
        x = rng.choice(maps)
        same = [y for y in maps if y.shape == x.shape]
        choices = [
            lambda: net.add(Conv2D(4, (3, 3), activation=Activation.RELU, batch_norm=True), x),
            lambda: net.add(Conv2D(4, (1, 1), groups=2), x),
            lambda: net.add(DepthwiseConv2D((3, 3)), x),
            lambda: net.add(Add(), x, rng.choice(same)),
            lambda: net.add(Multiply(), x, rng.choice(same)),
            lambda: net.add(Activate(Activation.HARD_SWISH), x),
            lambda: net.add(Conv2D(4, (1, 1)), net.add(Concat(), x, rng.choice(same))),
        ]
        maps.append(rng.choice(choices)())
    return net.build(net.add(Softmax(), net.add(Dense(3), net.add(GlobalAveragePool(), maps[-1]))))


def renamed_and_reordered(graph, seed):
    rng = random.Random(seed)
    names = {}

    def rename(x):
        if x.name not in names:
            names[x.name] = f"n{rng.random()}"
        return Tensor(names[x.name], x.shape, x.dtype, x.constant)

    inputs = tuple(rename(x) for x in graph.inputs)
    nodes = [
        Node(
            f"node{rng.random()}",
            n.op,
            tuple(rename(x) for x in (reversed(n.inputs) if isinstance(n.op, Add | Multiply) else n.inputs)),
            tuple(rename(w) for w in n.weights),
            tuple(rename(y) for y in n.outputs),
        )
        for n in graph.nodes
    ]
    known, order = {x.name for x in inputs}, []
    while nodes:
        ready = [n for n in nodes if all(x.name in known for x in n.inputs)]
        chosen = rng.choice(ready)
        nodes.remove(chosen)
        order.append(chosen)
        known.add(chosen.output.name)
    return Graph(inputs, tuple(order), tuple(rename(y) for y in graph.outputs))


@pytest.mark.parametrize("seed", range(150))
def test_names_and_the_order_of_nodes_do_not_change_the_canonical_form(seed):
    graph = random_graph(seed)
    other = renamed_and_reordered(graph, seed)
    assert to_json(other) == to_json(graph)
    assert graph_hash(other) == graph_hash(graph)


@pytest.mark.parametrize("seed", range(50))
def test_json_gives_the_same_network_back(seed):
    graph = random_graph(seed)
    text = json.dumps(to_json(graph))
    again = from_json(json.loads(text))
    assert json.dumps(to_json(again)) == text
    assert [n.op for n in again.nodes] == [n.op for n in from_json(to_json(again)).nodes]


def test_a_different_attribute_gives_a_different_hash():
    hashes = set()
    ops = [
        Conv2D(4, (3, 3)),
        Conv2D(5, (3, 3)),
        Conv2D(4, (3, 1)),
        Conv2D(4, (3, 3), stride=(2, 2)),
        Conv2D(4, (3, 3), padding=Padding.VALID),
        Conv2D(4, (3, 3), groups=2),
        Conv2D(4, (3, 3), activation=Activation.RELU6),
        Conv2D(4, (3, 3), batch_norm=True),
        DepthwiseConv2D((3, 3)),
        DepthwiseConv2D((3, 3), multiplier=2),
        MaxPool2D((2, 2), (2, 2)),
        AveragePool2D((2, 2), (2, 2)),
        Pad((0, 1), (0, 1)),
    ]
    for op in ops:
        net = GraphBuilder()
        hashes.add(graph_hash(net.build(net.add(op, net.input((1, 8, 8, 4))))))
    assert len(hashes) == len(ops)


def test_one_shared_branch_differs_from_two_equal_branches():
    def build(shared):
        net = GraphBuilder()
        x = net.input((1, 8, 8, 4))
        a = net.add(Conv2D(4, (3, 3)), x)
        b = a if shared else net.add(Conv2D(4, (3, 3)), x)
        return graph_hash(net.build(net.add(Add(), a, b)))

    assert build(shared=True) != build(shared=False)


def test_equal_nodes_that_are_read_by_different_ones_are_distinguished():
    def build(crossed):
        net = GraphBuilder()
        x = net.input((1, 8, 8, 4))
        a, b = (net.add(Conv2D(4, (3, 3)), x) for _ in range(2))
        g = net.add(DepthwiseConv2D((3, 3)), a)
        h = net.add(DepthwiseConv2D((5, 5)), b if crossed else a)
        return graph_hash(net.build(net.add(Concat(), g, h, net.add(Add(), a, b))))

    assert build(crossed=True) != build(crossed=False)


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"inputs": [], "nodes": [], "outputs": []},
        {"inputs": [{"shape": [1, 8], "dtype": "int8"}], "nodes": [], "outputs": [3]},
        {"inputs": [{"shape": [1, 8], "dtype": "int8"}], "nodes": [], "outputs": [-1]},
        {"inputs": [{"shape": [1, 8], "dtype": "int9"}], "nodes": [], "outputs": [0]},
        {"inputs": [{"shape": [1, 8], "dtype": "int8"}], "nodes": [{"op": "Exec", "inputs": [0]}], "outputs": [0]},
        {
            "inputs": [{"shape": [1, 8], "dtype": "int8"}],
            "nodes": [{"op": "Dense", "inputs": [0], "units": -1, "activation": "none"}],
            "outputs": [1],
        },
        {
            "inputs": [{"shape": [1, 8], "dtype": "int8"}],
            "nodes": [{"op": "Dense", "inputs": [-1], "units": 1, "activation": "none"}],
            "outputs": [1],
        },
        {"inputs": 3, "nodes": None, "outputs": "x"},
    ],
)
def test_json_that_is_no_network_is_refused_as_a_shape_error(payload):
    with pytest.raises(ShapeError):
        from_json(payload)
