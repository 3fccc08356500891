"""Files of several subgraphs and of operators of TensorFlow itself."""

import tensorflow as tf

from benchmarks.foreign_sections.convert import Made, of_function, of_module, spec, weights


class _Streaming(tf.Module):
    """A convolution in time that keeps its last frames."""

    def __init__(self, frames: int, features: int) -> None:
        super().__init__()
        self.kept = tf.Variable(tf.zeros((1, frames - 1, features)))
        self.kernel = weights(frames, features, 6)

    @tf.function(input_signature=[spec(1, 1, 10)])
    def step(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One frame."""
        whole = tf.concat([self.kept, x], 1)
        self.kept.assign(whole[:, 1:])
        return {"y": tf.nn.relu(tf.nn.conv1d(whole, self.kernel, 1, "VALID"))}


class _Counter(tf.Module):
    """A sum of what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.total = tf.Variable(tf.zeros((1, 4)))

    @tf.function(input_signature=[spec(1, 4)])
    def add(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Add."""
        return {"total": self.total.assign_add(x)}

    @tf.function(input_signature=[spec(1, 4)])
    def scaled(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Look."""
        return {"y": self.total * x}


class _Two(tf.Module):
    """Two signatures without state."""

    @tf.function(input_signature=[spec(1, 4)])
    def a(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One."""
        return {"y": tf.nn.relu(x)}

    @tf.function(input_signature=[spec(1, 4)])
    def b(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """Other."""
        return {"y": tf.nn.sigmoid(x) * 2.0}


def several() -> Made:
    """State, branches, loops and signatures: files of several subgraphs."""
    for frames in (3, 9):
        module = _Streaming(frames, 10)
        yield (
            f"streaming_{frames}_frames",
            lambda module=module: of_module(module, {"step": module.step}, resources=True),
        )
    counter, two = _Counter(), _Two()
    yield "counter", lambda: of_module(counter, {"add": counter.add}, resources=True)
    yield (
        "counter_of_two_signatures",
        lambda: of_module(counter, {"add": counter.add, "scaled": counter.scaled}, resources=True),
    )
    yield "two_signatures", lambda: of_module(two, {"a": two.a, "b": two.b})
    yield "one_signature", lambda: of_module(two, {"a": two.a})
    inner = weights(8, 8)
    yield (
        "branch",
        lambda: of_function(
            lambda x: tf.cond(tf.reduce_sum(x) > 0, lambda: tf.matmul(x, inner), lambda: tf.nn.relu(x)), spec(1, 8)
        ),
    )
    yield (
        "branch_in_branch",
        lambda: of_function(
            lambda x: tf.cond(
                x[0, 0] > 0,
                lambda: tf.cond(x[0, 1] > 0, lambda: tf.nn.relu(x), lambda: -x),
                lambda: tf.matmul(x, inner),
            ),
            spec(1, 8),
        ),
    )
    yield (
        "loop",
        lambda: of_function(
            lambda x: tf.while_loop(lambda i, y: i < 5, lambda i, y: (i + 1, tf.tanh(tf.matmul(y, inner))), (0, x))[1],
            spec(1, 8),
        ),
    )
    yield "flex_determinant", lambda: of_function(lambda x: tf.linalg.det(x), spec(1, 4, 4), flex=True)
    yield (
        "flex_fft",
        lambda: of_function(lambda x: tf.abs(tf.signal.fft(tf.cast(x, tf.complex64))), spec(1, 16), flex=True),
    )
