"""Which networks the neural unit of TI's C2000 microcontrollers (F28P55x) runs: its documented rules, as a metric.

Channels are multiples of 4, except the input's single one. Kernels are at most 7 high. Strides are (1, 1), (2, 1) or
(2, 2). A max pool spans at most 4×4. A fully connected layer of 8 bits has at least 16 inputs. The height of a signal
is its time axis. Other operators are not judged, since the documentation does not mention them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from edgevolve.graph import Conv2D, Dense, DepthwiseConv2D, Graph, MaxPool2D, Node
from edgevolve.metric import Metric, register

RULES_BROKEN = Metric("npu_rules_broken", "NPU rules broken", better="lower")
register(RULES_BROKEN)

_CHANNELS, _KERNEL_HEIGHT, _POOL, _FEWEST_INPUTS = 4, 7, 4, 16
_STRIDES = ((1, 1), (2, 1), (2, 2))


@dataclass(frozen=True, slots=True)
class TiNpu:
    """A metric provider: the number of places at which a network breaks a rule.

    `SearchConfig(metrics=(TiNpu(),), problem=Problem([...], [at_most("npu_rules_broken", 0)]))` enforces all rules.
    """

    @property
    def metric_names(self) -> Sequence[str]:
        """`npu_rules_broken`."""
        return (RULES_BROKEN.name,)

    def __call__(self, graph: Graph) -> Mapping[str, float]:
        """The number of places at which the graph breaks a rule."""
        return {RULES_BROKEN.name: float(len(rules_broken(graph)))}


def rules_broken(graph: Graph) -> tuple[str, ...]:
    """Each place in words, in the order of the network: `c3: 6 channels are no multiple of 4`."""
    return tuple(f"{node.name}: {words}" for node in graph.nodes for words in _broken(graph, node))


def _broken(graph: Graph, node: Node) -> list[str]:
    x, op = node.inputs[0], node.op
    if isinstance(op, Dense):
        inputs = prod(x.shape)
        return [] if inputs >= _FEWEST_INPUTS else [f"{inputs} inputs are fewer than {_FEWEST_INPUTS}"]
    if isinstance(op, MaxPool2D):
        return [] if max(op.size) <= _POOL else [f"a pool of {op.size} is above {_POOL}×{_POOL}"]
    if not isinstance(op, Conv2D | DepthwiseConv2D):
        return []
    lies = x.shape[1] == 1 and x.shape[2] > 1  # a signal along the width
    kernel, stride = (pair[::-1] if lies else pair for pair in (op.kernel, op.stride))
    refusals = []
    if x in graph.inputs:
        refusals += [] if x.shape[3] == 1 else [f"the input has {x.shape[3]} channels, not 1"]
    if node.output.shape[3] % _CHANNELS:
        refusals.append(f"{node.output.shape[3]} channels are no multiple of {_CHANNELS}")
    if kernel[0] > _KERNEL_HEIGHT:
        refusals.append(f"a kernel of {kernel[0]} rows is above {_KERNEL_HEIGHT}")
    if stride not in _STRIDES:
        refusals.append(f"a stride of {stride} is none of {', '.join(map(str, _STRIDES))}")
    return refusals
