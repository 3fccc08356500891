"""Small `.tflite` files of several subgraphs, written field by field, by name."""

import numpy as np

from tests.tflite.tflite_files import Builtin, TfliteFile, Type, conv_options

F, I32, BOOL = Type.FLOAT32, Type.INT32, Type.BOOL
SHAPE = (1, 16)


def floats(net: TfliteFile, count: int, *shape: int) -> list[int]:
    return [net.tensor(*(shape or SHAPE), dtype=F) for _ in range(count)]


def relu(net: TfliteFile, x: int) -> int:
    (y,) = floats(net, 1)
    net.operator(Builtin.RELU, [x], [y])
    return y


def counting(net: TfliteFile, limit: int, *states: tuple[int, ...]) -> None:
    """A condition: the first input, a number, is below `limit`; the other inputs are floats of these shapes."""
    i = net.tensor(dtype=I32)
    others = [net.tensor(*shape, dtype=F) for shape in states]
    most, less = net.constant(limit, I32), net.tensor(dtype=BOOL)
    net.operator(Builtin.LESS, [i, most], [less], table="LessOptions")
    net.close([i, *others], [less])


def one_more(net: TfliteFile, i: int) -> int:
    more = net.tensor(dtype=I32)
    net.operator(Builtin.ADD, [i, net.constant(1, I32)], [more], table="AddOptions")
    return more


def loop(net: TfliteFile, condition: int, body: int, inputs: list[int], shape: tuple[int, ...] = SHAPE) -> list[int]:
    """A WHILE over a number and a float tensor."""
    outputs = [net.tensor(dtype=I32), net.tensor(*shape, dtype=F)]
    net.operator(
        Builtin.WHILE, inputs, outputs, table="WhileOptions", condSubgraphIndex=condition, bodySubgraphIndex=body
    )
    return outputs


def signatures() -> bytes:
    """Two networks under two names."""
    net = TfliteFile()
    (x,) = floats(net, 1)
    y = relu(net, relu(net, x))
    net.close([x], [y])
    net.signature("one", 0, {"x": x}, {"y": y})
    a, b, c = floats(net, 3)
    net.operator(Builtin.ADD, [a, b], [c], table="AddOptions")
    net.signature("two", 1, {"a": a, "b": b}, {"c": c})
    return net.content([a, b], [c])


def loop_with_weights() -> bytes:
    """A dense layer run four times by a WHILE, between two activations."""
    net = TfliteFile()
    (x,) = floats(net, 1)
    start = relu(net, x)
    _, y = loop(net, 1, 2, [net.constant(0, I32), start])
    z = relu(net, y)
    net.close([x], [z])
    counting(net, 4, SHAPE)
    i, (a, b) = net.tensor(dtype=I32), floats(net, 2)
    kernel = net.constant(np.eye(16, dtype=np.float32) / 2, F)
    net.operator(Builtin.FULLY_CONNECTED, [a, kernel, -1], [b], table="FullyConnectedOptions")
    return net.content([i, a], [one_more(net, i), b])


