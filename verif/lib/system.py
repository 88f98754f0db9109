# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The whole machine with its memory under cocotb (verif/rtl/loas_system.v): load, start, wait, compare."""

from __future__ import annotations

import json
import os
import random
import struct
import tempfile
from collections.abc import Mapping
from pathlib import Path

from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer

from golden.compare import compare, counters, descriptors, spec
from golden.config import load
from golden.random_networks import Job, random_conv_job, random_job
from scripts.simulate import read_hex, write_hex
from verif.lib.manners import LiteMaster
from verif.lib.sim import ROOT, run

BASE = 0x40000000
REG = {name: entry["offset"] for name, entry in spec("registers")["registers"].items()}
ERR = {name: entry["code"] for name, entry in spec("registers")["errors"].items()}
DESC = {name: entry["word"] for name, entry in spec("image")["descriptor"].items()}
HEAD = {name: entry["word"] for name, entry in spec("image")["header"].items()}
WALK = {name: entry["word"] for name, entry in spec("image")["walk"].items()}
CONTROL = {name: 1 << entry["lsb"] for name, entry in spec("image")["control"].items() if entry["width"] == 1}
PERIOD = 10


class TB:
    """Machine with memory: load, start, wait, compare."""

    def __init__(self, dut) -> None:  # type: ignore[no-untyped-def]
        self.dut = dut
        self.cfg = load("tiny").override(**json.loads(os.environ["LOAS_OVERRIDE"]))
        self.dir = Path(os.environ["LOAS_DIR"])
        self.seed = int(os.environ["LOAS_RUN_SEED"])
        self.rng = random.Random(self.seed)
        self.next_job = 1000 * self.seed
        Clock(dut.clk, PERIOD, unit="ns").start()
        dut.rst.value = 1
        for name in ("load", "dump", "latency", "stall_percent", "err_en", "err_resp", "err_addr", "hang", "manner",
                     "image_words"):
            getattr(dut, name).value = 0
        dut.seed.value = self.seed
        self.axil = LiteMaster(dut, "s_axil", dut.clk, self.seed)

    async def reset(self) -> None:
        """Hard reset and the registers that tests rely on."""
        self.dut.rst.value = 1
        await ClockCycles(self.dut.clk, 5)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 2)
        await self.write("IMAGE_BASE", BASE)
        await self.write("WATCHDOG", 100_000)
        await self.write("IRQ_ENABLE", 3)

    async def write(self, name: str, value: int) -> None:
        await self.axil.write_dword(REG[name], value)

    async def read(self, name: str, index: int = 0) -> int:
        return await self.axil.read_dword(REG[name] + 4 * index)

    def job(self, *, size: int, rows: int | None = None, layers: int | None = None) -> Job:
        """The next random job; where sizes are free, every third is a convolution."""
        self.next_job += 1
        if rows is None and layers is None and self.next_job % 3 == 0:
            return random_conv_job(self.next_job, self.cfg, side=3)
        return random_job(self.next_job, self.cfg, size=size, rows=rows, layers=layers)

    def weather(self) -> None:
        """Another memory: latency, stalls and manners."""
        self.dut.latency.value = self.rng.choice([0, 1, 5, 20, 100])
        self.dut.stall_percent.value = self.rng.choice([0, 0, 10, 50, 90])
        self.dut.manner.value = self.rng.randrange(8)

    async def load(self, image: bytes) -> None:
        """Puts an image into the memory, behind the machine's back."""
        write_hex(self.dir / "image.hex", image, self.cfg.AXI_W)
        self.words = len(image) // (self.cfg.AXI_W // 8)
        self.dut.image_words.value = self.words
        await Timer(1, unit="ns")
        self.dut.load.value = 1
        await Timer(1, unit="ns")
        self.dut.load.value = 0
        await RisingEdge(self.dut.clk)
        await self.write("IMAGE_SIZE", len(image))

    async def dump(self) -> bytes:
        """The memory as it is."""
        self.dut.dump.value = 1
        await Timer(1, unit="ns")
        self.dut.dump.value = 0
        await Timer(1, unit="ns")
        return read_hex(self.dir / "dump.hex", self.cfg.AXI_W)[: self.words * self.cfg.AXI_W // 8]

    async def start(self) -> None:
        await self.write("CTRL", 1)

    async def wait(self, cycles: int = 2_000_000) -> None:
        """Waits for the interrupt and clears it."""
        if not int(self.dut.irq.value):
            await First(RisingEdge(self.dut.irq), Timer(cycles * PERIOD, unit="ns"))
        status = await self.read("STATUS")
        assert int(self.dut.irq.value), f"no interrupt after {cycles} cycles, STATUS {status:#x}, layer {await self.read('LAYER')}"
        bits = await self.read("IRQ_STATUS")
        assert bits == (2 if status & 4 else 1), f"IRQ_STATUS {bits} with STATUS {status:#x}"
        await self.write("IRQ_STATUS", 3)
        assert not int(self.dut.irq.value), "irq stays after it was cleared"
        assert await self.read("IRQ_STATUS") == 0

    async def idle(self) -> None:
        """Waits until the machine is not busy and the bus is drained."""
        for _ in range(10_000):
            if not await self.read("STATUS") & 9:
                return
            await ClockCycles(self.dut.clk, 20)
        raise AssertionError(f"still busy: STATUS {await self.read('STATUS'):#x}")

    async def good(self, job: Job) -> None:
        """Runs a job and compares everything."""
        await self.load(job.image)
        await self.start()
        await self.wait()
        status, code = await self.read("STATUS"), await self.read("ERR_CODE")
        assert status & 7 == 2, f"{job}: STATUS {status:#x}, error {code} at {await self.read('ERR_ADDR'):#x}"
        memory = await self.dump()
        report = compare(memory, job.network, job.spikes, job.golden, self.cfg)
        assert not report.mismatches, f"{job}: {report.mismatches} of {report.compared} differ:\n" + "\n".join(report.first)
        assert report.compared > 0
        last = descriptors(memory)[-1]["perf_ptr"]
        for name, value in counters(memory, last).items():
            index = spec("registers")["counters"][name]["index"]
            got = await self.read("PERF", 2 * index) | await self.read("PERF", 2 * index + 1) << 32
            assert got == value, f"{job}: register of counter {name}: {got}, record in memory: {value}"
        assert not int(self.dut.axi_error.value), f"{job}: AXI protocol broken"

    async def bad(self, image: bytes, code: str, addr: int | None, what: str, *, size: int | None = None) -> None:
        """Runs a bad image: error code and address, then silence."""
        await self.load(image)
        if size is not None:
            await self.write("IMAGE_SIZE", size)
        await self.start()
        await self.wait()
        await self.check_error(code, addr, what)

    async def check_error(self, code: str, addr: int | None, what: str) -> None:
        status = await self.read("STATUS")
        got, at = await self.read("ERR_CODE"), await self.read("ERR_ADDR")
        assert status & 4, f"{what}: STATUS {status:#x}, no error"
        assert got == ERR[code], f"{what}: error {got} at {at:#x}, expected {code} ({ERR[code]})"
        assert addr is None or at == addr, f"{what}: error {code} at {at:#x}, expected {addr:#x}"
        await self.idle()
        assert not int(self.dut.axi_error.value), f"{what}: AXI protocol broken"


def poke(image: bytes, offset: int, value: int) -> bytes:
    """An image with one 32-bit word changed."""
    changed = bytearray(image)
    struct.pack_into("<I", changed, offset, value & 0xFFFFFFFF)
    return bytes(changed)


def poke_desc(image: bytes, layer: int, field: str, value: int) -> tuple[bytes, int]:
    """An image with a descriptor field changed and the descriptor's checksum made right again."""
    base = struct.unpack_from("<I", image, 4 * HEAD["desc_offset"])[0] + 64 * layer
    return poke_record(image, base, DESC[field], value), base + 4 * DESC[field]


def poke_record(image: bytes, base: int, word: int, value: int) -> bytes:
    """An image with a word of a descriptor or walk record changed and its checksum, the last word, made right again."""
    changed = poke(image, base + 4 * word, value)
    return poke(changed, base + 60, -sum(struct.unpack_from("<15I", changed, base)))


def walks(image: bytes, desc: Mapping[str, int]) -> list[int]:
    """Where the walk records of a layer are: none, its own, and that of a branch."""
    found = []
    if desc["control"] & 255 == 2 and desc["walk"] + 64 <= len(image):
        found = [desc["walk"]]
        branch = struct.unpack_from("<I", image, desc["walk"] + 4 * WALK["branch"])[0]
        if branch and branch + 64 <= len(image):
            found.append(branch)
    return found


def launch(module: str, sim: str, override: Mapping[str, int], seed: int, testcase: str | None = None) -> None:
    """Builds the machine and runs the cocotb tests of a module on it.

    Args:
        module: Name of the test module.
        sim: "icarus" or "verilator".
        override: Parameters that differ from configuration `tiny`.
        seed: Of everything random.
        testcase: Only this test.
    """
    cfg = load("tiny").override(**override)
    sources = [ROOT / "verif" / "rtl" / f"{name}.v" for name in ("loas_system", "loas_sim_mem", "loas_axi_checker", "loas_axil_checker")]
    jobs = "16" if sim == "verilator" else "3"
    with tempfile.TemporaryDirectory(prefix="loas-") as folder:
        run("loas_system", module, sim, {**cfg.verilog_parameters(), "MEM_BYTES": 1 << 18}, seed=seed, testcase=testcase,
            sources=sources, waves=os.environ.get("LOAS_WAVES") == "1", plusargs=[f"+dir={folder}"],
            env={"LOAS_OVERRIDE": json.dumps(dict(override)), "LOAS_DIR": folder, "LOAS_RUN_SEED": str(seed),
                 "LOAS_JOBS": os.environ.get("LOAS_JOBS", jobs)})  # fmt: skip
