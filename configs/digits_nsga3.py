"""The quick start's digits and bounds with NSGA-III: a front of accuracy, peak memory, size and MACs.

Within 300 evaluations few parents fit together, so half of the children are mutants; of every sixteen children within
the bounds a surrogate that learns from the trained networks chooses the one to train.
"""

from configs.digits_aging import config as aging
from edgevolve import NSGA3, Screened

config = aging.with_fields(algorithm=Screened(NSGA3(founders=20, crossover=0.5), children=16))
