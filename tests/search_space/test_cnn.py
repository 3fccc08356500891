"""μNAS's space of convolutional networks: distributions, morphisms and words."""

import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from edgevolve.graph import Conv2D, graph_hash
from search_space import CnnSpace, GenotypeError
from search_space.cnn import Block, Conv, Depthwise, Net, Pointwise, Pool
from search_space.head import Hidden

SPACE = CnnSpace((16, 16, 3), 10)
CONV = Conv(kernel=3, filters=8, stride=1, batch_norm=False, relu=True, prepool=False)
POINTWISE = Pointwise(filters=4, batch_norm=True, relu=False, prepool=False)
DEPTHWISE = Depthwise(kernel=5, stride=2, batch_norm=True, relu=True, prepool=True)


def net(*blocks, pool=None, dense=(16,)):
    return Net(blocks, pool, tuple(map(Hidden, dense)))


def series(*layers):
    return Block(False, layers)


def branch(*layers):
    return Block(True, layers)


def neighbours(genotype, space=SPACE, seed=0):
    return list(space.neighbours(genotype, np.random.default_rng(seed)))


def changed_layers(layer):
    """The neighbours of the only layer of a net that keep its type."""
    layers = [n.blocks[0].layers[0] for n in neighbours(net(series(layer))) if len(n.blocks[0].layers) == 1]
    return [other for other in layers if type(other) is type(layer) and other != layer]


@pytest.fixture(scope="module")
def sampled():
    rng = np.random.default_rng(0)
    return [SPACE.sample(rng) for _ in range(4000)]


def test_both_bounds_of_every_variable_are_sampled(sampled):
    blocks = [block for genotype in sampled for block in genotype.blocks]
    layers = [layer for block in blocks for layer in block.layers]
    assert {len(genotype.blocks) for genotype in sampled} == set(range(1, 11))
    assert {len(block.layers) for block in blocks} == {1, 2, 3}
    for kind in (Conv, Depthwise):
        assert {layer.kernel for layer in layers if type(layer) is kind} == {3, 5, 7}
        assert {layer.stride for layer in layers if type(layer) is kind} == {1, 2}
    for kind in (Conv, Pointwise):
        assert {layer.filters for layer in layers if type(layer) is kind} == set(range(1, 129))
    assert {genotype.pool for genotype in sampled} == {None, *(Pool(k, s) for k in ("avg", "max") for s in (2, 4, 6))}
    assert {len(genotype.dense) for genotype in sampled} == {1, 2, 3}
    assert {layer.units for genotype in sampled for layer in genotype.dense} == set(range(10, 257))


def test_switches_have_the_frequencies_of_the_paper(sampled):
    blocks = [block for genotype in sampled for block in genotype.blocks[1:]]
    layers = [layer for block in blocks for layer in block.layers]

    def share(values):
        return sum(values) / len(values)

    assert share([layer.relu for layer in layers]) == pytest.approx(0.9, abs=0.01)
    assert share([layer.prepool for layer in layers]) == pytest.approx(0.25, abs=0.01)
    assert share([layer.batch_norm for layer in layers]) == pytest.approx(0.5, abs=0.01)
    assert share([block.branch for block in blocks]) == pytest.approx(0.5, abs=0.02)
    assert share([genotype.pool is not None for genotype in sampled]) == pytest.approx(0.9, abs=0.02)
    for kind in (Conv, Pointwise, Depthwise):
        assert share([type(layer) is kind for layer in layers]) == pytest.approx(1 / 3, abs=0.01)


def test_the_first_block_is_never_a_branch(sampled):
    rng = np.random.default_rng(1)
    assert not any(genotype.blocks[0].branch for genotype in sampled)
    for a, b in zip(sampled[:50], sampled[50:100], strict=True):
        assert not SPACE.crossover(a, b, rng).blocks[0].branch
        assert not any(n.blocks[0].branch for n in SPACE.neighbours(a, rng))
    value = SPACE.to_json(net(series(CONV)))
    value["blocks"][0]["branch"] = True
    with pytest.raises(GenotypeError, match=r"genotype\.blocks\[0\]\.branch: expected false"):
        SPACE.from_json(value)


