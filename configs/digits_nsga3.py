"""The quick start's digits and bounds with NSGA-III: a front of accuracy, peak memory, size and MACs.

In 300 evaluations few parents fit together: crossover 0.3, so that most children are mutants, where 0.9 suits thousands.
"""

from configs.digits_aging import config as aging
from search_algorithms import NSGA3

config = aging.with_fields(algorithm=NSGA3(crossover=0.3))
