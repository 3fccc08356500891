import numpy as np
import pytest

from edgevolve.runs import JournalError
from edgevolve.runs.artefacts import Artefacts, keep_weights, write_weights

ARRAYS = {"file": np.arange(3, dtype=np.int16), "a/b": np.ones((2, 0, 4), np.float32)}


def test_the_same_content_is_one_artefact(tmp_path):
    artefacts = Artefacts(tmp_path / "artefacts")
    first = artefacts.put(ARRAYS)
    assert artefacts.put({name: value.copy() for name, value in ARRAYS.items()}) == first
    assert artefacts.put(b"bytes") != first
    assert artefacts.read(artefacts.put(b"bytes")) == b"bytes"
    read = artefacts.arrays(first)
    assert list(read) == list(ARRAYS)
    for name, value in ARRAYS.items():
        assert (read[name].dtype, read[name].shape) == (value.dtype, value.shape)
        assert np.array_equal(read[name], value)


def test_what_nothing_refers_to_is_removed_and_no_other_file(tmp_path):
    artefacts = Artefacts(tmp_path)
    kept, gone = artefacts.put(b"kept"), artefacts.put(b"gone")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "folder").mkdir()
    artefacts.keep({kept})
    assert {path.name for path in tmp_path.iterdir()} == {kept, "notes.txt", "folder"}
    assert gone not in {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"other"])
def test_an_artefact_that_has_changed_is_refused(tmp_path, content):
    artefacts = Artefacts(tmp_path)
    name = artefacts.put(ARRAYS)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(JournalError, match="the file has changed"):
        artefacts.arrays(name)


def test_bytes_are_no_arrays_and_a_path_is_no_name(tmp_path):
    artefacts = Artefacts(tmp_path)
    with pytest.raises(JournalError, match="holds no arrays"):
        artefacts.arrays(artefacts.put(b"bytes"))
    with pytest.raises(JournalError, match="no name of an artefact"):
        artefacts.read("../secret")


def test_weights_are_tidied_and_other_files_beside_them_left_alone(tmp_path):
    for number in (1, 2):
        write_weights(tmp_path / f"{number}.npz", ARRAYS)
    others = {"teacher.npz", "1.npz.txt"}
    for name in others:
        (tmp_path / name).touch()
    (tmp_path / "3.npz").mkdir()
    keep_weights(tmp_path, {2})
    assert {path.name for path in tmp_path.iterdir()} == {"2.npz", "3.npz"} | others
