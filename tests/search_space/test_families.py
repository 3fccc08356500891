"""The families against Keras' applications, built without weights and never run."""

import math

import keras
import pytest

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, Multiply, graph_hash
from edgevolve.training.weights import parameters
from search_space.families import FAMILIES, family

KERAS = {
    "mobilenet_v1": keras.applications.MobileNet,
    "mobilenet_v2": keras.applications.MobileNetV2,
    "mobilenet_v3_small": keras.applications.MobileNetV3Small,
    "mobilenet_v3_large": keras.applications.MobileNetV3Large,
    "efficientnet_b0": keras.applications.EfficientNetB0,
}
NORMALISATION = {"efficientnet_b0": 2 * 3 + 1}
"""Keras' EfficientNet starts with the mean and variance of each colour and a counter; here that is the data's."""

PUBLISHED = {"mnasnet_a1": (3.9e6, 312e6), "efficientnet_lite0": (4.7e6, 407e6)}
"""Parameters and multiply-accumulates: Tan et al. 2019, table 1; the readme of EfficientNet-Lite (TensorFlow TPU)."""


def slow(*case):
    return pytest.param(*case, marks=pytest.mark.slow)


def work(graph):
    """Multiply-accumulates of convolutions and dense layers and whether they are depthwise."""
    macs = []
    for node in graph.nodes:
        if isinstance(node.op, Conv2D | DepthwiseConv2D | Dense):
            macs.append((type(node.op) is DepthwiseConv2D, node.macs))
    return sorted(macs)


def keras_work(model):
    """The same from Keras' layers: outputs times kernel."""
    macs = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            macs.append((True, math.prod(layer.output.shape[1:]) * math.prod(layer.kernel_size)))
        elif isinstance(layer, keras.layers.Conv2D):
            pixels = math.prod(layer.output.shape[1:3])
            macs.append((False, pixels * math.prod(layer.kernel.shape)))
        elif isinstance(layer, keras.layers.Dense):
            macs.append((False, math.prod(layer.kernel.shape)))
    return sorted(macs)


@pytest.mark.parametrize(
    ("name", "options", "keras_options"),
    [
        *((name, {}, {}) for name in KERAS),
        ("mobilenet_v1", {"width": 0.5, "resolution": 160}, {"alpha": 0.5, "input_shape": (160, 160, 3)}),
        ("mobilenet_v3_small", {"width": 0.5, "classes": 10}, {"alpha": 0.5, "classes": 10}),
        slow("mobilenet_v2", {"width": 0.75, "resolution": 96}, {"alpha": 0.75, "input_shape": (96, 96, 3)}),
        slow("mobilenet_v2", {"width": 1.4}, {"alpha": 1.4}),
        slow("mobilenet_v3_large", {"width": 1.25, "resolution": 320}, {"alpha": 1.25, "input_shape": (320, 320, 3)}),
    ],
)
def test_layers_and_parameters_are_those_of_keras(name, options, keras_options):
    graph = family(name, **options)
    model = KERAS[name](weights=None, **{"input_shape": (224, 224, 3), **keras_options})
    assert work(graph) == keras_work(model)
    ours = sum(parameter.size for parameter in parameters(graph))
    assert ours == model.count_params() - NORMALISATION.get(name, 0)


@pytest.mark.slow
def test_efficientnet_deepens_as_its_authors_do():
    """B1 is B0 with 1.1 times the depth at 240 pixels."""
    model = keras.applications.EfficientNetB1(weights=None, input_shape=(240, 240, 3))
    graph = family("efficientnet_b0", depth=1.1, resolution=240)
    assert work(graph) == keras_work(model)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_keras_does_not_have_is_as_large_as_published(name):
    graph = family(name)
    published_parameters, published_macs = PUBLISHED[name]
    assert sum(parameter.size for parameter in parameters(graph)) == pytest.approx(published_parameters, rel=0.02)
    assert sum(macs for _, macs in work(graph)) == pytest.approx(published_macs, rel=0.06)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_corner_of_the_grid_is_a_network(name):
    corners = [(w, d, r) for w in (0.5, 2.0) for d in (0.5, 2.0) for r in (96, 320)]
    graphs = [family(name, width=w, depth=d, resolution=r, classes=10) for w, d, r in corners]
    assert len({graph_hash(graph) for graph in graphs}) == len(corners)
    for (_, _, resolution), graph in zip(corners, graphs, strict=True):
        assert graph.inputs[0].shape == (1, resolution, resolution, 3)
        assert graph.outputs[0].shape == (1, 10)
        assert min(node.output.shape[1] for node in graph.nodes) >= 1
    assert family(name, classes=2).outputs[0].shape == (1, 1)


def test_a_gate_of_mobilenet_v3_is_one_convolution():
    small = family("mobilenet_v3_small")
    gates = [node.inputs[1] for node in small.nodes if isinstance(node.op, Multiply)]
    makers = {node.output.name: node.op for node in small.nodes}
    assert len(gates) == 9
    assert all(isinstance(makers[gate.name], Conv2D) and gate.shape[1:3] == (1, 1) for gate in gates)


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("mobilenet_v9", {}, "no family is called 'mobilenet_v9'; there are mobilenet_v1"),
        ("mobilenet_v1", {"width": 0.4}, "width must lie between 0.5 and 2.0, not 0.4"),
        ("mobilenet_v2", {"depth": float("nan")}, "depth must lie between"),
        ("mnasnet_a1", {"resolution": 400}, "resolution must lie between 96 and 320, not 400"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_one_line(name, options, words):
    with pytest.raises(ValueError, match=words):
        family(name, **options)
