"""One TensorFlow set-up for every test of this folder."""

from edgevolve.training.session import configure_tensorflow

configure_tensorflow(1)
