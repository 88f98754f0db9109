"""loas_axil_regs: reset values, every field, strobes, write-one-to-clear, unknown addresses, AW and W in any order."""
from __future__ import annotations

import random
import tomllib
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from verif.lib.manners import LiteMaster

SPEC = tomllib.loads((Path(__file__).parents[1] / "spec" / "registers.toml").read_text())["registers"]
CONFIG = {f"CONFIG{i}": 0x11223344 + 0x01010101 * i for i in range(6)}
MASK = {"IRQ_ENABLE": 3, "IMAGE_BASE": 0xFFFFF000, "IMAGE_SIZE": 0xFFFFFFFF, "WATCHDOG": 0xFFFFFFFF}
INPUTS = ("busy", "done", "error", "draining", "set_done", "set_error", "err_code", "err_addr", "err_layer", "layer", "perf")


class TB:
    """Clock, reset, AXI4-Lite master: that of cocotbext-axi, or one with all manners."""

    def __init__(self, dut, manners: bool = False) -> None:  # type: ignore[no-untyped-def]
        self.dut = dut
        Clock(dut.clk, 10, unit="ns").start()
        self.master: Any
        if manners:
            self.master = LiteMaster(dut, "s_axil", dut.clk, random.getrandbits(32))
        else:
            self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)
        for name in INPUTS:
            getattr(dut, name).value = 0

    async def reset(self) -> None:
        self.dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        await RisingEdge(self.dut.clk)

    def pause(self) -> None:
        """Random idle and back-pressure on all five channels, each by itself: AW and W come in any order."""

        def gaps(rate: float):  # type: ignore[no-untyped-def]
            while True:
                yield random.random() < rate

        for channel in (
            self.master.write_if.aw_channel,
            self.master.write_if.w_channel,
            self.master.write_if.b_channel,
            self.master.read_if.ar_channel,
            self.master.read_if.r_channel,
        ):
            channel.set_pause_generator(gaps(random.choice([0.2, 0.5, 0.8])))

    def check(self) -> None:
        assert not int(self.dut.axi_error.value), "AXI4-Lite protocol broken, see the log"

    async def read(self, offset: int) -> tuple[int, bool]:
        answer = await self.master.read(offset, 4)
        return int.from_bytes(answer.data, "little"), answer.resp == AxiResp.OKAY

    async def write(self, offset: int, value: int) -> bool:
        return (await self.master.write(offset, value.to_bytes(4, "little"))).resp == AxiResp.OKAY


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize((("paused", "manners"), [(False, False), (True, False), (False, True)]))
async def reset_values_and_unknown(dut, paused: bool, manners: bool) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut, manners)
    await tb.reset()
    if paused:
        tb.pause()
    known: dict[int, int] = {}
    for name, row in SPEC.items():
        for i in range(row.get("count", 1)):
            known[row["offset"] + 4 * i] = CONFIG.get(name, row.get("reset", 0))
    writable = {SPEC[n]["offset"] for n in (*MASK, "CTRL", "IRQ_STATUS")}
    for offset in [*range(0, 0x120, 4), 0x7FC, 0x880, 0xFFC]:
        value, okay = await tb.read(offset)
        assert (value, okay) == (known.get(offset, 0), offset in known), f"read {offset:#x}: {value:#x} {okay}"
        if offset not in writable:
            assert not await tb.write(offset, 0xFFFFFFFF), f"write {offset:#x} must answer SLVERR"
    for offset, expected in known.items():
        assert (await tb.read(offset))[0] == expected, f"{offset:#x} changed by a write that must not"
    tb.check()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize((("paused", "manners"), [(False, False), (True, False), (False, True)]))
