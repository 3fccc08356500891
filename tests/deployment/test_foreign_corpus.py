"""What `benchmarks/foreign_files.py` counts: of files that hold what they should, and of files that do not."""

import json

import numpy as np
import pytest

from benchmarks import foreign_files
from benchmarks.foreign_sections.additions import outside, with_archive, with_metadata, with_plan
from edgevolve.deployment.flatbuffer import packed, schema, unpacked
from edgevolve.deployment.micro import available
from tests.tflite.operator_files import CASES

DENSE, WINDOW = CASES["FULLY_CONNECTED/i8pc"], CASES["SignalWindow"]
RICH = with_archive(with_metadata(DENSE, ("TFLITE_METADATA", b"M001"), (None, b"nameless")))


def with_signature(content):
    model = unpacked(content)
    signature, x = schema().SignatureDefT(), schema().TensorMapT()
    x.name, x.tensorIndex = "x", int(model.subgraphs[0].inputs[0])
    signature.inputs, signature.outputs, signature.signatureKey = [x], [], "serving_default"
    model.signatureDefs = [signature]
    return packed(model)


@pytest.mark.parametrize(
    ("before", "after", "kinds"),
    [
        (RICH, RICH, []),
        (outside(DENSE), DENSE, []),
        (with_plan(DENSE, 64), DENSE, []),
        (with_archive(DENSE), DENSE, ["appended archive"]),
        (with_metadata(DENSE, ("a", b"1")), DENSE, ["metadata"]),
        (with_metadata(DENSE, ("a", b"1")), with_metadata(DENSE, ("a", b"2")), ["metadata"]),
        (with_signature(DENSE), DENSE, ["signatures"]),
        (CASES["SignalFramer/0"], CASES["SignalFramer/1"], []),
        (CASES["SignalStacker/0_0"], CASES["SignalStacker/3_1"], ["operators"]),
        (CASES["FULLY_CONNECTED/i8"], CASES["FULLY_CONNECTED/i8pc"], ["quantisation"]),
    ],
)
def test_what_a_new_file_lacks_is_named_by_its_kind(before, after, kinds):
    assert foreign_files.lost(before, after)[:1] == kinds


def test_a_change_of_weights_is_a_loss():
    model = unpacked(DENSE)
    model.buffers[1].data = np.asarray(model.buffers[1].data) + 1
    assert foreign_files.lost(DENSE, packed(model)) == ["constants"]


def facts(promised, needed, *unknown):
    return {"unknown": list(unknown), "denied": [], "promised": [32, 900, promised], "needed": [32, 900, needed]}


def test_a_promise_is_wrong_where_it_is_too_small_and_not_said_to_be_a_lower_bound():
    trials = [facts(980, 1000), facts(979, 1000), facts(500, 1000, "DECODE"), facts(1021, 1000), facts(1020, 1000)]
    figures = foreign_files.figures(
        [*trials, {"refused": "empty"}, {"traceback": ["..."]}, {"ended": "died of signal 9"}]
    )
    assert [figures[key] for key in ("files", "read", "refused", "tracebacks", "out_of_time_or_died")] == [
        8,
        5,
        1,
        1,
        1,
    ]
    assert [figures[key] for key in ("arena_promised", "arena_lower_bounds", "arena_wrong")] == [4, 1, 1]
    assert (figures["arena_within_2_per_cent"], figures["arena_too_large"]) == (2, 1)
    assert [bool(foreign_files.complaints(trial)) for trial in trials] == [False, True, False, True, False]


@pytest.mark.skipif(not available(), reason="TensorFlow Lite Micro has no wheel here")
def test_files_of_a_folder_are_tried_each_by_itself_and_counted(tmp_path, monkeypatch, capsys):
    (tmp_path / "inside").mkdir()
    (tmp_path / "rich.tflite").write_bytes(RICH)
    (tmp_path / "inside" / "window.tflite").write_bytes(WINDOW)
    (tmp_path / "inside" / "page.tflite").write_bytes(b"<html>no model</html>")
    monkeypatch.setattr("sys.argv", ["foreign_files.py", str(tmp_path)])
    foreign_files.main()
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["files"], figures["read"], figures["refused"], figures["tracebacks"]) == (3, 2, 1, 0)
    assert figures["arena_promised"] == figures["arena_within_2_per_cent"] == figures["optimised"] == 2
    assert figures["head_exact_share"] == figures["outputs_equal_share"] == 1
    assert figures["content_lost"] == figures["arena_wrong"] == 0
