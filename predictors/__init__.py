"""What a network costs on a device: spec sheets, features, analytical and learned predictors of latency and energy."""

from predictors.analytical import analyse
from predictors.device import METRICS, Device, Estimated, device
from predictors.edge_tpu import Estimate, estimate
from predictors.features import FEATURES, FeatureTable, PredictorError, feature_table
from predictors.regressor import PerformanceRegressor, Prediction
from predictors.sheets import Figure, Kind, Provenance, Sheet, read_sheet, sheet, sheets
from predictors.transfer import few_shot, with_source

__all__ = [
    "FEATURES",
    "METRICS",
    "Device",
    "Estimate",
    "Estimated",
    "FeatureTable",
    "Figure",
    "Kind",
    "PerformanceRegressor",
    "Prediction",
    "PredictorError",
    "Provenance",
    "Sheet",
    "analyse",
    "device",
    "estimate",
    "feature_table",
    "few_shot",
    "read_sheet",
    "sheet",
    "sheets",
    "with_source",
]
