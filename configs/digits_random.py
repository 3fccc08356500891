"""Random search under the bounds of the quick start: what evolution has to beat."""

from configs.digits_aging import config as aging
from edgevolve import RandomSearch

config = aging.with_fields(algorithm=RandomSearch())
