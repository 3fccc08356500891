"""The quick start's digits and bounds with NSGA-III: a front of accuracy, peak memory, size and MACs."""

from configs.digits_aging import config as aging
from search_algorithms import NSGA3

config = aging.with_fields(algorithm=NSGA3())
