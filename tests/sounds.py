"""Sound that is computed, for front ends to hear."""

import numpy as np


def clips(number, samples, rate=8_000):
    """Silence, full scale, a step, noise of many levels, and sweeps."""
    rng = np.random.default_rng(samples)
    time = np.arange(samples) / rate
    sweeps = [np.sin(2 * np.pi * (100 + 900 * i * time) * time) * 10 ** rng.uniform(0, 4.5) for i in range(number)]
    noise = [rng.normal(size=samples) * 10 ** rng.uniform(-1, 4) for _ in range(number)]
    plain = [np.zeros(samples), np.full(samples, 32_767.0), np.where(time > time.mean(), -32_768, 0)]
    return np.clip(np.round([*plain, *sweeps, *noise]), -32_768, 32_767)[:number].astype(np.int16)
