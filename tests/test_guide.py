"""The complete examples of the guide and the README run as they stand."""

import re
from pathlib import Path

import numpy as np
import pytest

from edgevolve import SearchConfig
from edgevolve.testing import check_data_set

ROOT = Path(__file__).resolve().parent.parent


def examples(page):
    """The Python blocks of a page that import what they need."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    return [block for block in blocks if "from edgevolve import" in block and "artifacts/" not in block]


def run(block):
    names = {"__name__": "guide"}
    exec(compile(block, "guide", "exec"), names)
    return names


@pytest.fixture
def folder(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (60, 12, 12), dtype=np.uint8)
    for name in ("images.npz", "gestures.npz"):
        np.savez(tmp_path / name, x_train=images, y_train=np.arange(60) % 3)
    np.save(tmp_path / "windows.npy", rng.normal(size=(90, 64, 1, 6)).astype(np.float32))
    np.save(tmp_path / "labels.npy", np.arange(90) % 3)
    np.save(tmp_path / "persons.npy", np.arange(90) // 9)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("page", "number"), [("README.md", 0), ("docs/guide.md", 0)])
def test_a_configuration_of_the_pages_is_one(folder, page, number):
    assert isinstance(run(examples(page)[number])["config"], SearchConfig)


def test_the_data_set_of_the_guide_keeps_every_promise(folder):
    (block,) = (block for block in examples("docs/guide.md") if "class Motions" in block)
    check_data_set(run(block)["Motions"](str(folder)))
