"""The network as an int8 TensorFlow Lite file."""

from pathlib import Path
from typing import Any

from edgevolve.deployment.formats import Source, distance
from edgevolve.graph import Graph
from edgevolve.quantisation.litert import Operator, open_model
from edgevolve.tflite import tflite_name
from edgevolve.training.keras_model import save_keras


def write(folder: Path, source: Source) -> dict[str, Any]:
    """Write `model.tflite` (int8) and `model.keras` (float); their difference is the effect of quantisation."""
    (folder / "model.tflite").write_bytes(source.tflite)
    save_keras(source.keras, folder / "model.keras")
    model = open_model(source.tflite)
    return distance("LiteRT", model.real(model.outputs(source.images)), source)


def differences(graph: Graph, model: bytes) -> tuple[str, ...]:
    """How the file's operators, in the order they run, differ from the graph's nodes; empty when they do not.

    Export merges nodes that cost nothing, as `resource_models.deployed` says. Without such nodes a network is deployed
    as it is.
    """
    wanted = [Operator(tflite_name(node.op), node.output.shape) for node in graph.nodes]
    operators = list(open_model(model).operators)
    lines = [
        f"operator {number}: {' '.join(map(str, have))} in the file, {' '.join(map(str, want))} in the graph"
        for number, (have, want) in enumerate(zip(operators, wanted, strict=False))
        if have != want
    ]
    if len(operators) != len(wanted):
        lines.append(f"{len(operators)} operators in the file, {len(wanted)} in the graph")
    return tuple(lines)
