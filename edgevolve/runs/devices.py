"""The devices of a search: their predictions, by the names that a problem uses."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from edgevolve.graph import Graph, ShapeError, from_json, to_json
from edgevolve.metric import Metric, metric, metrics_of
from predictors import LATENCY, METRICS, Device, Estimated, PredictorError, device
from resource_models import Choice, copies, in_bands


@dataclass(frozen=True, slots=True)
class DeviceMetrics:
    """The metrics of one device as a provider; `names` maps each metric to the device's own name for it.

    With `slower` above 0 they are those of the network in bands. The latency then includes copies, where the device has
    `bands_ms`.
    """

    device: Device
    names: Mapping[str, str]
    slower: float = 0.0
    most_arena_bytes: int = 0

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    @property
    def metric_names(self) -> tuple[str, ...]:
        """`latency_ms` or `latency_ms@NAME`, and the like."""
        return tuple(self.names)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics' descriptions, from the device's own."""
        own = {described.name: described for described in metrics_of(self.device)}
        return tuple(metric(name, own) for name in self.names)

    def milliseconds(self, operations: Mapping[str, float]) -> float:
        """The milliseconds of a front end's operations; 0 on a device that does not predict them."""
        known = getattr(self.device, "operations_ms", None)
        if known is None or not operations:
            return 0.0
        return float(known(operations["float_operations"], operations["integer_operations"]))

    def __call__(self, graph: Graph) -> Mapping[str, Estimated]:
        """The device's prediction for each name. Raises `PredictorError` where the device cannot run the network."""
        given = self.slower, self.most_arena_bytes
        chosen = in_bands(from_json(to_json(graph)), *given) if self.slower > 0 else None
        if chosen and chosen.parts:
            graph = chosen.banded.model.graph
        try:
            predicted = self.device.predict(graph)
        except ShapeError as error:
            if not chosen or not chosen.parts:
                raise
            raise PredictorError(f"{self.name} cannot predict a network in bands: {error}") from error
        if chosen and chosen.parts:
            predicted = self._with_copies(predicted, chosen)
        return {name: predicted[own] for name, own in self.names.items()}

    def _with_copies(self, predicted: Mapping[str, Estimated], chosen: Choice) -> Mapping[str, Estimated]:
        known = getattr(self.device, "bands_ms", None)
        if known is None or LATENCY.name not in predicted:
            return predicted
        more = float(known(*copies(chosen)))
        latency = predicted[LATENCY.name]
        low, high = (None if end is None else end + more for end in (latency.low, latency.high))
        return {**predicted, LATENCY.name: Estimated(latency.value + more, low, high)}


def device_metrics(
    listed: Sequence[Device], asked: Set[str], given: Set[str], slower: float = 0.0, most_arena_bytes: int = 0
) -> tuple[DeviceMetrics, ...]:
    """Providers for the `listed` devices, and for packaged ones that an `asked` name such as `latency_ms@NAME` needs.

    A single listed device gives `latency_ms`, and `latency_ms@NAME` where that is asked for. Several give only
    `latency_ms@NAME` each. Names that other providers have `given` are skipped. Raises `PredictorError` for a name that
    is no device, or whose device does not give the metric.
    """
    names: dict[str, dict[str, str]] = {listed_device.name: {} for listed_device in listed}
    devices = {listed_device.name: listed_device for listed_device in listed}
    for listed_device in listed:
        for own in listed_device.metric_names:
            if len(listed) == 1:
                names[listed_device.name][own] = own
            if len(listed) > 1 or f"{own}@{listed_device.name}" in asked:
                names[listed_device.name][f"{own}@{listed_device.name}"] = own
    for wanted in sorted(asked - given):
        own, _, name = wanted.partition("@")
        if name and own in METRICS and name not in {listed_device.name for listed_device in listed}:
            devices.setdefault(name, device(name))
            if own not in devices[name].metric_names:
                raise PredictorError(f"{name} gives {' and '.join(devices[name].metric_names)}, not {own}")
            names.setdefault(name, {})[wanted] = own
    return tuple(DeviceMetrics(devices[name], own, slower, most_arena_bytes) for name, own in names.items())
