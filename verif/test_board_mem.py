# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Image memory of a board: machine's and host's port at once against a dictionary of bytes, block RAM and SDRAM, whose model checks
the data sheet's times."""
from __future__ import annotations

import os
import random
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiMaster, AxiResp

from verif.lib.manners import LiteMaster, behave

RAM = 256
SDRAM_END = 1 << 25
SIZE = 1 << 17              # the model's bytes: higher addresses wrap
# name: AXI_W, SDRAM_EN, PIN_STAGES
VARIANTS = {"64": (64, 1, 1), "32": (32, 1, 0), "128": (128, 1, 1), "ram": (64, 0, 0)}


async def begin(dut: Any, stall: float = 0.4) -> tuple[AxiMaster, LiteMaster]:
    """Clock, reset, masters with random pauses; block RAM filled."""
    Clock(dut.clk, 20, unit="ns").start()
    machine = AxiMaster(AxiBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    host = LiteMaster(dut, "s_axil", dut.clk, random.getrandbits(32))
    dut.rst.value = 1
    await ClockCycles(dut.clk, 5)
    dut.rst.value = 0
    await ClockCycles(dut.clk, 2)

    if stall:
        cocotb.start_soon(behave(machine, dut, "s_axi", dut.clk, stall))
    await machine.write(0, random.randbytes(RAM))
    return machine, host


def place(length: int, sdram: bool, part: int) -> int:
    """A random address in this port's half of the memory: pieces of 128 bytes, at the seam to the SDRAM and across its rows and banks."""
    where = [random.randrange(0, RAM), random.randrange(RAM - 64, RAM + 512), random.randrange(0, SIZE - 128)]
    size = SIZE if sdram else RAM
    return min(random.choice(where) % size, size - 256) // 256 * 256 + 128 * part + random.randrange(0, 129 - length)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def both_ports(dut: Any) -> None:
    """Each port writes and reads its own pieces of memory; the other's requests come between its own."""
    machine, host = await begin(dut)
    sdram = int(os.environ["LOAS_SDRAM"]) != 0
    known: dict[int, int] = {}

    async def user(master: AxiMaster | LiteMaster, part: int, count: int) -> None:
        for _ in range(count):
            length = random.randint(1, 128 if part == 0 else 12)
            address = place(length, sdram, part)
            if random.random() < 0.5:
                data = random.randbytes(length)
                assert (await master.write(address, data)).resp == AxiResp.OKAY
                known.update(zip(range(address, address + length), data, strict=True))
            else:
                got = await master.read(address, length)
                assert got.resp == AxiResp.OKAY
                for i, byte in enumerate(got.data):
                    want = known.get(address + i, byte)
                    assert byte == want, f"byte 0x{address + i:x} is 0x{byte:02x}, was written 0x{want:02x}"

    tasks = [cocotb.start_soon(user(machine, 0, 60)), cocotb.start_soon(user(host, 1, 60))]
    for task in tasks:
        await task
    await ClockCycles(dut.clk, 1000)          # refreshes without requests
    # what one port wrote the other reads
    for address in random.sample(sorted(known), 20):
        other = host if not address >> 7 & 1 else machine
        assert (await other.read(address, 1)).data[0] == known[address], f"byte 0x{address:x} from the other port"
    assert int(dut.violations.value) == 0 and not int(dut.axi_error.value)
    if sdram:
        assert int(dut.refreshes.value) > 8 + 2 and int(dut.reads.value) > 20


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def nothing_there(dut: Any) -> None:
    """Addresses without memory are answered DECERR, and nothing is written anywhere."""
    machine, host = await begin(dut)
    end = SDRAM_END if int(os.environ["LOAS_SDRAM"]) else RAM
    await host.write(end - 4, b"last")
    for master in (machine, host):
        for address in (end, end + 4, 0x8000_0000, 0xFFFF_FFE0):
            assert (await master.write(address, b"over")).resp == AxiResp.DECERR
            assert (await master.read(address, 4)).resp == AxiResp.DECERR
        assert bytes((await master.read(end - 4, 4)).data) == b"last"
    # a burst over the end: of any beat
    assert (await machine.write(end - 32, bytes(64))).resp == AxiResp.DECERR
    assert (await machine.read(end - 32, 64)).resp == AxiResp.DECERR
    assert not int(dut.axi_error.value), "protocol broken, see the log"


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def rate(dut: Any) -> None:
    """Long bursts: a word a cycle from block RAM; from an open row a word of W bits every W / 16 cycles, once begun."""
    machine, _ = await begin(dut, 0)
    sdram, width = int(os.environ["LOAS_SDRAM"]) != 0, len(dut.s_axi_rdata)
    await machine.read(0x10000 if sdram else 0, 16)
    start, length = (0x10000, 512) if sdram else (0, RAM)
    edges = 0

    async def count() -> None:
        nonlocal edges
        while True:
            await RisingEdge(dut.clk)
            edges += int(dut.s_axi_rvalid.value) & int(dut.s_axi_rready.value)

    counter = cocotb.start_soon(count())
    before = get_sim_time("ns")
    await machine.read(start, length)
    cycles = (get_sim_time("ns") - before) / 20
    counter.cancel()
    beats = length * 8 // width
    # besides: the way there and back, opening the row, at most one refresh
    assert edges == beats and cycles <= beats * (width // 16 if sdram else 1) + 40, f"{cycles} cycles for {beats} beats"


# one build of Verilator is enough by default
LONG = "LOAS_LONG" in os.environ
CASES = [(sim, variant) for sim in ("icarus", "verilator") for variant in VARIANTS if sim == "icarus" or variant == "64" or LONG]


@pytest.mark.parametrize("sim, variant", CASES)
def test_board_mem(sim: str, variant: str) -> None:
    from verif.lib.sim import ROOT, run

    width, sdram, stages = VARIANTS[variant]
    files = [ROOT / "fpga" / "rtl" / f"{name}.v" for name in ("loas_board_mem", "loas_mem_front", "loas_board_ram", "loas_sdram")]
    files += [ROOT / "fpga" / "sim" / "loas_sdram_model.v"]
    files += [ROOT / "verif" / "rtl" / f"{name}.v" for name in ("tb_board_mem", "loas_axi_checker", "loas_axil_checker")]
    run("tb_board_mem", "test_board_mem", sim, {"AXI_W": width, "SDRAM_EN": sdram, "PIN_STAGES": stages}, sources=files,
        env={"LOAS_SDRAM": str(sdram)})  # fmt: skip
