# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Stellar: few-spikes neurons, spatiotemporal dataflow with dense weights.

Source: R. Mao, L. Tang, X. Yuan, Y. Liu, J. Zhou, "Stellar: Energy-Efficient and Low-Latency SNN Algorithm and Hardware Co-Design with
Spatiotemporal Computation", HPCA 2024; LoAS (MICRO 2024, section II and figure 19) calls it sparse in spikes, dense in weights,
and fully temporal parallel.

Assumptions:

* A processing element adds one weight a cycle to the sums of all T timesteps of one output neuron (their spatiotemporal dataflow),
  so it is what a TPPE is on equal terms. NUM_TPPES elements have that many neighbouring columns of one output pixel.
* Silent neurons are skipped without any cost of finding them; the weights of the others are all taken, zero or not. So a group of
  columns of a pixel costs as many cycles as the pixel's window has not-silent neurons, and at least one.
* Few-spikes neurons need training of their own. Here the machine runs the network that the others run, with the same spikes: what
  is compared is the dataflow, not the coding.
* Spikes are stored as LoAS does it (mask and packed words), weights dense with 8 bits. Weights stay on the chip if they fit half of it,
  else they come again for each group of pixels whose spikes fit the other half.
"""

from __future__ import annotations

import numpy as np

from golden.config import Config
from golden.rivals.cost import Cost
from golden.rivals.memory import check, finish, output_bytes
from golden.rivals.work import Work


def estimate(work: Work, cfg: Config, latency: int = 20) -> Cost:
    """What a layer costs on Stellar."""
    check(work, cfg, latency)
    pes = cfg.NUM_TPPES
    groups = -(-work.N // pes)
    live = np.count_nonzero(work.words, axis=1).astype(np.int64)
    span = int(np.maximum(live, 1).sum()) * groups
    taken = int(live.sum())
    slots = taken * work.N  # weights added, zero or not
    weights = work.K * work.N * cfg.wslot_w // 8
    stored = sum(words.size for words in work.maps) // 8 + 1
    packed = sum(int(np.count_nonzero(words)) for words in work.maps) * work.T // 8 + 1
    passes = 1 if weights <= cfg.cache_bytes // 2 else -(-(stored + packed) // (cfg.cache_bytes // 2))
    outputs = output_bytes(work)
    ones = int(np.bitwise_count(work.words).sum(dtype=np.int64))
    ops = {"accumulate": ones * work.N, "neuron": work.M * work.N * work.T}
    onchip = {"A": taken * groups * work.T // 8, "meta": work.M * -(-work.K // 8) * groups, "B": taken * groups * pes * cfg.wslot_w // 8,
              "C": outputs}  # fmt: skip
    busy = {"work": work.matches, "zeros": slots - work.matches, "unused": taken * groups * pes - slots,
            "empty": (span - taken * groups) * pes}  # fmt: skip
    return finish("stellar", cfg, latency, busy, span, ops, onchip, {"A": packed, "meta": stored, "B": weights * passes}, {"C": outputs})
