"""Networks that run in bands: the same outputs to the bit, in the memory that was predicted."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks.arena_fidelity import some_weights
from driver import app
from edgevolve.deployment.banded_file import put_in_bands
from edgevolve.deployment.export_error import ExportError
from edgevolve.deployment.file_plan import lay_out
from edgevolve.deployment.flatbuffer import packed, unpacked
from edgevolve.deployment.micro import available, run_on_micro
from edgevolve.deployment.optimise import lean, optimised, replanned
from edgevolve.graph import (
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    MaxPool2D,
    Padding,
    from_json,
    reordered,
    to_json,
)
from edgevolve.quantisation import int8_network
from edgevolve.quantisation.litert import open_model
from edgevolve.tflite import CORTEX_M, TARGETS, TfliteError, read_tflite
from edgevolve.training.weights import initial_weights
from resource_models import choices, deployed, file_footprint, measure_in_bands, peak_memory
from resource_models import in_bands as in_bands_of
from resource_models.banded import banded, best_order, in_order
from resource_models.bands import Cutter, Part
from resource_models.effort import THOROUGH
from resource_models.pieces import NEVER
from search_space import CnnSpace, MobileSpace, NasBench201Space

_RESOURCE = 13  # a type of TensorFlow Lite without a size

SPACES = [
    CnnSpace((17, 14, 3), 4),
    MobileSpace((32, 32, 3), 4, resolutions=(32, 16)),
    NasBench201Space((16, 16, 3), 4),
]


def int8_file(graph, seed=0):
    rng = np.random.default_rng(seed)
    examples = rng.normal(size=(8, *graph.inputs[0].shape[1:])).astype(np.float32)
    return int8_network(graph, initial_weights(graph, seed), examples).tflite()


def in_bands(model, part):
    """The file with one part in bands, or None where it cannot be cut so."""
    content = unpacked(model)
    read = read_tflite(packed(content))
    cut = banded(Cutter(read), part)
    if cut is None:
        return None
    put_in_bands(content, read, in_order(cut, best_order(cut, CORTEX_M, THOROUGH.orders)))
    lay_out(content)
    return packed(content)


def a_part(rng, cuttable):
    """Any run of operators that can be cut, in any number of bands."""
    firsts = [i for i, able in enumerate(cuttable) if able]
    first = int(rng.choice(firsts))
    last = first + 1
    while last < len(cuttable) and cuttable[last] and rng.random() < 0.8:
        last += 1
    rows, columns = (int(rng.choice([1, 2, 3, 5])) for _ in range(2))
    moved = tuple(map(int, rng.integers(-1, 2, rows * columns - 1))) if 1 in (rows, columns) else ()
    return Part(first, last, rows, columns, int(rng.choice([1, 2, 3, NEVER])), 1.0, bool(rng.random() < 0.5), moved)


def vgg_like():
    net, relu = GraphBuilder(), Activation.RELU
    x = net.input((1, 32, 32, 3))
    for filters in (16, 32):
        x = net.add(Conv2D(filters, (3, 3), activation=relu), x)
        x = net.add(Conv2D(filters, (3, 3), activation=relu), x)
        x = net.add(MaxPool2D((2, 2), (2, 2)), x)
    return net.build(net.add(Dense(10), net.add(GlobalAveragePool(), x)))


def everything():
    """Odd sizes, every stride, dilation, padding and join that a part may have."""
    net, relu = GraphBuilder(), Activation.RELU
    x = net.add(Conv2D(6, (3, 5), stride=(2, 1), activation=relu), net.input((1, 23, 19, 2)))
    a = net.add(DepthwiseConv2D((3, 3), dilation=(2, 2)), x)
    b = net.add(Conv2D(6, (1, 1), activation=relu), x)
    x = net.add(Concat(), net.add(Add(relu), a, b), x)
    x = net.add(AveragePool2D((3, 3), (2, 2), Padding.SAME), x)
    x = net.add(MaxPool2D((2, 2), (1, 1), Padding.VALID), x)
    x = net.add(DepthwiseConv2D((4, 2), stride=(1, 1), padding=Padding.VALID), x)
    return net.build(net.add(Dense(3), net.add(GlobalAveragePool(), x)))


@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_any_part_of_any_network_in_any_bands_gives_the_same_to_the_bit(space):
    rng, cut = np.random.default_rng(1), 0
    while cut < 10:
        graph = space.graph(space.sample(rng))
        if max(np.prod(node.output.shape) for node in graph.nodes) > 50_000:
            continue
        model = int8_file(graph)
        cuttable = Cutter(read_tflite(model)).cuttable
        if not any(cuttable):
            continue
        x = rng.normal(size=(3, *graph.inputs[0].shape[1:])).astype(np.float32)
        for _ in range(3):
            changed = in_bands(model, a_part(rng, cuttable))
            if changed is not None:
                cut += 1
                assert np.array_equal(open_model(model).outputs(x), open_model(changed).outputs(x))


def test_strides_dilations_paddings_and_joins_of_odd_maps_give_the_same_to_the_bit():
    model, rng = int8_file(everything()), np.random.default_rng(0)
    cuttable, cut = Cutter(read_tflite(model)).cuttable, 0
    x = rng.normal(size=(3, 23, 19, 2)).astype(np.float32)
    for _ in range(60):
        changed = in_bands(model, a_part(rng, cuttable))
        if changed is not None:
            cut += 1
            assert np.array_equal(open_model(model).outputs(x), open_model(changed).outputs(x))
    assert cut > 20


def test_bands_within_bands_give_the_same_to_the_bit():
    model, rng = int8_file(everything()), np.random.default_rng(3)
    x, cut = rng.normal(size=(2, 23, 19, 2)).astype(np.float32), 0
    wanted = open_model(model).outputs(x)
    while cut < 8:
        outer = in_bands(model, a_part(rng, Cutter(read_tflite(model)).cuttable))
        inner = in_bands(outer, a_part(rng, Cutter(read_tflite(outer)).cuttable)) if outer else None
        if inner:
            cut += 1
            assert np.array_equal(wanted, open_model(inner).outputs(x))


def test_a_second_part_reads_the_pieces_of_the_first_which_are_never_joined():
    model, whole = int8_file(vgg_like()), (1, 16, 16, 16)
    first = in_bands(model, Part(0, 3, 2))
    join = next(i for i, each in enumerate(read_tflite(first).operators) if each.outputs[0].shape == whole)
    second = in_bands(first, Part(join, join + 4, 2, 1, 1))
    assert not any(x.shape == whole for x in read_tflite(second).tensors)
    x = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype(np.float32)
    assert np.array_equal(open_model(model).outputs(x), open_model(second).outputs(x))


def test_a_file_is_exported_as_the_search_measured_it():
    rng, checked, space = np.random.default_rng(2), 0, SPACES[0]
    while checked < 2:
        graph = from_json(to_json(space.graph(space.sample(rng))))
        measured, merged = measure_in_bands(graph, 0.2), deployed(graph)
        if not in_bands_of(graph, 0.2).parts:
            continue
        checked += 1
        order = peak_memory(merged.graph).order
        graph = reordered(graph, merged.original_order(order))
        x = rng.normal(size=(4, 17, 14, 3)).astype(np.float32)
        written = int8_network(graph, some_weights(graph, 0), x).tflite()
        whole, exported = lean(written), lean(written, 0.2)
        found = file_footprint(read_tflite(exported))
        assert np.array_equal(open_model(whole).outputs(x), open_model(exported).outputs(x))
        assert (found.arena_bytes, found.tail_bytes, found.macs) == (
            measured.arena_bytes,
            measured.tail_bytes,
            measured.macs,
        )
        assert abs(measured.flash_bytes - len(exported)) <= 0.01 * len(exported)
        assert found.arena_bytes < file_footprint(read_tflite(whole)).arena_bytes


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
@pytest.mark.parametrize(
    ("graph", "part"),
    [(vgg_like(), Part(0, 3, 3, 1, 1)), (vgg_like(), Part(0, 6, 2, 2)), (everything(), Part(0, 5, 2, 2, 1))],
    ids=["rows", "tiles", "everything"],
)
def test_micro_runs_them_in_the_arena_that_was_predicted(graph, part):
    model = int8_file(graph)
    after = in_bands(model, part)
    x = np.random.default_rng(0).integers(-128, 128, (2, *graph.inputs[0].shape), np.int8)
    old, new = run_on_micro(model, [x]), run_on_micro(after, [x], least_arena=True)
    assert np.array_equal(old.outputs[0], new.outputs[0])
    predicted = file_footprint(read_tflite(after), TARGETS["host"])
    head = predicted.greedy_head_bytes if predicted.stored_head_bytes is None else predicted.stored_head_bytes
    assert (new.head_bytes, new.tail_bytes) == (head, predicted.tail_bytes)
    assert new.least_arena_bytes == -(-predicted.file_arena_bytes // 16) * 16


def test_work_is_counted_as_it_is_done():
    read = read_tflite(int8_file(vgg_like()))
    cutter, part = Cutter(read), Part(0, 3, 4, 2, 1)
    done = banded(cutter, part).model.graph
    assert cutter.macs(part) == sum(node.macs for node in done.nodes) > sum(node.macs for node in read.graph.nodes)


def test_constants_are_shared_by_all_bands():
    model = int8_file(vgg_like())
    changed = in_bands(model, Part(0, 3, 8))
    assert len(changed) < len(model) + 12_000


def test_an_arena_is_reached_with_as_little_more_work_as_will_do():
    model = int8_file(vgg_like())
    least = optimised(model, slower=0.2)
    wanted = (least.arenas[0][0] + least.arenas[-1][0]) // 2
    found = optimised(model, slower=0.2, most_arena_bytes=wanted)
    assert found.arenas[-1][0] <= wanted
    assert found.arenas[-1][1] <= least.arenas[-1][1]
    with pytest.raises(ExportError, match="needs an arena of"):
        optimised(model, slower=0.05, most_arena_bytes=100)


def test_the_command_says_what_was_traded_and_refuses_what_is_no_number(tmp_path):
    (tmp_path / "vgg.tflite").write_bytes(int8_file(vgg_like()))
    before = ["optimise", str(tmp_path / "vgg.tflite"), "-o", str(tmp_path / "out.tflite")]
    done = CliRunner().invoke(app, [*before, "--slower", "20%"])
    assert done.exit_code == 0
    assert "in bands:" in done.output and "more work" in done.output
    assert (tmp_path / "out.tflite").exists()
    for option, text in (("--slower", "much"), ("--arena", "-3k")):
        refused = CliRunner().invoke(app, [*before, option, text])
        assert refused.exit_code and option in str(refused.exception)


def test_strides_and_sizes_that_cannot_be_are_left_alone():
    read = read_tflite(int8_file(vgg_like()))
    first, *rest = read.operators
    for options in ({"stride_height": 0.0}, {"stride_width": -1.0}, {"stride_height": 2.0}, {"dilation_width": -9.0}):
        damaged = replace(first, options={**first.options, **options})
        model = replace(read, subgraphs=(replace(read.subgraphs[0], operators=(damaged, *rest)),))
        assert not Cutter(model).cuttable[0]
        assert choices(model, 0.2)[0].parts == ()


@pytest.mark.parametrize("damage", [{"shape": [1, 0, 32, 8]}, {"type": _RESOURCE}, {"shape": [1, -4, -8, 8]}])
def test_maps_that_are_empty_or_of_a_type_without_a_size_are_left_alone(damage):
    sound = unpacked(int8_file(vgg_like()))
    for tensor in range(len(sound.subgraphs[0].tensors)):
        model = unpacked(int8_file(vgg_like()))
        for name, value in damage.items():
            setattr(model.subgraphs[0].tensors[tensor], name, value)
        try:
            read = read_tflite(packed(model))
        except TfliteError:
            continue
        assert choices(read, 0.2, effort=THOROUGH._replace(tries=1, depth=1, moves=0))[0].parts == ()


def test_a_network_with_operators_whose_outputs_nobody_reads_gives_the_same_in_bands():
    net = GraphBuilder()
    x = net.input((1, 12, 12, 3))
    for _ in range(3):
        x = net.add(Conv2D(8, (3, 3)), x)
    model = unpacked(int8_file(net.build(x)))
    model.subgraphs[0].outputs = model.subgraphs[0].operators[0].outputs
    arenas = optimised(packed(model), 0.2).arenas  # outputs are compared on both runtimes
    assert arenas[-1][0] < arenas[0][0]


def test_what_has_no_large_maps_stays_as_it_was():
    net = GraphBuilder()
    model = int8_file(net.build(net.add(Dense(10), net.add(GlobalAveragePool(), net.input((1, 4, 4, 2))))))
    assert len(replanned(model, slower=1.0).arenas) == 1
