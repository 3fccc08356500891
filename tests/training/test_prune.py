"""Pruning: masks that follow the weights, the smaller network after them, and both in a search."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from edgevolve import Digits, Inline, MlpSpace, Prune, Recipes, Run, SearchConfig, TrainingSettings, search
from edgevolve.data import classes_of, load_splits
from edgevolve.graph import (
    Activation,
    Add,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    GraphBuilder,
    channels_of,
    from_json,
    to_json,
)
from edgevolve.runs import Resources
from edgevolve.training import Fit, TrainState, unreported
from edgevolve.training.descent import Descent, Layout, Plain
from edgevolve.training.losses import batch_loss
from edgevolve.training.masks import Masking, channel_groups, weight_groups
from edgevolve.training.prune import sparse_size
from edgevolve.training.trainer import evaluate
from edgevolve.training.weights import initial_weights
from resource_models import model_size
from search_algorithms import Completed, Problem, RandomSearch, Rejected, at_most, minimise

SHORT = TrainingSettings(epochs=2, learning_rate=0.02)


@pytest.fixture(scope="module")
def splits():
    whole = load_splits(Digits())
    return replace(whole, train=whole.train.take(np.arange(300)), validation=whole.validation.take(np.arange(100)))


@pytest.fixture(scope="module")
def network():
    """Of 6 tied groups before the sum, 8 in the second block, 10 hidden units."""
    net = GraphBuilder()
    x = net.add(Conv2D(6, (3, 3), activation=Activation.RELU, batch_norm=True), net.input((1, 8, 8, 1)))
    y = net.add(DepthwiseConv2D((3, 3), activation=Activation.RELU), x)
    x = net.add(Add(), x, net.add(Conv2D(6, (1, 1)), y))
    x = net.add(Conv2D(8, (3, 3), (2, 2), activation=Activation.RELU, batch_norm=True), x)
    x = net.add(Dense(10, Activation.RELU), net.add(GlobalAveragePool(), x))
    return from_json(to_json(net.build(net.add(Dense(10), x))))


def masking(network, **options):
    layout = Layout.of(network)
    groups = channel_groups(network, channels_of(network), layout)
    settings = {"sparsity": 0.5, "by": "magnitude", "each_layer": False, "every": 1, "end": 1.0}
    return layout, Masking(groups, **{**settings, **options})


def drawn(layout, masking, weights, done=10, whole=10):
    """The mask drawn with these weights, and the weights that the network then sees, by name."""
    flat = [tf.constant(vector) for vector in layout.flat(weights)]
    own = masking.after(flat[0], tf.zeros_like(flat[0]), [tf.constant(v) for v in masking.start()], done, whole)
    return own[0].numpy(), layout.values(masking.seen(flat[0], own).numpy(), flat[1].numpy())


def test_channels_that_are_added_are_one_group_and_a_depthwise_convolution_is_tied_to_its_input(network):
    _, regime = masking(network)
    assert regime.groups.number == 6 + 8 + 10


def test_the_share_is_that_of_all_channels_or_of_each_layer(network):
    weights = initial_weights(network, 0)
    for share in (0.25, 0.5, 0.75):
        mask, _ = drawn(*masking(network, sparsity=share), weights)
        assert (mask == 0).sum() == int(share * 24)
    layout, regime = masking(network, each_layer=True)
    mask, _ = drawn(layout, regime, weights)
    lost = [int((mask[regime.groups.layer == layer] == 0).sum()) for layer in np.unique(regime.groups.layer)]
    assert sorted(lost) == [3, 4, 5]


def test_a_channel_of_each_tensor_stays_however_weak(network):
    weights = initial_weights(network, 0)
    weak = next(name for name in weights if name.startswith("dense") and weights[name].shape == (8, 10))
    weights[weak] = weights[weak] * np.float32(1e-20)
    mask, _ = drawn(*masking(network, sparsity=0.99), weights)
    assert mask.sum() == 3


def test_what_reads_a_masked_channel_sees_zeros_and_nothing_else_changes(network):
    layout, regime = masking(network)
    weights = initial_weights(network, 0)
    mask, seen = drawn(layout, regime, weights)
    assert 0 < mask.sum() < len(mask)
    changed = {name for name, value in weights.items() if not np.array_equal(value, seen[name])}
    assert changed and all(name.endswith("/kernel") for name in changed)
    for name in changed:
        assert set(np.unique(seen[name][seen[name] != weights[name]])) == {0}


def test_a_channel_that_was_masked_too_early_comes_back(network):
    layout, regime = masking(network)
    weights = initial_weights(network, 0)
    before, _ = drawn(layout, regime, weights)
    gone = int(np.flatnonzero(before == 0)[0])
    flat, moving = layout.flat(weights)
    groups = regime.groups
    grown = np.where((groups.read == gone) | (groups.made == gone), 10 * flat, flat)
    after, _ = drawn(layout, regime, layout.values(grown, moving))
    assert after[gone] == 1


def test_the_gradient_moves_masked_weights_too(splits, network):
    """That of the masked network: what a masked channel would have done is how it comes back."""
    layout, regime = masking(network, every=1000)
    settings = TrainingSettings(epochs=1, weight_decay=0.0)
    descent = Descent(
        Plain(network, network.outputs[0].name), layout, settings, batch_loss(classes_of(10), settings), regime
    )
    mask = np.where(np.arange(24) == 8, 0, 1).astype(np.float32)
    state = [*descent.start(initial_weights(network, 0))[:-2], tf.constant(mask), tf.zeros(24)]
    part = splits.train.take(np.arange(64))

    @tf.function(autograph=False)
    def step():
        seed, bounds = tf.constant([0, 0], tf.int64), tf.constant([0, 64])
        return descent.steps(tf.constant(part.x[:]), tf.constant(part.y[:]), bounds, state, seed, 0, 100)[0]

    after = step()
    reads = regime.groups.read == 8
    assert (after[0].numpy() != state[0].numpy())[reads].any()
    assert not descent.answering(after)[0].numpy()[reads].any()


def test_the_mask_rises_to_its_share_and_then_stays(network):
    layout, regime = masking(network, every=2, end=0.5)
    weights = initial_weights(network, 0)
    masked = [(drawn(layout, regime, weights, done, 20)[0] == 0).sum() for done in range(1, 21)]
    assert masked[:10] == [0, int(12 * (1 - 0.8**3)), 0, int(12 * (1 - 0.6**3)), 0, 11, 0, 11, 0, 12]
    assert not any(masked[10:])


def test_single_weights_are_masked_by_their_magnitude_in_all_kernels_but_the_last(network):
    layout = Layout.of(network)
    regime = Masking(weight_groups(layout), 0.5, "magnitude", False, 1, 1.0)
    weights = initial_weights(network, 0)
    _, seen = drawn(layout, regime, weights)
    kernels = [name for name in weights if name.endswith("/kernel")]
    old, new = (np.concatenate([np.abs(w[name]).ravel() for name in kernels[:-1]]) for w in (weights, seen))
    assert old[new == 0].max() <= old[new != 0].min()
    assert (new == 0).sum() == len(new) // 2
    assert np.array_equal(seen[kernels[-1]], weights[kernels[-1]])


def test_a_sparse_kernel_costs_a_bit_a_weight_and_a_byte_for_each_that_is_not_zero(network):
    weights = initial_weights(network, 0)
    assert sparse_size(network, weights) == model_size(network)
    name = next(name for name, value in weights.items() if value.shape == (3, 3, 6, 8))
    weights[name][..., :4] = 0
    assert sparse_size(network, weights) == model_size(network) - 3 * 3 * 6 * 8 // 2 + 3 * 3 * 6 * 8 // 8


@pytest.mark.parametrize("by", ["magnitude", "taylor"])
def test_the_pruned_network_is_smaller_and_has_the_scores_that_the_stage_reports(splits, network, by):
    fitted = Fit(SHORT)(TrainState(network), splits, np.random.default_rng(0), unreported)
    pruned = Prune(0.5, SHORT, by)(fitted, splits, np.random.default_rng(1), unreported)
    assert sum(channels_of(pruned.graph).fixed == 0) == 12
    measured = evaluate(pruned.graph, pruned.weights, splits.validation, splits.target)
    assert measured.metrics == pytest.approx(pruned.metrics, abs=0.011)
    assert len(pruned.curves["loss"]) == 4


def test_the_epoch_kept_is_one_with_the_whole_share(splits, network):
    """However much better the network was before."""
    fitted = Fit(replace(SHORT, epochs=12))(TrainState(network), splits, np.random.default_rng(0), unreported)
    harsh = Prune(0.85, TrainingSettings(epochs=4, learning_rate=1e-5), end=0.5)
    pruned = harsh(fitted, splits, np.random.default_rng(1), unreported)
    losses = pruned.curves["validation_loss"][-4:]
    assert min(losses[:2]) < min(losses[2:])
    assert sum(channels_of(pruned.graph).fixed == 0) == 24 - int(0.85 * 24)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sparsity": 1}, "Prune: sparsity must be from 0 to below 1, not 1"),
        ({"sparsity": "half"}, "sparsity must be from 0 to below 1, not 'half'"),
        ({"by": "l1"}, "Prune: by must be 'magnitude' or 'taylor', not 'l1'"),
        ({"scope": "net"}, "scope must be 'global' or 'layer'"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words):
        Prune(**options)


def test_what_pruning_will_bring_within_the_bounds_is_trained(tmp_path):
    """Before training it is judged by itself without so large a share of each layer, after it by what it is."""
    space = MlpSpace((8, 8, 1), 10, max_layers=1, max_units=40)
    wide = {"hidden": [{"units": 40}]}
    plain = Resources()(space.graph(space.from_json(wide)))["macs"]
    config = SearchConfig(
        data=Digits(),
        space=Recipes(space, sparsity=(0, 0.5)),
        problem=Problem([minimise("error"), minimise("macs")], [at_most("macs", 0.6 * plain)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        stages=(Prune(training=TrainingSettings(epochs=1, batch_size=256)),),
        start=tuple({"network": wide, "recipe": {"sparsity": share}} for share in (0, 0.5)),
        evaluations=1,
    )
    run = search(config, "within", out=tmp_path, evaluator=Inline)
    dense, pruned = run.records[0], run.records[1]
    assert isinstance(dense.outcome, Rejected) and dense.outcome.broken
    assert isinstance(pruned.outcome, Completed) and pruned.metrics["macs"] == plain / 2
    assert [record.number for record in run.front] == [1]


@pytest.mark.slow
def test_a_search_measures_the_pruned_network_and_keeps_it(tmp_path):
    """Its front, its bounds and its weights are those of the smaller network."""
    config = SearchConfig(
        data=Digits(),
        space=Recipes(MlpSpace((8, 8, 1), 10, max_layers=2, max_units=40), sparsity=(0, 0.5)),
        problem=Problem([minimise("error"), minimise("macs")], [at_most("macs", 3000)]),
        algorithm=RandomSearch(),
        training=TrainingSettings(epochs=1),
        stages=(Prune(training=TrainingSettings(epochs=1)),),
        evaluations=5,
        seed=1,
    )
    run = search(config, "pruned", out=tmp_path, evaluator=Inline)
    again = Run.open(run.folder)
    pruned = [record for record in again.records.values() if record.reshaped]
    assert pruned and all(record.recipe == {"sparsity": 0.5} for record in pruned)
    for record in pruned:
        graph = again.graph(record.number)
        assert graph != from_json(to_json(config.space.graph(config.space.from_json(record.genotype))))
        assert record.metrics["macs"] == Resources()(graph)["macs"]
    for record in again.front:
        assert not again.problem.broken(record.metrics)
        assert evaluate(again.graph(record.number), again.weights(record.number), load_splits(Digits()).validation)