def test_a_walk_of_mutations_reaches_the_bounds_of_the_structure():
    rng = np.random.default_rng(0)
    space = CnnSpace((8, 8, 1), 3, max_blocks=3, max_filters=4)
    genotype, seen = space.sample(rng), []
    for _ in range(1500):
        genotype = space.mutate(genotype, rng)
        seen.append(genotype)
    layers = [layer for g in seen for block in g.blocks for layer in block.layers]
    assert {len(g.blocks) for g in seen} == {1, 2, 3}
    assert {len(block.layers) for g in seen for block in g.blocks} == {1, 2, 3}
    assert {len(g.dense) for g in seen} == {1, 2, 3}
    assert {layer.filters for layer in layers if isinstance(layer, Conv)} == {1, 2, 3, 4}
    assert {layer.kernel for layer in layers if isinstance(layer, Depthwise)} == {3, 5, 7}
    assert {g.pool and g.pool.size for g in seen} == {None, 2, 4, 6}


def test_a_convolution_changes_by_filters_kernel_stride_and_switches():
    assert changed_layers(CONV) == [
        replace(CONV, kernel=5),
        *(replace(CONV, filters=n) for n in (7, 9, 5, 11, 3, 13)),
        replace(CONV, stride=2),
        replace(CONV, batch_norm=True),
        replace(CONV, relu=False),
        replace(CONV, prepool=True),
    ]


def test_a_pointwise_convolution_has_no_kernel_or_stride_and_a_depthwise_one_no_filters():
    assert changed_layers(POINTWISE) == [
        *(replace(POINTWISE, filters=n) for n in (3, 5, 1, 7, 9)),
        replace(POINTWISE, batch_norm=False),
        replace(POINTWISE, relu=True),
        replace(POINTWISE, prepool=True),
    ]
    assert changed_layers(DEPTHWISE) == [
        *(replace(DEPTHWISE, kernel=n) for n in (3, 7)),
        replace(DEPTHWISE, stride=1),
        replace(DEPTHWISE, batch_norm=False),
        replace(DEPTHWISE, relu=False),
        replace(DEPTHWISE, prepool=False),
    ]


def test_a_layer_changes_to_each_other_type():
    firsts = [n.blocks[0].layers for n in neighbours(net(series(CONV))) if len(n.blocks) == 1]
    assert {type(layers[0]) for layers in firsts if len(layers) == 1} == {Conv, Pointwise, Depthwise}


def test_a_layer_is_removed_from_or_inserted_at_any_place_of_a_block():
    two = [n.blocks[0].layers for n in neighbours(net(series(CONV, POINTWISE))) if len(n.blocks) == 1]
    assert [layers for layers in two if len(layers) == 1] == [(POINTWISE,), (CONV,)]
    longer = [layers for layers in two if len(layers) == 3]
    assert [layers.index(CONV) for layers in longer] == [1, 0, 0]
    assert [layers.index(POINTWISE) for layers in longer] == [2, 2, 1]
    three = neighbours(net(series(CONV, POINTWISE, DEPTHWISE)))
    assert {len(n.blocks[0].layers) for n in three} == {2, 3}
    assert all(n.blocks for n in neighbours(net(series(CONV))))


def test_one_block_of_one_layer_is_appended_at_the_end():
    before = net(series(CONV), branch(POINTWISE))
    (longer,) = (n.blocks for n in neighbours(before) if len(n.blocks) == 3)
    assert longer[:2] == before.blocks and len(longer[2].layers) == 1
    full = net(*[series(CONV)] * 10)
    assert max(len(n.blocks) for n in neighbours(full)) == 10


def test_removing_a_series_block_turns_the_branch_after_it_into_a_series_block():
    before = net(series(CONV), series(POINTWISE), branch(DEPTHWISE), branch(CONV))
    assert [n.blocks for n in neighbours(before) if len(n.blocks) == 3] == [
        (series(POINTWISE), branch(DEPTHWISE), branch(CONV)),
        (series(CONV), series(DEPTHWISE), branch(CONV)),
        (series(CONV), series(POINTWISE), branch(CONV)),
        (series(CONV), series(POINTWISE), branch(DEPTHWISE)),
    ]
    assert [n.blocks for n in neighbours(net(series(CONV), branch(CONV))) if len(n.blocks) == 1] == [
        (series(CONV),),
        (series(CONV),),
    ]


def test_removing_either_of_two_equal_blocks_is_one_morphism_unless_a_branch_follows():
    shorter = [n.blocks for n in neighbours(net(series(CONV), series(CONV))) if len(n.blocks) == 1]
    assert shorter == [(series(CONV),)]
    followed = net(series(CONV), series(CONV), branch(POINTWISE))
    assert [n.blocks for n in neighbours(followed) if len(n.blocks) == 2] == [
        (series(CONV), branch(POINTWISE)),
        (series(CONV), series(POINTWISE)),
        (series(CONV), series(CONV)),
    ]


