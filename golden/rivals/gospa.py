# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""GoSPA-SNN: outer product with partial sums on the chip, timesteps in sequence, no multipliers.

Source: C. Deng, Y. Sui, S. Liao, X. Qian, B. Yuan, "GoSPA: An Energy-efficient High-performance Globally Optimized SParse
Convolutional Neural Network Accelerator", ISCA 2021, sections III and IV; as a rival with timesteps in sequence in LoAS (MICRO 2024,
section V).

Assumptions:

* The layer is cut to tiles of rows whose partial sums (ACC_W bits) and membranes (MEM_W bits), of all N columns, fit half of the
  FiberCache. For each tile, for each timestep, for each k: the spikes of column k of A meet row k of B.
* The on-the-fly intersection is perfect: a k without a spike in the tile, or without a weight, costs nothing.
* The partial sums are split over the processing elements: with at least as many rows as elements each owns every 16th row, with fewer
  rows the elements of a row share its columns. So no two elements ever want the same partial sum, and an element adds one weight a cycle.
* Row k of B goes to all elements at once. Each has a queue of FIFO_DEPTH of them: it may be so many k ahead of the slowest.
* After a timestep of a tile each element takes its partial sums through the neurons, one a cycle, and clears them.
* Weights are read from the chip for every tile and timestep; from memory once if they fit the other half of the FiberCache, else
  once for each tile and timestep. Spikes are columns (k) of row numbers, log2(M) bits each, or a bitmask if that is smaller.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from golden.config import Config, clog2
from golden.rivals.cost import Cost
from golden.rivals.memory import check, finish, output_bytes, weight_bytes
from golden.rivals.work import Work

Ints = npt.NDArray[np.int64]


@numba.njit(cache=True)
def walk(spikes: Ints, weights: Ints, depth: int) -> tuple[int, int]:
    """Walks over the k of a tile and timestep.

    Args:
        spikes: (K, row groups) spikes of each group's rows.
        weights: (K, column groups) nonzero weights of each group's columns.
        depth: How many k an element may be ahead of the slowest.

    Returns:
        Cycles until all elements are done, and the k that were not skipped.
    """
    K, rows = spikes.shape
    groups = weights.shape[1]
    end = np.zeros(rows * groups, np.int64)
    slowest = np.zeros(depth, np.int64)  # when the slowest was done with the last k, in a ring
    count = 0
    for k in range(K):
        if spikes[k].sum() == 0 or weights[k].sum() == 0:
            continue
        # one row of B a cycle, and not before there is a place in every queue
        begin = max(slowest[count % depth], count)
        last = 0
        for r in range(rows):
            for g in range(groups):
                p = r * groups + g
                end[p] = max(end[p], begin) + spikes[k, r] * weights[k, g]
                last = max(last, end[p])
        slowest[count % depth] = last
        count += 1
    return max(end.max(), count), count


def estimate(work: Work, cfg: Config, latency: int = 20) -> Cost:
    """What a layer costs on GoSPA-SNN."""
    check(work, cfg, latency)
    pes = cfg.NUM_TPPES
    row_bits = work.N * (cfg.ACC_W + cfg.MEM_W)
    tile = min(work.M, max(1, cfg.cache_bytes * 4 // row_bits))
    span = fetched = neurons = 0
    tiles = -(-work.M // tile)
    for first in range(0, work.M, tile):
        words = work.words[first : first + tile]
        owners = min(pes, len(words))
        groups = pes // owners
        weights = np.stack([work.nonzero[:, g::groups].sum(axis=1, dtype=np.int64) for g in range(groups)], axis=1)
        most = -(-len(words) // owners) * -(-work.N // groups)
        for t in range(work.T):
            fires = words >> t & 1
            spikes = np.stack([fires[r::owners].sum(axis=0, dtype=np.int64) for r in range(owners)], axis=1)
            cycles, used = walk(spikes, weights, cfg.FIFO_DEPTH)
            span += cycles + most
            neurons += len(words) * work.N
            fetched += int(weights[spikes.any(axis=1)].sum())
    added = int(sum(work.matches_t))
    stored, places = weight_bytes(work, cfg)
    passes = 1 if stored + places <= cfg.cache_bytes // 2 else tiles * work.T
    fired = sum(int(np.bitwise_count(words).sum(dtype=np.int64)) for words in work.maps)
    spike_bytes = min(fired * max(1, clog2(work.M)), sum(words.size for words in work.maps) * work.T) // 8 + 1
    outputs = output_bytes(work)
    ops = {"accumulate": added, "neuron": neurons, "intersect": tiles * work.T * work.K}
    onchip = {"A": int(np.bitwise_count(work.words).sum(dtype=np.int64)) * max(1, clog2(work.M)) // 8, "B": fetched * cfg.wslot_w // 8,
              "meta": fetched * max(1, clog2(work.N)) // 8,
              "psum": (2 * added * cfg.ACC_W + neurons * (2 * cfg.ACC_W + 2 * cfg.MEM_W)) // 8, "C": outputs}  # fmt: skip
    return finish("gospa", cfg, latency, {"work": added, "neurons": neurons}, span, ops, onchip,
                  {"A": spike_bytes, "B": stored * passes, "meta": places * passes}, {"C": outputs})  # fmt: skip
