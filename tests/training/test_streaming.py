"""Data larger than memory: trained on in chunks, by one compiled function, within bounded memory."""

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from edgevolve.data import Digits, Split, Splits, StoredArray, hold_out
from edgevolve.graph import Activation, Dense, GraphBuilder
from edgevolve.training import TrainingSettings, streaming
from edgevolve.training.trainer import evaluate, train


def network(shape=(8, 8, 1), classes=10):
    net = GraphBuilder()
    hidden = net.add(Dense(32, Activation.RELU), net.flatten(net.input((1, *shape))))
    return net.build(net.add(Dense(classes), hidden))


@pytest.fixture
def small_chunks(monkeypatch):
    """Digits count as larger than memory: some ten chunks of some hundred images."""
    monkeypatch.setattr(streaming, "IN_MEMORY_BYTES", 10_000)
    monkeypatch.setattr(streaming, "CHUNK_BYTES", 40_000)
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 2_000)


@pytest.fixture(params=["as they are", "sorted by class"])
def on_disk(request, tmp_path):
    """Digits in a file."""
    whole = Digits().load()
    x = np.concatenate([whole.train.x, whole.validation.x])
    y = np.concatenate([whole.train.y, whole.validation.y])
    order = np.argsort(y, kind="stable") if request.param == "sorted by class" else np.arange(len(y))
    np.save(tmp_path / "x.npy", x[order])
    rest, validation = hold_out(Split(np.load(tmp_path / "x.npy", mmap_mode="r"), y[order]), 0.2, 0)
    return Splits(rest, validation, whole.test)


SETTINGS = TrainingSettings(epochs=8)


def test_a_network_learns_from_chunks_as_well_as_from_all_at_once(on_disk, small_chunks):
    assert streaming.is_streamed(on_disk.train.x, on_disk.validation.x)
    in_chunks = train(network(), on_disk.train, on_disk.validation, SETTINGS, 0)
    in_memory = [Split(part.x[:], part.y) for part in (on_disk.train, on_disk.validation)]
    assert not streaming.is_streamed(*(part.x for part in in_memory))
    at_once = train(network(), *in_memory, SETTINGS, 0)
    assert in_chunks.metrics["error"] == pytest.approx(at_once.metrics["error"], abs=0.03)
    assert in_chunks.curves["validation_loss"][-1] == pytest.approx(at_once.curves["validation_loss"][-1], abs=0.1)


def test_the_same_seed_gives_the_same_weights_to_the_bit(on_disk, small_chunks):
    first, second, other = (
        train(network(), on_disk.train, on_disk.validation, TrainingSettings(epochs=2), seed).weights
        for seed in (0, 0, 1)
    )
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_an_epoch_sees_every_row_once_in_mixed_chunks(on_disk, small_chunks):
    x = on_disk.train.x
    epochs = [list(streaming.shuffled_chunks(x, (7, number))) for number in (0, 1)]
    for chunks in epochs:
        assert len(chunks) > 5
        assert np.array_equal(np.sort(np.concatenate(chunks)), np.arange(len(x)))
        assert all(len(np.unique(on_disk.train.y[rows])) >= 6 for rows in chunks)
    assert not np.array_equal(epochs[0][0], epochs[1][0])


def test_all_chunks_of_all_epochs_are_one_trace(on_disk, small_chunks, monkeypatch):
    made = []
    real = tf.function
    monkeypatch.setattr(tf, "function", lambda *given, **options: made.append(real(*given, **options)) or made[-1])
    train(network(), on_disk.train, on_disk.validation, TrainingSettings(epochs=3), 0)
    assert [function.experimental_get_tracing_count() for function in made] == [1, 1]


def test_what_is_evaluated_in_chunks_scores_as_at_once(on_disk, small_chunks):
    trained = train(network(), on_disk.train, on_disk.validation, TrainingSettings(epochs=2), 0)
    part = on_disk.validation
    streamed = evaluate(network(), trained.weights, part)
    whole = evaluate(network(), trained.weights, Split(part.x[:], part.y))
    assert streamed.metrics == whole.metrics
    assert streamed.loss == pytest.approx(whole.loss, rel=1e-5)
    assert streamed.metrics["error"] == pytest.approx(trained.metrics["error"], abs=1e-9)


_TRAINS = """
import json, pickle, sys
from pathlib import Path
from edgevolve.training.session import configure_tensorflow
configure_tensorflow(1)
from edgevolve.data import Split
from edgevolve.training import TrainingSettings
from edgevolve.training.trainer import train

def peak_mb():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024

graph, splits = pickle.load(sys.stdin.buffer)
few = [Split(part.x[:2000], part.y[:2000]) for part in (splits.train, splits.validation)]
train(graph, *few, TrainingSettings(epochs=1, batch_size=500), 0)
before = peak_mb()
error = train(graph, splits.train, splits.validation, TrainingSettings(epochs=1, batch_size=500), 0).metrics["error"]
print(json.dumps({"growth_mb": peak_mb() - before, "error": error}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_training_on_200_mb_in_a_file_takes_less_than_100_mb_more_memory(tmp_path):
    number, shape = 65_000, (32, 32, 3)
    x = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.uint8, shape=(number, *shape))
    y = np.arange(number) % 4
    for begin in range(0, number, 5000):
        noise = np.random.default_rng(begin).integers(0, 128, (5000, *shape), np.uint8)
        x[begin : begin + 5000] = noise + (30 * y[begin : begin + 5000, None, None, None]).astype(np.uint8)
    x.flush()
    assert x.nbytes > 199e6
    train_part, validation = hold_out(Split(np.load(tmp_path / "x.npy", mmap_mode="r"), y), 0.1, 0)
    assert isinstance(train_part.x.source, StoredArray)
    sent = pickle.dumps((network(shape, 4), Splits(train_part, validation, validation.take(np.arange(0)))))
    assert len(sent) < 2e6
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", _TRAINS], input=sent, capture_output=True, cwd=root)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["growth_mb"] < 100, measured
    assert measured["error"] < 0.5
