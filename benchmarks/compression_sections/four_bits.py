"""Kernels of four bits: what they save, and whether both runtimes give the same for them.

Their cost in accuracy stands in the table of the section `drop`. Where outputs differ, the reason is known to the bit:
both runtimes round a sum twice, and at an exact half below zero LiteRT's convolutions and dense layers round up where
TensorFlow Lite Micro rounds away from zero (`tests/deployment/test_packed_kernels.py` computes both in integers).
Four bits make such halves more frequent, as their multipliers are larger.
"""

import numpy as np
from rich.table import Table

from benchmarks.compression_sections.real_data import TASKS
from benchmarks.compression_sections.section import Found, Options
from benchmarks.compression_sections.small_networks import splits_of, trained
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean
from edgevolve.graph import Graph, kernel_bits, with_kernel_bits
from edgevolve.quantisation import calibration_examples, int8_network, open_model
from resource_models import deployed
from resource_models import measure as footprint_of


def measure(options: Options) -> Found:
    """The three networks of the section `drop`, 300 test examples each."""
    if options.data is None:
        return Found([], {}, ["int4: needs --data FOLDER"])
    names = ("task", "bits", "kernels", "file", "arena, Cortex-M", "outputs equal", "most steps apart", "answers equal")
    table = Table(*names, title="bytes, and LiteRT beside TensorFlow Lite Micro")
    kernels: dict[int, int] = {8: 0, 4: 0}
    equal: list[bool] = []
    for task in TASKS:
        data, state = splits_of(task, options.data), trained(task, options.data, 0, 8 if options.quick else 15)
        for bits in (8, 4):
            graph = with_kernel_bits(state.graph, dict.fromkeys(kernel_bits(state.graph), bits))
            model = lean(int8_network(graph, state.weights or {}, calibration_examples(data.train)).tflite())
            kernels[bits] += kernel_bytes(graph)
            sizes = f"{kernel_bytes(graph):,}", f"{len(model):,}", f"{footprint_of(graph).arena_bytes:,}"
            agreement = ("", "", "")
            if available():
                opened, images = open_model(model), data.test.x[:300]
                ours, theirs = opened.outputs(images), run_on_micro(model, [opened.quantised(images)]).outputs[0]
                apart = np.abs(ours.astype(int) - theirs)
                answers = (ours.argmax(1) == theirs.argmax(1)).mean()
                agreement = f"{(apart == 0).mean():.1%}", str(apart.max()), f"{answers:.1%}"
                equal += [not apart.any()] if bits == 4 else []
            table.add_row(task, str(bits), *sizes, *agreement)
    figures = {
        "int4_flash_ratio": round(kernels[4] / kernels[8], 4),
        "int4_equal_on_tflm": all(equal) if equal else None,
    }
    return Found(
        [table], figures, ["where outputs differ: see the head of benchmarks/compression_sections/four_bits.py"]
    )


def kernel_bytes(graph: Graph) -> int:
    """Of all kernels in the file."""
    return sum(x.size_bytes for node in deployed(graph).graph.nodes for x in node.weights if x.name.endswith("/kernel"))
