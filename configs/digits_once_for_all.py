"""Once-for-All on 8×8 digits: one training of shared weights, then inverted residuals for a Raspberry Pi Pico.

The weights of all networks are trained together for some minutes. Each candidate then inherits its own and is scored in
a fraction of a second. `edgevolve train RUN` trains what is chosen from scratch;
`edgevolve specialise RUN --board NAME` finds a front for another board by the same weights.
"""

from edgevolve import (
    NSGA3,
    Digits,
    Inherited,
    MobileSpace,
    Problem,
    SearchConfig,
    Supernet,
    TrainingSettings,
    at_most,
    minimise,
)

data = Digits()
space = MobileSpace(
    input_shape=data.input_shape,
    classes=data.classes,
    max_stages=2,
    depths=(1, 2),
    max_filters=24,
    resolutions=(8,),
    blocks=("mbconv",),
    activations=("relu6",),
)

config = SearchConfig(
    data=data,
    space=space,
    problem=Problem(
        objectives=[minimise("error"), minimise("arena_bytes"), minimise("flash_bytes")],
        constraints=[at_most("macs", 1_000_000)],
    ),
    board="rp2040",
    algorithm=NSGA3(population=40),
    prepare=Supernet(space, TrainingSettings(batch_size=64, learning_rate=0.1), minutes=3),
    task=Inherited(recalibrate=1000),
    training=TrainingSettings(epochs=40, batch_size=64, learning_rate=0.1),
    evaluations=300,
)
