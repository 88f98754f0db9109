# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""PTB: dense parallel time batching on a systolic array.

Source: J.-J. Lee, W. Zhang, P. Li, "Parallel Time Batching: Systolic-Array Acceleration of Sparse Spiking Neural Computation",
HPCA 2022, sections III and IV; used as a dense rival of 16 x 4 elements in LoAS (MICRO 2024, figure 19).

Assumptions:

* The array has a row for each of NUM_TPPES output neurons (16) and a column for each of cfg.T timesteps of a time window, so a row is
  what a TPPE is on equal terms: one weight a cycle into the sums of T timesteps. More timesteps are more windows, one by one.
* Output stationary: the sums of NUM_TPPES neurons of one output pixel stay in the array while its K inputs pass, one a cycle,
  whether there is a spike or a weight or not (dense). Tiles follow each other without a gap; filling and emptying the array
  (rows + columns - 2 cycles) shows once.
* A window without any input spike in it, for an output pixel, is not skipped. The paper's packing of time windows that do not overlap
  (StSAP) is for long windows that are mostly empty; at T = 4 a window is one batch, and there is nothing to pack.
* Weights come dense, 8 bits each; the inputs as T bits a neuron. A pass over the weights of a tile row is made for every group of
  pixels whose spikes the chip holds: weights stay on the chip if they fit it, else they come again for each such group.
"""

from __future__ import annotations

import numpy as np

from golden.config import Config
from golden.rivals.cost import Cost
from golden.rivals.memory import check, finish, output_bytes
from golden.rivals.work import Work


def estimate(work: Work, cfg: Config, latency: int = 20) -> Cost:
    """What a layer costs on PTB."""
    check(work, cfg, latency)
    pes, windows = cfg.NUM_TPPES, -(-work.T // cfg.T)
    groups = -(-work.N // pes)
    stream = windows * work.M * groups * work.K  # input slots that pass the array
    span = stream + pes + min(cfg.T, work.T) - 2
    macs = windows * work.M * work.N * work.K  # of rows of the array that hold a neuron
    useful = work.matches
    weights = work.K * work.N * cfg.wslot_w // 8
    spikes = sum(words.size for words in work.maps) * work.T // 8 + 1
    # the chip keeps what fits: half for weights, half for spikes
    passes = 1 if weights <= cfg.cache_bytes // 2 else -(-spikes // (cfg.cache_bytes // 2))
    outputs = output_bytes(work)
    ops = {"accumulate": int(np.bitwise_count(work.words).sum(dtype=np.int64)) * work.N, "neuron": work.M * work.N * work.T}
    onchip = {"A": work.M * groups * work.K * work.T // 8, "B": stream * pes * cfg.wslot_w // 8, "C": outputs}
    # a row's weight enters once a pixel; the same weights serve all timesteps of a window
    busy = {"work": useful, "zeros": macs - useful, "unused": stream * pes - macs}
    return finish("ptb", cfg, latency, busy, span, ops, onchip, {"A": spikes, "B": weights * max(1, passes)}, {"C": outputs})
