"""What the command line says of itself and of slips."""

import os
import subprocess
import sys
from importlib.metadata import version

import journals
import pytest
from terminal import ROOT, edgevolve, edgevolve_process


def test_it_says_its_version():
    done = edgevolve_process("--version")
    assert (done.returncode, done.stdout) == (0, f"edgevolve {version('edgevolve')}\n")


@pytest.mark.parametrize("arguments", [("-h",), ("export", "-h")])
def test_h_is_help(arguments):
    done = edgevolve(*arguments)
    assert done.returncode == 0
    for said in ("Usage:", "--version" if arguments == ("-h",) else "--target"):
        assert said in done.stdout


@pytest.mark.parametrize(("words", "wanted"), [("edgevolve ex", "export"), ("edgevolve export --tar", "--target")])
def test_a_shell_completes_verbs_and_options(words, wanted):
    program = "import sys; from driver import main; sys.argv[0] = 'edgevolve'; main()"
    asked = {"_EDGEVOLVE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | asked)
    assert done.stdout.split() == [wanted]


def test_runs_are_listed_with_the_last_first(tmp_path):
    for number, name in enumerate(("first", "turned\u202e")):
        history = list(journals.long_history(5))
        history[0] = history[0].model_copy(update={"time": 1000.0 + number})
        journals.write(tmp_path / name, *history)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "journal.jsonl").write_text("no journal")
    done = edgevolve("runs", tmp_path)
    assert done.returncode == 0
    head, second, first, *torn = done.stdout.splitlines()
    assert head.split()[:3] == ["run", "begun", "evaluations"]
    assert (second.split()[0], first.split()[0]) == ("turned�", "first")
    assert "torn" in "".join(torn)
    assert "error" in first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("reprot", "artifacts/x"), "reprot: neither a verb nor a configuration; did you mean 'report'?"),
        (("check", "ti.toml"), "ti.toml: a configuration is Python"),
        (("data.csv",), "data.csv: that is data"),
    ],
)
def test_a_slip_is_one_line_with_the_remedy(tmp_path, arguments, said):
    for name in ("ti.toml", "data.csv"):
        (tmp_path / name).touch()
    done = edgevolve(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"edgevolve: {said}")
    assert done.stderr.count("\n") == 1
