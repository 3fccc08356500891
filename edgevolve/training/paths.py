"""ProxylessNAS (Cai, Zhu and Han 2019, arXiv 1812.00332) as TensorFlow operations: only the options drawn are computed.

A step of the weights draws one option for each decision. A step of the logits draws two, one of which is active, and
moves these two against each other; or it computes all options; or it compares drawn networks (REINFORCE).
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial, reduce
from itertools import accumulate, chain
from typing import Any, Literal

import tensorflow as tf

from edgevolve.graph import Graph, Node
from edgevolve.training.descent import gradients
from edgevolve.training.forward import FORWARD
from edgevolve.training.in_turn import Weights, adam
from edgevolve.training.mixed import cost_of, factor_of
from search_space.mixture import Mix

_BETAS = (0.0, 0.999)
_DRAWN = 4
"""The number of networks that one step of REINFORCE compares."""

Update = Literal["two", "full", "reinforce"]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The options of one decision that are computed, (number,) int32 or None for all, and their weights `gates`."""

    options: Any
    gates: Any


def path_forward(graph: Graph, values: Mapping[str, Any], x: Any, chosen: Sequence[Chosen]) -> Any:
    """The output of a mixture's graph for `x`, with only the chosen options of each decision computed.

    Nodes that only one option needs run where it is chosen. A decision's options run where something chosen reads
    them. The gradient computes an option again, since its activations are not kept.
    """
    made = {graph.inputs[0].name: x}
    places = _places(graph)
    needed = _needed(graph, chosen)
    for node in graph.nodes:
        if node.output.name not in places:
            with tf.name_scope(node.name):
                made[node.output.name] = (
                    _chosen(graph, values, chosen, node, made, needed[node.output.name])
                    if isinstance(node.op, Mix)
                    else _forward(node, values, made)
                )
    return made[graph.outputs[0].name]


def _forward(node: Node, values: Mapping[str, Any], made: Mapping[str, Any]) -> Any:
    return FORWARD[type(node.op)](node, values, {}, *(made[x.name] for x in node.inputs))


def _chosen(
    graph: Graph, values: Mapping[str, Any], chosen: Sequence[Chosen], node: Node, made: Mapping[str, Any], needed: Any
) -> Any:
    """The sum of the chosen options times their gates, zeros if not `needed`; other options do not run."""
    assert isinstance(node.op, Mix)
    which = chosen[node.op.decision]
    options = [_of_option(graph, node.output.name, place) for place in range(len(node.inputs))]
    read = {x.name: made[x.name] for part in (*chain(*options), node) for x in part.inputs if x.name in made}

    def option(parts: Sequence[Node], output: str, weights: Mapping[str, Any], activations: Sequence[Any]) -> Any:
        own = dict(zip(read, activations, strict=True))
        for part in parts:
            own[part.output.name] = _forward(part, weights, own)
        return tf.identity(own[output])

    branches = [partial(option, parts, x.name) for parts, x in zip(options, node.inputs, strict=True)]
    by_branch = [
        {name: value for name, value in values.items() if name.partition("/")[0] in {part.name for part in parts}}
        for parts in options
    ]
    if which.options is None:
        taken = [branch(own, list(read.values())) for branch, own in zip(branches, by_branch, strict=True)]
    else:
        numbers = tf.where(needed, which.options, len(options))
        run = _one_of(
            [*branches, lambda _, read: tf.zeros((tf.shape(read[0])[0], *node.output.shape[1:]))], [*by_branch, {}]
        )
        taken = [run(numbers[i], list(read.values())) for i in range(which.options.shape[0])]
    return reduce(tf.add, [which.gates[i] * output for i, output in enumerate(taken)])


