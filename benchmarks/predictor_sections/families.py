"""Random networks of three families that share operators and little else: mobile, residual, plain."""

from numpy.random import Generator

from edgevolve.graph import (
    Activation,
    Add,
    AveragePool2D,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MaxPool2D,
    Tensor,
)

FAMILIES = ("mobile", "residual", "plain")


class _Writer(GraphBuilder):
    def __init__(self, rng: Generator) -> None:
        super().__init__()
        self.rng = rng

    def pick(self, *choices: int) -> int:
        return int(self.rng.choice(choices))

    def conv(self, x: Tensor, filters: int, size: int, stride: int = 1, linear: bool = False) -> Tensor:
        function = Activation.NONE if linear else Activation.RELU6
        return self.add(Conv2D(filters, (size, size), (stride, stride), activation=function, batch_norm=True), x)

    def mobile(self, x: Tensor, filters: int, stride: int) -> Tensor:
        y, expansion = x, self.pick(1, 3, 4, 6)
        size = self.pick(3, 3, 5)
        if expansion > 1:
            y = self.conv(y, x.shape[3] * expansion, 1)
        y = self.add(DepthwiseConv2D((size, size), (stride, stride), activation=Activation.RELU6, batch_norm=True), y)
        y = self.conv(y, filters, 1, linear=True)
        return self.add(Add(), x, y) if x.shape == y.shape else y

    def residual(self, x: Tensor, filters: int, stride: int) -> Tensor:
        if self.pick(0, 1):
            narrow = max(filters // 4, 8)
            y = self.conv(self.conv(self.conv(x, narrow, 1), narrow, 3, stride), filters, 1, linear=True)
        else:
            y = self.conv(self.conv(x, filters, 3, stride), filters, 3, linear=True)
        beside = x if x.shape == y.shape else self.conv(x, filters, 1, stride, linear=True)
        return self.add(Add(Activation.RELU), y, beside)

    def plain(self, x: Tensor, filters: int, stride: int) -> Tensor:
        if stride == 1 or x.shape[1] < 2:
            return self.conv(x, filters, self.pick(1, 3, 3, 5))
        if self.pick(0, 1):
            return self.conv(x, filters, 3, 2)
        pool = (MaxPool2D, AveragePool2D)[self.pick(0, 1)]
        return self.add(pool((2, 2), (2, 2)), self.conv(x, filters, 3))


def random_network(family: str, rng: Generator) -> Graph:
    """Resolution 32 to 160, width 0.25 to 1.5, three to five stages of one to four blocks."""
    net = _Writer(rng)
    side = net.pick(32, 48, 64, 96, 128, 160)
    width = float(rng.uniform(0.25, 1.5))
    x = net.conv(net.input((1, side, side, net.pick(1, 3))), _channels(16, width), 3, net.pick(1, 2))
    filters = net.pick(16, 24, 32)
    for _ in range(net.pick(3, 4, 5)):
        for block in range(net.pick(1, 2, 3, 4)):
            x = getattr(net, family)(x, _channels(filters, width), 2 if block == 0 and x.shape[1] > 4 else 1)
        filters = min(int(filters * rng.uniform(1.3, 2)), 256)
    x = net.add(GlobalAveragePool(), x)
    if net.pick(0, 1):
        x = net.add(Dense(net.pick(32, 64, 128), Activation.RELU), x)
    return net.build(net.add(Dense(net.pick(2, 10, 100)), x))


def large_network(family: str, rng: Generator) -> Graph:
    """The same blocks at the size of mobile networks: resolution 96 to 320, width 0.5 to 2, 1000 classes."""
    net = _Writer(rng)
    side, width = 32 * int(rng.integers(3, 11)), float(rng.uniform(0.5, 2))
    x = net.conv(net.input((1, side, side, 3)), _channels(32, width), 3, 2)
    filters = 24
    for _ in range(net.pick(3, 4, 5)):
        for block in range(net.pick(1, 2, 3, 4)):
            x = getattr(net, family)(x, _channels(filters, width), 2 if block == 0 and x.shape[1] > 4 else 1)
        filters = min(int(filters * rng.uniform(1.3, 2)), 256)
    return net.build(net.add(Dense(1000), net.add(GlobalAveragePool(), x)))


def _channels(filters: int, width: float) -> int:
    return max(8, int(filters * width + 4) // 8 * 8)
