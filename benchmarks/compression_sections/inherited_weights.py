"""Children that start from their parents' weights, trained for half of the epochs, against all from scratch."""

from dataclasses import replace

from benchmarks.compression_sections.searches import budget, compared
from benchmarks.compression_sections.section import Found, Options
from edgevolve.runs import SearchConfig
from search_algorithms import NSGA3, AgingEvolution

STRATEGIES = {
    "NSGA-III": NSGA3(population=20, founders=8),
    "aging evolution": AgingEvolution(population=12, sample_size=4),
}


def measure(options: Options) -> Found:
    """Five seeds of 15 minutes of a core; three of 30 seconds with `--quick`."""
    if options.data is None:
        return Found([], {"inheritance_hypervolume_ratio": None}, ["inherited weights on MNIST: give --data"])

    def inheriting(config: SearchConfig) -> SearchConfig:
        epochs = max(1, config.training.epochs // 2)
        return config.with_fields(training=replace(config.training, inherited_epochs=epochs))

    _, seconds, _, _ = budget(options)
    title = f"MNIST: hypervolume after {seconds:.0f} s of one core"
    variants = {"from scratch": lambda config: config, "inherited": inheriting}
    table, ratio = compared(options, title, STRATEGIES, variants)
    return Found([table], {"inheritance_hypervolume_ratio": ratio})
