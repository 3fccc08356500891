"""A training gives the same bits each time: no sum of several begins with whichever term TensorFlow may overwrite."""

import numpy as np
import tensorflow as tf

from edgevolve.training.descent import gradients
from edgevolve.training.session import configure_tensorflow

configure_tensorflow(1)

TERMS = [tf.constant(np.random.default_rng(seed).standard_normal(1000), tf.float32) for seed in range(3)]


def summed(read_later):
    """Three terms added, of which others may still be needed when they are."""

    @tf.function(autograph=False)
    def run(*terms):
        made = [tf.tanh(term) for term in terms]
        total = made[0] + made[1] + made[2]
        with tf.control_dependencies([total]):
            return total, [tf.sin(made[place]) for place in read_later]

    return run(*TERMS)[0].numpy()


def test_what_else_reads_the_terms_of_a_sum_does_not_change_it():
    for read_later in ((0,), (0, 1), (0, 1, 2)):
        np.testing.assert_array_equal(summed(read_later), summed(()))


def test_derivatives_that_meet_are_added_two_by_two():
    @tf.function(autograph=False)
    def slope(x):
        loss = tf.reduce_sum(tf.stack([tf.reduce_sum(tf.sin(x * scale) * x) for scale in (1.0, 2.0, 3.0)]))
        return gradients(loss, x)[0]

    x = TERMS[0]
    operations = slope.get_concrete_function(x).graph.get_operations()
    assert max(len(one.inputs) for one in operations if one.type == "AddN") == 2
    wanted = sum(np.sin(s * x.numpy()) + s * x.numpy() * np.cos(s * x.numpy()) for s in (1.0, 2.0, 3.0))
    np.testing.assert_allclose(slope(x), wanted, rtol=1e-4, atol=1e-4)
