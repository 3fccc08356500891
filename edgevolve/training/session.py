"""TensorFlow in a worker process: set up once, tidied after every candidate."""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgevolve.process import redirected


def configure_tensorflow(threads: int) -> None:
    """Give TensorFlow `threads` threads and keep it quiet; call once in a process, before anything else uses it.

    Operations run in a fixed order. Otherwise TensorFlow draws an order for every function, on which depends what an
    operation may overwrite, hence the order of a sum and its last bits (TensorFlow 2.21). Two passes of Grappler are
    off: remapping crashes the process in some networks, and arithmetic joins several sums into one
    (`training.descent.gradients`). GPU memory grows as needed. Objects that exist by now are exempt from garbage
    collection, which makes `release_memory` ten times faster.

    Raises `ValueError` for less than one thread, and `RuntimeError` when TensorFlow has already started with other
    threads.
    """
    if threads < 1:
        raise ValueError(f"TensorFlow needs at least 1 thread, not {threads}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_DETERMINISTIC_ORDER"] = "1"
    with silenced():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    tf.get_logger().setLevel("ERROR")
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if tf.config.threading.get_inter_op_parallelism_threads() != threads:
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.optimizer.set_experimental_options({"remapping": False, "arithmetic_optimization": False})
    for gpu in gpus:
        if not tf.config.experimental.get_memory_growth(gpu):
            tf.config.experimental.set_memory_growth(gpu, True)
    gc.collect()
    gc.freeze()


def release_memory() -> None:
    """Free what a candidate left behind; call between candidates in a long-lived worker."""
    keras = sys.modules.get("keras")
    if keras:
        keras.backend.clear_session(free_memory=False)
    gc.collect()


@contextmanager
def silenced() -> Iterator[Callable[[], str]]:
    """Catch what TensorFlow prints, from Python and from C++; return a function that returns the text so far.

    Standard output and standard error of the whole process go to a file meanwhile.
    """
    with tempfile.TemporaryFile() as sink, redirected(1, sink.fileno()), redirected(2, sink.fileno()):
        yield lambda: os.pread(sink.fileno(), 100_000, 0).decode(errors="replace")
