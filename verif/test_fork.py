# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_fork: every taker gets every item once, when it can, and the item goes with the last of them."""

from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import Loop


class Look:
    """An agent of the loop that keeps the outputs of each cycle, when they have settled."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.seen = dut, dict[str, int]()

    def drive(self) -> None:
        """Nothing: the test sets the inputs."""

    def sample(self, cycle: int) -> None:
        """Reads all outputs."""
        self.seen = {name: int(getattr(self.dut, name).value) for name in ("s_ready", "m_valid", "done")}


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(busy=[0.0, 0.3, 0.9], gaps=[0.0, 0.5])
async def takers(dut: Any, busy: float, gaps: float) -> None:
    """Each cycle against a model of the takers that still want the item at hand, with resets in between."""
    number, look = len(dut.m_ready), Look(dut)
    loop = Loop(dut, [look])
    dut.s_valid.value = dut.m_ready.value = 0
    await loop.reset()
    wanting = set(range(number))
    offered, passed = False, 0
    for _ in range(600):
        offered = offered or random.random() >= gaps
        ready = {place for place in range(number) if random.random() >= busy}
        dut.s_valid.value = int(offered)
        dut.m_ready.value = sum(1 << place for place in ready)
        await loop.step()
        assert look.seen["m_valid"] == (sum(1 << place for place in wanting) if offered else 0)
        assert look.seen["done"] == sum(1 << place for place in range(number) if place not in wanting)
        if offered:
            assert look.seen["s_ready"] == (wanting <= ready)
            wanting -= ready
            if not wanting:
                offered, passed, wanting = False, passed + 1, set(range(number))
        if random.random() < 0.01:
            dut.s_valid.value = 0
            await loop.reset()
            offered, wanting = False, set(range(number))
    assert passed > 5


@pytest.mark.parametrize("number", [1, 5])
def test_fork(sim: str, number: int) -> None:
    from verif.lib.sim import run

    run("loas_fork", "test_fork", sim, {"N": number})
