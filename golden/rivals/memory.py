# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the rivals' models share: the same cache and memory port as LoAS has, fibers of spikes and weights, handing out of tasks.

Assumptions, for all machines that are modelled here without RTL:

* Off-chip transfers overlap with computing (double buffering): a layer takes the longer of the two, plus one memory latency for the
  first line and one for the last answer. The port moves AXI_W bits a cycle, reads and writes apart, as AXI does.
* What is used again stays on the chip if it fits the FiberCache (all of ``Config.cache_bytes``), and comes again if not.
* A fiber of weights is a bitmask or an index code, whichever is smaller, as in LoAS, and 8 bits a nonzero weight.
* The neurons (P-LIF) keep up with the processing elements unless a model says otherwise.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from golden import index_code
from golden.config import Config
from golden.rivals.cost import Cost
from golden.rivals.work import Work, need

Ints = npt.NDArray[np.int64]


def check(work: Work, cfg: Config, latency: int) -> None:
    """Refuses what no model takes.

    Raises:
        WorkError: Names the field, its value and what is legal.
    """
    need(isinstance(latency, int) and 0 <= latency <= 65535, cfg, "latency", latency, "an integer, 0 to 65535 cycles")
    need(work.K <= cfg.K_MAX, cfg, "K", work.K, f"1 to K_MAX = {cfg.K_MAX}")


def weight_bytes(work: Work, cfg: Config) -> tuple[int, int]:
    """Bytes of all nonzero weights, and of their places (bitmask or index code, whichever is smaller)."""
    count = int(np.count_nonzero(work.nonzero))
    bitmask = work.N * -(-work.K // 8)
    return -(-count * cfg.wslot_w // 8), min(bitmask, index_code.size(np.ascontiguousarray(work.nonzero.T)))


def output_bytes(work: Work) -> int:
    """Bytes of the layer's output: a bitmask for each timestep, or the integers of a readout."""
    return work.rows_out * work.N * 4 if work.layer.readout else work.T * work.rows_out * -(-work.N // 8)


def hand_out(costs: Iterable[int] | Ints, pes: int) -> tuple[int, int]:
    """Gives tasks in order to whichever processing element is free first.

    Args:
        costs: Cycles of each task.
        pes: Processing elements.

    Returns:
        When the last one ends, and the cycles that all worked together.
    """
    free = [0] * pes
    busy = last = 0
    for cost in costs.tolist() if isinstance(costs, np.ndarray) else costs:
        end = heapq.heappop(free) + cost
        busy += cost
        last = max(last, end)
        heapq.heappush(free, end)
    return last, busy


def finish(
    machine: str, cfg: Config, latency: int, busy: dict[str, int], span: int, ops: dict[str, int], onchip: dict[str, int],
    read: dict[str, int], written: dict[str, int],
) -> Cost:  # fmt: skip
    """A cost from what was computed and what was moved.

    Args:
        machine: Its name.
        cfg: For processing elements and port.
        latency: Of the memory in cycles.
        busy: Cycles of processing elements by what they did; together at most ``span`` times their number.
        span: Cycles of computing, without waiting for memory.
        ops, onchip: As in :class:`Cost`.
        read, written: Bytes by operand from and to memory.
    """
    port = cfg.AXI_W // 8
    moved = max(-(-sum(read.values()) // port), -(-sum(written.values()) // port))
    cycles = max(span, moved) + 2 * latency
    waiting = (cycles - span) * cfg.NUM_TPPES
    spent = sum(busy.values())
    offchip = {key: read.get(key, 0) + written.get(key, 0) for key in {**read, **written}}
    return Cost(machine, cfg.NUM_TPPES, cycles, {**busy, "memory": waiting, "idle": cycles * cfg.NUM_TPPES - waiting - spent},
                ops, onchip, offchip)  # fmt: skip
