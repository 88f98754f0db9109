# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Gamma-SNN: row-wise product (Gustavson) with mergers and a FiberCache, timesteps in sequence, no multipliers.

Source: G. Zhang, N. Attaluri, J. S. Emer, D. Sanchez, "Gamma: Leveraging Gustavson's Algorithm to Accelerate Sparse Matrix
Multiplication", ASPLOS 2021, sections 3 and 4; as a rival with timesteps in sequence in LoAS (MICRO 2024, section V).

Assumptions:

* A task is a row of A at one timestep. Its processing element merges the rows of B that its spikes name, ordered by column, through a
  merger of radix RADIX (64, as in the paper), and adds what falls on the same column: one element taken a cycle.
* A row with more than RADIX rows of B is merged in levels. The elements of a level's partial results are counted, go to the FiberCache and
  come back, one a cycle each.
* Spikes whose row of B has no weight are dropped for nothing; a task without elements takes one cycle.
* Tasks go in order, timestep after timestep of a row, each to the processing element that is free first; the parts of a row that is
  merged in levels are one task. The membranes of a row wait beside the processing elements until its last timestep.
* The FiberCache delivers an element a cycle to every processing element. Rows of B stay in it while they fit; of a B larger than
  it, the part that does not fit comes again each time it is read.
* An element is a weight and a column number of log2(N) bits, on the chip and off; the cache is read by whole lines, at least one for a
  row of B, whatever of it is used. A partial result has ACC_W bits instead of
  the weight. Spikes are stored as column numbers of log2(K) bits, row by row and timestep by timestep (a compressed sparse row), or
  as a bitmask if that is smaller.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse

from golden.config import Config, clog2
from golden.rivals.cost import Cost
from golden.rivals.memory import check, finish, hand_out, output_bytes
from golden.rivals.work import Work

RADIX = 64
Ints = npt.NDArray[np.int64]


def merged(task: Ints, inputs: scipy.sparse.csr_matrix, tasks: int) -> tuple[Ints, Ints]:
    """Merges everything, level by level.

    Args:
        task: (rows,) the task of each row of ``inputs``, ascending.
        inputs: (rows, N) of nonzero entries: what is merged, a row each.
        tasks: How many there are.

    Returns:
        (tasks,) elements taken in all levels, and (tasks,) of these elements of partial results.
    """
    taken, partial = np.zeros(tasks, np.int64), np.zeros(tasks, np.int64)
    first = True
    while True:
        sizes = np.diff(inputs.indptr).astype(np.int64)
        elements = np.bincount(task, sizes, tasks).astype(np.int64)
        taken += elements
        partial += 0 if first else elements
        count = np.bincount(task, minlength=tasks)
        if count.max(initial=0) <= RADIX:
            return taken, partial
        # those with more than one merger's load go on, RADIX of them together
        going = count[task] > RADIX
        task, inputs, first = task[going], inputs[np.flatnonzero(going)], False
        rank = np.arange(task.size) - np.searchsorted(task, task)
        group = np.concatenate([[0], np.cumsum((np.diff(task) != 0) | (rank[1:] % RADIX == 0))])
        join = scipy.sparse.csr_matrix((np.ones(group.size, np.int32), (group, np.arange(group.size))), (int(group[-1]) + 1, group.size))
        task = task[np.searchsorted(group, np.arange(int(group[-1]) + 1))]
        inputs = (join @ inputs).tocsr()


def estimate(work: Work, cfg: Config, latency: int = 20) -> Cost:
    """What a layer costs on Gamma-SNN."""
    check(work, cfg, latency)
    b = scipy.sparse.csr_matrix(work.nonzero.astype(np.int32))
    per_k = np.diff(b.indptr).astype(np.int64)
    taken = np.zeros((work.M, work.T), np.int64)
    partial = np.zeros((work.M, work.T), np.int64)
    for t in range(work.T):
        rows, ks = np.nonzero((work.words >> t & 1).astype(bool) & (per_k > 0))
        few = np.bincount(rows, minlength=work.M)[rows] <= RADIX  # one level: nothing but a sum
        taken[:, t] = np.bincount(rows[few], per_k[ks[few]], work.M)
        if not few.all():
            many_rows, many = rows[~few], ks[~few]
            for start in range(0, work.M, 256):  # bounds the memory of the product
                part = (many_rows >= start) & (many_rows < start + 256)
                if part.any():
                    more, again = merged(many_rows[part], b[many[part]], work.M)
                    taken[:, t] += more
                    partial[:, t] += again
    spikes = int(sum(work.matches_t))
    span, busy = hand_out(np.maximum(taken, 1).ravel(), cfg.NUM_TPPES)
    weight, column = cfg.wslot_w, max(1, clog2(work.N))
    count = int(per_k.sum())
    stored = [-(-count * weight // 8), -(-(count * column + (work.K + 1) * 24) // 8)]
    read_again = max(0.0, 1 - cfg.cache_bytes / max(1, sum(stored)))
    twice = [int(read_again * max(0, spikes - count) * bits / 8) for bits in (weight, column)]
    fired = sum(int(np.bitwise_count(words).sum(dtype=np.int64)) for words in work.maps)
    maps = sum(words.size for words in work.maps)
    spike_bytes = min(fired * max(1, clog2(work.K)), maps * work.T) // 8 + 1
    moved = int(partial.sum())
    outputs = output_bytes(work)
    ops = {"accumulate": spikes + moved, "merge": int(taken.sum()), "neuron": work.M * work.N * work.T}
    # a fiber of B is read by whole lines, as by all who use this cache
    fires = np.bitwise_count(work.words).sum(axis=0, dtype=np.int64)
    lines = int(fires @ -(-per_k * (weight + column) // (8 * cfg.line_bytes)))
    values = lines * cfg.line_bytes * weight // (weight + column)
    onchip = {"A": int(fires.sum()) * max(1, clog2(work.K)) // 8, "B": values, "meta": lines * cfg.line_bytes - values,
              "psum": 2 * moved * (cfg.ACC_W + column) // 8, "C": outputs}  # fmt: skip
    return finish("gamma", cfg, latency, {"work": spikes, "merge": moved, "empty": busy - spikes - moved}, span, ops, onchip,
                  {"A": spike_bytes, "B": stored[0] + twice[0], "meta": stored[1] + twice[1]}, {"C": outputs})  # fmt: skip
