import pytest

from edgevolve.graph import (
    OPS,
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
    MatMul,
    MaxPool2D,
    Multiply,
    Node,
    Pad,
    Padding,
    Reshape,
    ShapeError,
    Slice,
    Softmax,
    Tensor,
    reordered,
)

X = (1, 9, 7, 4)
CASES = [
    # operator, inputs, output, multiply-accumulates, kernel shape and bias length
    (Conv2D(8, (3, 3)), [X], (1, 9, 7, 8), 9 * 7 * 8 * 9 * 4, ((8, 3, 3, 4), 8)),
    (Conv2D(8, (3, 3), (2, 2)), [X], (1, 5, 4, 8), 5 * 4 * 8 * 9 * 4, ((8, 3, 3, 4), 8)),
    (Conv2D(8, (3, 5), padding=Padding.VALID), [X], (1, 7, 3, 8), 7 * 3 * 8 * 15 * 4, ((8, 3, 5, 4), 8)),
    (Conv2D(8, (3, 3), (2, 2), Padding.VALID), [X], (1, 4, 3, 8), 4 * 3 * 8 * 9 * 4, ((8, 3, 3, 4), 8)),
    (Conv2D(8, (3, 3), groups=4), [X], (1, 9, 7, 8), 9 * 7 * 8 * 9, ((8, 3, 3, 1), 8)),
    (
        Conv2D(8, (3, 2), padding=Padding.VALID, dilation=(2, 3)),
        [X],
        (1, 5, 4, 8),
        5 * 4 * 8 * 6 * 4,
        ((8, 3, 2, 4), 8),
    ),
    (DepthwiseConv2D((3, 3), dilation=(3, 1)), [X], (1, 9, 7, 4), 9 * 7 * 4 * 9, ((1, 3, 3, 4), 4)),
    (DepthwiseConv2D((3, 3)), [X], (1, 9, 7, 4), 9 * 7 * 4 * 9, ((1, 3, 3, 4), 4)),
    (DepthwiseConv2D((3, 3), multiplier=2), [X], (1, 9, 7, 8), 9 * 7 * 8 * 9, ((1, 3, 3, 8), 8)),
    (Dense(5), [(1, 12)], (1, 5), 60, ((5, 12), 5)),
    (Dense(5), [X], (1, 5), 252 * 5, ((5, 252), 5)),
    (MaxPool2D((2, 2), (2, 2)), [X], (1, 4, 3, 4), 4 * 3 * 4 * 4, None),
    (AveragePool2D((2, 2), (2, 2), Padding.SAME), [X], (1, 5, 4, 4), 5 * 4 * 4 * 4, None),
    (GlobalAveragePool(), [X], (1, 4), 9 * 7 * 4, None),
    (Add(), [X, X], X, 9 * 7 * 4, None),
    (Multiply(), [X, X], X, 9 * 7 * 4, None),
    (Multiply(), [X, (1, 1, 1, 4)], X, 9 * 7 * 4, None),
    (Multiply(), [(1, 1, 1, 4), X], X, 9 * 7 * 4, None),
    (Concat(), [X, (1, 9, 7, 3)], (1, 9, 7, 7), 0, None),
    (Pad((1, 2), (0, 3)), [X], (1, 12, 10, 4), 0, None),
    (Slice((1, 0, 2), (8, 7, 4), (3, 2, 1)), [X], (1, 3, 4, 2), 0, None),
    (Reshape((1, 252)), [X], (1, 252), 0, None),
    (Activate(Activation.HARD_SWISH), [X], X, 0, None),
    (Softmax(), [(1, 4)], (1, 4), 0, None),
    (MatMul(), [(1, 9, 4), (1, 4, 7)], (1, 9, 7), 9 * 4 * 7, None),
    (MatMul(transposed=True), [(1, 9, 4), (1, 7, 4)], (1, 9, 7), 9 * 4 * 7, None),
]


def test_every_operator_has_a_case_here():
    assert {type(op) for op, *_ in CASES} == set(OPS.values())


