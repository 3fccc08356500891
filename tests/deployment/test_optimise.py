import numpy as np
import pytest
import tensorflow as tf

from benchmarks.arena_fidelity import network, some_weights
from edgevolve.deployment import ExportError, isolated
from edgevolve.deployment.flatbuffer import packed, schema, set_plan, unpacked
from edgevolve.deployment.micro import available
from edgevolve.deployment.optimise import lean, optimised, replanned
from edgevolve.graph import Add, Conv2D, GraphBuilder
from edgevolve.quantisation.litert import open_model
from edgevolve.tflite import PLAN_NAME, TfliteError, read_tflite
from resource_models import buffers, stored_head_bytes
from tests.deployment.converter import to_tflite_int8
from tests.tflite.test_hostile_tflite import branches, mutated
from tests.tflite.tflite_files import Builtin, TfliteFile, small_network
from tests.training.random_graphs import random_graph

SAVING = 29
"""A network of `benchmarks.arena_fidelity` whose plan saves memory."""


def converted(graph, seed=0):
    images = np.random.default_rng(seed).uniform(0, 1, (4, *graph.inputs[0].shape[1:])).astype(np.float32)
    return to_tflite_int8(graph, some_weights(graph, seed), images)


@pytest.fixture(scope="module")
def wasteful():
    """A file as the converter writes it, in which the runtime's own plan leaves gaps."""
    return converted(network(SAVING)[1])


@pytest.fixture(scope="module")
def improved(wasteful):
    return optimised(wasteful)


def test_a_file_that_wastes_memory_needs_less_and_computes_the_same(wasteful, improved):
    assert improved.head_bytes[1] < improved.head_bytes[0]
    assert improved.saving == pytest.approx(1 - improved.head_bytes[1] / improved.head_bytes[0])
    if available():
        assert improved.micro_head_bytes == improved.head_bytes
    before, after = open_model(wasteful), open_model(improved.model)
    images = np.random.default_rng(1).uniform(0, 1, (3, *before.input_shape[1:])).astype(np.float32)
    assert np.array_equal(before.outputs(images), after.outputs(images))


def test_an_optimised_file_has_nothing_left_to_save(improved):
    twice = optimised(improved.model)
    assert twice.head_bytes == (improved.head_bytes[1],) * 2
    assert len(twice.model) <= len(improved.model)


@pytest.mark.parametrize("seed", range(8))
def test_no_file_is_made_worse(seed):
    model = converted(random_graph(seed), seed)
    improved = optimised(model)
    assert improved.head_bytes[1] <= improved.head_bytes[0]
    if improved.head_bytes[1] == improved.head_bytes[0]:
        assert len(improved.model) <= len(model)


def test_operators_move_to_the_order_of_least_memory():
    """The narrow branch of two is made last, so that it is not live beside both maps of the wide one."""
    net = GraphBuilder()
    x = net.add(Conv2D(2, (3, 3)), net.input((1, 8, 8, 1)))
    narrow = net.add(Conv2D(8, (3, 3)), x)
    wide = net.add(Conv2D(8, (1, 1)), net.add(Conv2D(40, (3, 3)), x))
    improved = optimised(converted(net.build(net.add(Add(), narrow, wide))))
    assert improved.head_bytes == (64 * (8 + 40 + 8), 64 * (2 + 40 + 8))
    assert improved.exact


def test_names_inside_go_and_those_of_input_and_output_stay(improved):
    graph = unpacked(improved.model).subgraphs[0]
    ends = {int(t) for t in (*graph.inputs, *graph.outputs)}
    assert all(bool(tensor.name) == (number in ends) for number, tensor in enumerate(graph.tensors))


def test_a_lean_file_has_no_names_and_equal_networks_give_equal_bytes(wasteful):
    model = lean(wasteful)
    content = unpacked(model)
    assert not any(tensor.name for tensor in content.subgraphs[0].tensors)
    assert [entry.name.decode() for entry in content.metadata] == [PLAN_NAME]
    assert len(model) < len(wasteful)
    assert lean(model) == model == lean(converted(network(SAVING)[1]))


def test_every_buffer_of_a_file_starts_at_a_multiple_of_16_bytes(wasteful):
    read = schema().Model.GetRootAs(lean(wasteful), 0)
    for number in range(read.BuffersLength()):
        table = read.Buffers(number)._tab
        field = table.Offset(4)
        assert not field or table.Vector(field) % 16 == 0


