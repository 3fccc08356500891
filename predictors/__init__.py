"""Predicts what a network costs on a device: sheets, boards, features, analytical and learned predictors."""

from predictors.board import UNSUPPORTED, Board, BoardSheet, Room, board, boards, read_board
from predictors.device import EFFICIENCY, ENERGY, LATENCY, METRICS, Device, device
from predictors.learned.device_predictor import DevicePredictor
from predictors.learned.edge_tpu_v6 import EdgeTPUv6Predictor
from predictors.learned.regressor import PerformanceRegressor
from predictors.measure.measurements import (
    Measurement,
    read_measurements,
    read_networks,
    read_predictions,
    write_predictions,
)
from predictors.measure.profiler import Profile, check_device, profile
from predictors.measure.validation import Validation, validate
from predictors.models import Kind, analyse
from predictors.models.cpu import layer_key, layers
from predictors.sheets import Figure, Provenance, Sheet, read_sheet, sheet, sheets
from predictors.ti_npu import TiNpu, rules_broken
from predictors.values import Estimated, Estimates, FeatureTable, PredictorError, feature_table
from resource_models.graph_features import FEATURES

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
    "Estimated",
    "Estimates",
    "FeatureTable",
    "Figure",
    "Kind",
    "Measurement",
    "PerformanceRegressor",
    "PredictorError",
    "Profile",
    "Provenance",
    "Room",
    "Sheet",
    "TiNpu",
    "Validation",
    "analyse",
    "board",
    "boards",
    "check_device",
    "device",
    "feature_table",
    "layer_key",
    "layers",
    "profile",
    "read_board",
    "read_measurements",
    "read_networks",
    "read_predictions",
    "read_sheet",
    "rules_broken",
    "sheet",
    "sheets",
    "validate",
    "write_predictions",
]
