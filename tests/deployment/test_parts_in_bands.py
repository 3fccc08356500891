"""What a file says of the parts that run in bands, in `inspect`, and what they trade, as a picture."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from driver import app
from edgevolve.deployment.optimise import TIMED_ON, replanned
from edgevolve.reports.parts_in_bands import parts_in_bands
from edgevolve.runs import ConfigError
from edgevolve.tflite import read_tflite
from predictors import device
from resource_models import QUICK, choices, copies
from resource_models.bands import Part
from resource_models.in_bands import as_file
from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space
from tests.deployment.test_bands import everything, in_bands, int8_file, vgg_like
from tests.tflite.operator_files import CASES

SPACES = [
    CnnSpace((17, 14, 3), 4),
    MobileSpace((32, 32, 3), 4, resolutions=(32, 16)),
    NasBench201Space((16, 16, 3), 4),
    CellSpace((24, 24, 3), 4),
    MlpSpace((8, 8, 1), 4),
]


@pytest.fixture
def vgg(tmp_path):
    path = tmp_path / "vgg.tflite"
    path.write_bytes(int8_file(vgg_like()))
    return path


@pytest.mark.parametrize(
    ("graph", "part"),
    [
        (vgg_like(), Part(0, 3, 4, 1, 1)),
        (vgg_like(), Part(1, 5, 2)),
        (vgg_like(), Part(0, 6, 2, 2)),
        (vgg_like(), Part(0, 2, 1, 3)),
        (vgg_like(), Part(0, 3, 3, taper=0.75)),
        (everything(), Part(0, 5, 2, 2, 1)),
    ],
)
def test_a_file_tells_which_operators_run_in_how_many_bands(graph, part):
    before = int8_file(graph)
    names = [operator.name for operator in read_tflite(before).operators[part.first : part.last]]
    file = read_tflite(in_bands(before, part))
    (found,) = parts_in_bands(file)
    assert (found.rows, found.columns, found.times) == (part.rows, part.columns, 1)
    assert [file.operators[index].name for index, _ in found.operators] == names
    assert {pieces for _, pieces in found.operators} == {part.rows * part.columns}


def test_bands_within_bands_are_listed_with_the_pieces_of_each_operator():
    outer = in_bands(int8_file(vgg_like()), Part(0, 5, 2))
    first = next(i for i, operator in enumerate(read_tflite(outer).operators) if operator.name == "CONV_2D")
    within, whole = parts_in_bands(read_tflite(in_bands(outer, Part(first, first + 1, 2))))
    assert [pieces for _, pieces in within.operators] == [3]
    assert [pieces for _, pieces in whole.operators] == [3, 2, 2, 2, 2]


def test_a_file_without_bands_has_no_part():
    rng = np.random.default_rng(0)
    for space in SPACES:
        for _ in range(10):
            assert parts_in_bands(as_file(space.graph(space.sample(rng)))) == ()
    assert not any(parts_in_bands(read_tflite(content)) for content in CASES.values())


def test_inspect_names_the_parts_in_words_and_as_json(vgg, tmp_path):
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(in_bands(vgg.read_bytes(), Part(0, 3, 4)))
    said = CliRunner().invoke(app, ["inspect", str(cut)]).output
    assert "in bands" in said and "in 4 bands of rows: Conv2D 16 3×3 relu" in " ".join(said.split())
    (part,) = json.loads(CliRunner().invoke(app, ["inspect", str(cut), "--json"]).output)["parts_in_bands"]
    assert (part["rows"], part["columns"]) == (4, 1)
    assert [one["operator"] for one in part["operators"]] == ["Conv2D", "Conv2D", "MaxPool2D"]
    whole = json.loads(CliRunner().invoke(app, ["inspect", str(vgg), "--json"]).output)
    assert whole["parts_in_bands"] == []


def test_the_trade_off_is_drawn_with_work_and_flash(vgg, tmp_path):
    command = ["optimise", str(vgg), "-o", str(tmp_path / "out.tflite"), "--plot", str(tmp_path / "picture.svg")]
    done = CliRunner().invoke(app, [*command, "--slower", "20%"])
    assert done.exit_code == 0 and "more flash" in done.output and "modelled" in done.output
    drawn = ElementTree.parse(tmp_path / "picture.svg")
    words = [element.text or "" for element in drawn.iter() if element.tag.endswith("text")]
    assert {"more multiply-accumulates, %", "more flash, %"} <= set(words)
    assert any("vgg.tflite: 34.22 KiB without bands" in word for word in words)
    refused = CliRunner().invoke(app, command)
    assert isinstance(refused.exception, ConfigError) and "--slower" in str(refused.exception)


def test_each_step_says_flash_and_modelled_time():
    model = int8_file(vgg_like())
    found = replanned(model, 0.2)
    first, *others = found.arenas
    assert (first.work, first.flash, first.time) == (0.0, 0.0, 0.0)
    assert all(step.flash > 0 and step.time > step.work for step in others)
    assert len(found.model) / len(replanned(model).model) - 1 == pytest.approx(others[-1].flash, abs=0.05)


def test_modelled_time_counts_bytes_that_are_copied_and_operators_that_are_added():
    chosen = choices(as_file(vgg_like()), 0.2, effort=QUICK)[-1]
    made = [
        node
        for node, origin in zip(chosen.banded.model.graph.nodes, chosen.banded.origins, strict=True)
        if origin is None
    ]
    copied = copies(chosen)
    assert copied.sliced_bytes + copied.joined_bytes == sum(node.output.size_bytes for node in made)
    assert copied.operators == len(chosen.banded.model.operators) - len(vgg_like().nodes)
    timed = device(TIMED_ON)
    cycles = 8 * copied.sliced_bytes + copied.joined_bytes + 1000 * copied.operators
    assert timed.bands_ms(*copied) == pytest.approx(cycles / 64e6 * 1e3)
