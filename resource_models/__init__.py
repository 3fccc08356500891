"""What a graph costs on a device: peak memory, arena, flash, model size and multiply-accumulates.

It reads networks as an `edgevolve.graph.Graph` or as a `.tflite` file (`edgevolve.tflite`).

>>> memory = peak_memory(graph)
>>> memory.peak_bytes, memory.exact
(49152, True)
>>> reordered(graph, memory.order)  # the same network, run in the order that reaches this peak
>>> measure(graph).arena_bytes  # what TensorFlow Lite Micro allocates on a Cortex-M
52608
"""

from edgevolve.tflite import CORTEX_M, HOST, TARGETS, KernelSet, Target
from resource_models.arena import (
    Footprint,
    buffers,
    file_footprint,
    file_macs,
    footprint,
    measure,
    memory_plan,
    placed_buffers,
    stored_head_bytes,
    timeline,
)
from resource_models.arena_plan import Plan
from resource_models.copies import Copies, copies
from resource_models.cut_network import Choice
from resource_models.deployed import Deployed, deployed
from resource_models.effort import QUICK, THOROUGH, Effort
from resource_models.in_bands import in_bands, measure_in_bands
from resource_models.liveness import Lifetime, PlacedBuffer, lifetimes, live_bytes, stacked
from resource_models.memory import PeakMemory, peak_memory
from resource_models.partial import choices
from resource_models.resource_metrics import ARENA, FLASH, MACS, MODEL_SIZE, PEAK_MEMORY
from resource_models.size import macs, model_size

__all__ = [
    "ARENA",
    "CORTEX_M",
    "FLASH",
    "HOST",
    "MACS",
    "MODEL_SIZE",
    "PEAK_MEMORY",
    "QUICK",
    "TARGETS",
    "THOROUGH",
    "Choice",
    "Copies",
    "Deployed",
    "Effort",
    "Footprint",
    "KernelSet",
    "Lifetime",
    "PeakMemory",
    "PlacedBuffer",
    "Plan",
    "Target",
    "buffers",
    "choices",
    "copies",
    "deployed",
    "file_footprint",
    "file_macs",
    "footprint",
    "in_bands",
    "lifetimes",
    "live_bytes",
    "macs",
    "measure",
    "measure_in_bands",
    "memory_plan",
    "model_size",
    "peak_memory",
    "placed_buffers",
    "stacked",
    "stored_head_bytes",
    "timeline",
]
