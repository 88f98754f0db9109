"""What P-LIF, output slice and compressor must do, and stimulus for them. Written from design/loas.md section 5 and the
fiber format, one neuron and one bit at a time, without a look at the RTL."""
from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Neuron:
    """Sums O[t] of one output neuron, its bias and threshold."""

    sums: tuple[int, ...]
    bias: int
    threshold: int


def lif(neuron: Neuron, leak: int, soft: bool) -> tuple[tuple[int, ...], list[int]]:
    """Spikes of all timesteps, and every membrane value X and X - C * threshold that must fit the membrane width."""
    u, spikes, membranes = 0, [], []
    for o in neuron.sums:
        x = o + neuron.bias + u
        c = 1 if x >= neuron.threshold else 0
        d = x - c * neuron.threshold
        # hard reset never forms X - threshold
        membranes += [x, d] if soft else [x]
        after = d if soft else (0 if c else x)
        u = (leak * after) // 256  # Python's // is floor, as the arithmetic shift
        spikes.append(c)
    return tuple(spikes), membranes


def readout(neuron: Neuron) -> int:
    """The integer a readout layer writes, modulo 2^32."""
    return (sum(neuron.sums) + len(neuron.sums) * neuron.bias) % (1 << 32)


def fits(values: list[int], width: int) -> bool:
    """Whether all values are `width`-bit two's complement numbers."""
    return all(-(1 << (width - 1)) <= v < (1 << (width - 1)) for v in values)


def random_neuron(rng: random.Random, t: int, acc_w: int, mem_w: int, leak: int, soft: bool) -> Neuron:
    """A neuron within the packer's bound that goes where the arithmetic is delicate.

    Sums are chosen one timestep after the other so that X hits, when the accumulator's range allows it: the threshold
    and its neighbours, the smallest and largest membrane value, zero and small negative values (floor against
    truncation), or anything.
    """
    acc_lo, acc_hi = -(1 << (acc_w - 1)), (1 << (acc_w - 1)) - 1
    mem_lo, mem_hi = -(1 << (mem_w - 1)), (1 << (mem_w - 1)) - 1
    while True:
        span = rng.choice([8, 200, acc_hi, mem_hi])
        threshold = max(mem_lo, min(mem_hi, rng.choice([rng.randint(1, span), rng.randint(-span, span), mem_hi, mem_lo, 0])))
        bias = rng.choice([0, rng.randint(-8, 8), rng.randint(-span, span), mem_hi - acc_hi, mem_lo - acc_lo,
                           rng.randint(mem_lo, mem_hi), mem_lo, mem_hi, threshold])
        sums: list[int] = []
        for _ in range(t):
            u = 0
            if sums:
                _, membranes = lif(Neuron(tuple(sums), bias, threshold), leak, soft)
                c = sums[-1:] and lif(Neuron(tuple(sums), bias, threshold), leak, soft)[0][-1]
                u = (leak * (membranes[-1] if soft else (0 if c else membranes[-1]))) // 256
            target = rng.choice([threshold, threshold - 1, threshold + 1, mem_lo, mem_hi, 0, -1, -rng.randint(1, 600),
                                 rng.randint(-span, span), rng.randint(-span, span)])
            o = target - bias - u
            if not acc_lo <= o <= acc_hi:
                o = rng.choice([acc_lo, acc_hi, 0, max(acc_lo, min(acc_hi, o)), rng.randint(acc_lo, acc_hi)])
            sums.append(o)
        neuron = Neuron(tuple(sums), bias, threshold)
        if fits(lif(neuron, leak, soft)[1], mem_w):
            return neuron


def word_width(t: int) -> int:
    """Bits of a word in memory: the power of two from T up."""
    width = 1
    while width < t:
        width *= 2
    return width


def random_row(rng: random.Random, n: int, t: int, kind: str) -> list[int]:
    """The words of a row of n neurons. kind: empty, full, one, last, dense, sparse or mixed."""
    def word() -> int:
        return rng.randint(1, (1 << t) - 1)

    if kind == "one":
        row = [0] * n
        row[rng.randrange(n)] = word()
        return row
    if kind == "last":
        return [0] * (n - 1) + [word()]
    if kind == "mixed":
        return [w for start in range(0, n, 13) for w in random_row(rng, 13, t, rng.choice(["empty", "full", "dense"]))][:n]
    density = {"empty": 0.0, "full": 1.0, "dense": 0.6, "sparse": 0.1}[kind]
    return [word() if rng.random() < density else 0 for _ in range(n)]


def fiber_chunks(row: list[int], t: int, chunk_w: int) -> list[int]:
    """A row as fiber: header chunk, mask chunks, word chunks."""
    kept = [w for w in row if w]
    bits = "".join("1" if w else "0" for w in row)
    chunks = [len(kept)]
    for i in range(0, len(bits), chunk_w):
        chunks.append(int(bits[i : i + chunk_w][::-1], 2))
    per_chunk = chunk_w // word_width(t)
    for i in range(0, len(kept), per_chunk):
        chunks.append(sum(w << (j * word_width(t)) for j, w in enumerate(kept[i : i + per_chunk])))
    return chunks


def integer_chunks(row: list[int], chunk_w: int) -> list[int]:
    """A row of 32-bit integers as chunks."""
    per_chunk = chunk_w // 32
    return [sum(v << (32 * j) for j, v in enumerate(row[i : i + per_chunk])) for i in range(0, len(row), per_chunk)]
