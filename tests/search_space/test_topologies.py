"""The standard networks are those published, and take other inputs."""

import math

import numpy as np
import pytest

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D
from edgevolve.training.weights import initial_weights
from search_space.topologies import TOPOLOGIES, topologies_for, topology

MLPERF_TINY = {
    "ds_cnn_s": (22_604, 2_656_768),
    "mobilenet_v1_025": (210_850, 7_489_664),
    "resnet_8": (77_706, 12_501_632),
    "autoencoder": (265_864, 264_192),
}
"""Kernels with biases, and multiply-accumulates, counted in the int8 files of mlcommons/tiny: kws_ref_model,
vww_96_int8, pretrainedResnet_quant and ad01_int8."""

TINYTNAS = {
    ("tinytnas_uci_har", (128, 1, 9), 6): 53.1,
    ("tinytnas_pamap2", (40, 1, 6), 6): 44.9,
    ("tinytnas_uci_har", (187, 1, 1), 5): 56.5,
}
"""Thousands of multiply-accumulates in the readme of TinyTNAS: UCI-HAR, PAMAP2 and MIT-BIH, whose networks for UCI-HAR
and MIT-BIH differ in input and classes alone."""


def counted(graph):
    """Elements of kernels and biases, and multiply-accumulates, of convolutions and dense layers."""
    layers = [node for node in graph.nodes if isinstance(node.op, Conv2D | DepthwiseConv2D | Dense)]
    weights = sum(math.prod(tensor.shape) for node in layers for tensor in node.weights)
    return weights, sum(node.macs for node in layers)


@pytest.mark.parametrize("name", MLPERF_TINY)
def test_parameters_and_macs_are_those_of_the_files_of_mlperf_tiny(name):
    assert counted(topology(name)) == MLPERF_TINY[name]


@pytest.mark.parametrize("case", TINYTNAS, ids=str)
def test_macs_are_those_that_tinytnas_published(case):
    assert counted(topology(*case))[1] / 1000 == pytest.approx(TINYTNAS[case], abs=0.05)


@pytest.mark.parametrize("name", TOPOLOGIES)
@pytest.mark.parametrize("shape", [(1, 1, 1), (8, 8, 1), (28, 28, 3), (64, 1, 6), (1, 30, 2), (5, 3, 2)], ids=str)
def test_other_inputs_give_networks_with_weights(name, shape):
    if name.startswith("tinytnas") and 1 not in shape[:2]:
        with pytest.raises(ValueError, match=r"a 1-D network takes \(steps, 1, channels\)"):
            topology(name, shape, 4)
        return
    outputs = math.prod(shape) if name == "autoencoder" else 4
    graph = topology(name, shape, outputs)
    assert graph.inputs[0].shape == (1, *shape) and graph.outputs[0].shape == (1, outputs)
    assert all(np.isfinite(value).all() for value in initial_weights(graph, 0).values())


def test_those_that_suit_an_input_are_known_by_its_shape():
    assert topologies_for((28, 28, 1), False) == ("ds_cnn_s", "mobilenet_v1_025", "resnet_8")
    assert topologies_for((128, 1, 6), False) == ("tinytnas_uci_har", "tinytnas_pamap2")
    assert topologies_for((10,), False) == ()
    assert topologies_for((8, 8, 1), True) == ("autoencoder",)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("resnet_9",), "no standard network is called 'resnet_9'.*resnet_8"),
        (("resnet_8", (10,)), r"resnet_8: the input must be \(height, width, channels\), not \(10,\)"),
        (("resnet_8", (0, 8, 1)), "whole sizes of at least 1"),
        (("autoencoder", (8, 8, 1), 10), "an autoencoder of 64 values gives 64, not 10"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(arguments, words):
    with pytest.raises(ValueError, match=words):
        topology(*arguments)
