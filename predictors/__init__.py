"""What a network costs on a device: sheets, boards, features, analytical and learned predictors of latency, energy."""

from predictors.analytical import analyse
from predictors.board import UNSUPPORTED, Board, BoardSheet, Room, board, boards, read_board
from predictors.device import EFFICIENCY, ENERGY, LATENCY, METRICS, Device, Estimated, device
from predictors.device_predictor import DevicePredictor
from predictors.edge_tpu import Estimate, estimate
from predictors.edge_tpu_v6 import EdgeTPUv6Predictor, Forecast, V6Estimate
from predictors.features import FEATURES, FeatureTable, PredictorError, feature_table
from predictors.lut import LatencyTable, TableEstimate
from predictors.measurements import Measurement, read_measurements
from predictors.profiler import Profile, profile
from predictors.regressor import PerformanceRegressor, Prediction
from predictors.sheets import Figure, Kind, Provenance, Sheet, read_sheet, sheet, sheets
from predictors.transfer import few_shot, with_source
from predictors.validation import Validation, validate

__all__ = [
    "EFFICIENCY",
    "ENERGY",
    "FEATURES",
    "LATENCY",
    "METRICS",
    "UNSUPPORTED",
    "Board",
    "BoardSheet",
    "Device",
    "DevicePredictor",
    "EdgeTPUv6Predictor",
    "Estimate",
    "Estimated",
    "FeatureTable",
    "Figure",
    "Forecast",
    "Kind",
    "LatencyTable",
    "Measurement",
    "PerformanceRegressor",
    "Prediction",
    "PredictorError",
    "Profile",
    "Provenance",
    "Room",
    "Sheet",
    "TableEstimate",
    "V6Estimate",
    "Validation",
    "analyse",
    "board",
    "boards",
    "device",
    "estimate",
    "feature_table",
    "few_shot",
    "profile",
    "read_board",
    "read_measurements",
    "read_sheet",
    "sheet",
    "sheets",
    "validate",
    "with_source",
]