def test_equal_shapes_and_zero_points_stand_once_and_are_read_as_before(wasteful):
    from flatbuffers import Builder

    content = unpacked(wasteful)
    plain = Builder(1024)
    plain.Finish(content.Pack(plain), b"TFL3")
    assert len(packed(content)) < len(plain.Output())
    again = unpacked(packed(content)).subgraphs[0].tensors
    for before, after in zip(content.subgraphs[0].tensors, again, strict=True):
        assert np.array_equal(before.shape, after.shape)
        for name in ("scale", "zeroPoint", "quantizedDimension"):
            assert np.array_equal(getattr(before.quantization, name), getattr(after.quantization, name))


def test_a_plan_in_the_file_counts_as_its_own():
    content = unpacked(converted(random_graph(0)))
    in_file = buffers(read_tflite(packed(content)))
    wide = [16 * 1000 * place for place in range(len(in_file.numbers))]
    offsets = [-1] * len(content.subgraphs[0].tensors)
    for number, offset in zip(in_file.numbers, wide, strict=True):
        offsets[number] = offset
    set_plan(content, offsets)
    before = stored_head_bytes(read_tflite(packed(content)))
    assert before > max(wide)
    saved = optimised(packed(content))
    assert saved.head_bytes[0] == before
    assert saved.head_bytes[1] < before / 2


def test_a_float_model_of_two_inputs_is_planned_too():
    @tf.function(input_signature=[tf.TensorSpec((1, 16), tf.float32), tf.TensorSpec((1, 16), tf.float32)])
    def network(a, b):
        return tf.nn.relu(a) + tf.nn.softmax(b), tf.reduce_mean(a, axis=1)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([network.get_concrete_function()])
    improved = optimised(converter.convert())
    assert improved.head_bytes[1] <= improved.head_bytes[0]


def test_the_exporter_s_form_is_of_one_subgraph(wasteful):
    content = unpacked(wasteful)
    content.subgraphs = content.subgraphs * 2
    with pytest.raises(ExportError, match="one subgraph is needed, this one has 2"):
        lean(packed(content))


@pytest.mark.parametrize("cut", [0, 7, 30, 400])
def test_what_is_no_model_is_refused(wasteful, cut):
    with pytest.raises(TfliteError):
        optimised(wasteful[:cut])
    with pytest.raises(TfliteError):
        optimised(bytes(1000))


@pytest.mark.parametrize("block", range(4))
def test_two_thousand_mutated_files_are_replanned_or_refused_in_one_line(block):
    rng = np.random.default_rng([5, block])
    sources, planned, refusals = [small_network(), branches()], 0, []
    for turn in range(500):
        model = mutated(sources[turn % 2], rng)
        try:
            read_tflite(model)
            after, before, plan, _ = replanned(model)
        except (TfliteError, ExportError) as refusal:
            refusals.append(str(refusal))
            continue
        planned += 1
        assert plan.head_bytes <= before
        read_tflite(after)
    assert all(len(refusal.splitlines()) == 1 for refusal in refusals)
    assert planned > 20


def test_mutated_files_end_in_a_file_or_one_line_whatever_the_runtimes_do_with_them():
    rng = np.random.default_rng(6)
    ends = []
    while len(ends) < 12:
        model = mutated(branches(), rng)
        try:
            read_tflite(model)
            ends.append(optimised(model).saving >= 0)
        except TfliteError:
            continue
        except ExportError as refusal:
            assert len(str(refusal).splitlines()) == 1
            ends.append(True)
    assert all(ends)


def test_an_input_too_large_to_try_is_refused_before_anything_is_run():
    net = TfliteFile()
    x, y, z = net.tensor(1, 2**29), net.tensor(1, 2**29), net.tensor(1, 2**29)
    net.operator(Builtin.RELU, [x], [y])
    net.operator(Builtin.RELU, [y], [z])
    with pytest.raises(ExportError, match="cannot be tried: an input of int8 and 536870912 bytes"):
        optimised(net.content([x], [z]))


def test_a_runtime_that_dies_is_reported_and_nothing_is_given(wasteful, monkeypatch, tmp_path):
    (tmp_path / "litert_host.py").write_text("import os\nos.abort()\n")
    monkeypatch.setattr(isolated, "__file__", str(tmp_path / "isolated.py"))
    with pytest.raises(ExportError, match="no runtime here runs it: LiteRT: it died of signal 6"):
        optimised(wasteful)


def test_text_from_a_runtime_is_refused_since_objects_are_never_read(wasteful, monkeypatch, tmp_path):
    script = "import sys, numpy\nnumpy.savez(sys.argv[1] + '/outputs.npz', numpy.array(['a', None], dtype=object))\n"
    (tmp_path / "litert_host.py").write_text(script)
    monkeypatch.setattr(isolated, "__file__", str(tmp_path / "isolated.py"))
    with pytest.raises(ExportError, match="its outputs cannot be read: Object arrays cannot be loaded"):
        optimised(wasteful)
