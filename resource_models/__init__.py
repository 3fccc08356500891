"""What a graph costs on a device: peak memory, model size and multiply-accumulates.

An independent library: it reads a `graph.Graph` and needs nothing else.

>>> memory = peak_memory(graph)
>>> memory.peak_bytes, memory.exact
(49152, True)
>>> reordered(graph, memory.order)  # the same network, run in the order that reaches it
"""

from resource_models.liveness import Lifetime, PlacedBuffer, lifetimes, live_bytes, stacked
from resource_models.memory import PeakMemory, peak_memory
from resource_models.size import macs, model_size

__all__ = [
    "Lifetime",
    "PeakMemory",
    "PlacedBuffer",
    "lifetimes",
    "live_bytes",
    "macs",
    "model_size",
    "peak_memory",
    "stacked",
]
