"""An anomaly detector: an autoencoder that knows nine digits, and fails at the tenth."""

from edgevolve import (
    AgingEvolution,
    DigitsAnomalies,
    MlpSpace,
    Problem,
    SearchConfig,
    TrainingSettings,
    at_most,
    maximise,
    minimise,
)

data = DigitsAnomalies()

config = SearchConfig(
    data=data,
    space=MlpSpace(data.input_shape, outputs=data.target.outputs, max_layers=3, max_units=64),
    problem=Problem(
        objectives=[maximise("auc", scale=1), minimise("model_size_bytes")],
        constraints=[at_most("model_size_bytes", 16_000)],
    ),
    algorithm=AgingEvolution(population=20, sample_size=5),
    training=TrainingSettings(epochs=30, batch_size=32, optimiser="adamw", learning_rate=0.005, weight_decay=0.001),
    evaluations=60,
)
