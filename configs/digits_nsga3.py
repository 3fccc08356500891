"""The quick start's digits and bounds with NSGA-III: a front of accuracy, peak memory, size and MACs.

Within 300 evaluations few parents fit together: most children are mutants, crossover 0.3 in place of 0.9.
"""

from configs.digits_aging import config as aging
from search_algorithms import NSGA3

config = aging.with_fields(algorithm=NSGA3(crossover=0.3))
