import numpy as np
import pytest
from scipy.stats import spearmanr

from resource_models import macs, model_size
from search_algorithms.screening import seen_of
from search_algorithms.surrogate import Evidence, Processes, Thompson, Trees
from search_space import CnnSpace, MlpSpace

SPACE = CnnSpace((8, 8, 1), 10)


@pytest.mark.parametrize("surrogate", [Processes(optimism=0.25), Thompson(), Trees(seed=0)])
def test_what_a_surrogate_sees_tells_the_size_of_networks_that_it_has_not_seen(surrogate):
    """The encoding alone, of 330 columns, does not."""
    rng = np.random.default_rng(0)
    genotypes = [SPACE.sample(rng) for _ in range(200)]
    graphs = [SPACE.graph(genotype) for genotype in genotypes]
    sizes = np.log([[float(model_size(graph))] for graph in graphs])
    known = [[float(macs(graph))] for graph in graphs]
    agreement = []
    for metrics in ([[]] * 200, known):
        seen = np.array([seen_of(SPACE, genotype, m) for genotype, m in zip(genotypes, metrics, strict=True)])
        learned = Evidence(seen[:120], sizes[:120], sizes[:120], sizes[:120], np.empty((0, seen.shape[1])))
        mean = surrogate.fit(learned).predict(seen[120:], learned).mean[:, 0]
        agreement.append(spearmanr(mean, sizes[120:, 0]).statistic)
    assert agreement[0] < 0.7 and agreement[1] > 0.85


def test_nothing_but_the_encoding_is_seen_where_nothing_is_measured():
    space = MlpSpace((8, 8, 1), 3)
    genotype = space.sample(np.random.default_rng(0))
    assert (seen_of(space, genotype, []) == space.encode(genotype)).all()
    assert np.isfinite(seen_of(space, genotype, [np.nan, np.inf, -1.0])).all()
