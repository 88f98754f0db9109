# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""SparTen-SNN: inner join with two fast prefix sums, timesteps in sequence, no multipliers (draft)."""

from __future__ import annotations

from golden.config import Config
from golden.rivals.cost import Cost
from golden.rivals import loas
from golden.rivals.memory import check
from golden.rivals.work import Work


def estimate(work: Work, cfg: Config, latency: int = 20, *, passes: bool = False) -> Cost:
    """What a layer costs on SparTen-SNN."""
    check(work, cfg, latency)
    return loas.estimate(work, cfg, latency)
