"""Spectra of sensor windows say what frequencies are in them, and are the same in C."""

import numpy as np
import pytest

from edgevolve import Features, SensorFolder
from edgevolve.data import DataError, Spectrum
from edgevolve.testing import check_data_set, check_front_end

KINDS = [
    Spectrum(64, 3),
    Spectrum(64, 3, window=32, bands=8),
    Spectrum(50, 2, window=20, stride=7, logarithm=False),
    Spectrum(9, 1, window=4, bands=1),
]


def readings(steps, channels, number=12):
    """Gravity with vibration of many strengths; one window stands still."""
    rng, time = np.random.default_rng(steps), np.arange(steps)[:, np.newaxis, np.newaxis]
    rows = [
        9.8 + 10 ** rng.uniform(-3, 1) * np.sin(rng.uniform(0, np.pi, channels) * time) + rng.normal(0, 0.05, channels)
        for _ in range(number)
    ]
    rows[0][:] = 9.8
    return np.array(rows).astype(np.float32)


@pytest.mark.parametrize("spectrum", KINDS, ids=str)
def test_it_keeps_every_promise_of_a_front_end(spectrum):
    raw = readings(spectrum.steps, spectrum.channels)
    assert spectrum.apply(raw).shape == (12, *spectrum.shape)
    check_front_end(spectrum, raw)
    check_front_end(spectrum.fitted(raw), raw)


@pytest.mark.parametrize("amplitude", [0.5, 3.0])
def test_the_root_of_the_power_at_a_sines_frequency_is_its_amplitude(amplitude):
    sine = 9.8 + amplitude * np.sin(2 * np.pi * 8 * np.arange(64) / 64)
    amplitudes = Spectrum(64, 1, logarithm=False).apply(sine.reshape(1, 64, 1, 1).astype(np.float32)).ravel()
    assert amplitudes.argmax() == 7  # of frequencies from 1
    assert amplitudes.max() == pytest.approx(amplitude, rel=1e-4)
    assert amplitudes[9:].max() < 1e-3  # Hann's window: nothing beyond the next frequency


def test_a_band_is_the_mean_power_of_its_frequencies():
    raw = readings(64, 2)
    every = np.exp(Spectrum(64, 2).apply(raw).astype(np.float64)) - 1e-6
    bands = np.exp(Spectrum(64, 2, bands=8).apply(raw).astype(np.float64)) - 1e-6
    assert bands == pytest.approx(every.reshape(12, 1, 8, 4, 2).mean(axis=3), rel=1e-3, abs=1e-7)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"window": 65}, "parts of 65 steps must be from 4 to the 64"),
        ({"window": 3}, "parts of 3 steps"),
        ({"bands": 33}, "number of frequencies, 32, not 33"),
        ({"stride": -1}, "above 0"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_line(settings, words):
    with pytest.raises(DataError, match=words):
        Spectrum(64, 3, **settings)


def test_windows_of_a_folder_become_spectra_where_it_does_not_standardise_them(tmp_path):
    rng, time = np.random.default_rng(0), np.arange(400)
    for name, hertz in (("fast", 0.2), ("slow", 0.05)):
        (tmp_path / name).mkdir()
        for number in range(6):
            wave = 9.8 + np.sin(2 * np.pi * hertz * time + rng.uniform(0, 6)) + rng.normal(0, 0.1, 400)
            lines = "\n".join(f"{value:.4f}" for value in wave)
            (tmp_path / name / f"{number}.csv").write_text(f"x\n{lines}\n")
    check_data_set(Features(SensorFolder(str(tmp_path), window=64, normalise=False), Spectrum(64, 1, bands=8)))
    with pytest.raises(DataError, match="standardise; normalise=False leaves it out"):
        Features(SensorFolder(str(tmp_path), window=64), Spectrum(64, 1)).load()
