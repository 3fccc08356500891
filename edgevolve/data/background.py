"""Clips of words with background noise, as a device hears them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgevolve.data.rows import Rows
from edgevolve.data.split import Split

_SHARE = 0.8
"""The share of clips that get noise, as in Speech Commands (Warden, 2018, and MLPerf Tiny)."""


def with_background(train: Split, noise_label: int, loudest: float, seed: int) -> Split:
    """The training split with noise mixed into 8 of 10 of its clips that are not noise.

    Such a clip, int16, gets a noise clip's samples times a factor drawn from 0 to `loudest`, and is clipped at full
    scale. Without clips of noise nothing changes.
    """
    labels = np.asarray(train.y[:])
    noise = np.flatnonzero(labels == noise_label)
    if not len(noise):
        return train
    rng = np.random.default_rng([seed, 1])
    factors = np.where(rng.random(len(labels)) < _SHARE, rng.uniform(0, loudest, len(labels)), 0.0)
    factors[noise] = 0.0
    rows = _Mixed(train.x, rng.choice(noise, len(labels)), factors.astype(np.float32))
    return replace(train, x=rows[:] if isinstance(train.x, np.ndarray) else rows)


@dataclass(frozen=True, slots=True, eq=False)
class _Mixed:
    """Rows on demand: each row of a source plus the row with the index in `others`, times its factor."""

    source: Rows
    others: NDArray[np.int64]
    factors: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        clips: NDArray[Any] = self.source[index]
        numbers, which = np.unique(self.others[index], return_inverse=True)
        factors = self.factors[index].reshape(-1, *(1,) * (clips.ndim - 1))
        mixed = np.round(clips + factors * self.source[numbers][which]).clip(-32_768, 32_767)
        kept: NDArray[Any] = mixed.astype(clips.dtype)
        return kept
