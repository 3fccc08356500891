"""TensorFlow Lite Micro's audio front end, equal to its own code to the bit, and the same in C."""

import shutil

import numpy as np
import pytest
from sounds import clips

from edgevolve.data import DataError, Micro
from edgevolve.deployment.c_front_end import steps_from_python
from edgevolve.quantisation.litert import Quantisation
from edgevolve.testing import check_front_end

KINDS = [
    Micro(16_000, 16_000),
    Micro(16_000, 8_000, window_ms=64, stride_ms=32, bands=40),
    Micro(8_000, 8_000, bands=20, high_hz=3_600),
    Micro(8_000, 2_000, window_ms=20, stride_ms=20, bands=40, high_hz=3_800),
    Micro(4_000, 1_000, window_ms=10, bands=7, stride_ms=10, low_hz=0, high_hz=1_900),
]


def hostile(samples):
    """Noise at full scale, its ends alone, alternating ends, and the quietest sound."""
    rng = np.random.default_rng(samples)
    loud = rng.integers(-32_768, 32_768, (6, samples))
    loud[0], loud[1], loud[2] = -32_768, 32_767, 0
    loud[3, ::2], loud[3, 1::2] = -32_768, 32_767
    loud[4] //= 10_000
    loud[5, : samples // 2] = 0
    return loud.astype(np.int16)


def of_the_library(clip):
    """Codes of a clip at 16 kHz, windows of 30 ms every 10, by the wheel of the original."""
    from pymicro_features import MicroFrontend

    frontend, sound, rows = MicroFrontend(), clip.astype("<i2").tobytes(), []
    while len(sound) >= 320:
        given = frontend.process_samples(sound[:320])
        sound = sound[2 * given.samples_read :]
        rows += [given.features] if given.features else []
    return np.round(np.array(rows) / 0.0390625)


def test_codes_are_equal_to_the_librarys_to_the_bit():
    pytest.importorskip("pymicro_features")
    raw = np.concatenate([clips(40, 16_000, 16_000), hostile(16_000)])
    wanted = np.array([of_the_library(clip) for clip in raw])
    assert np.array_equal(Micro(16_000, 16_000, stride_ms=10).codes(raw), wanted)


def test_a_clip_of_a_second_is_the_49_by_40_of_micro_speech():
    assert Micro(16_000, 16_000).shape == (49, 40, 1)


@pytest.mark.parametrize("micro", KINDS, ids=str)
def test_it_keeps_every_promise_of_a_front_end(micro):
    raw = np.concatenate([clips(5, micro.samples, micro.rate), hostile(micro.samples)])
    check_front_end(micro, raw)
    check_front_end(micro.fitted(raw), raw)


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
@pytest.mark.parametrize("micro", KINDS, ids=str)
def test_a_code_in_c_is_the_same_code(micro):
    raw = np.concatenate([clips(5, micro.samples, micro.rate), hostile(micro.samples)])
    for first in (0, 256, 512):  # codes that int8 holds one by one
        assert steps_from_python(micro, raw, Quantisation(0.0390625, -128 - first)) == 0


def test_noise_that_stays_is_suppressed_and_a_word_in_it_is_not():
    rng, time = np.random.default_rng(0), np.arange(16_000) / 16_000
    noise = rng.normal(0, 300, 16_000)
    word = noise + 9_000 * np.sin(2 * np.pi * 1_000 * time) * (np.abs(time - 0.7) < 0.1)
    codes = Micro(16_000, 16_000).codes(np.stack([noise, word]).astype(np.int16)).astype(int)
    assert codes[0, 40:].mean() < codes[0, :2].mean() / 2
    assert codes[1, 33:36].max() > 1.2 * codes[0, 30:].max()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"high_hz": 8_000}, "half of the rate, 8000 Hz"),
        ({"high_hz": 7_999.9999}, "too near half of the rate"),
        ({"low_hz": 7_500}, "channels from 7500 to 7500 Hz"),
        ({"window_ms": 2_000}, "does not fit 16000 samples"),
        ({"stride_ms": 40}, "at most a window"),
        ({"window_ms": 1, "stride_ms": 1}, "33 to 4096 samples"),
        ({"bands": 0}, "above 0"),
        ({"window_ms": 32.5}, "whole"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_line(settings, words):
    with pytest.raises(DataError, match=words):
        Micro(16_000, 16_000, **settings)


def test_clips_of_another_length_are_refused():
    with pytest.raises(DataError, match=r"\(number, 16000\)"):
        Micro(16_000, 16_000).apply(np.zeros((3, 15_999), np.int16))
