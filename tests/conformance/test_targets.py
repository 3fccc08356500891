"""Every target passes the kit."""

from dataclasses import replace

import numpy as np
import pytest

from edgevolve.data import Classes, Itself, Split, Values
from edgevolve.testing import check_target


def split(y):
    x = np.random.default_rng(0).normal(size=(len(y), 3, 2, 1)).astype(np.float32)
    return Split(x, y)


CLASSES = np.arange(60) % 3
VALUES = np.random.default_rng(1).normal((20, 1000), (5, 300), (60, 2))


@pytest.mark.parametrize(
    ("target", "y"),
    [
        (Classes(2), CLASSES % 2),
        (Classes(("a", "b", "c")), CLASSES),
        (Classes(3, "balanced"), CLASSES**2 % 3),
        (Classes(3, (1.0, 2.0, 5.0)), CLASSES),
        (Values("mass", "kg"), VALUES[:, 0]),
        (Values(("mass", "price")), VALUES),
        (Itself(6), np.zeros(60, np.int64)),
    ],
    ids=str,
)
def test_a_target_keeps_every_promise(target, y):
    check_target(target, split(y))


class Backwards(Values):
    """R² without its direction."""

    @property
    def metrics(self):
        """Lower is better, of all."""
        return tuple(replace(metric, better="lower") for metric in Values.metrics.fget(self))


class Doubled(Classes):
    """A loss that training does not make small."""

    def mean_loss(self, outputs, split):
        """Twice the cross-entropy."""
        return 2 * Classes.mean_loss(self, outputs, split)


@pytest.mark.parametrize(
    ("target", "y", "words"), [(Backwards("mass"), VALUES[:, 0], "r2"), (Doubled(3), CLASSES, None)]
)
def test_the_kit_finds_a_broken_promise(target, y, words):
    with pytest.raises(AssertionError, match=words):
        check_target(target, split(y))
