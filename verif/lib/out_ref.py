"""What P-LIF, output slice and compressor must do, and stimulus for them. Written from docs/numerics.md and
docs/compressor.md, one neuron and one bit at a time, without a look at the RTL."""
from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Neuron:
    """Sums O[t] of one output neuron, its bias and threshold, and its membrane (or readout value) before them."""

    sums: tuple[int, ...]
    bias: int
    threshold: int
    state: int = 0


@dataclass(frozen=True)
class Mode:
    """What a layer says to its neurons; `late` without `soft` is no reset, `steps` are the timesteps that count."""

    leak: int
    soft: bool
    late: bool
    steps: int
    readout: bool = False


def step(o: int, u: int, bias: int, threshold: int, mode: Mode) -> tuple[int, int, list[int]]:
    """One timestep from membrane u: spike, next membrane, and the values that must fit the membrane width."""
    x = o + bias + u
    c = 1 if x >= threshold else 0
    if mode.late:
        u = (mode.leak * x) // 256 - (c * threshold if mode.soft else 0)  # Python's // is floor, as the arithmetic shift
        return c, u, [x, u]
    d = x - c * threshold
    if mode.soft:
        return c, (mode.leak * d) // 256, [x, d]
    return c, 0 if c else (mode.leak * x) // 256, [x]  # hard reset never forms X - threshold


def lif(neuron: Neuron, mode: Mode) -> tuple[tuple[int, ...], int]:
    """Spikes of all timesteps, and the membrane behind the last that counts; no spikes from timestep `steps` on."""
    u, spikes = neuron.state, []
    for o in neuron.sums[: mode.steps]:
        c, u, _ = step(o, u, neuron.bias, neuron.threshold, mode)
        spikes.append(c)
    return (*spikes, *(0 for _ in neuron.sums[mode.steps :])), u


def readout(neuron: Neuron, steps: int) -> int:
    """The integer a readout layer writes, modulo 2^32."""
    return (neuron.state + sum(neuron.sums) + steps * neuron.bias) % (1 << 32)


def random_neuron(rng: random.Random, t: int, acc_w: int, mem_w: int, mode: Mode) -> Neuron:
    """A neuron within the packer's bound that goes where the arithmetic is delicate.

    Sums are chosen one timestep after the other so that X hits, when the accumulator's range allows it: the threshold
    and its neighbours, the smallest and largest membrane value, zero and small negative values (floor against
    truncation), or anything. Sums behind the last timestep that counts are anything.
    """
    acc_lo, acc_hi = -(1 << (acc_w - 1)), (1 << (acc_w - 1)) - 1
    mem_lo, mem_hi = -(1 << (mem_w - 1)), (1 << (mem_w - 1)) - 1
    while True:
        span = rng.choice([8, 200, acc_hi, mem_hi])
        threshold = max(mem_lo, min(mem_hi, rng.choice([rng.randint(1, span), rng.randint(-span, span), mem_hi, mem_lo, 0])))
        bias = rng.choice([0, rng.randint(-8, 8), rng.randint(-span, span), mem_hi - acc_hi, mem_lo - acc_lo,
                           rng.randint(mem_lo, mem_hi), mem_lo, mem_hi, threshold])
        state = u = rng.choice([0, 0, -1, rng.randint(-span, span), rng.randint(mem_lo, mem_hi), mem_lo, mem_hi, threshold - bias])
        if not mem_lo <= state <= mem_hi:
            continue
        sums: list[int] = []
        for index in range(t):
            target = rng.choice([threshold, threshold - 1, threshold + 1, mem_lo, mem_hi, 0, -1, -rng.randint(1, 600),
                                 rng.randint(-span, span), rng.randint(-span, span)])
            o = target - bias - u
            if not acc_lo <= o <= acc_hi or index >= mode.steps:
                o = rng.choice([acc_lo, acc_hi, 0, max(acc_lo, min(acc_hi, o)), rng.randint(acc_lo, acc_hi)])
            if index < mode.steps:
                _, u, values = step(o, u, bias, threshold, mode)
                if not all(mem_lo <= v <= mem_hi for v in values):
                    break
            sums.append(o)
        else:
            return Neuron(tuple(sums), bias, threshold, state)


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
