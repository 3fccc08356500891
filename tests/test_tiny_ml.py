"""A configuration of TI's Tiny ML ModelZoo runs as it stands, and its mistakes are named."""

import numpy as np
import pytest

from edgevolve.configuration import load_configuration
from edgevolve.data import DataError, Features
from edgevolve.engine import DARTS
from edgevolve.graph import Activation, Conv2D, Dense, GlobalAveragePool, GraphBuilder, MaxPool2D
from edgevolve.runs import ConfigError
from predictors import PredictorError, TiNpu, rules_broken
from search_algorithms import Derived, at_most
from search_space import CellSpace

WHOLE = """\
common:
  task_type: generic_timeseries_classification
  target_device: F28P55
dataset:
  dataset_name: motors
data_processing_feature_extraction:
  feature_extraction_name: FFT64Input_16Feature_2Frame_Full_Bandwidth
  variables: 1
training:
  enable: True
  training_epochs: 15
  batch_size: 256
  nas_enabled: True
  nas_epochs: 10
  nas_optimization_mode: 'Memory'
  nas_model_size: 's'
compilation:
  enable: True
"""
SHORT = "training: {{nas_enabled: True, nas_epochs: 2, nas_optimization_mode: Compute, {}}}"
CUSTOM = (
    "nas_nodes_per_layer: 4, nas_layers: 5, nas_init_channels: 8, nas_init_channel_multiplier: 2, nas_fanout_concat: 3"
)


@pytest.fixture
def recordings(tmp_path):
    rng = np.random.default_rng(0)
    for name, period in (("worn", 5), ("sound", 9)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            signal = np.sin(np.arange(512) * 2 * np.pi / period) + rng.standard_normal(512) / 2
            text = "\n".join(["current", *(f"{value:.3f}" for value in signal)])
            (tmp_path / "data" / name / f"{number}.csv").write_text(text)
    return str(tmp_path / "data")


def loaded(tmp_path, text, data):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load_configuration(str(path), data=data)


def test_every_key_of_a_whole_file_is_what_it_says(tmp_path, recordings):
    config = loaded(tmp_path, WHOLE, recordings)
    assert isinstance(config.data, Features)
    assert config.data.input_shape == (2, 16, 1)
    assert (config.data.front_end.window, config.data.front_end.stride) == (64, 64)
    space = config.space
    assert isinstance(space, CellSpace)
    assert (space.layers, space.nodes, space.channels, space.stem, space.concat) == (3, 4, 1, 3, 4)
    assert [one.metric for one in config.problem.objectives] == ["error", "model_size_bytes"]
    assert isinstance(config.prepare, DARTS)
    assert isinstance(config.algorithm, Derived)
    assert config.prepare.training.epochs == 10
    assert (config.training.epochs, config.training.batch_size) == (15, 256)
    assert config.metrics == (TiNpu(),)
    assert len(config.data.load().train) > 0


def test_custom_keys_stand_in_place_of_a_size(tmp_path, recordings):
    config = loaded(tmp_path, SHORT.format(CUSTOM), recordings)
    space = config.space
    assert (space.layers, space.nodes, space.channels, space.stem, space.concat) == (5, 4, 8, 2, 3)
    assert config.problem.objectives[1].metric == "macs"
    assert config.metrics == ()


def test_the_path_of_the_data_may_stand_in_the_file(tmp_path, recordings):
    text = f"dataset: {{input_data_path: {recordings}}}\n" + SHORT.format("nas_model_size: s")
    assert loaded(tmp_path, text, None).space.classes == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("nas_epochs:", "nas_epocs:"), r"training\.nas_epocs: no such field; did you mean 'nas_epochs'"),
        (("compilation:", "compile:"), "compile: no such field"),
        (("'Memory'", "'memory'"), r"training\.nas_optimization_mode: .*; did you mean 'Memory'"),
        (("nas_epochs: 10", "nas_epochs: ten"), r"training\.nas_epochs: .*not 'ten'"),
        (("nas_enabled: True", "nas_enabled: False"), "nas_enabled is False: there is nothing to search"),
        (("'s'", "'s'\n  nas_layers: 4"), "nas_model_size and nas_layers exclude each other"),
        (("nas_model_size: 's'", "nas_layers: 2"), "layers must be a whole number of at least 3, not 2"),
        (("  nas_model_size: 's'\n", ""), "give nas_model_size"),
        (("variables: 1", "variables: 3"), "variables is 3, the data have 1 channels"),
        (("FFT64Input_16Feature_2Frame_Full_Bandwidth", "Mystery"), "feature_extraction_name: Mystery: names that"),
        (("generic_timeseries_classification", "generic_timeseries_regression"), "finds only classifiers"),
        (("training:", "training: !!python/object/apply:os.system [ls]\nother:"), "not a configuration of TI's"),
    ],
)
def test_mistakes_are_one_line_that_says_what_and_where(tmp_path, recordings, change, message):
    assert change[0] in WHOLE
    with pytest.raises((ConfigError, PredictorError), match=message) as caught:
        loaded(tmp_path, WHOLE.replace(*change), recordings)
    assert "\n" not in str(caught.value)


def test_data_have_to_be_there_and_belong_to_a_yaml_file(tmp_path, recordings):
    with pytest.raises(ConfigError, match="add --data PATH"):
        loaded(tmp_path, WHOLE, None)
    with pytest.raises(DataError, match="no such file or folder"):
        loaded(tmp_path, WHOLE, str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"--data .* names the data of a \.yaml configuration"):
        load_configuration("digits_darts", data=recordings)


def network(channels, kernel, pool, inputs=1, stride=(2, 1)):
    net = GraphBuilder()
    x = net.input((1, 64, 1, inputs))
    x = net.add(Conv2D(channels, kernel, stride, activation=Activation.RELU), x)
    x = net.add(MaxPool2D(pool, pool), x)
    return net.build(net.add(Dense(2), net.add(GlobalAveragePool(), x)))


def test_rules_of_the_npu_are_counted_place_by_place():
    assert rules_broken(network(16, (7, 1), (4, 1))) == ()
    broken = rules_broken(network(6, (9, 1), (5, 1), inputs=3, stride=(3, 1)))
    words = ("3 channels, not 1", "6 channels", "9 rows", r"stride of (3, 1)", "pool of (5, 1)", "6 inputs")
    assert len(broken) == len(words)
    assert all(word in line for word, line in zip(words, broken, strict=True))
    assert TiNpu()(network(6, (7, 1), (4, 1))) == {"npu_rules_broken": 2.0}


def test_cells_of_four_channels_keep_the_rules_and_of_one_do_not():
    bound = at_most("npu_rules_broken", 0)
    for channels, kept in ((4, True), (1, False)):
        space = CellSpace((64, 1, 1), 4, layers=3, channels=channels)
        graph = space.graph(space.sample(np.random.default_rng(0)))
        assert bound.broken(TiNpu()(graph)) is not kept
