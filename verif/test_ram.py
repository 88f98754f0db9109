"""loas_ram against a dictionary: random reads and writes, old data on a collision (without collisions: LOAS_COLLISIONS=0)."""
from __future__ import annotations

import os
import random

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge

COLLISIONS = os.environ.get("LOAS_COLLISIONS") != "0"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def random_traffic(dut) -> None:  # type: ignore[no-untyped-def]
    depth = 1 << len(dut.rd_addr)
    depth = min(depth, int(dut.DEPTH.value))
    Clock(dut.clk, 10, unit="ns").start()
    model: dict[int, int] = {}
    expected: int | None = None
    for _ in range(2000):
        await FallingEdge(dut.clk)
        if expected is not None:
            assert int(dut.rd_data.value) == expected
        wr, addr, data = random.random() < 0.6, random.randrange(depth), random.getrandbits(len(dut.wr_data))
        if depth > 64:  # else what is read was hardly ever written
            addr = addr % 64 * (depth // 64)
        rd = random.choice(list(model)) if model and random.random() < 0.7 else None
        if not COLLISIONS and rd == addr:
            wr = False
        dut.wr_en.value, dut.wr_addr.value, dut.wr_data.value = wr, addr, data
        dut.rd_en.value, dut.rd_addr.value = rd is not None, rd or 0
        expected = model[rd] if rd is not None else expected
        if wr:
            model[addr] = data


@pytest.mark.parametrize("depth,width", [(1, 1), (5, 8), (16, 130)])
def test_ram(sim: str, depth: int, width: int) -> None:
    from verif.lib.sim import run

    run("loas_ram", "test_ram", sim, {"DEPTH": depth, "W": width})
