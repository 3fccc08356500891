"""Mel bands and MFCC are those of the literature, and the same in C."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from sounds import clips

from edgevolve.data import DataError, Mel, Split, Splits, with_front_end
from edgevolve.deployment.c_front_end import steps_from_python
from edgevolve.quantisation.litert import Quantisation
from edgevolve.testing import check_front_end

KINDS = [
    Mel(8_000, 8_000),
    Mel(8_000, 8_000, coefficients=10),
    Mel(16_000, 16_000, coefficients=10),
    Mel(8_000, 3_000, window_ms=40, stride_ms=25, bands=20, high_hz=3_600),
    Mel(4_000, 500, window_ms=1, stride_ms=1, bands=1, high_hz=2_000),
]


def of_tensorflow(mel, raw):
    """The same by TensorFlow's own signal operators."""
    sound = raw.astype(np.float64) / 32_768
    spectrum = tf.abs(tf.signal.stft(sound, mel.window, mel.stride, mel.points))
    weights = tf.signal.linear_to_mel_weight_matrix(
        mel.bands, mel.points // 2 + 1, mel.rate, mel.low_hz, mel.high_hz, tf.float64
    )
    bands = tf.math.log(tf.matmul(spectrum, weights) + 1e-6)
    return (tf.signal.mfccs_from_log_mel_spectrograms(bands)[..., : mel.coefficients] if mel.coefficients else bands)[
        ..., np.newaxis
    ].numpy()


@pytest.mark.parametrize("mel", KINDS, ids=str)
def test_features_are_those_of_tensorflows_signal_operators(mel):
    raw = clips(20, mel.samples, mel.rate)
    features = mel.apply(raw)
    assert features.shape == (20, *mel.shape)
    assert features == pytest.approx(of_tensorflow(mel, raw), rel=1e-4, abs=1e-4)


def test_the_defaults_with_ten_coefficients_are_the_49_by_10_of_mlperf_tiny():
    assert Mel(16_000, 16_000, coefficients=10).shape == (49, 10, 1)


@pytest.mark.parametrize("mel", KINDS, ids=str)
def test_a_front_end_for_sound_keeps_every_promise(mel):
    raw = clips(12, mel.samples, mel.rate)
    check_front_end(mel, raw)
    check_front_end(mel.fitted(raw), raw)


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
@pytest.mark.parametrize("mel", KINDS[:3], ids=str)
def test_two_hundred_clips_are_within_one_step_in_c(mel):
    raw = clips(200, mel.samples, mel.rate)
    assert steps_from_python(mel.fitted(raw), raw, Quantisation(0.04, 3)) <= 1


def test_each_column_of_the_training_split_has_mean_0_and_deviation_1():
    raw = clips(30, 8_000)
    splits = Splits(*(Split(raw[part], np.zeros(10, int)) for part in (slice(10), slice(10, 20), slice(20, 30))))
    prepared = with_front_end(splits, Mel(8_000, 8_000, coefficients=12).fitted(splits.train.x))
    columns = np.asarray(prepared.train.x[:]).reshape(-1, 12)
    assert columns.mean(axis=0) == pytest.approx(0, abs=1e-3)
    assert columns.std(axis=0) == pytest.approx(1, abs=1e-3)
    assert np.array_equal(prepared.raw[:], raw[20:])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"high_hz": 5_000}, "half of the rate, 4000 Hz"),
        ({"low_hz": 3_000, "high_hz": 2_000}, "bands from 3000 to 2000 Hz"),
        ({"window_ms": 2_000}, "does not fit 8000 samples"),
        ({"stride_ms": 0.01}, "does not fit|stride"),
        ({"bands": 200}, "take fewer bands"),
        ({"coefficients": 41}, "coefficients must be from 0 to the number of bands, 40, not 41"),
        ({"bands": 0}, "above 0"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_line(settings, words):
    with pytest.raises(DataError, match=words):
        Mel(8_000, 8_000, **settings)


def test_clips_of_another_length_are_refused():
    with pytest.raises(DataError, match=r"\(number, 8000\)"):
        Mel(8_000, 8_000).apply(np.zeros((3, 7_999), np.int16))
