"""A builder that writes equal parts once: what it gives is read as what a plain builder gives, and is smaller."""

import numpy as np
from flatbuffers import Builder

from edgevolve.deployment.flatbuffer import unpacked
from edgevolve.deployment.once import Once
from edgevolve.tflite import skeleton
from edgevolve.tflite.tables import Flatbuffer
from search_space.topologies import topology


def table(builder, *numbers):
    builder.StartObject(3)
    for slot, number in enumerate(numbers):
        builder.PrependInt32Slot(slot, number, 0)
    return builder.EndObject()


def test_equal_tables_vectors_and_texts_stand_once_and_others_do_not():
    builder = Once()
    assert table(builder, 1, 2) == table(builder, 1, 2)
    assert len({table(builder, 1, 2), table(builder, 2, 1), table(builder, 1, 2, 3), table(builder)}) == 4
    vectors = [np.array(values, kind) for values, kind in (([1, 2], "<i4"), ([1, 2], "<i8"), ([1.5, 2], "<f4"))]
    places = [builder.CreateNumpyVector(vector) for vector in vectors]
    assert [builder.CreateNumpyVector(vector) for vector in vectors] == places
    assert len(set(places)) == 3
    assert builder.CreateString("name") == builder.CreateString("name") != builder.CreateString("other")


def test_numbers_of_equal_value_and_other_bytes_are_not_taken_for_one_another():
    builder = Once()
    builder.StartObject(1)
    builder.PrependFloat32Slot(0, 1.0, 0.0)
    real = builder.EndObject()
    assert real != table(builder, 1)
    builder.StartObject(1)
    builder.PrependFloat32Slot(0, -0.0, 2.0)
    negative = builder.EndObject()
    builder.StartObject(1)
    builder.PrependFloat32Slot(0, 0.0, 2.0)
    assert builder.EndObject() != negative


def test_what_is_taken_back_leaves_nothing_behind():
    builder = Once()
    first = table(builder, 7, 8, 9)
    used = builder.Offset()
    for _ in range(100):
        assert table(builder, 7, 8, 9) == first
    assert builder.Offset() == used
    builder.Finish(table(builder, 5), b"TEST")
    assert Flatbuffer(bytes(builder.Output())).root().integer(0, "i") == 5


def test_a_network_s_file_is_smaller_and_holds_the_same():
    content = unpacked(skeleton(topology("ds_cnn_s", (49, 10, 1), 12)))
    plain, once = Builder(1024), Once()
    plain.Finish(content.Pack(plain), b"TFL3")
    once.Finish(content.Pack(once), b"TFL3")
    assert len(once.Output()) < 0.95 * len(plain.Output())
    before, after = (unpacked(bytes(builder.Output())) for builder in (plain, once))
    for a, b in zip(before.subgraphs[0].tensors, after.subgraphs[0].tensors, strict=True):
        assert (a.name, a.type, a.buffer, list(a.shape)) == (b.name, b.type, b.buffer, list(b.shape))
        scales = [None if x.quantization is None else x.quantization.scale.tobytes() for x in (a, b)]
        assert scales[0] == scales[1]
    for a, b in zip(before.buffers, after.buffers, strict=True):
        assert (a.data is None and b.data is None) or a.data.tobytes() == b.data.tobytes()
