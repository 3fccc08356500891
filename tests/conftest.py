import pytest
from pretend import make_config, virtual
from terminal import TINY, edgevolve_process

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


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("driver")
    (made / "tiny.py").write_text(TINY)
    return made


@pytest.fixture(scope="session")
def tiny_run(tiny_folder):
    """A real search: Ray, TensorFlow, digits."""
    done = edgevolve_process(tiny_folder / "tiny.py", "--out", tiny_folder / "artifacts", "--name", "whole")
    assert done.returncode == 0, done.stderr
    return tiny_folder / "artifacts" / "whole", done.stdout
