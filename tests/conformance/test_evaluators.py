"""Every evaluator passes the kit."""

import pytest

from edgevolve.engine import Inline, VirtualTime
from edgevolve.engine.ray_pool import RayPool
from edgevolve.testing import check_evaluator

MAKERS = {
    "inline": Inline,
    "virtual time": lambda task, splits: VirtualTime(task, splits, 3, lambda job: 10 + job.number),
    "ray": lambda task, splits: RayPool(task, splits, workers=2),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_evaluator_keeps_every_promise(make):
    check_evaluator(make)


class EndsTwice(Inline):
    """An evaluator that runs job 5 twice."""

    def submit(self, job):
        super().submit(job)
        if job.number == 5:
            super().submit(job)


def test_the_kit_finds_a_broken_promise():
    with pytest.raises(AssertionError):
        check_evaluator(EndsTwice)