def _one_of(
    branches: Sequence[Callable[[Mapping[str, Any], Sequence[Any]], Any]], by_branch: Sequence[Mapping[str, Any]]
) -> Callable[[Any, Sequence[Any]], Any]:
    """A function (number, read) that runs the branch of that number on its weights and on `read`.

    Its gradient computes the branch again. TensorFlow's own gradient of a choice passes what each branch keeps through
    all others, which takes many minutes to compile. The weights, `by_branch`, are one vector, so that a branch has few
    inputs.
    """
    sizes = [[math.prod(value.shape) for value in own.values()] for own in by_branch]
    begins = list(accumulate(map(sum, sizes), initial=0))
    vector = tf.concat(
        [tf.zeros(0), *(tf.reshape(value, (-1,)) for own in by_branch for value in own.values())], axis=0
    )

    def made(place: int, vector: Any, read: Sequence[Any]) -> Any:
        parts = tf.split(vector, sizes[place]) if sizes[place] else []
        own = {
            name: tf.reshape(part, value.shape)
            for (name, value), part in zip(by_branch[place].items(), parts, strict=True)
        }
        return branches[place](own, read)

    def slopes(place: int, above: Any, vector: Any, *read: Any) -> list[Any]:
        own = [tf.identity(x) for x in (vector, *read)]
        by = gradients(made(place, own[0], own[1:]), own, above)
        first, *others = (tf.zeros_like(x) if slope is None else slope for slope, x in zip(by, own, strict=True))
        return [tf.pad(first, [[begins[place], begins[-1] - begins[place + 1]]]), *others]

    def chosen(number: Any, of_place: Callable[[int], Any]) -> Any:
        return tf.switch_case(number, [partial(of_place, place) for place in range(len(branches))])

    @partial(tf.function, autograph=False)
    def forward(number: Any, vector: Any, *read: Any) -> Any:
        return chosen(number, lambda place: made(place, vector[begins[place] : begins[place + 1]], read))

    @partial(tf.function, autograph=False)
    def backward(number: Any, above: Any, vector: Any, *read: Any) -> Any:
        return chosen(number, lambda place: slopes(place, above, vector[begins[place] : begins[place + 1]], *read))

    def run(number: Any, read: Sequence[Any]) -> Any:
        def one(*given: Any) -> tuple[Any, Callable[[Any], Any]]:
            return forward(number, *given), lambda above: backward(number, above, *given)

        return tf.custom_gradient(one)(vector, *read)

    return run


@cache
def _places(graph: Graph) -> dict[str, tuple[str, int]]:
    """For each activation that only one option of one decision needs, the output of its `Mix` and the option."""
    places: dict[str, tuple[str, int]] = {}
    for node in reversed(graph.nodes):
        name = node.output.name
        readers: set[tuple[str, int] | None] = {None} if node.output in graph.outputs else set()
        for reader in (graph.nodes[i] for i in graph.consumers[name]):
            if isinstance(reader.op, Mix):
                readers |= {(reader.output.name, place) for place, x in enumerate(reader.inputs) if x.name == name}
            else:
                readers.add(places.get(reader.output.name))
        (place, *others) = readers or {None}
        if place and not others and not isinstance(node.op, Mix):
            places[name] = place
    return places


def _of_option(graph: Graph, mix: str, place: int) -> list[Node]:
    """The nodes that only one option needs, in the graph's order."""
    places = _places(graph)
    return [node for node in graph.nodes if places.get(node.output.name) == (mix, place)]


def _needed(graph: Graph, chosen: Sequence[Chosen]) -> dict[str, Any]:
    """For each activation, whether it is needed: a bool tensor, or True if it is needed whatever is chosen."""
    needed: dict[str, Any] = {y.name: True for y in graph.outputs}
    for node in reversed(graph.nodes):
        own = needed.get(node.output.name, False)
        for place, x in enumerate(node.inputs):
            also = own
            if isinstance(node.op, Mix) and (options := chosen[node.op.decision].options) is not None:
                also = own & tf.reduce_any(options == place)
            known = needed.get(x.name, False)
            needed[x.name] = True if known is True or also is True else also if known is False else known | also
    return needed


