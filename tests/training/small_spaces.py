"""A small space of each kind, for tests over random networks."""

from search_space import CellSpace, CnnSpace, MlpSpace, MobileSpace, NasBench201Space

SPACES = {
    "cnn": CnnSpace((12, 9, 2), 5, max_filters=12, max_units=16),
    "cells": CellSpace((24, 1, 3), 4, layers=3, nodes=3, channels=3, concat=2),
    "mlp": MlpSpace((5, 4, 1), 3, max_units=20),
    "mobile": MobileSpace((16, 16, 3), 4, max_stages=3, depths=(1, 2), max_filters=24),
    "nasbench201": NasBench201Space((16, 16, 3), 4),
}
