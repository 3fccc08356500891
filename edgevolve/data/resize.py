"""Front end for frames of a camera: smaller, or grey, images."""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.c_parts import STORED
from edgevolve.data.cost import Cost
from edgevolve.data.data_error import DataError
from edgevolve.data.front_end import parameters_of
from edgevolve.data.rows import Rows

_LUMA = (0.299, 0.587, 0.114)
"""The weights of red, green and blue in grey: ITU-R BT.601."""

_CODE_BYTES = 400
"""Bytes of Thumb-2 code, with what it calls, gcc -Os for a Cortex-M4, rounded up (`benchmarks/front_ends.py`)."""


@dataclass(frozen=True, slots=True)
class Resize:
    """Resizes a frame of bytes, `read` = (height, width, channels), to `size` = (height, width) values from 0 to 1.

    A pixel is the mean of the area that it covers, divided by 255; `grey` weighs red, green and blue by 0.299, 0.587
    and 0.114. Raises `DataError` for a size larger than the frame, or grey of frames without three channels.
    """

    read: tuple[int, int, int]
    size: tuple[int, int]
    grey: bool = False
    name, raw_type, work_bytes = "resize", "uint8", 0

    def __post_init__(self) -> None:
        for name in ("read", "size"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.read) != 3 or len(self.size) != 2 or not all(type(n) is int for n in (*self.read, *self.size)):
            raise DataError("Resize: read must be (height, width, channels) and size (height, width), whole numbers")
        if not all(1 <= small <= large for small, large in zip(self.size, self.read, strict=False)):
            raise DataError(
                f"Resize: a frame of {self.read[0]}×{self.read[1]} cannot become {self.size[0]}×{self.size[1]}"
            )
        if self.read[2] < 1 or (self.grey and self.read[2] != 3):
            raise DataError(f"Resize: grey needs 3 channels, the frame has {self.read[2]}")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the features."""
        return (*self.size, 1 if self.grey else self.read[2])

    @property
    def parameters(self) -> Mapping[str, Any]:
        """All fields, as JSON values."""
        return parameters_of(self)

    @property
    def cost(self) -> Cost:
        """The cost of one frame: every covered pixel counts once, rows and columns at edges twice."""
        touched = (self.read[0] + self.size[0]) * (self.read[1] + self.size[1])
        operations = touched * (4 + 2 * self.read[2]) + 8 * int(np.prod(self.shape))
        return Cost(0, _CODE_BYTES, operations)

    def fitted(self, rows: Rows) -> "Resize":
        """The front end itself, which has no fitted constants."""
        return self

    def apply(self, raw: NDArray[Any], /) -> NDArray[np.float32]:
        """The resized frames, (number, height, width, channels), of (number, *read) bytes, in double precision."""
        if raw.shape[1:] != self.read:
            raise DataError(f"Resize: frames must be {self.read}, they are {raw.shape[1:]}")
        result = np.empty((len(raw), *self.shape), np.float32)
        down, across = (_cover(large, small) for large, small in zip(self.read[:2], self.size, strict=True))
        for number, frame in enumerate(raw):
            pixels = frame.astype(np.float64) / 255
            if self.grey:
                pixels = (pixels @ np.array(_LUMA))[..., np.newaxis]
            narrow = np.einsum("xw,hwc->hxc", across, pixels, optimize=False)
            result[number] = np.einsum("yh,hxc->yxc", down, narrow, optimize=False)
        return result

    def c_source(self) -> str:
        """C code that does the same for a frame, in single precision."""
        height, width, channels = self.read
        luma = " + ".join(f"{weight}f * pixel[{i}]" for i, weight in enumerate(_LUMA))
        return _HEADER.substitute(
            title=f"{self.size[0]}×{self.size[1]}".replace("×", " by ") + (" in grey" if self.grey else ""),
            height=height,
            width=width,
            channels=channels,
            rows=self.size[0],
            columns=self.size[1],
            kept=self.shape[2],
            value=luma if self.grey else "(float)pixel[k]",
            stored=STORED,
        )


def _cover(large: int, small: int) -> NDArray[np.float64]:
    """The share of each old pixel in each new pixel, (small, large)."""
    edges = np.arange(small + 1) * large / small
    left, right = np.arange(large), np.arange(large) + 1
    overlap = np.minimum(edges[1:, np.newaxis], right) - np.maximum(edges[:-1, np.newaxis], left)
    shares: NDArray[np.float64] = np.clip(overlap, 0, None) * small / large
    return shares


_HEADER = Template("""\
// What the network takes of a frame: $title. Stored as the model's int8 input.
#ifndef EDGEVOLVE_FRONT_END_H_
#define EDGEVOLVE_FRONT_END_H_

enum {
  kFrontEndHeight = $height,
  kFrontEndWidth = $width,
  kFrontEndChannels = $channels,
  kFrontEndRows = $rows,
  kFrontEndColumns = $columns,
  kFrontEndKept = $kept,
  kFrontEndValues = kFrontEndHeight * kFrontEndWidth * kFrontEndChannels
};

$stored
// How much of old pixel `at` lies in new pixel `to`, in parts of an old pixel's side over `parts`.
static inline int front_end_overlap(int at, int to, int old, int parts) {
  const int left = at * parts > to * old ? at * parts : to * old;
  const int right = (at + 1) * parts < (to + 1) * old ? (at + 1) * parts : (to + 1) * old;
  return right > left ? right - left : 0;
}

// raw: kFrontEndValues bytes, channels last; scale and zero_point: of the model's input.
static inline void front_end(const unsigned char* raw, float scale, int zero_point, signed char* features) {
  int row, column, k, y, x;
  for (row = 0; row < kFrontEndRows; ++row) {
    for (column = 0; column < kFrontEndColumns; ++column) {
      float sum[kFrontEndKept];
      for (k = 0; k < kFrontEndKept; ++k) sum[k] = 0.0f;
      for (y = row * kFrontEndHeight / kFrontEndRows; y * kFrontEndRows < (row + 1) * kFrontEndHeight; ++y) {
        const int down = front_end_overlap(y, row, kFrontEndHeight, kFrontEndRows);
        for (x = column * kFrontEndWidth / kFrontEndColumns; x * kFrontEndColumns < (column + 1) * kFrontEndWidth;
             ++x) {
          const unsigned char* pixel = raw + (y * kFrontEndWidth + x) * kFrontEndChannels;
          const float area = (float)(down * front_end_overlap(x, column, kFrontEndWidth, kFrontEndColumns));
          for (k = 0; k < kFrontEndKept; ++k) sum[k] += area * ($value);
        }
      }
      for (k = 0; k < kFrontEndKept; ++k) {
        const float value = sum[k] / (255.0f * kFrontEndHeight * kFrontEndWidth);
        *features++ = front_end_stored(value, scale, zero_point);
      }
    }
  }
}

#endif  // EDGEVOLVE_FRONT_END_H_
""")