@dataclass(frozen=True, slots=True)
class Paths:
    """The gradient search of ProxylessNAS, an `InTurn`; `logits_rate` is the learning rate of Adam.

    After `warm_up` steps the logits move in one step of `every`.
    """

    weights: Weights
    logits_rate: float
    every: int
    warm_up: int
    update: Update

    def move_logits(
        self, state: Any, batch: Any, held: Any, costs: Any, done: Any, rate: Any, seed: Any
    ) -> tuple[Any, Any]:
        """In steps in which the logits move, one step of Adam on the loss of `held` and the costs; else loss 0."""
        now = (done >= self.warm_up) & (done % self.every == 0)
        loss, moved = tf.cond(
            now, lambda: self._moved(state, held, costs, done, seed), lambda: (0.0, tuple(state[-3:]))
        )
        return loss, (*state[:-3], *moved)

    def move_weights(self, state: Any, batch: Any, done: Any, rate: Any, seed: Any) -> tuple[Any, Any]:
        """One step on the loss of a drawn network; until the warm-up ends all options are equally likely."""
        even = tf.where(done < self.warm_up, 0.0, 1.0)
        drawn = [_draw(part * even, 1, _own(seed, 1, i)) for i, part in enumerate(self.parts(state[-3]))]
        loss = self._loss(state, batch, [Chosen(options, tf.ones(1)) for options in drawn])
        return loss, self.weights.moved(state, loss, done, rate)

    def parts(self, logits: Any) -> list[Any]:
        """The logits of each decision."""
        return tf.split(logits, [decision.size for decision in self.weights.mixture.decisions])

    def _loss(self, state: Any, batch: Any, chosen: Sequence[Chosen]) -> Any:
        graph = self.weights.mixture.graph
        given = path_forward(graph, self.weights.values(state), batch[0], chosen)
        return self.weights.batch_loss(given, batch[1], batch[0])

    def _moved(self, state: Any, held: Any, costs: Any, done: Any, seed: Any) -> tuple[Any, tuple[Any, ...]]:
        logits, first, second = state[-3:]
        update = {"two": self._two, "full": self._full, "reinforce": self._compared}[self.update]
        loss, gradient = update(state, held, seed)
        factor = factor_of(self.weights.mixture.decisions, logits, costs)
        added = cost_of(self.weights.mixture.decisions, logits, costs)
        (of_costs,) = gradients(tf.stop_gradient(loss) * factor + added, logits)
        whole = tf.stop_gradient(factor) * gradient + of_costs
        count = (done - self.warm_up) // self.every + 1
        logits, moments = adam(logits, (first, second), whole, self.logits_rate, _BETAS, count)
        return loss, (logits, *moments)

    def _two(self, state: Any, held: Any, seed: Any) -> tuple[Any, Any]:
        """Two options are drawn by their probabilities; one is active, drawn by those of the pair (section 3.2.1)."""
        parts = self.parts(state[-3])
        pairs = [_draw(part, 2, _own(seed, 2, i)) for i, part in enumerate(parts)]
        likely = [tf.nn.softmax(tf.gather(part, pair)) for part, pair in zip(parts, pairs, strict=True)]
        gates = [_active(p, _own(seed, 3, i)) for i, p in enumerate(likely)]
        loss = self._loss(state, held, [Chosen(pair, gate) for pair, gate in zip(pairs, gates, strict=True)])
        by_pair = [_through(g, p) for g, p in zip(gradients(loss, gates), likely, strict=True)]
        spread = [
            tf.tensor_scatter_nd_add(tf.zeros_like(part), pair[:, None], chosen)
            for part, pair, chosen in zip(parts, pairs, by_pair, strict=True)
        ]
        return loss, tf.concat(spread, axis=0)

    def _full(self, state: Any, held: Any, seed: Any) -> tuple[Any, Any]:
        """All options are computed; one of them is active (equation 4)."""
        likely = [tf.nn.softmax(part) for part in self.parts(state[-3])]
        gates = [_active(p, _own(seed, 3, i)) for i, p in enumerate(likely)]
        loss = self._loss(state, held, [Chosen(None, gate) for gate in gates])
        return loss, tf.concat([_through(g, p) for g, p in zip(gradients(loss, gates), likely, strict=True)], axis=0)

    def _compared(self, state: Any, held: Any, seed: Any) -> tuple[Any, Any]:
        """REINFORCE: networks are drawn, and the loss of each is compared with the mean of the others."""
        parts = self.parts(state[-3])
        losses, chances = [], []
        for number in range(_DRAWN):
            drawn = [_draw(part, 1, _own(seed, 4 + number, i)) for i, part in enumerate(parts)]
            losses.append(self._loss(state, held, [Chosen(options, tf.ones(1)) for options in drawn]))
            each = [tf.nn.log_softmax(part)[option[0]] for part, option in zip(parts, drawn, strict=True)]
            chances.append(tf.reduce_sum(tf.stack(each)))
        given = tf.stop_gradient(tf.stack(losses))
        advantage = (given - tf.reduce_mean(given)) * (_DRAWN / (_DRAWN - 1))
        (gradient,) = gradients(tf.reduce_mean(advantage * tf.stack(chances)), state[-3])
        return tf.reduce_mean(given), gradient


def _own(seed: Any, purpose: int, decision: int) -> Any:
    """The seed of one draw in a step."""
    return seed + tf.constant([purpose << 32, decision << 32], tf.int64)


def _draw(logits: Any, number: int, seed: Any) -> Any:
    """Draw `number` different options by their probabilities, (number,) int32.

    They are the largest of logits plus Gumbel noise (Kool et al., 2019).
    """
    uniform = tf.random.stateless_uniform(tf.shape(logits), seed, 1e-20, 1.0)
    number = min(number, logits.shape[0])
    return tf.math.top_k(logits - tf.math.log(-tf.math.log(uniform)), number).indices


def _active(likely: Any, seed: Any) -> Any:
    """1 for one option, drawn by its probability, 0 for the others."""
    return tf.one_hot(_draw(tf.math.log(likely), 1, seed)[0], likely.shape[0])


def _through(by_gate: Any, likely: Any) -> Any:
    """The gradient by the logits from that by the gates (equation 4)."""
    return likely * (by_gate - tf.reduce_sum(by_gate * likely))
