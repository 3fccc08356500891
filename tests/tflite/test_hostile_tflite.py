"""Damaged and hostile files: read, or refused in one line; and what is read can be inspected."""

import struct
import tracemalloc

import numpy as np
import pytest

from edgevolve.deployment.flatbuffer import packed, unpacked
from edgevolve.reports.network import inspect_file, network_json
from edgevolve.tflite import CUSTOM_ROWS, TARGETS, TfliteError, read_tflite
from resource_models import file_footprint, placed_buffers
from tests.tflite.operator_files import CASES as OPERATORS
from tests.tflite.subgraph_files import CASES as SUBGRAPHS
from tests.tflite.tflite_files import Builtin, TfliteFile, conv_options, schema, small_network


def branches() -> bytes:
    """Branches of convolutions between one input and one sum."""
    net = TfliteFile()
    x = net.tensor(1, 4, 4, 3)
    ends = []
    for width in (2, 5, 3):
        y, z = net.tensor(1, 4, 4, width), net.tensor(1, 4, 4, 2)
        net.operator(Builtin.CONV_2D, [x, net.kernel(width, 1, 1, 3), net.bias(width)], [y], **conv_options())
        net.operator(Builtin.CONV_2D, [y, net.kernel(2, 1, 1, width), net.bias(2)], [z], **conv_options())
        ends.append(z)
    total = net.tensor(1, 4, 4, 2)
    net.operator(Builtin.ADD_N, ends, [total])
    return net.content([x], [total])


