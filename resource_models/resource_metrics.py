"""The metrics that follow from a network alone, without a device."""

from edgevolve.metric import BYTES, Metric, register

PEAK_MEMORY = Metric("peak_memory_bytes", "peak memory", BYTES)
MODEL_SIZE = Metric("model_size_bytes", "model size", BYTES)
MACS = Metric("macs", "MACs")
ARENA = Metric("arena_bytes", "arena", BYTES)
FLASH = Metric("flash_bytes", "flash", BYTES)

register(PEAK_MEMORY, MODEL_SIZE, MACS, ARENA, FLASH)
