"""The Zynq's IP in RTL under the driver of host/zynq.py: registers by an AXI4-Lite master, memory in cocotbext-axi's AxiRam."""
from __future__ import annotations

import os
import random
import re
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles
from cocotbext.axi import AxiBus, AxiRam, AxiResp

from golden.compare import compare
from golden.config import PARAMETERS, load
from golden.image import write_image
from golden.layer import Layer
from golden.network import Network
from host.device import Device
from host.zynq import ZynqBus
from verif.lib.manners import LiteMaster, wait_for_valid
from verif.lib.sim import ROOT, SIMULATORS, run

TINY = load("tiny")
PHYSICAL = 0x3000
SIZE = 0x8000


class Registers:
    """``pynq.MMIO`` on the register port of the IP."""

    def __init__(self, dut: Any) -> None:
        self.master = LiteMaster(dut, "s_axi", dut.aclk)
        self.read = resume(self._read)
        self.write = resume(self._write)

    async def _read(self, offset: int) -> int:
        answer = await self.master.read(offset, 4)
        assert answer.resp == AxiResp.OKAY
        return int.from_bytes(answer.data, "little")

    async def _write(self, offset: int, value: int) -> None:
        assert (await self.master.write(offset, value.to_bytes(4, "little"))).resp == AxiResp.OKAY


class Buffer:
    """``PynqBuffer``: a piece of the memory that the IP's master sees."""

    physical_address = PHYSICAL
    nbytes = SIZE

    def __init__(self, dut: Any) -> None:
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.aclk, dut.aresetn, reset_active_level=False, size=PHYSICAL + SIZE)
        cocotb.start_soon(wait_for_valid(self.ram, dut, "m_axi", dut.aclk))

    def __getitem__(self, where: slice) -> bytes:
        return bytes(self.ram.read(PHYSICAL + where.start, where.stop - where.start))

    def __setitem__(self, where: slice, data: memoryview) -> None:
        self.ram.write(PHYSICAL + where.start, bytes(data))

    def flush(self) -> None:
        pass

    def invalidate(self) -> None:
        pass


class Interrupt:
    """Lets a thousand cycles pass: blocking for the driver, time for the simulator."""

    def __init__(self, dut: Any) -> None:
        self.waits = 0
        self.dut = dut
        self._pass = resume(self._cycles)

    async def _cycles(self) -> None:
        await ClockCycles(self.dut.aclk, 1000)

    def wait(self, seconds: float) -> None:
        self.waits += 1
        self._pass()


def network(seed: int) -> tuple[Network, np.ndarray]:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-9, 10, (50, 20)) * (rng.random((50, 20)) < 0.3)
    layers = [Layer(weights, rng.integers(-9, 10, 20), rng.integers(1, 30, 20), 64, name="fc1"),
              Layer(rng.integers(-9, 10, (20, 5)), np.zeros(5), np.zeros(5), 0, readout=True, name="out")]  # fmt: skip
    return Network(f"net{seed}", 4, layers), rng.integers(0, 2, (2, 50, 4)).astype(np.uint8)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def driver(dut: Any) -> None:
    """Two networks resident, run in turn by the driver; every spike compared; a soft reset in between."""
    dut.aresetn.value = 0
    Clock(dut.aclk, 10, unit="ns").start()
    registers, buffer, interrupt = Registers(dut), Buffer(dut), Interrupt(dut)
    await ClockCycles(dut.aclk, 8)
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 8)

    @bridge
    def session() -> None:
        with Device(ZynqBus(registers, buffer, clock_hz=50_000_000, interrupt=interrupt)) as device:
            assert device.config == TINY
            made = [network(random.getrandbits(16)) for _ in range(2)]
            data = [write_image(net, spikes, TINY) for net, spikes in made]
            residents = [device.load(one) for one in data]
            for which in (0, 1, 0):
                done = device.run(residents[which], data[which])
                net, spikes = made[which]
                report = compare(done.memory, net, spikes, net.run(spikes, 4), TINY)
                assert report.compared > 0
                assert report.mismatches == 0, report.first
                device.soft_reset()

    await session()
    assert interrupt.waits > 0
    assert not int(dut.axi_error.value), "protocol broken, see the log"
    for name, value in (("arlock", 0), ("awlock", 0), ("arcache", 3), ("awcache", 3), ("arprot", 0), ("awprot", 0)):
        assert int(getattr(dut, f"m_axi_{name}").value) == value


@pytest.mark.parametrize("simulator", SIMULATORS if os.environ.get("LOAS_LONG") else ["icarus"])
def test_zynq(simulator: str) -> None:
    benches = ("tb_pynq_z2", "loas_axi_checker", "loas_axil_checker")
    sources = [*(ROOT / "verif" / "rtl" / f"{name}.v" for name in benches), ROOT / "fpga" / "pynq_z2" / "loas_pynq_z2.v"]
    run("tb_pynq_z2", "test_zynq", simulator, TINY.verilog_parameters(), sources=sources)


def test_defaults_are_the_configuration() -> None:
    """Vivado's packager takes the parameters' defaults, which must be those of the named configuration."""
    text = (ROOT / "fpga" / "pynq_z2" / "loas_pynq_z2.v").read_text()
    found = {name: int(value) for name, value in re.findall(r"parameter integer (\w+)\s*= (\d+)", text)}
    assert found == load("pynq_z2").verilog_parameters()
    assert set(found) == set(PARAMETERS)


@pytest.mark.parametrize("script", ["package_ip", "build"])
def test_tcl_names_what_is_there(script: str) -> None:
    """Brackets close, and every name of the wrapper that a script uses exists. Vivado itself was not there to ask."""
    folder = ROOT / "fpga" / "pynq_z2"
    text = (folder / f"{script}.tcl").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for left, right in ("{}", "[]"):
        assert code.count(left) == code.count(right)
    wrapper = (folder / "loas_pynq_z2.v").read_text()
    for name in ("s_axi", "m_axi", "aclk", "aresetn", "irq"):
        assert name in text and name in wrapper