def branches() -> bytes:
    """An IF whose branches need different memory, one of them for scratch."""
    net = TfliteFile()
    chosen, x = net.tensor(1, dtype=BOOL), net.tensor(1, 8, 8, 2, dtype=F)
    y = net.tensor(1, 2, dtype=F)
    net.operator(Builtin.IF, [chosen, x], [y], table="IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
    net.close([chosen, x], [y])
    a, b = net.tensor(1, 8, 8, 2, dtype=F), net.tensor(1, 2, dtype=F)
    net.operator(Builtin.MEAN, [a, net.constant([1, 2], I32)], [b], table="ReducerOptions")
    net.close([a], [b])
    a, b, c, d = (net.tensor(*shape, dtype=F) for shape in ((1, 8, 8, 2), (1, 8, 8, 2), (1, 8, 8, 2), (1, 2)))
    net.operator(Builtin.RELU, [a], [b])
    net.operator(Builtin.ADD, [a, b], [c], table="AddOptions")
    net.operator(Builtin.REDUCE_MAX, [c, net.constant([1, 2], I32)], [d], table="ReducerOptions")
    return net.content([a], [d])


def nested_loops(one_condition: bool = False) -> bytes:
    """A WHILE within a WHILE; LiteRT does not run them where both have one condition."""
    net = TfliteFile()
    (x,) = floats(net, 1)
    _, y = loop(net, 1, 2, [net.constant(0, I32), x])
    net.close([x], [y])
    counting(net, 3, SHAPE)
    i, (a,) = net.tensor(dtype=I32), floats(net, 1)
    inner, body = (1, 3) if one_condition else (3, 4)
    _, b = loop(net, inner, body, [net.constant(1, I32), relu(net, a)])
    net.close([i, a], [one_more(net, i), b])
    if not one_condition:
        counting(net, 4, SHAPE)
    i, (a, b) = net.tensor(dtype=I32), floats(net, 2)
    net.operator(Builtin.ADD, [a, a], [b], table="AddOptions")
    return net.content([i, a], [one_more(net, i), b])


def handle(net: TfliteFile, name: str) -> int:
    made = net.tensor(1, dtype=Type.RESOURCE)
    net.operator(Builtin.VAR_HANDLE, [], [made], table="VarHandleOptions", container="", sharedName=name)
    return made


def streaming() -> bytes:
    """A ring of the last 4 frames of 8 values in a variable, which CALL_ONCE sets up, as wake words have it."""
    net = TfliteFile()
    x = net.tensor(1, 1, 8, dtype=F)
    net.operator(Builtin.CALL_ONCE, [], [], table="CallOnceOptions", initSubgraphIndex=1)
    ring = handle(net, "ring")
    kept, tail, frames, total = (net.tensor(*shape, dtype=F) for shape in ((1, 4, 8), (1, 3, 8), (1, 4, 8), (1, 8)))
    net.operator(Builtin.READ_VARIABLE, [ring], [kept], table="ReadVariableOptions")
    cut = [net.constant(values, I32) for values in ([0, 1, 0], [1, 4, 8], [1, 1, 1])]
    net.operator(Builtin.STRIDED_SLICE, [kept, *cut], [tail], table="StridedSliceOptions")
    net.operator(Builtin.CONCATENATION, [tail, x], [frames], table="ConcatenationOptions", axis=1)
    net.operator(Builtin.ASSIGN_VARIABLE, [ring, frames], [], table="AssignVariableOptions")
    net.operator(Builtin.SUM, [frames, net.constant([1], I32)], [total], table="ReducerOptions")
    net.close([x], [total])
    net.operator(
        Builtin.ASSIGN_VARIABLE,
        [handle(net, "ring"), net.constant(np.ones((1, 4, 8)), F)],
        [],
        table="AssignVariableOptions",
    )
    return net.content([], [])


def shared_body() -> bytes:
    """Two loops that run one body, with a wide branch kept between them."""
    net = TfliteFile()
    (x,) = floats(net, 1)
    first = loop(net, 1, 2, [net.constant(0, I32), x])[1]
    wide = relu(net, x)
    second = loop(net, 1, 2, [net.constant(1, I32), first])[1]
    (y,) = floats(net, 1)
    net.operator(Builtin.ADD, [wide, second], [y], table="AddOptions")
    net.close([x], [y])
    counting(net, 4, SHAPE)
    i, (a,) = net.tensor(dtype=I32), floats(net, 1)
    return net.content([i, a], [one_more(net, i), relu(net, a)])


def constant_branch() -> bytes:
    """An IF of which one branch gives what it was given, and the other a constant."""
    net = TfliteFile()
    chosen, (x, y) = net.tensor(1, dtype=BOOL), floats(net, 2)
    net.operator(Builtin.IF, [chosen, x], [y], table="IfOptions", thenSubgraphIndex=1, elseSubgraphIndex=2)
    z = relu(net, y)
    net.close([chosen, x], [z])
    (a,) = floats(net, 1)
    net.close([a], [a])
    (a,) = floats(net, 1)
    return net.content([a], [net.constant(np.full(SHAPE, -2.0), F)])


def convolutions_in_a_loop() -> bytes:
    """An int8 body of two convolutions, whose kernels keep multipliers by channel."""
    net = TfliteFile()
    x, y = net.tensor(1, 6, 6, 4), net.tensor(1, 6, 6, 4)
    i = net.tensor(dtype=I32)
    net.operator(
        Builtin.WHILE, [net.constant(0, I32), x], [i, y], table="WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2
    )
    net.close([x], [y])
    i, a = net.tensor(dtype=I32), net.tensor(1, 6, 6, 4)
    less = net.tensor(dtype=BOOL)
    net.operator(Builtin.LESS, [i, net.constant(2, I32)], [less], table="LessOptions")
    net.close([i, a], [less])
    i, a, b, c = net.tensor(dtype=I32), *(net.tensor(1, 6, 6, width) for width in (4, 8, 4))
    for tensor in (a, b, c):
        net.tensors[tensor].quantization = scales(1)
    for x, y, width, channels in ((a, b, 8, 4), (b, c, 4, 8)):
        kernel, bias = net.kernel(width, 3, 3, channels), net.bias(width)
        net.tensors[kernel].quantization, net.tensors[bias].quantization = scales(width), scales(width)
        net.operator(Builtin.CONV_2D, [x, kernel, bias], [y], **conv_options())
    return net.content([i, a], [one_more(net, i), c])


def scales(count: int):
    from tests.tflite.tflite_files import schema

    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint = [0.5] * count, [0] * count
    return made


def state_in_a_loop() -> bytes:
    """A body with an SVDF, whose state is a variable of the body, beside a first subgraph that a plan would help."""
    net = TfliteFile()
    x, a, b, c, d, y = floats(net, 6)
    net.operator(Builtin.RELU, [x], [a])
    net.operator(Builtin.RELU, [a], [b])
    i = net.tensor(dtype=I32)
    net.operator(
        Builtin.WHILE, [net.constant(0, I32), b], [i, c], table="WhileOptions", condSubgraphIndex=1, bodySubgraphIndex=2
    )
    net.operator(Builtin.RELU, [c], [d])
    net.operator(Builtin.ADD, [a, d], [y], table="AddOptions")
    net.close([x], [y])
    counting(net, 3, SHAPE)
    i, (a, b) = net.tensor(dtype=I32), floats(net, 2)
    features, time = net.constant(np.full((16, 16), 0.1), F), net.constant(np.full((16, 4), 0.2), F)
    state = net.tensor(1, 64, dtype=F, isVariable=True)
    net.operator(
        Builtin.SVDF,
        [a, features, time, net.constant(np.zeros(16), F), state],
        [b],
        table="SVDFOptions",
        rank=1,
        fusedActivationFunction=0,
    )
    return net.content([i, a], [one_more(net, i), b])


def scratch_that_nobody_reaches() -> bytes:
    """A second signature whose kernel asks for scratch, which TensorFlow Lite Micro plans and never runs."""
    net = TfliteFile()
    (x,) = floats(net, 1)
    net.close([x], [relu(net, x)])
    a, b = net.tensor(1, 8, 8, 2, dtype=F), net.tensor(1, 2, dtype=F)
    net.operator(Builtin.MEAN, [a, net.constant([1, 2], I32)], [b], table="ReducerOptions")
    net.signature("two", 1, {"a": a}, {"b": b})
    return net.content([a], [b])


CASES = {
    made.__name__: made()
    for made in (
        signatures,
        loop_with_weights,
        branches,
        nested_loops,
        streaming,
        shared_body,
        constant_branch,
        convolutions_in_a_loop,
        state_in_a_loop,
    )
}
"""Files that TensorFlow Lite Micro and LiteRT both run."""
