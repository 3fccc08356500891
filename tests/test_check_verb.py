"""`driver.py check`, and what a search refuses before it begins."""

import re

import numpy as np
import pytest
from terminal import TINY, edgevolve, edgevolve_process


def test_check_tells_the_feasible_share_without_training(tiny_folder):
    done = edgevolve("check", tiny_folder / "tiny.py")
    assert done.returncode == 0
    assert re.search(r"\d+\.\d% of 1000 random networks are within all hard bounds", done.stdout)


@pytest.mark.slow
def test_packaged_configurations_are_found_by_name_from_anywhere(tiny_folder):
    for name in ("digits_aging", "digits_random", "digits_aging.py", "configs/digits_random.py"):
        assert edgevolve("check", name, cwd=tiny_folder).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such configuration; give a .py file, or one of cifar10_aging, diabetes_mlp, digits_aging"),
        ("x = 1", "defines no `config`"),
        ("config = 3", "`config` is a int"),
        ("import nothing_of_this_name", "line 1: ModuleNotFoundError"),
        ("\n\nconfig = = 3", "line 3: SyntaxError"),
        ("\n1 / 0", "line 2: ZeroDivisionError"),
        (TINY.replace("evaluations=6", "evaluation=6"), "SearchConfig has no field 'evaluation'; did you mean"),
        (
            TINY.replace("epochs=4", "optimizer='adam'"),
            "unexpected keyword argument 'optimizer'; did you mean 'optimiser'?",
        ),
        (TINY.replace("evaluations=6", "evaluations='six'"), "evaluations: "),
        (TINY.replace("space=MlpSpace(", "space=list("), "line "),
        (TINY.replace('minimise("error")', 'minimise("eror", scale=1)'), "unknown metric 'eror'"),
        (TINY.replace("Digits()", "NpzImages('gone.npz')").replace("Digits", "NpzImages"), "gone.npz: No such file"),
        (TINY.replace("epochs=4", "epochs=-4"), "epochs must be at least 1"),
        (TINY.replace('minimise("model_size_bytes")', 'minimise("macs")'), "objective macs has no scale"),
    ],
)
def test_a_bad_configuration_is_one_line_and_exit_status_2(tmp_path, text, message):
    config = tmp_path / "bad.py"
    if text is not None:
        config.write_text(text)
    done = edgevolve("bad.py", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "bad.py" in done.stderr or "metric" in done.stderr or "objective" in done.stderr
    assert done.stderr.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} <= {"bad.py", "__pycache__"}


def test_a_misshapen_npz_is_one_line_and_exit_status_2(tmp_path):
    np.savez(tmp_path / "odd.npz", x_train=np.zeros((9, 4), np.uint8), y_train=np.zeros(9, int))
    (tmp_path / "c.py").write_text(TINY.replace("Digits()", "NpzImages('odd.npz')").replace("Digits", "NpzImages"))
    done = edgevolve("c.py", cwd=tmp_path)
    assert done.returncode == 2
    assert "odd.npz: x_train must be (number, height, width[, channels]), it is (9, 4)" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_bound_that_no_network_meets_is_named_with_exit_status_2(tmp_path):
    bound = 'at_most("model_size_bytes", 4000)'
    (tmp_path / "hard.py").write_text(TINY.replace(bound, 'at_most("model_size_bytes", 40)'))
    for done in (edgevolve_process("hard.py", cwd=tmp_path), edgevolve("check", "hard.py", cwd=tmp_path)):
        assert done.returncode == 2
        assert "model_size_bytes ≤ 40" in done.stderr + done.stdout


def test_a_task_and_data_of_a_users_own_are_tried_by_check_in_one_line(tmp_path):
    task = TINY.replace(
        "config = SearchConfig(",
        """
class Mine:
    metric_names = ("error",)
    def prepare(self): pass
    def __call__(self, job, splits): return splits.train.x.mean(axis="rows")

config = SearchConfig(task=Mine(),""",
    )
    data = TINY.replace(
        "config = SearchConfig(",
        """
class Mine(Digits):
    __slots__ = ()
    def load(self):
        splits = super().load()
        return splits.train, splits.validation, splits.test

data = Mine()
config = SearchConfig(""",
    )
    wanted = {
        task: r"edgevolve: task: Mine failed on a few examples of the data: TypeError: .* \(mine.py, line \d+\)\n",
        data: r"edgevolve: Mine.load\(\) gives a tuple; it must give Splits\(train, validation, test\)\n",
    }
    for text, message in wanted.items():
        (tmp_path / "mine.py").write_text(text)
        done = edgevolve("check", "mine.py", cwd=tmp_path)
        assert done.returncode == 2
        assert re.fullmatch(message, done.stderr), done.stderr
