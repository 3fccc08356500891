"""The tables of operators: each operator is in every one of them, and none is there by default."""

import pytest

from edgevolve.deployment import onnx_model
from edgevolve.graph import OPS, Activate, Activation, Conv2D, GraphBuilder, Opaque, ShapeError
from edgevolve.tflite import CORTEX_M, ROWS, needs, operators, read_tflite, row_of, skeleton
from edgevolve.training import forward, keras_model
from resource_models.graph_features import KINDS
from tests.graph.test_network import CASES

TABLES = {
    "rows": {row.op for row in ROWS.values()},
    "training": set(forward.FORWARD),
    "Keras": set(keras_model.LOWER),
    "ONNX": set(onnx_model.LOWER),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.__name__)
def test_every_operator_is_in_every_table(op, table):
    assert op in TABLES[table]


def test_every_function_of_an_activation_has_a_row():
    functions = set(Activation) - {Activation.NONE}
    assert {row_of(Activate(function)).attributes["function"] for function in functions} == functions


def test_no_two_rows_share_a_name_a_code_or_a_method():
    for kind in ("name", "code", "method"):
        values = [getattr(row, kind) for row in ROWS.values()]
        assert len(values) == len(set(values)) > 16


def test_an_operator_of_the_graph_has_a_kernel_and_an_attribute_behind_each_option():
    for row in ROWS.values():
        if row.op is not None:
            assert row.kernel is not None, row.name
            attributes = set(row.op.__dataclass_fields__)
            assert {field.name for field in row.fields if field.fixed is None} <= attributes, row.name
            assert row.kind in (*KINDS, "conv"), row.name


@pytest.mark.parametrize(("op", "shapes"), [case[:2] for case in CASES], ids=str)
def test_an_operator_that_was_written_is_read_as_itself(op, shapes):
    net = GraphBuilder()
    graph = net.build(net.add(op, *(net.input(shape) for shape in shapes)))
    model = read_tflite(skeleton(graph))
    read = model.graph.nodes[0].op
    assert read == (op if not getattr(op, "batch_norm", False) else type(op)(**(vars_of(op) | {"batch_norm": False})))
    assert needs(model.operators[0], CORTEX_M).scratch == needs(operators(graph)[0], CORTEX_M).scratch


def test_an_operator_without_a_row_is_never_given_one():
    class Strange(Conv2D):
        pass

    with pytest.raises(ShapeError, match="Strange cannot be written"):
        row_of(Strange(1, (1, 1)))
    net = GraphBuilder()
    x = net.input((1, 4))
    (operator,) = operators(net.build(net.add(Opaque("NOT_AN_OPERATOR", ((1, 4),)), x)))
    assert needs(operator, CORTEX_M) is None


def vars_of(op):
    return {name: getattr(op, name) for name in op.__dataclass_fields__}