@pytest.mark.parametrize(("op", "inputs", "output", "macs", "weights"), CASES, ids=lambda value: str(value)[:40])
def test_shapes_weights_and_macs_are_those_worked_out_by_hand(op, inputs, output, macs, weights):
    net = GraphBuilder()
    graph = net.build(net.add(op, *(net.input(shape) for shape in inputs)))
    node = graph.nodes[0]
    assert node.output.shape == output
    assert node.macs == macs
    if weights:
        kernel, bias = node.weights
        assert (kernel.shape, bias.shape) == (weights[0], (weights[1],))
        assert (kernel.dtype, bias.dtype) == ("int8", "int32")
        assert kernel.constant


@pytest.mark.parametrize(
    ("op", "shapes"),
    [
        (Conv2D(3, (3, 3), groups=2), [X]),
        (Conv2D(4, (11, 3), padding=Padding.VALID), [X]),
        (Conv2D(4, (3, 3)), [(1, 4)]),
        (Dense(4), [(2, 4)]),
        (Dense(4), [(1, 3, 4)]),
        (Add(), [X, (1, 9, 7, 5)]),
        (Add(), [X]),
        (Multiply(), [X, (1, 1, 1, 3)]),
        (Multiply(), [X, (1, 9, 1, 4)]),
        (Multiply(), [X, (1, 4)]),
        (Multiply(), [X]),
        (Concat(), [X]),
        (Concat(), [X, (1, 8, 7, 4)]),
        (Reshape((1, 100)), [X]),
        (MatMul(), [(1, 9, 4), (1, 7, 4)]),
        (MatMul(transposed=True), [(1, 9, 4), (1, 4, 7)]),
        (MatMul(), [(9, 4), (4, 7)]),
        (MatMul(), [(1, 9, 4)]),
    ],
)
def test_inputs_that_do_not_fit_are_refused(op, shapes):
    net = GraphBuilder()
    with pytest.raises(ShapeError):
        net.add(op, *(net.input(shape) for shape in shapes))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Conv2D(0, (3, 3)),
        lambda: Conv2D(4, (3, 0)),
        lambda: Conv2D(4, (3, 3), activation=Activation.HARD_SWISH),
        lambda: DepthwiseConv2D((3, 3), multiplier=0),
        lambda: Dense(2.5),
        lambda: Pad((-1, 0), (0, 0)),
        lambda: Activate(Activation.NONE),
    ],
)
def test_impossible_attributes_are_refused(make):
    with pytest.raises(ShapeError):
        make()


def test_a_node_that_reads_ahead_is_refused():
    net = GraphBuilder()
    x = net.input((1, 4))
    graph = net.build(net.add(Dense(3), net.add(Dense(2), x)))
    with pytest.raises(ShapeError, match="before it is made"):
        reordered(graph, [1, 0])


def test_an_output_of_another_shape_than_the_operator_gives_is_refused():
    x = Tensor("x", (1, 4))
    node = Node("dense", Dense(3), (x,), (), (Tensor("y", (1, 4)),))
    with pytest.raises(ShapeError, match="must make"):
        Graph((x,), (node,), node.outputs)


def test_consumers_count_a_tensor_read_twice_by_one_node_once():
    net = GraphBuilder()
    x = net.input((1, 4))
    graph = net.build(net.add(Add(), x, x))
    assert graph.consumers[x.name] == [0]


def test_dense_reads_a_map_of_one_pixel_as_it_is():
    net = GraphBuilder()
    x = net.input((1, 1, 1, 6))
    assert net.flatten(x) is x
    graph = net.build(net.add(Dense(4), x))
    assert graph.nodes[0].weights[0].shape == (4, 6)
    assert graph.nodes[0].macs == 24


def test_an_operator_without_a_kernel_is_not_written_twice_and_one_with_a_kernel_is():
    net = GraphBuilder()
    x = net.input((1, 8, 8, 2))
    pools = [net.add(MaxPool2D((2, 2), (2, 2)), x) for _ in range(2)]
    convs = [net.add(Conv2D(2, (1, 1)), x) for _ in range(2)]
    assert pools[0] is pools[1]
    assert convs[0] is not convs[1]
    assert len(net.build(net.add(Add(), *pools), net.add(Add(), *convs)).nodes) == 5
