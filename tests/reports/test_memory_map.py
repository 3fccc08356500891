import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from edgevolve.graph import Conv2D, Graph, GraphBuilder, Node, Opaque, Tensor
from edgevolve.reports.memory_map import save_live_map, save_memory_map
from edgevolve.runs import ConfigError
from edgevolve.tflite import read_tflite
from resource_models import PlacedBuffer, stacked
from tests.tflite.tflite_files import Builtin, TfliteFile, small_network


def words(path):
    return [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("text")]


def test_the_picture_names_steps_peak_and_the_tensors_that_set_it(tmp_path):
    graph = read_tflite(small_network()).graph
    save_live_map(tmp_path / "map.svg", graph, "small")
    said = words(tmp_path / "map.svg")
    assert "small: 512 B at step 2 of 7" in said
    assert {"256 B  t1", "128 B  t2", "128 B  t3"} <= set(said)
    assert {"Conv2D  1", "SPLIT  2", "Add  3", "Softmax  7"} <= set(said)
    assert not any(word.endswith("t4") for word in said)


def test_buffers_of_any_plan_are_drawn_where_they_lie(tmp_path):
    """Two buffers with a gap between them: a band of the picture's white above the lower one, at their step alone."""
    net = GraphBuilder()
    x = net.input((1, 4, 4, 1))
    for filters in (2, 3, 4):
        x = net.add(Conv2D(filters, (1, 1)), x)
    graph = net.build(x)
    buffers = [PlacedBuffer("low", 0, 2, 0, 1000), PlacedBuffer("high", 1, 1, 3000, 1000)]
    save_memory_map(tmp_path / "map.png", graph, buffers, "plan")
    pixels = imread(tmp_path / "map.png")[:, :, :3]
    drawn = (np.ptp(pixels, axis=2) > 0.2).mean(axis=1)
    rows = np.flatnonzero(drawn > 0.1)
    high, low = np.split(rows, np.flatnonzero(np.diff(rows) > 5) + 1)
    assert len(high) == pytest.approx(len(low), abs=3)
    assert low[0] - high[-1] == pytest.approx(2 * len(high), abs=6)
    assert drawn[low].mean() == pytest.approx(3 * drawn[high].mean(), rel=0.05)


def test_the_same_network_gives_the_same_picture(tmp_path):
    graph = read_tflite(small_network()).graph
    for name in ("a.svg", "b.svg"):
        save_memory_map(tmp_path / name, graph, stacked(graph), "small")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_names_from_a_hostile_file_are_drawn_as_text(tmp_path):
    net = TfliteFile()
    x, y = net.tensor(1, 40, name=r"$\frac{$ _ 漢字"), net.tensor(1, 40, name="_hidden")
    net.operator(Builtin.CUSTOM, [x], [y], custom="$x^")
    graph = read_tflite(net.content([x], [y])).graph
    save_memory_map(tmp_path / "map.svg", graph, stacked(graph), "$$^ &<")
    said = words(tmp_path / "map.svg")
    assert r"40 B  $\frac{$ _ ??" in said
    assert "40 B  _hidden" in said
    assert "$x^  1" in said
    assert "$$^ &<: 80 B at step 1 of 1" in said
    save_memory_map(tmp_path / "map.png", graph, stacked(graph), "$$^ &<")


def test_long_networks_and_empty_ones_are_drawn(tmp_path):
    net = GraphBuilder()
    x = net.input((1, 4, 4, 1))
    empty = GraphBuilder()
    entry = empty.input((1, 4))
    for filters in range(1, 121):
        x = net.add(Conv2D(filters, (1, 1)), x)
    for graph in (net.build(x), empty.build(entry)):
        save_memory_map(tmp_path / "map.png", graph, stacked(graph), "")
        assert imread(tmp_path / "map.png").shape[1] <= 20 * 130


@pytest.mark.parametrize("name", ["map.gif", "map", "absent/map.png"])
def test_a_picture_that_cannot_be_written_is_refused(tmp_path, name):
    graph = read_tflite(small_network()).graph
    with pytest.raises(ConfigError, match=r"map"):
        save_memory_map(tmp_path / name, graph, stacked(graph), "")


def test_a_picture_of_millions_of_boxes_is_refused(tmp_path):
    x = Tensor("x", (1, 4))
    made = tuple(Tensor(f"t{i}", (1, 4)) for i in range(2000))
    nodes = tuple(Node(f"n{i}", Opaque("ABS", ((1, 4),)), (x,), (), (y,)) for i, y in enumerate(made))
    with pytest.raises(ConfigError, match="too many tensors live at once"):
        save_live_map(tmp_path / "map.png", Graph((x,), nodes, made), "")
