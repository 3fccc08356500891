"""A small `.tflite` for each operator of TensorFlow Lite Micro that the schema does not number, by name."""

import numpy as np
from flatbuffers import flexbuffers

from tests.tflite.tflite_files import Builtin, TfliteFile, Type

I8, I16, I32, U32, U64, F, B = (
    getattr(Type, name) for name in ("INT8", "INT16", "INT32", "UINT32", "UINT64", "FLOAT32", "BOOL")
)
_STORED = {I16: np.int16, I32: np.int32, F: np.float32}


def options(**values) -> bytes:
    """Numbers and booleans as a FlexBuffer's map."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in values.items():
            builder.Key(key)
            {bool: builder.Bool, int: builder.Int, float: builder.Float}[type(value)](value)
    return bytes(builder.Finish())


def custom(name, inputs, outputs, constants=(), **values) -> bytes:
    """One operator: its inputs and outputs as (shape, type), then constants as (values, type)."""
    net = TfliteFile()
    given = [net.tensor(*shape, dtype=dtype) for shape, dtype in inputs]
    made = [net.tensor(*shape, dtype=dtype) for shape, dtype in outputs]
    stored = []
    for content, dtype in constants:
        stored.append(net.constant(np.zeros(len(content) * np.dtype(_STORED[dtype]).itemsize), I8, np.shape(content)))
        net.tensors[stored[-1]].type = dtype
        net.buffers[-1].data = np.frombuffer(np.asarray(content, _STORED[dtype]).tobytes(), np.uint8)
    net.operator(Builtin.CUSTOM, given + stored, made, name)
    if values:
        net.operators[0].customOptions = np.frombuffer(options(**values), np.uint8)
    return net.content(given, made)


def bank(channels) -> tuple:
    """Tables of a filter bank: weights, the rest of them, first frequency, first weight and width of each channel."""
    one = [1] * (channels + 1)
    weights = [100] * (4 * (channels + 1))
    return (weights, I16), (weights, I16), (one, I16), (one, I16), (one, I16)


CUSTOM_CASES = {
    "SignalWindow": custom("SignalWindow", [((160,), I16)], [((160,), I16)], [([1] * 160, I16)], shift=12),
    "SignalFftAutoScale": custom("SignalFftAutoScale", [((160,), I16)], [((160,), I16), ((), I32)]),
    "SignalEnergy": custom("SignalEnergy", [((66,), I16)], [((33,), U32)], start_index=1, end_index=32),
    "SignalFilterBankSquareRoot": custom("SignalFilterBankSquareRoot", [((9,), U64), ((), I32)], [((9,), U32)]),
    "SignalFilterBankLog": custom(
        "SignalFilterBankLog", [((9,), U32)], [((9,), I16)], input_correction_bits=3, output_scale=1600
    ),
    "SignalPCAN": custom("SignalPCAN", [((9,), U32), ((9,), U32)], [((9,), U32)], [([1] * 125, I16)], snr_shift=6),
    "CIRCULAR_BUFFER": custom("CIRCULAR_BUFFER", [((1, 1, 1, 8), I8)], [((1, 4, 1, 8), I8)], cycles_max=1),
}
for channels in (9, 40):
    CUSTOM_CASES[f"SignalFilterBank/{channels}"] = custom(
        "SignalFilterBank", [((65,), U32)], [((channels,), U64)], bank(channels), num_channels=channels
    )
    CUSTOM_CASES[f"SignalFilterBankSpectralSubtraction/{channels}"] = custom(
        "SignalFilterBankSpectralSubtraction",
        [((channels,), U32)],
        [((channels,), U32), ((channels,), U32)],
        alternate_one_minus_smoothing=16384,
        alternate_smoothing=16384,
        clamping=False,
        min_signal_remaining=819,
        num_channels=channels,
        one_minus_smoothing=15974,
        smoothing=410,
        smoothing_bits=10,
        spectral_subtraction_bits=14,
    )
for kind, tag in ((I16, "i16"), (I32, "i32"), (F, "f")):
    for length in (64, 512):
        CUSTOM_CASES[f"SignalRfft/{tag}{length}"] = custom(
            "SignalRfft", [((length,), kind)], [((length + 2,), kind)], T=int(kind), fft_length=length
        )
        CUSTOM_CASES[f"SignalIrfft/{tag}{length}"] = custom(
            "SignalIrfft", [((length + 2,), kind)], [((length,), kind)], T=int(kind), fft_length=length
        )
    if kind != I32:
        for streams in ((), (1,), (3,)):
            CUSTOM_CASES[f"SignalOverlapAdd/{tag}{len(streams) and streams[0]}"] = custom(
                "SignalOverlapAdd",
                [((*streams, 2, 100), kind)],
                [((*streams, 120), kind)],
                T=int(kind),
                frame_step=60,
            )
for streams in ((), (1,), (3,)):
    tag = len(streams) and streams[0]
    CUSTOM_CASES[f"SignalDelay/{tag}"] = custom(
        "SignalDelay", [((*streams, 80), I16)], [((*streams, 80), I16)], delay_length=7
    )
    CUSTOM_CASES[f"SignalFramer/{tag}"] = custom(
        "SignalFramer",
        [((*streams, 160), I16)],
        [((*streams, 1, 400), I16), ((), B)],
        frame_size=400,
        frame_step=160,
        prefill=True,
    )
for left, right in ((0, 0), (3, 1)):
    CUSTOM_CASES[f"SignalStacker/{left}_{right}"] = custom(
        "SignalStacker",
        [((20,), I16)],
        [((20 * (left + right + 1),), I16), ((), B)],
        num_channels=20,
        stacker_left_context=left,
        stacker_right_context=right,
        stacker_step=2,
    )
for boxes, classes, most in ((50, 4, 10), (20, 30, 40)):
    CUSTOM_CASES[f"TFLite_Detection_PostProcess/{boxes}"] = custom(
        "TFLite_Detection_PostProcess",
        [((1, boxes, 4), F), ((1, boxes, classes + 1), F)],
        [((1, most, 4), F), ((1, most), F), ((1, most), F), ((1,), F)],
        [(np.full((boxes, 4), 0.5), F)],
        max_detections=most,
        max_classes_per_detection=1,
        nms_score_threshold=0.1,
        nms_iou_threshold=0.5,
        num_classes=classes,
        y_scale=10.0,
        x_scale=10.0,
        h_scale=5.0,
        w_scale=5.0,
    )