async def bit_bash(dut, paused: bool, manners: bool) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut, manners)
    await tb.reset()
    if paused:
        tb.pause()
    model = {n: SPEC[n]["reset"] for n in MASK}
    for name, mask in MASK.items():
        for value in [1 << b for b in range(32)] + [0xFFFFFFFF, 0]:
            assert await tb.write(SPEC[name]["offset"], value)
            model[name] = value & mask
            assert (await tb.read(SPEC[name]["offset"]))[0] == model[name]
    for _ in range(200):  # random strobes
        name = random.choice(list(MASK))
        start = random.randrange(4)
        data = random.randbytes(random.randint(1, 4 - start))
        await tb.master.write(SPEC[name]["offset"] + start, data)
        old = bytearray(model[name].to_bytes(4, "little"))
        old[start : start + len(data)] = data
        model[name] = int.from_bytes(old, "little") & MASK[name]
        other = random.choice(list(MASK))
        assert (await tb.read(SPEC[other]["offset"]))[0] == model[other], other
    assert int(dut.image_base.value) == model["IMAGE_BASE"]
    assert int(dut.image_size.value) == model["IMAGE_SIZE"]
    assert int(dut.watchdog.value) == model["WATCHDOG"]
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def status_fields(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut, True)
    await tb.reset()
    for _ in range(40):
        bits = [random.getrandbits(1) for _ in range(4)]
        dut.busy.value, dut.done.value, dut.error.value, dut.draining.value = bits
        code, layer, current = random.getrandbits(4), random.getrandbits(16), random.getrandbits(16)
        address, perf = random.getrandbits(32), random.getrandbits(1024)
        dut.err_code.value, dut.err_layer.value, dut.layer.value = code, layer, current
        dut.err_addr.value, dut.perf.value = address, perf
        for name, expected in (
            ("STATUS", sum(b << i for i, b in enumerate(bits))),
            ("ERR_CODE", code),
            ("ERR_ADDR", address),
            ("ERR_LAYER", layer),
            ("LAYER", current),
        ):
            assert (await tb.read(SPEC[name]["offset"]))[0] == expected, name
        i = random.randrange(32)
        assert (await tb.read(SPEC["PERF"]["offset"] + 4 * i))[0] == perf >> 32 * i & 0xFFFFFFFF
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def interrupt_and_pulses(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut, True)
    await tb.reset()
    seen = {"start": 0, "soft_reset": 0}

    async def count() -> None:
        while True:
            await FallingEdge(dut.clk)
            for name in seen:
                seen[name] += int(getattr(dut, name).value)

    cocotb.start_soon(count())
    for value in range(4):
        before = dict(seen)
        await tb.write(SPEC["CTRL"]["offset"], value)
        assert seen["start"] - before["start"] == value & 1
        assert seen["soft_reset"] - before["soft_reset"] == value >> 1
        assert (await tb.read(SPEC["CTRL"]["offset"]))[0] == 0
    for enable in range(4):
        await tb.write(SPEC["IRQ_ENABLE"]["offset"], enable)
        for bits in (1, 2, 3):
            dut.set_done.value, dut.set_error.value = bits & 1, bits >> 1
            await RisingEdge(dut.clk)
            dut.set_done.value, dut.set_error.value = 0, 0
            assert (await tb.read(SPEC["IRQ_STATUS"]["offset"]))[0] == bits
            assert int(dut.irq.value) == int(bool(bits & enable))
            await tb.write(SPEC["IRQ_STATUS"]["offset"], 0)
            assert (await tb.read(SPEC["IRQ_STATUS"]["offset"]))[0] == bits
            for bit in (1, 2):
                await tb.write(SPEC["IRQ_STATUS"]["offset"], bit)
                bits &= ~bit
                assert (await tb.read(SPEC["IRQ_STATUS"]["offset"]))[0] == bits
                assert int(dut.irq.value) == int(bool(bits & enable))
    tb.check()


def test_regs(sim: str) -> None:
    from verif.lib.sim import ROOT, run

    sources = [ROOT / "verif" / "rtl" / f"{name}.v" for name in ("tb_axil_regs", "loas_axil_checker")]
    run("tb_axil_regs", "test_regs", sim, CONFIG, sources=sources)