def test_branches_are_toggled_but_for_the_first_block():
    before = net(series(CONV), series(POINTWISE), branch(DEPTHWISE))
    toggled = [
        [b.branch for b in n.blocks]
        for n in neighbours(before)
        if [b.layers for b in n.blocks] == [b.layers for b in before.blocks] and n.blocks != before.blocks
    ]
    assert toggled == [[False, True, True], [False, False, False]]


def test_the_pool_is_toggled_changed_in_kind_and_in_size():
    def pools(pool):
        return [n.pool for n in neighbours(net(series(CONV), pool=pool)) if n.pool != pool]

    assert pools(Pool("avg", 4)) == [None, Pool("max", 4), Pool("avg", 2), Pool("avg", 6)]
    assert pools(Pool("max", 6)) == [None, Pool("avg", 6), Pool("max", 4)]
    (fresh,) = pools(None)
    assert isinstance(fresh, Pool)


def test_hidden_layers_are_removed_appended_and_change_by_1_3_or_5_units():
    dense = [[d.units for d in n.dense] for n in neighbours(net(series(CONV), dense=(12, 256)))]
    dense = [units for units in dense if units != [12, 256]]
    assert dense[:2] == [[256], [12]]
    assert dense[2][:2] == [12, 256] and len(dense[2]) == 3
    assert dense[3:] == [*([n, 256] for n in (11, 13, 15, 17)), *([12, n] for n in (255, 253, 251))]


def test_a_mutation_never_chooses_a_neighbour_without_effect():
    space = CnnSpace((16, 16, 3), 10, max_blocks=2, max_layers=1, max_dense=1)
    parent = net(series(CONV), branch(CONV))
    rng = np.random.default_rng(0)
    idle = net(series(CONV), branch(replace(CONV, filters=9)))
    assert idle in neighbours(parent, space)
    assert graph_hash(space.graph(idle)) == graph_hash(space.graph(parent))
    children = [space.mutate(parent, rng) for _ in range(600)]
    assert idle not in children
    assert {child for child in neighbours(parent, space) if len(child.blocks) == 1} <= set(children)


def test_blocks_of_a_crossover_are_whole_blocks_of_its_parents(sampled):
    rng = np.random.default_rng(0)
    for a, b in zip(sampled[:100], sampled[100:200], strict=True):
        child = SPACE.crossover(a, b, rng)
        assert set(child.blocks) <= {*a.blocks, *b.blocks}
        assert len(child.blocks) in (len(a.blocks), len(b.blocks))


def test_words_name_what_changed():
    before = net(series(CONV), branch(POINTWISE, DEPTHWISE), pool=Pool("avg", 2))
    after = {
        "block 2, layer 1: filters 4 → 7": net(
            series(CONV), branch(replace(POINTWISE, filters=7), DEPTHWISE), pool=before.pool
        ),
        "block 2: branch on → off": net(series(CONV), series(POINTWISE, DEPTHWISE), pool=before.pool),
        "block 2: layer 1 removed": net(series(CONV), branch(DEPTHWISE), pool=before.pool),
        "block 2: layer 2 added": net(series(CONV), branch(POINTWISE, CONV, DEPTHWISE), pool=before.pool),
        "block 1, layer 1: conv → depthwise": net(series(DEPTHWISE), before.blocks[1], pool=before.pool),
        "block 1, layer 1: batch norm off → on": net(
            series(replace(CONV, batch_norm=True)), before.blocks[1], pool=before.pool
        ),
        "block 2 removed": net(series(CONV), pool=before.pool),
        "block 1 removed; block 1: branch on → off": net(series(POINTWISE, DEPTHWISE), pool=before.pool),
        "block 3 added": net(*before.blocks, series(CONV), pool=before.pool),
        "pool removed": net(*before.blocks),
        "pool: size 2 → 4": net(*before.blocks, pool=Pool("avg", 4)),
        "dense 1: units 16 → 17": net(*before.blocks, pool=before.pool, dense=(17,)),
    }
    assert {SPACE.difference(before, genotype) for genotype in after.values()} == set(after)
    far = net(series(replace(CONV, kernel=7, filters=9)), before.blocks[1], pool=Pool("max", 4), dense=(17,))
    assert SPACE.difference(before, far) == (
        "5 changes: block 1, layer 1: kernel 3 → 7; block 1, layer 1: filters 8 → 9; ..."
    )


