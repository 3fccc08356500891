"""How metrics are written for people: one name, one unit, one number format everywhere."""

_TITLES = {
    "error": "error",
    "peak_memory_bytes": "peak memory",
    "model_size_bytes": "model size",
    "arena_bytes": "arena",
    "flash_bytes": "flash",
    "macs": "MACs",
    "tops_per_watt": "TOPS/W",
}


def title(metric: str) -> str:
    """A heading: the metric's name without its unit."""
    name, at, where = metric.partition("@")
    if name in _TITLES:
        return f"{_TITLES[name]}{at}{where}"
    for unit in ("_bytes", "_ms", "_uj"):
        name = name.replace(unit, "")
    return f"{name.replace('_', ' ')}{at}{where}"


def quantity(metric: str, value: float) -> str:
    """A value with its unit, in three or four significant digits.

    Errors are percentages, KiB are 1 024 bytes, k and M are thousands and millions.
    """
    name = metric.partition("@")[0]
    if not abs(value) < 1e12:
        return f"{value:.3g}"
    if name.endswith("error"):
        return f"{100 * value:.2f} %"
    if name.endswith("_bytes"):
        return f"{value:.0f} B" if value < 1024 else f"{value / 1024:.2f} KiB"
    if name.endswith("_ms"):
        return f"{value:.4g} ms"
    if name.endswith("_uj"):
        return f"{value:.4g} µJ"
    if name == "tops_per_watt":
        return f"{value:.3g}"
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:g}"


def interval(metric: str, low: float, high: float) -> str:
    """An interval behind a value: `[3.9, 4.6]`, in the value's unit."""
    if metric.partition("@")[0].endswith(("_ms", "_uj", "tops_per_watt")):
        return f"[{low:.3g}, {high:.3g}]"
    return f"[{quantity(metric, low)}, {quantity(metric, high)}]"


def axis(metric: str, largest: float) -> tuple[str, float]:
    """The label of an axis, with the unit that suits values up to `largest`, and what to divide values by."""
    name = metric.partition("@")[0]
    if name.endswith("error"):
        return f"{title(metric)}, %", 0.01
    if name.endswith("_bytes"):
        unit, divisor = ("B", 1.0) if largest < 1024 else ("KiB", 1024.0)
        return f"{title(metric)}, {unit}", divisor
    if name.endswith("_ms"):
        return f"{title(metric)}, ms", 1.0
    if name.endswith("_uj"):
        return f"{title(metric)}, µJ", 1.0
    for unit, size in (("millions", 1e6), ("thousands", 1e3)):
        if largest >= size:
            return f"{title(metric)}, {unit}", size
    return title(metric), 1.0


def short(text: str, length: int = 60) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds in words: 42 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
