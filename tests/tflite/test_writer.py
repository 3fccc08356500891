"""Int8 files of real numbers, run on LiteRT and compared with the same arithmetic in floats."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgevolve.graph import (
    Activation,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    DType,
    GlobalAveragePool,
    GraphBuilder,
    ShapeError,
)
from edgevolve.tflite import Quantisation, read_tflite, write_tflite

RNG = np.random.default_rng(0)


def quantised(values: np.ndarray, axis: int | None) -> tuple[np.ndarray, Quantisation]:
    """Symmetric int8, a scale for each entry of `axis`."""
    others = tuple(i for i in range(values.ndim) if i != axis)
    scales = np.abs(values).max(axis=others if axis is not None else None, keepdims=True) / 127
    stored = np.round(values / scales).astype(np.int8)
    flat = np.ravel(scales)
    return stored, Quantisation(flat, np.zeros(len(flat), np.int64), axis or 0)


def bias_of(values: np.ndarray, x: float, kernel: Quantisation) -> tuple[np.ndarray, Quantisation]:
    scales = x * np.asarray(kernel.scales)
    return np.round(values / scales).astype(np.int32), Quantisation(scales, np.zeros(len(scales), np.int64))


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(entry["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(end["index"])


@pytest.mark.parametrize("kind", ["conv", "depthwise", "dense"])
def test_an_int8_kernel_with_scales_by_channel_computes_what_the_floats_do(kind):
    net = GraphBuilder()
    x = net.input((1, 1, 1, 6) if kind != "dense" else (1, 6))
    op = {"conv": Conv2D(4, (1, 1)), "depthwise": DepthwiseConv2D((1, 1)), "dense": Dense(4, Activation.RELU)}[kind]
    y = net.add(op, x)
    graph = net.build(y)
    shape = op.weights(x.shape)[0].shape
    real = RNG.normal(0, 1, shape) * np.exp(
        RNG.normal(0, 2, 6 if kind == "depthwise" else (4, *(1,) * (len(shape) - 1)))
    )
    offsets = RNG.normal(0, 1, y.shape[-1])
    kernel, kernel_scales = quantised(real, 3 if kind == "depthwise" else 0)
    bias, bias_scales = bias_of(offsets, 0.02, kernel_scales)
    node = graph.nodes[0].name
    content = write_tflite(
        graph,
        {f"{node}/kernel": kernel, f"{node}/bias": bias},
        {
            x.name: Quantisation([0.02], [-5]),
            y.name: Quantisation([0.5], [3]),
            f"{node}/kernel": kernel_scales,
            f"{node}/bias": bias_scales,
        },
    )
    stored = RNG.integers(-128, 128, x.shape, np.int8)
    answer = 0.5 * (run(content, stored).ravel().astype(float) - 3)
    inputs = 0.02 * (stored.ravel().astype(float) + 5)
    wanted = inputs * real.ravel() + offsets if kind == "depthwise" else real.reshape(4, 6) @ inputs + offsets
    if kind == "dense":
        wanted = np.maximum(wanted, 0)
    inside = np.abs(wanted) < 60
    assert inside.sum() >= 2
    assert np.abs(answer - wanted)[inside].max() < 0.5
    assert read_tflite(content).operators[0].scales == (1, len(kernel_scales.scales), len(bias_scales.scales))


def test_a_float_file_gives_floats_and_a_bias_may_be_left_out():
    net = GraphBuilder()
    x = net.input((1, 6), DType.FLOAT32)
    graph = net.build(net.add(Dense(4), x))
    kernel = RNG.normal(0, 1, (4, 6)).astype(np.float32)
    content = write_tflite(graph, {f"{graph.nodes[0].name}/kernel": kernel}, {})
    values = RNG.normal(0, 1, (1, 6)).astype(np.float32)
    assert np.allclose(run(content, values), values @ kernel.T, atol=1e-6)
    assert read_tflite(content).graph.nodes[0].op == Dense(4)


def test_a_plan_that_was_written_is_read():
    net = GraphBuilder()
    x = net.input((1, 4, 4, 2), DType.FLOAT32)
    graph = net.build(net.add(GlobalAveragePool(), x))
    assert read_tflite(write_tflite(graph, {}, {})).offsets is None
    assert read_tflite(write_tflite(graph, {}, {}, plan=[0, 128, -1])).offsets == (0, 128, -1)
    with pytest.raises(ShapeError, match="a plan of 2 offsets for 3 tensors"):
        write_tflite(graph, {}, {}, plan=[0, 128])


def test_a_constant_that_lacks_or_does_not_fit_is_named():
    net = GraphBuilder()
    graph = net.build(net.add(Dense(4), net.input((1, 6))))
    with pytest.raises(ShapeError, match=r"dense_0/kernel is missing, it must be \(4, 6\)"):
        write_tflite(graph, {}, {})
    with pytest.raises(ShapeError, match=r"dense_0/kernel is \(6, 4\), it must be \(4, 6\)"):
        write_tflite(graph, {"dense_0/kernel": np.zeros((6, 4), np.int8)}, {})
    with pytest.raises(ShapeError, match="2 scales for 1 zero points"):
        Quantisation([1.0, 2.0], [0])