def test_a_description_names_every_part():
    genotype = net(series(CONV), branch(POINTWISE, DEPTHWISE), series(CONV), pool=Pool("max", 2), dense=(64, 32))
    assert CnnSpace((32, 32, 3), 10).describe(genotype) == (
        "[conv 3×3 8 relu] + branch [1×1 4 bn, pool dw 5×5/2 bn relu, 1×1 8] → [conv 3×3 8 relu] "
        "→ max-pool 2 → dense 64 → dense 32 → 10 logits"
    )


def test_a_description_is_of_what_is_built():
    wide, narrow = replace(CONV, kernel=7, stride=2), replace(POINTWISE, filters=99, prepool=True)
    genotype = net(series(wide), branch(DEPTHWISE, narrow), series(wide), pool=Pool("max", 6))
    assert CnnSpace((8, 8, 1), 10).describe(genotype) == (
        "[conv 7×7/2 8 relu] + branch [pool conv 4×4 1 bn relu, 1×1 8 bn] → [1×1 8 relu] → dense 16 → 10 logits"
    )
    assert CnnSpace((64, 1, 6), 2).describe(genotype) == (
        "[conv 7×1/2 8 relu] + branch [pool dw 5×1/2 bn relu, pool 1×1 8 bn] → [conv 7×1 8 relu] → dense 16 → 1 logit"
    )


@pytest.mark.parametrize("seed", range(30))
def test_words_and_network_have_the_same_convolutions(seed):
    space = CnnSpace((24, 20, 3), 10)
    genotype = space.sample(np.random.default_rng(seed))
    named = re.findall(r"(\d)×(\d)(?:/2)? (\d+)", space.describe(genotype))
    built = [node.op for node in space.graph(genotype).nodes if isinstance(node.op, Conv2D)]
    assert Counter(tuple(map(int, words)) for words in named) == Counter((*op.kernel, op.filters) for op in built)


def test_json_is_plain_and_readable():
    assert SPACE.to_json(net(series(POINTWISE), pool=Pool("max", 2))) == {
        "blocks": [
            {
                "branch": False,
                "layers": [{"type": "pointwise", "filters": 4, "batch_norm": True, "relu": False, "prepool": False}],
            }
        ],
        "pool": {"kind": "max", "size": 2},
        "dense": [{"units": 16}],
    }


@pytest.mark.parametrize(
    "bounds", [{"max_blocks": 0}, {"max_layers": 0}, {"max_filters": 0}, {"max_dense": 0}, {"max_units": 9}]
)
def test_impossible_bounds_are_refused_when_the_space_is_made(bounds):
    with pytest.raises(ValueError, match=r"high must be|cannot have"):
        CnnSpace((16, 16, 3), 10, **bounds)


def test_a_space_may_have_networks_without_a_hidden_layer_which_share_no_weights():
    space = CnnSpace((16, 16, 3), 10, min_dense=0)
    plain = space.separable(8, blocks=1, units=0)
    assert space.describe(plain).endswith("avg-pool 5 → 10 logits")
    assert {len(space.sample(np.random.default_rng(seed)).dense) for seed in range(30)} == {0, 1, 2, 3}
    with pytest.raises(ValueError, match="share no weights: give min_dense=1"):
        _ = space.program


def test_an_input_that_is_no_image_is_refused():
    with pytest.raises(ValueError, match="height, width, channels"):
        CnnSpace((16, 16), 10)


def test_a_separable_network_to_begin_with_is_a_genotype_of_the_space():
    space = CnnSpace((28, 28, 1), 10, max_blocks=4, max_filters=32, max_dense=1, max_units=16)
    net = space.separable(12)
    assert space.from_json(space.to_json(net)) == net
    assert space.describe(net) == (
        "[conv 3×3/2 12 bn relu] → [dw 3×3 bn relu, 1×1 12 bn relu] → [dw 3×3 bn relu, 1×1 12 bn relu] → "
        "[dw 3×3 bn relu, 1×1 12 bn relu] → avg-pool 6 → dense 16 → 10 logits"
    )
    for sizes in ({"filters": 33}, {"filters": 12, "blocks": 4}, {"filters": 12, "units": 17}):
        with pytest.raises(GenotypeError):
            space.separable(**sizes)
