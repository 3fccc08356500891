"""Attributes of operators: padding and activation."""

from enum import StrEnum


class Padding(StrEnum):
    """Spatial padding, with TFLite's meaning: SAME keeps ceil(size / stride), VALID pads nothing."""

    SAME = "same"
    VALID = "valid"


class Activation(StrEnum):
    """An element-wise function. NONE, RELU and RELU6 fuse into the operator before them."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    HARD_SWISH = "hard_swish"
    SIGMOID = "sigmoid"

    @property
    def fusable(self) -> bool:
        """Whether TFLite's int8 kernels apply it at no cost after a convolution, Dense or Add."""
        return self in _FUSABLE


_FUSABLE = frozenset({Activation.NONE, Activation.RELU, Activation.RELU6})