def fields_of_tables(content: bytes) -> np.ndarray:
    """Where the entries of lists of fields (vtables) lie, of all that look like tables."""
    words = np.frombuffer(content, "<i4", len(content) // 4).astype(np.int64)
    starts = 4 * np.arange(len(words)) - words
    starts = np.unique(starts[(words != 0) & (starts >= 0) & (starts + 8 < len(content)) & (starts % 2 == 0)])
    shorts = np.frombuffer(content, "<u2", len(content) // 2)
    sizes = shorts[starts // 2]
    return np.unique(starts[(sizes > 4) & (sizes < 64) & (sizes % 2 == 0)][:, np.newaxis] + [0, 2, 4, 6])


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: bits, bytes, words that look like offsets and lengths, pieces moved, cut off or added.

    Words change places, too, and entries of lists of fields change.
    """
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(data))) if data else 0
        word = at & ~3
        match int(rng.integers(10)):
            case 0 if data:
                data[at] ^= 1 << int(rng.integers(8))
            case 1 if data:
                data[at] = int(rng.integers(256))
            case 2:
                near = rng.integers(-64, 64, dtype=np.int32)
                data[word : word + 4] = struct.pack("<i", int(near))
            case 3:
                extreme = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFC, len(data), 1 << 20])
                data[word : word + 4] = struct.pack("<I", int(extreme))
            case 4:
                data[word : word + 4] = struct.pack("<I", int(rng.integers(len(data) + 1)))
            case 5:
                source = int(rng.integers(len(data) + 1))
                length = int(rng.integers(1, 65))
                data[at : at + length] = data[source : source + length]
            case 6:
                data[at : at + int(rng.integers(1, 33))] = b""
            case 7:
                other = int(rng.integers(len(data) + 1)) & ~3
                data[word : word + 4], data[other : other + 4] = data[other : other + 4], data[word : word + 4]
            case 8 if len(places := fields_of_tables(bytes(data))):
                place = int(rng.choice(places))
                data[place : place + 2] = struct.pack("<H", int(rng.choice([0, 1, 2, 4, 8, 12, 60, 65535])))
            case _:
                del data[int(rng.integers(len(data) + 1)) :]
                data += rng.bytes(int(rng.integers(0, 40)))
    return bytes(data)


def rewired(content: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes of what the file says: operands, codes, options, shapes, types, custom names."""
    model = unpacked(content)
    for _ in range(int(rng.integers(1, 4))):
        graph = rng.choice([graph for graph in model.subgraphs if graph.operators])
        operator = graph.operators[int(rng.integers(len(graph.operators)))]
        code, tensor = model.operatorCodes[operator.opcodeIndex], graph.tensors[int(rng.integers(len(graph.tensors)))]
        inputs, other = [int(i) for i in operator.inputs], int(rng.integers(len(graph.tensors)))
        match int(rng.integers(12)):
            case 0:
                operator.inputs = inputs[:-1] if rng.integers(2) else inputs[1:]
            case 1:
                operator.inputs = [-1 if rng.integers(2) else i for i in inputs]
            case 2:
                operator.inputs = [other if rng.integers(2) else i for i in inputs]
            case 3:
                operator.inputs = [*inputs, other]
            case 4:
                operator.outputs = list(operator.outputs)[:-1]
            case 5:
                operator.builtinOptionsType, operator.builtinOptions = 0, None
            case 6:
                code.builtinCode = int(rng.integers(160))
                code.deprecatedBuiltinCode = min(code.builtinCode, 127)
            case 7:
                code.builtinCode = code.deprecatedBuiltinCode = Builtin.CUSTOM
                code.customCode = str(rng.choice(["VAR_HANDLE", "ASSIGN_VARIABLE", "WHILE", "CONV_2D", *CUSTOM_ROWS]))
            case 8:
                tensor.shape = [int(rng.choice([-1, 0, 1, 2, 7, 1 << 20])) for _ in range(int(rng.integers(6)))]
                tensor.shapeSignature = None
            case 9:
                tensor.type = int(rng.integers(20))
            case 10:
                tensor.isVariable, tensor.quantization = not tensor.isVariable, None
            case _:
                tensor.buffer = 0
    return packed(model)


def outcome(content: bytes) -> str | None:
    """The refusal, None for a network that was read and inspected."""
    try:
        model = read_tflite(content)
    except TfliteError as refusal:
        return str(refusal)
    network_json(inspect_file(model))
    return None


@pytest.mark.parametrize("block", range(8))
def test_three_thousand_mutated_files_are_read_or_refused_in_one_line(block):
    rng = np.random.default_rng([4, block])
    sources = [small_network(), branches()]
    refusals = [outcome(mutated(sources[i % 2], rng)) for i in range(375)]
    refused = [refusal for refusal in refusals if refusal is not None]
    assert all(0 < len(refusal.splitlines()) == 1 for refusal in refused)
    assert len(set(refused)) > 50
    assert 15 < refusals.count(None) < 300


@pytest.mark.parametrize("change", [mutated, rewired])
def test_files_of_every_kernel_and_of_several_subgraphs_are_read_or_refused_in_one_line(change):
    rng, read = np.random.default_rng(8), []
    for source in (*OPERATORS.values(), *SUBGRAPHS.values()) * 2:
        content = change(source, rng)
        refusal = outcome(content)
        assert refusal is None or len(refusal.splitlines()) == 1
        if refusal is None:
            read.append(content)
    assert len(read) > 50
    for content in read[::3]:
        model = read_tflite(content)
        for target in TARGETS.values():
            file_footprint(model, target)
        placed_buffers(model)


@pytest.mark.parametrize("source", [small_network(), branches()], ids=["small", "branches"])
def test_every_truncation_is_refused_or_read(source):
    """All of a file's end may be missing but what nothing refers to."""
    refused = [outcome(source[:size]) for size in range(len(source))]
    assert all(refusal and "\n" not in refusal for refusal in refused[: len(source) // 2])


def test_every_word_set_to_its_extremes_is_read_or_refused():
    source = small_network()
    for at in range(0, len(source) - 3, 4):
        for value in (0, 0x7FFFFFFF, 0xFFFFFFFF):
            outcome(source[:at] + struct.pack("<I", value) + source[at + 4 :])


def test_random_bytes_are_refused():
    rng = np.random.default_rng(0)
    for size in [*range(64), *(int(n) for n in rng.integers(64, 5000, 200))]:
        body = rng.bytes(size)
        assert outcome(body)
        assert outcome(body[:4] + b"TFL3" + body[4:])


def vector(*words: int) -> bytes:
    return struct.pack(f"<{len(words)}I", *words)


def test_a_list_longer_than_the_file_takes_no_memory():
    source = branches()
    tracemalloc.start()
    try:
        for at in range(8, len(source) - 4, 12):
            outcome(source[:at] + vector(0x3FFFFFFF) + source[at + 4 :])
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()


def test_lists_that_share_their_bytes_do_not_multiply():
    """5 000 operators at one place, which has 20 000 inputs: 100 million numbers in 100 kB."""
    net = TfliteFile()
    x, y = net.tensor(1, 1), net.tensor(1, 1)
    net.operator(Builtin.ABS, [x], [y])
    content = bytearray(net.content([x], [y]))
    subgraph = schema.Model.GetRootAs(content, 0).Subgraphs(0)._tab
    place = subgraph.Pos + subgraph.Offset(10)
    content += bytes(-len(content) % 4)
    content[place : place + 4] = vector(len(content) - place)
    count, inputs = 5_000, 20_000
    fields = len(content) + 4 + 4 * count
    table = fields + 12
    content += vector(count, *(table - (len(content) + 4 + 4 * i) for i in range(count)))
    content += struct.pack("<6H", 10, 12, 0, 4, 8, 0)
    content += vector(table - fields, 8, 8 + 4 * inputs, inputs, *[x] * inputs, 1, y)
    assert schema.Model.GetRootAs(content, 0).Subgraphs(0).Operators(count - 1).InputsLength() == inputs
    with pytest.raises(TfliteError, match="damaged: the file refers to the same bytes over and over"):
        read_tflite(bytes(content))


def test_more_operators_than_any_network_has_are_refused():
    net = TfliteFile()
    x = net.tensor(1, 1)
    ends = [net.tensor(1, 1) for _ in range(3)]
    for y in ends:
        net.operator(Builtin.ABS, [x], [y])
    net.operators *= 4_000
    with pytest.raises(TfliteError, match="12000 operators; edgevolve reads up to 10000"):
        read_tflite(net.content([x], ends))


def test_a_cycle_of_operators_is_refused():
    net = TfliteFile()
    x, a, b = (net.tensor(1, 4) for _ in range(3))
    net.operator(Builtin.ADD, [x, b], [a], table="AddOptions")
    net.operator(Builtin.ABS, [a], [b])
    with pytest.raises(TfliteError, match="add_0 reads t2 before it is made"):
        read_tflite(net.content([x], [b]))
