"""Random networks over every operator, for tests of lowering and deployment."""

import numpy as np

from edgevolve.graph import (
    Activate,
    Activation,
    Add,
    AveragePool2D,
    Concat,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePool,
    Graph,
    GraphBuilder,
    MatMul,
    MaxPool2D,
    Multiply,
    Pad,
    Padding,
    Reshape,
    Slice,
    Softmax,
    Tensor,
)

FUSABLE = (Activation.NONE, Activation.RELU, Activation.RELU6)


class Writer:
    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.net = GraphBuilder()

    def pick(self, *choices):
        return choices[self.rng.integers(len(choices))]

    def side(self, limit: int) -> int:
        return int(self.rng.integers(1, min(limit, 4) + 1))

    def conv(self, x: Tensor, filters: int | None = None, *, keep_size: bool = False) -> Tensor:
        _, height, width, channels = x.shape
        groups = self.pick(1, 1, 2) if channels % 2 == 0 else 1
        filters = filters or 2 * int(self.rng.integers(1, 5))
        kernel = (self.side(height), self.side(width))
        op = Conv2D(
            filters,
            (1, 1) if kernel == (height, width) and max(kernel) == 2 else kernel,  # the converter cannot calibrate it
            (1, 1) if keep_size else (self.pick(1, 2), self.pick(1, 2)),
            Padding.SAME if keep_size else self.pick(*Padding),
            groups if filters % groups == 0 else 1,
            self.pick(*FUSABLE),
            bool(self.rng.integers(2)),
        )
        return self.net.add(op, x)

    def depthwise(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        op = DepthwiseConv2D(
            (self.side(height), self.side(width)),
            (self.pick(1, 2), self.pick(1, 2)),
            self.pick(*Padding),
            self.pick(1, 1, 2),
            self.pick(*FUSABLE),
            bool(self.rng.integers(2)),
        )
        return self.net.add(op, x)

    def pool(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        size = (max(2, self.side(height)), self.side(width)) if height > 1 else (1, min(2, width))
        return self.net.add(self.pick(MaxPool2D, AveragePool2D)(size, size, self.pick(*Padding)), x)

    def chain(self, x: Tensor, filters: int | None = None) -> Tensor:
        """One to three convolutions of the input's height and width."""
        for _ in range(self.rng.integers(3)):
            x = self.conv(x, keep_size=True)
        return self.conv(x, filters, keep_size=True)

    def residual(self, x: Tensor) -> Tensor:
        left = self.chain(x, x.shape[3])
        right = x if self.rng.integers(2) else self.chain(x, x.shape[3])
        return self.net.add(Add(self.pick(*FUSABLE)), left, right)

    def branches(self, x: Tensor) -> Tensor:
        return self.net.add(Concat(), *(self.chain(x) for _ in range(self.pick(2, 3))))

    def pad(self, x: Tensor) -> Tensor:
        """Not followed by a VALID convolution of stride 1, which would swallow it."""
        op = Pad((self.pick(0, 1), self.pick(1, 2)), (self.pick(0, 1), self.pick(1, 3)))
        return self.conv(self.net.add(op, x), keep_size=True)

    def excite(self, x: Tensor) -> Tensor:
        """Squeeze and excite, or a function of its own times the map."""
        if self.rng.integers(2) or x.shape[1:3] == (1, 1):
            gate = self.net.add(Activate(Activation.SIGMOID), self.conv(x, x.shape[3], keep_size=True))
        else:
            pixel = self.net.add(AveragePool2D(x.shape[1:3], x.shape[1:3]), x)
            gate = self.conv(self.conv(pixel, keep_size=True), x.shape[3], keep_size=True)
        inputs = (x, gate) if self.rng.integers(2) else (gate, x)
        return self.net.add(Multiply(self.pick(*FUSABLE)), *inputs)

    def attend(self, x: Tensor) -> Tensor:
        """Self-attention of all pixels, before a convolution: the converter makes one of two reshapes in a row."""
        pixels = self.net.add(Reshape((1, x.shape[1] * x.shape[2], x.shape[3])), x)
        shares = self.net.add(Softmax(), self.net.add(MatMul(transposed=True), pixels, pixels))
        mean = self.net.add(Reshape(x.shape), self.net.add(MatMul(), shares, pixels))
        return self.conv(mean, keep_size=True)

    def activate(self, x: Tensor) -> Tensor:
        """After a convolution, as a function that does not fuse."""
        return self.net.add(Activate(self.pick(Activation.HARD_SWISH, Activation.SIGMOID)), self.conv(x))


def random_graph(seed: int, input_shape: tuple[int, int, int] | None = None, classes: int = 10) -> Graph:
    """A network that is deployed as it stands: without nodes that the converter would merge."""
    writer = Writer(seed)
    rng, net = writer.rng, writer.net
    shape = input_shape or (int(rng.integers(5, 13)), int(rng.integers(5, 13)), int(rng.integers(1, 4)))
    x = writer.conv(net.input((1, *shape)), keep_size=True)
    for _ in range(rng.integers(1, 6)):
        steps = (
            writer.conv,
            writer.depthwise,
            writer.pool,
            writer.residual,
            writer.branches,
            writer.pad,
            writer.activate,
            writer.excite,
        )
        x = writer.pick(*steps)(x)
    if seed % 5 == 2:
        x = net.add(Conv2D(3, (3, 2), dilation=(1, 2), activation=Activation.RELU, batch_norm=True), x)
        x = net.add(DepthwiseConv2D((2, 3), dilation=(2, 2)), x)
    if seed % 5 == 4:
        x = net.add(Slice((0, 0, 0), (*x.shape[1:3], 1), (2, 1, 1)), net.add(Conv2D(4, (1, 1)), x))
    if seed % 7 == 3:
        x = writer.attend(x)
    if not rng.integers(2) or x.shape[1:3] == (1, 1):
        x = net.add(GlobalAveragePool(), x)
    if rng.integers(2):
        x = net.add(Dense(6, writer.pick(*FUSABLE)), x)
        if rng.integers(2):
            x = writer.conv(net.add(Reshape((1, 1, 2, 3)), x), keep_size=True)
    x = net.add(Dense(classes), x)
    return net.build(net.add(Softmax(), x) if rng.integers(3) == 0 else x)
