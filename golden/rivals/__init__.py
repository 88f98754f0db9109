# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Cycle models of LoAS and its rivals on equal terms: as many processing elements, the same weights, cache, memory port and clock.

    from golden.rivals import MACHINES, Work, energy, estimate
    cost = estimate("loas-laggy", Work.of(layer, spikes), load("paper"), latency=20)

What each assumes: docs/models.md and the modules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from golden.config import Config
from golden.rivals import gamma, gospa, loas, ptb, sparten, stellar
from golden.rivals.cost import OPERANDS, Cost
from golden.rivals.energy import Costs, energy, load_costs
from golden.rivals.work import Work, WorkError

__all__ = ["MACHINES", "OPERANDS", "Cost", "Costs", "Machine", "Work", "WorkError", "energy", "estimate", "load_costs"]


@dataclass(frozen=True)
class Machine:
    """A machine that can be estimated.

    Attributes:
        name: Key of MACHINES.
        title: For tables and plots.
        model: Work, configuration and memory latency to cost.
        about: What it is, in a sentence.
    """

    name: str
    title: str
    model: Callable[[Work, Config, int], Cost]
    about: str


def _loas(mode: str) -> Callable[[Work, Config, int], Cost]:
    return lambda work, cfg, latency: loas.estimate(work, cfg, latency, mode=mode)


_ALL = (
    Machine("loas-laggy", "LoAS", _loas("laggy"), "LoAS with speculation and a laggy prefix sum over A (LAGGY = 1)"),
    Machine("loas-fast", "LoAS, two fast prefix sums", _loas("fast"), "LoAS with two fast prefix sums and no speculation (LAGGY = 0)"),
    Machine("loas-wait", "LoAS, no speculation", _loas("wait"), "LoAS with a laggy prefix sum, once a row, that accumulation waits for"),
    Machine("loas-chunk", "LoAS, no speculation, a sum a chunk", _loas("chunk"),
            "the same with the laggy prefix sum begun anew for each chunk with a match"),
    Machine("sparten", "SparTen-SNN", lambda w, c, latency: sparten.estimate(w, c, latency),
            "inner join with two fast prefix sums, timesteps in sequence within each window"),
    Machine("sparten-passes", "SparTen-SNN, a pass a timestep", lambda w, c, latency: sparten.estimate(w, c, latency, passes=True),
            "the same with a whole pass over the weights for each timestep"),
    Machine("gospa", "GoSPA-SNN", gospa.estimate, "outer product, timesteps in sequence"),
    Machine("gamma", "Gamma-SNN", gamma.estimate, "row-wise product with mergers and a FiberCache, timesteps in sequence"),
    Machine("ptb", "PTB", ptb.estimate, "dense systolic array with parallel time batching"),
    Machine("stellar", "Stellar", stellar.estimate, "dense weights, silent neurons skipped, all timesteps at once"),
)  # fmt: skip
MACHINES: dict[str, Machine] = {machine.name: machine for machine in _ALL}


def estimate(machine: str, work: Work, cfg: Config, *, latency: int = 20) -> Cost:
    """What a layer costs on a machine.

    Args:
        machine: A name of MACHINES.
        work: The layer and its spikes; their T may be anything from 1 to 16.
        cfg: For sizes; machines other than LoAS use those that mean something to them.
        latency: Of the memory in cycles.

    Raises:
        WorkError: Unknown machine, or a size that the machine cannot take; names field, value and what is legal.
    """
    if machine not in MACHINES:
        raise WorkError(f"machine = {machine!r} is not legal: must be one of {', '.join(MACHINES)}")
    return MACHINES[machine].model(work, cfg.check(), latency)
