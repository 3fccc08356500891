"""The quick start: 8×8 handwritten digits in 8 kB of flash.

2 600 bytes of weights leave room for the structure of the `.tflite` around them, which takes up to 5 kB.
"""

from edgevolve import AgingEvolution, CnnSpace, Digits, Problem, SearchConfig, TrainingSettings, at_most, minimise

data = Digits()

config = SearchConfig(
    data=data,
    space=CnnSpace(input_shape=data.input_shape, classes=data.classes),
    problem=Problem(
        objectives=[
            minimise("error"),
            minimise("peak_memory_bytes"),
            minimise("model_size_bytes"),
            minimise("macs"),
        ],
        constraints=[
            at_most("error", 0.03, soft=True),
            at_most("peak_memory_bytes", 4_000),
            at_most("model_size_bytes", 2_600),
            at_most("macs", 500_000),
        ],
    ),
    algorithm=AgingEvolution(population=25, sample_size=10),
    training=TrainingSettings(epochs=30, batch_size=64, learning_rate=0.15, label_smoothing=0.1),
    evaluations=300,
)
