"""Options of custom operators, as FlexBuffers hold them, and operators of which no model says what they need."""

import numpy as np
import pytest

from edgevolve.tflite import HOST, read_tflite
from edgevolve.tflite.flexbuffer import numbers
from resource_models import file_footprint
from tests.tflite.custom_operator_files import I16, B, custom, options

GIVEN = {"big": 2**40, "end": 70_000, "flag": True, "less": -5, "scale": 2.5, "start": 1}


def test_numbers_of_a_map_are_read_by_their_keys():
    assert numbers(options(**GIVEN)) == GIVEN | {"scale": 2}
    assert numbers(options(a=1)) == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"\0", b"\x01\x04\x01", bytes(100), b"\xff" * 40])
def test_what_is_no_map_of_numbers_gives_none(content):
    assert numbers(content) == {}


def test_damaged_maps_give_numbers_or_none():
    rng, whole, changed = np.random.default_rng(0), options(**GIVEN), 0
    for _ in range(3_000):
        content = bytearray(whole[: len(whole) - int(rng.integers(0, 4))])
        for _ in range(int(rng.integers(1, 4))):
            content[int(rng.integers(len(content)))] = int(rng.integers(256))
        read = numbers(bytes(content))
        assert all(isinstance(value, int) for value in read.values())
        changed += read not in ({}, numbers(whole))
    assert changed > 300


def framer(shape=(160,), **values):
    return custom("SignalFramer", [(shape, I16)], [((*shape[:-1], 1, 400), I16), ((), B)], **values)


@pytest.mark.parametrize(
    "content",
    [
        framer(),
        framer(frame_size=400),
        framer(frame_size=400, frame_step=0),
        framer(frame_size=-400, frame_step=160),
        framer((100_000, 160), frame_size=400, frame_step=160),
        custom("TFLM_DECODE", [((160,), I16)], [((160,), I16)]),
    ],
)
def test_an_operator_whose_needs_do_not_follow_from_its_options_is_named_as_left_out(content):
    model = read_tflite(content)
    assert file_footprint(model, HOST).unmodelled == (model.operators[0].name,)


def test_an_operator_of_the_same_options_is_known():
    assert file_footprint(read_tflite(framer(frame_size=400, frame_step=160)), HOST).unmodelled == ()
