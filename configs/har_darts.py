"""TI's cells for windows of motion sensors by gradient search; nobody is in two splits.

`HAR=recordings.npz` names the file: `x` (windows, steps, channels), `y`, and `subject`. The arena is 16 KiB at most.
"""

import os

from edgevolve import (
    DARTS,
    CellSpace,
    Derived,
    Problem,
    SearchConfig,
    SensorTable,
    TrainingSettings,
    at_most,
    minimise,
)

data = SensorTable(os.environ.get("HAR", "har.npz"), group="subject")

config = SearchConfig(
    data=data,
    space=CellSpace(data.input_shape, data.classes, layers=6, channels=4),
    problem=Problem([minimise("error"), minimise("model_size_bytes")], [at_most("arena_bytes", "16k")]),
    prepare=DARTS(training=TrainingSettings(epochs=30)),
    algorithm=Derived(),
    training=TrainingSettings(epochs=40),
    evaluations=5,
)
