"""One TensorFlow set-up, and one set of bundles, for every test of this folder."""

import pytest

from edgevolve.training.session import configure_tensorflow

configure_tensorflow(1)


@pytest.fixture(scope="session")
def firmware_bundles(tmp_path_factory):
    """Bundles of three kinds of target, by name."""
    pytest.importorskip("tflite_micro")
    from tests.deployment.firmware import bundles

    return {bundle.name: bundle for bundle in bundles(tmp_path_factory.mktemp("firmware"))}
