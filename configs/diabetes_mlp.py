"""A regression: the progression of diabetes from ten measurements, by dense layers in 4 kB of weights."""

from edgevolve import AgingEvolution, Diabetes, MlpSpace, Problem, SearchConfig, TrainingSettings, at_most, minimise

data = Diabetes()

config = SearchConfig(
    data=data,
    space=MlpSpace(data.input_shape, outputs=data.target.outputs, max_layers=2, max_units=64),
    problem=Problem(
        objectives=[minimise("rmse", scale=60), minimise("model_size_bytes")],
        constraints=[at_most("model_size_bytes", 4_000)],
    ),
    algorithm=AgingEvolution(population=20, sample_size=5),
    training=TrainingSettings(epochs=60, batch_size=32, learning_rate=0.005, weight_decay=0.2),
    evaluations=60,
)
