"""The target of a memory figure: pointer size, alignment and kernels of a build of TensorFlow Lite Micro."""

from dataclasses import dataclass
from enum import StrEnum


class KernelSet(StrEnum):
    """The kernels that the runtime is built with; they differ in the scratch memory that they ask for.

    Figures for REFERENCE are verified against the runtime itself. Those for the CMSIS-NN sets follow from Arm's
    published buffer formulas.
    """

    REFERENCE = "reference"
    CMSIS_NN_DSP = "cmsis-nn-dsp"
    CMSIS_NN_MVE = "cmsis-nn-mve"


@dataclass(frozen=True, slots=True)
class Target:
    """A build of TensorFlow Lite Micro.

    `pointer_bytes` is 4 on a microcontroller and 8 on the 64-bit host. Every planned buffer is aligned to
    `alignment_bytes`.
    """

    name: str
    pointer_bytes: int = 4
    kernels: KernelSet = KernelSet.REFERENCE
    alignment_bytes: int = 16

    def __post_init__(self) -> None:
        if self.pointer_bytes not in (4, 8) or self.alignment_bytes < 1:
            raise ValueError(f"{self} needs pointers of 4 or 8 bytes and an alignment of at least 1")

    @property
    def provenance(self) -> str:
        """The source of the scratch figures, in words."""
        if self.kernels is not KernelSet.REFERENCE:
            return "from the published formulas of CMSIS-NN"
        if self.pointer_bytes == 4:
            return (
                "buffers verified against the runtime's 64-bit build, what stays derived for 32 bits; scratch of "
                "optimised kernels, such as ESP-NN's, is not counted"
            )
        return "verified against the runtime's reference kernels"

    def aligned(self, size_bytes: int) -> int:
        """`size_bytes` rounded up to the alignment."""
        return -(-size_bytes // self.alignment_bytes) * self.alignment_bytes


CORTEX_M = Target("cortex-m")
"""A 32-bit Cortex-M with the reference kernels, the default target of `arena_bytes`."""

HOST = Target("host", pointer_bytes=8)
"""The 64-bit build of the `tflite-micro` wheel, on which figures are verified."""

TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        CORTEX_M,
        Target("cortex-m-dsp", kernels=KernelSet.CMSIS_NN_DSP),
        Target("cortex-m-mve", kernels=KernelSet.CMSIS_NN_MVE),
        HOST,
    )
}
"""Targets by name."""
