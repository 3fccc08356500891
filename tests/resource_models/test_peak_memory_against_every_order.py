"""`peak_memory` beside an exhaustive search that follows the definition of liveness word by word."""

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest

from edgevolve.graph import Add, Concat, Conv2D, Graph, GraphBuilder, Pad, Tensor, reordered
from resource_models import ordering, peak_memory

Family = Callable[[np.random.Generator], Graph]


class Liveness:
    """Bytes live at each step, straight from the definition, by tensor names."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs = {x.name for x in graph.inputs}
        self.outputs = {y.name for y in graph.outputs}
        self.readers = {name: frozenset(indices) for name, indices in graph.consumers.items()}
        self.maker = {y.name: i for i, node in enumerate(graph.nodes) for y in node.outputs}
        self.bytes = {y.name: y.size_bytes for node in graph.nodes for y in node.outputs}
        self.bytes |= {x.name: x.size_bytes for x in graph.inputs}

    def at_start(self) -> int:
        return sum(self.bytes[name] for name in self.inputs)

    def is_ready(self, index: int, done: frozenset[int]) -> bool:
        makers = (self.maker.get(x.name) for x in self.graph.nodes[index].inputs)
        return index not in done and all(maker is None or maker in done for maker in makers)

    def at_step(self, index: int, done: frozenset[int]) -> int:
        node = self.graph.nodes[index]
        live = {x.name for x in node.inputs} | {y.name for y in node.outputs}
        for name, readers in self.readers.items():
            made = name in self.inputs or self.maker[name] in done
            if made and (name in self.outputs or readers - done):
                live.add(name)
        return sum(self.bytes[name] for name in live)

    def replay(self, order: tuple[int, ...]) -> int:
        peak, done = self.at_start(), frozenset[int]()
        for index in order:
            assert self.is_ready(index, done)
            peak, done = max(peak, self.at_step(index, done)), done | {index}
        return peak

    def every_order(self, done: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
        if len(done) == len(self.graph.nodes):
            yield done
        for index in range(len(self.graph.nodes)):
            if self.is_ready(index, frozenset(done)):
                yield from self.every_order((*done, index))

    def smallest_peak(self) -> int:
        """The smallest peak of all orders: what remains depends on the set of nodes already run alone."""

        @cache
        def remaining(done: frozenset[int]) -> int:
            ready = [i for i in range(len(self.graph.nodes)) if self.is_ready(i, done)]
            return min((max(self.at_step(i, done), remaining(done | {i})) for i in ready), default=0)

        return max(self.at_start(), remaining(frozenset()))


def conv(net: GraphBuilder, filters: int, x: Tensor) -> Tensor:
    return net.add(Conv2D(filters, (1, 1)), x)


def joined(net: GraphBuilder, tensors: list[Tensor], rng: np.random.Generator) -> Tensor:
    """An Add chain where shapes allow (padding smaller maps now and then), else Concat."""
    if rng.random() < 0.3:
        tensors = [net.add(Pad((0, 0), (0, 0)), x) if rng.random() < 0.5 else x for x in tensors]
    y = tensors[0]
    if len({x.shape for x in tensors}) > 1:
        return net.add(Concat(), *tensors)
    for x in tensors[1:]:
        y = net.add(Add(), y, x)
    return y


def forks_and_joins(rng: np.random.Generator) -> Graph:
    """Branches of chains between a shared tensor and its join, twice in a row at most."""
    net = GraphBuilder()
    x = conv(net, int(rng.integers(1, 30)), net.input((1, 1, 1, int(rng.integers(1, 30)))))
    for _ in range(int(rng.integers(1, 3))):
        filters, ends = int(rng.integers(1, 30)), []
        for _ in range(int(rng.integers(2, 4))):
            y = x
            for _ in range(int(rng.integers(0, 4))):
                y = conv(net, int(rng.integers(1, 30)), y)
            ends.append(conv(net, filters, y) if rng.random() < 0.7 else y)
        x = conv(net, int(rng.integers(1, 30)), joined(net, ends, rng))
    return net.build(x)


def nested_forks(rng: np.random.Generator) -> Graph:
    """Forks inside the branches of forks."""
    net = GraphBuilder()

    def cell(x: Tensor, depth: int) -> Tensor:
        if depth == 0 or rng.random() < 0.3:
            return conv(net, int(rng.integers(1, 20)), x)
        ends = [cell(x, depth - 1) for _ in range(2)]
        filters = int(rng.integers(1, 20))
        return joined(net, [conv(net, filters, y) for y in ends] if rng.random() < 0.6 else ends, rng)

    return net.build(cell(conv(net, int(rng.integers(1, 30)), net.input((1, 1, 1, 3))), 2))


def any_graph(rng: np.random.Generator) -> Graph:
    """Random nodes on random tensors: several inputs and outputs, unread tensors, an Add of a tensor with itself."""
    net = GraphBuilder()
    pool = [net.input((1, 2, 2, int(rng.integers(1, 9)))) for _ in range(int(rng.choice([1, 1, 2, 3])))]

    def pick() -> Tensor:
        recent = pool[-3:] if rng.random() < 0.6 else pool
        return recent[int(rng.integers(len(recent)))]

    for _ in range(int(rng.integers(1, 10))):
        x, kind = pick(), rng.random()
        if kind < 0.6:
            y = conv(net, x.shape[3] if rng.random() < 0.4 else int(rng.integers(1, 9)), x)
        elif kind < 0.8:
            alike = [t for t in pool if t.shape == x.shape]
            y = net.add(Add(), x, alike[int(rng.integers(len(alike)))])
        elif kind < 0.9:
            same_map = [t for t in pool if t.shape[:3] == x.shape[:3]]
            y = net.add(Concat(), x, same_map[int(rng.integers(len(same_map)))])
        else:
            y = net.add(Pad((0, 1), (1, 0)), x)
        pool.append(y)
    outputs = [t for t in pool[:-1] if rng.random() < 0.1]
    return net.build(*outputs, pool[-1])


def parallel_inputs(rng: np.random.Generator) -> Graph:
    """Several inputs, a chain from each, one join, and now and then an early output."""
    net = GraphBuilder()
    xs = [net.input((1, 1, 1, int(rng.integers(1, 30)))) for _ in range(int(rng.integers(2, 4)))]
    early, ends = [], []
    for x in xs:
        for _ in range(int(rng.integers(1, 4))):
            x = conv(net, int(rng.integers(1, 30)), x)
        ends.append(x)
        if rng.random() < 0.2:
            early.append(conv(net, 5, x))
    return net.build(joined(net, ends, rng), *early)


FAMILIES = [forks_and_joins, nested_forks, any_graph, parallel_inputs]
families = pytest.mark.parametrize("family", FAMILIES)


@families
def test_the_peak_is_the_smallest_of_all_orders_and_the_order_reaches_it(family: Family) -> None:
    for seed in range(1000):
        graph = family(np.random.default_rng(seed))
        liveness = Liveness(graph)
        memory = peak_memory(graph)
        assert memory.exact, seed
        assert sorted(memory.order) == list(range(len(graph.nodes))), seed
        assert memory.peak_bytes == liveness.replay(memory.order) == liveness.smallest_peak(), seed


@families
def test_the_exhaustive_search_itself_agrees_with_running_every_single_order(family: Family) -> None:
    for seed in range(150):
        graph = family(np.random.default_rng(seed))
        if len(graph.nodes) <= 7:
            liveness = Liveness(graph)
            assert liveness.smallest_peak() == min(liveness.replay(order) for order in liveness.every_order()), seed


@families
def test_the_emitted_order_does_not_change_the_peak(family: Family) -> None:
    for seed in range(100):
        graph = family(np.random.default_rng(seed))
        memory = peak_memory(graph)
        other = peak_memory(reordered(graph, memory.order))
        assert other.peak_bytes == memory.peak_bytes
        assert Liveness(reordered(graph, memory.order)).replay(other.order) == memory.peak_bytes


@pytest.mark.parametrize("max_states", [0, 1, 3])
@families
def test_a_search_cut_short_gives_a_valid_order_and_never_calls_a_worse_peak_exact(
    family: Family, max_states: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "MAX_STATES", max_states)
    for seed in range(200):
        graph = family(np.random.default_rng(seed))
        liveness = Liveness(graph)
        memory = peak_memory(graph)
        emitted = liveness.replay(tuple(range(len(graph.nodes))))
        assert memory.peak_bytes == liveness.replay(memory.order) <= emitted
        if memory.exact:
            assert memory.peak_bytes == liveness.smallest_peak()


@pytest.mark.parametrize("join", [Add, Concat])
@pytest.mark.parametrize("seed", range(5))
def test_twelve_branches_of_three_convolutions_are_solved_exactly(join: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = GraphBuilder()
    fork = conv(net, 16, net.input((1, 8, 8, 3)))
    ends = []
    for _ in range(12):
        y = fork
        for filters in (rng.integers(1, 64), rng.integers(1, 64), 24):
            y = conv(net, int(filters), y)
        ends.append(y)
    graph = net.build(net.add(Concat(), *ends) if join is Concat else joined(net, ends, rng))
    memory = peak_memory(graph)
    assert memory.exact
    assert memory.peak_bytes == Liveness(graph).replay(memory.order)
