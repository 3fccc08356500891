"""The size of an exported file as it is predicted, once the scales of its activations are known."""

from edgevolve.deployment.flatbuffer import unpacked
from edgevolve.tflite import operators, read_tflite
from resource_models.flash import flash_bytes


def size_of(graph, model):
    """Bytes of the file of the graph's operators, with the scales of the `.tflite` that holds them."""
    tensors = unpacked(model).subgraphs[0].tensors
    made = [*graph.inputs, *(node.output for node in graph.nodes)]
    given = [tensor.quantization for tensor in tensors[: len(made)]]
    scales = {x.name: (float(own.scale[0]), int(own.zeroPoint[0])) for x, own in zip(made, given, strict=True)}
    return flash_bytes(graph, operators(graph), planned=read_tflite(model).offsets is not None, scales=scales)
