"""Configuration files: what is found beside them, and one line for whatever is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
from terminal import as_before

from edgevolve.configuration import load_configuration
from edgevolve.data import DataError, NpzImages, load_splits
from edgevolve.runs import ConfigError
from predictors import PredictorError, sheet

PACKAGED = Path(__file__).resolve().parent.parent / "configs"
WHOLE = """
from edgevolve import Digits, MlpSpace, Problem, SearchConfig, minimise
data = Digits()
config = SearchConfig(data=data, space=MlpSpace(data.input_shape, data.classes),
                      problem=Problem([minimise("error", scale=0.1)]))
"""


@pytest.fixture(autouse=True)
def restored():
    with as_before():
        yield


def load(path, text, name="mine.py"):
    path.mkdir(exist_ok=True)
    (path / name).write_text(text)
    return load_configuration(str(path / name), PACKAGED, ("report", "search"))


def test_a_module_beside_a_configuration_is_found_from_any_folder(tmp_path):
    (tmp_path / "mine_seed.py").write_text("SEED = 7")
    text = WHOLE.replace("scale=0.1)])", "scale=0.1)]), seed=SEED")
    assert load(tmp_path, f"from mine_seed import SEED\n{text}").seed == 7


def test_data_beside_a_configuration_are_found_and_the_working_folder_comes_first(tmp_path, monkeypatch):
    load(tmp_path / "there", WHOLE)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def write(folder, number):
        x, y = np.zeros((number, 4, 4), np.uint8), np.arange(number) % 2
        x[:, 0, 0] = np.arange(number)
        np.savez(folder / "images.npz", x_train=x, y_train=y)

    def length():
        splits = load_splits(NpzImages("images.npz"))
        return len(splits.train) + len(splits.validation) + len(splits.test)

    write(tmp_path / "there", 40)
    assert length() == 40
    write(tmp_path / "here", 60)
    assert length() == 60
    with pytest.raises(DataError, match=r"nothing\.npz: No such file .*\(looked in .*/here and in .*/there\)"):
        NpzImages("nothing.npz").load()
    with pytest.raises(PredictorError, match=r"nano\.yaml: No such file .*\(looked in .*/here and in .*/there\)"):
        sheet("nano.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("from data import Digits", "data is a part of edgevolve now: write `from edgevolve import ...`"),
        ("from runs.config import SearchConfig", "runs is a part of edgevolve now: write `from edgevolve import"),
        ("import mine_nothing", "line 1: ModuleNotFoundError: No module named 'mine_nothing'"),
        ("raise BaseException('no')", "line 1: BaseException: no"),
        ("raise GeneratorExit", "line 1: GeneratorExit"),
        ("import sys\nsys.exit(3)", "line 2: SystemExit: 3"),
        (
            "class Odd(Exception):\n  def __str__(self): raise ValueError\nraise Odd",
            "line 3: Odd: an error without words",
        ),
        ("config = 5", "`config` is a int"),
        ("x =", "line 1: SyntaxError"),
    ],
)
def test_what_is_wrong_in_a_configuration_is_one_line(tmp_path, text, words):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_module_that_would_take_the_place_of_one_of_ours_is_refused(tmp_path):
    (tmp_path / "predictors.py").write_text("")
    with pytest.raises(ConfigError, match="predictors is a package of edgevolve: give yours there another name"):
        load(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("digits_agin", "did you mean 'digits_aging'"),
        ("reprot", "did you mean 'report'"),
        ("train.csv", "that is data"),
        ("search.toml", "a configuration is Python"),
        ("model.tflite", "edgevolve inspect"),
        ("x" * 5000, "no such configuration; give a .py file, or one of"),
        ("a\0b.py", "no such configuration"),
    ],
)
def test_a_name_that_is_no_configuration_says_what_to_give(name, words):
    with pytest.raises(ConfigError) as caught:
        load_configuration(name, PACKAGED, ("report", "search"))
    assert words in str(caught.value)
    assert len(str(caught.value)) < 700
