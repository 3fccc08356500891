"""A graph as numbers, with neighbours of a chain merged wherever a pause between them is useless.

A pause between two neighbours of a chain is useless if the second leaves no more bytes than the first and has no
higher peak (then it follows at once), or if the first only adds bytes and has no higher peak (then it waits for the
second). Merging such pairs leaves the hills and valleys of Liu, "An application of generalized tree pebbling to
sparse matrix factorization" (1987). A node that shares its input with other branches frees it only if it is the last
to read it; it is merged only where the rule holds whether it frees that input or not.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A graph as numbers: node i reads tensors `reads[i]` and makes tensors `makes[i]`, in a valid order.

    `sizes` are bytes. `last_read[t]` is the last node that reads tensor t, the number of nodes for a network output,
    and -1 for a tensor that nobody reads.
    """

    sizes: list[int]
    last_read: list[int]
    reads: list[tuple[int, ...]]
    makes: list[tuple[int, ...]]


@dataclass(slots=True)
class Block:
    """Nodes of a chain that run back to back.

    With L bytes live before it, of which its first node frees F (`surely` <= F <= `at_most`), the block's peak is
    L + max(first, rest - F) bytes and it leaves L - F + kept bytes.
    """

    nodes: list[int]
    first: int
    rest: int
    kept: int
    surely: int
    at_most: int


def merged(program: Program, start: int, stop: int) -> list[Block]:
    """Nodes `start` to `stop` as blocks, in no particular order."""
    readers: dict[int, int] = {}
    maker: dict[int, int] = {}
    for index in range(start, stop):
        for t in program.reads[index]:
            readers[t] = readers.get(t, 0) + (1 if program.last_read[t] < stop else 2)
        for t in program.makes[index]:
            maker[t] = index

    chains: list[list[Block]] = []
    chain_of: dict[int, list[Block]] = {}
    for index in range(start, stop):
        reads = program.reads[index]
        block = _single(program, index, readers, stop)
        before = maker.get(reads[0], -1) if reads else -1
        chain = chain_of.get(before)
        if chain and _continues(program, before, index, readers):
            chain.append(block)
            while len(chain) > 1 and _merge(chain[-2], chain[-1]):
                chain.pop()
        else:
            chain = [block]
            chains.append(chain)
        chain_of[index] = chain
    return [block for chain in chains for block in chain]


def _single(program: Program, index: int, readers: dict[int, int], stop: int) -> Block:
    sizes, last_read = program.sizes, program.last_read
    made = sum(sizes[t] for t in program.makes[index])
    kept = sum(sizes[t] for t in program.makes[index] if last_read[t] >= 0)
    surely = sum(sizes[t] for t in program.reads[index] if readers[t] == 1)
    at_most = sum(sizes[t] for t in program.reads[index] if last_read[t] < stop)
    return Block([index], made, 0, kept, surely, at_most)


def _continues(program: Program, before: int, index: int, readers: dict[int, int]) -> bool:
    """Whether node `index` reads exactly what node `before` keeps, and is its only reader."""
    reads = program.reads[index]
    kept = [t for t in program.makes[before] if program.last_read[t] >= 0]
    return len(kept) == len(reads) and all(t in reads and readers[t] == 1 for t in kept)


def _merge(u: Block, v: Block) -> bool:
    """Append v, which reads exactly what u keeps, to u if a pause between them is useless."""
    peak = max(v.first, v.rest - u.kept)  # of v, above the bytes live before it
    at_once = v.kept <= u.kept and (u.kept - u.surely + peak <= u.first or u.kept + peak <= u.rest)
    late = u.kept >= u.at_most and u.first + u.at_most <= u.kept + peak and u.rest <= u.kept + peak
    if at_once or late:
        u.nodes += v.nodes
        u.rest = max(u.rest, u.kept + peak)
        u.kept = v.kept
    return at_once or late
