# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The cycle model of LoAS itself (draft: windows and hand-out only)."""

from __future__ import annotations

import numpy as np

from golden.config import Config
from golden.layout import choose_tiling
from golden.rivals.cost import Cost
from golden.rivals.join import tasks
from golden.rivals.memory import check, finish, hand_out, output_bytes, weight_bytes
from golden.rivals.work import Work, pack_bits


def estimate(work: Work, cfg: Config, latency: int = 20, *, mode: str = "laggy") -> Cost:
    """What a layer costs on LoAS."""
    check(work, cfg, latency)
    return join(work, cfg, latency, f"loas-{mode}", 1)


def join(work: Work, cfg: Config, latency: int, name: str, steps: int) -> Cost:
    """The inner join of all words (``steps`` = 1) or of each timestep."""
    words, nonzero = work.pad(cfg.SLICE_W)
    cols, tile = choose_tiling(work.layer, work.rows_out, cfg)
    width = -(-words.shape[1] // max(64, cfg.window_w)) * max(64, cfg.window_w)
    masks = [words != 0] if steps == 1 else [(words >> t & 1).astype(bool) for t in range(steps)]
    a = np.stack([pack_bits(mask, width) for mask in masks])
    out = tasks(a, pack_bits(nonzero.T, width), max(1, cfg.window_w // 64), cols).sum(axis=0)
    span, busy = hand_out(out.sum(axis=2).ravel(), cfg.NUM_TPPES)
    matches, empty = (int(v) for v in out.sum(axis=(0, 1)))
    stored, places = weight_bytes(work, cfg)
    spike_bytes = sum(int(np.count_nonzero(words)) for words in work.maps) * work.T // 8
    mask_bytes = sum(words.size for words in work.maps) * (1 if steps == 1 else work.T) // 8
    ops = {"accumulate": matches, "prefix_fast": matches, "window": matches + empty, "neuron": work.M * work.N * work.T}
    onchip = {"A": spike_bytes, "B": stored * work.M, "meta": places * work.M, "C": output_bytes(work)}
    return finish(name, cfg, latency, {"matches": matches, "empty_chunks": empty}, span, ops, onchip,
                  {"A": spike_bytes, "B": stored, "meta": places + mask_bytes}, {"C": output_bytes(work)})  # fmt: skip
