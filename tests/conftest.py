import pytest
from pretend import make_config, virtual

from edgevolve.engine import search


@pytest.fixture
def config():
    return make_config


@pytest.fixture
def run_search(tmp_path):
    """Search in virtual time."""

    def run(config, name="run", workers=1, out=tmp_path, **options):
        return search(config, name, out=out, evaluator=virtual(workers), **options)

    return run
