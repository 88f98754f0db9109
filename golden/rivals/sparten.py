# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""SparTen-SNN: inner join with two fast prefix sums, timesteps in sequence, no multipliers.

Source: A. Gondimalla, N. Chesnut, M. Thottethodi, T. N. Vijaykumar, "SparTen: A Sparse Tensor Accelerator for Convolutional Neural
Networks", MICRO 2019, section 3; as a rival with timesteps in sequence in LoAS (MICRO 2024, section V).

Two forms, both on the engine that models LoAS: same scheduler and hand-out of (row, block), cache, memory, streams and output.

``sparten``: all timesteps of a window before the next window. A window costs the sum over timesteps of max(1, matches in it)
cycles: B's masks and weights are read once, as in LoAS, and the sums of all timesteps are kept. A row's packed words are turned to a
bitmask for each timestep, SLICE_W neurons a cycle, one row ahead; the join may start on its first windows. This is the form that is
written as RTL (docs/sparten.md).

``sparten-passes``: a whole pass over the layer for each timestep, with timesteps as the outermost loop: a row is the bitmask of a
timestep, B comes T times, and membranes go to memory between passes (4 bytes a neuron each way). All else equal.

Assumptions: WINDOW and CHUNK_W are those of the configuration (SparTen's own: one chunk of 128 bits); both prefix sums and the
accumulation keep up with a match a cycle; lines of weights of a window stay until its last timestep.
"""

from __future__ import annotations

from golden.config import Config
from golden.rivals.cost import Cost
from golden.rivals.loas import cost, simulate
from golden.rivals.memory import check
from golden.rivals.work import Work, need


def estimate(work: Work, cfg: Config, latency: int = 20, *, passes: bool = False) -> Cost:
    """What a layer costs on SparTen-SNN.

    Args:
        work: The layer and its spikes; more timesteps than cfg.T run in chunks of cfg.T, which needs CARRY.
        cfg: The machine.
        latency: Of the memory.
        passes: A pass for each timestep.

    Raises:
        WorkError: The layer does not fit the machine.
    """
    check(work, cfg, latency)
    together = 1 if passes else cfg.T
    need(work.T <= together or cfg.CARRY == 1, cfg, "T", work.T, f"1 to {together}: CARRY is 0")
    parts = work.chunks(together)
    machine = cfg.override(T=together)
    total: Cost | None = None
    for i, part in enumerate(parts):
        # a machine of cfg.T timesteps goes through all of them, also those behind the last
        counters, stored = simulate(part, machine, latency, laggy=False, early=False, speculate=False, steps=together, bare=passes,
                                    carry_in=i > 0, carry_out=i + 1 < len(parts))  # fmt: skip
        one = cost("sparten-passes" if passes else "sparten", part, machine, counters, stored, "sequence")
        total = one if total is None else total + one
    assert total is not None
    return total
