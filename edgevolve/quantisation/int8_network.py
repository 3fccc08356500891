"""Turns a trained network into its int8 form, in one step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.graph import Graph
from edgevolve.quantisation.calibrate import activation_ranges
from edgevolve.quantisation.float_network import float_network
from edgevolve.quantisation.quantise import Int8Network, activation_scales, quantise, with_rounded_kernels


def int8_network(graph: Graph, weights: Mapping[str, NDArray[Any]], examples: NDArray[np.float32]) -> Int8Network:
    """The trained network with kernels of 8 or 4 bits, as its graph has them, and int8 activations, input and output.

    Args:
        graph: the network as it was trained; the file runs the operators of `resource_models.deployed`, in their order.
        weights: the weights by the names of `training.weights`.
        examples: (number, height, width, channels) as the network takes them; they set the ranges of the activations.

    Raises `ValueError` where weights or examples do not fit, `QuantisationError` for a network without an int8 form.
    """
    network = float_network(graph, weights)
    ranges = activation_ranges(with_rounded_kernels(network), examples)
    return quantise(network, activation_scales(network.graph, ranges))
