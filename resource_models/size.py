"""Flash for the constants and work for one inference: sums over the nodes."""

import math

from edgevolve.graph import Graph

_SCALE_BYTES = 4


def model_size(graph: Graph) -> int:
    """Bytes of constants in the deployed int8 model.

    Int8 kernels, int32 biases and small int32 tables, as TFLite stores them, and one float32 quantisation scale for
    each output channel (TFLite's 8-bit quantisation specification, per-axis weights). Batch norm is folded and costs
    nothing. The file's own structure and the code of the kernels are not counted.
    """
    total = 0
    for node in graph.nodes:
        for tensor in node.weights:
            total += tensor.size_bytes
        for weight in node.op.weights(*(x.shape for x in node.inputs)):
            if weight.role == "bias":
                total += _SCALE_BYTES * math.prod(weight.shape)
    return total


def macs(graph: Graph) -> int:
    """Multiply-accumulates of one inference, as each operator counts them."""
    return sum(node.macs for node in graph.nodes)
