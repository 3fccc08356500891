"""A search whose candidates are pruned by a share that evolves with them, against one without pruning."""

from benchmarks.compression_sections.inherited_weights import STRATEGIES
from benchmarks.compression_sections.searches import budget, compared
from benchmarks.compression_sections.section import Found, Options
from edgevolve.runs import SearchConfig
from edgevolve.training import Prune, TrainingSettings
from search_space import Recipes


def measure(options: Options) -> Found:
    """Five seeds of 15 minutes of a core; three of 30 seconds with `--quick`."""
    if options.data is None:
        return Found([], {"sparsity_hypervolume_ratio": None}, ["sparsity on MNIST: give --data"])

    def pruned(config: SearchConfig, training: TrainingSettings | None = None) -> SearchConfig:
        space = Recipes(config.space, sparsity=(0, 0.25, 0.5, 0.75))
        return config.with_fields(space=space, stages=(Prune(training=training),))

    def pruned_later(config: SearchConfig) -> SearchConfig:
        return pruned(config, TrainingSettings(epochs=max(2, config.training.epochs // 2)))

    _, seconds, _, _ = budget(options)
    title = f"MNIST: hypervolume after {seconds:.0f} s of one core"
    variants = {
        "without": lambda config: config,
        "sparsity evolves, pruned within the training": pruned,
    }
    if not options.quick:
        variants["the same, pruned in half as many epochs more"] = pruned_later
    table, ratio = compared(options, title, {"NSGA-III": STRATEGIES["NSGA-III"]}, variants)
    return Found([table], {"sparsity_hypervolume_ratio": ratio})
