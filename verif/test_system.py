"""Whole machine under cocotb: random networks back to back, soft reset in the middle, every error and the run after it."""
from __future__ import annotations

import json
import os
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from golden.config import Config, load
from lib.networks import Job, random_job
from lib.sim import ROOT, run
from scripts.compare import compare, counters, descriptors, spec
from scripts.simulate import read_hex, write_hex

BASE = 0x40000000
REG = {name: entry["offset"] for name, entry in spec("registers")["registers"].items()}
ERR = {name: entry["code"] for name, entry in spec("registers")["errors"].items()}
DESC = {name: entry["word"] for name, entry in spec("image")["descriptor"].items()}
HEAD = {name: entry["word"] for name, entry in spec("image")["header"].items()}
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
        for name in ("load", "dump", "latency", "stall_percent", "err_en", "err_resp", "err_addr", "hang", "image_words"):
            getattr(dut, name).value = 0
        dut.seed.value = self.seed
        self.axil = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axil"), dut.clk, dut.rst)

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
        return int(await self.axil.read_dword(REG[name] + 4 * index))

    def job(self, *, size: int, rows: int | None = None, layers: int | None = None) -> Job:
        """The next random job."""
        self.next_job += 1
        return random_job(self.next_job, self.cfg, size=size, rows=rows, layers=layers)

    def weather(self) -> None:
        """Another memory: latency and stalls."""
        self.dut.latency.value = self.rng.choice([0, 1, 5, 20, 100])
        self.dut.stall_percent.value = self.rng.choice([0, 0, 10, 50, 90])

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
    changed = poke(image, base + 4 * DESC[field], value)
    words = list(struct.unpack_from("<16I", changed, base))
    total = sum(words) - words[DESC["checksum"]]
    return poke(changed, base + 4 * DESC["checksum"], -total), base + 4 * DESC[field]


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def registers(dut) -> None:  # type: ignore[no-untyped-def]
    """Identification and configuration."""
    tb = TB(dut)
    await tb.reset()
    assert await tb.read("ID") == spec("image")["magic"]
    assert await tb.read("VERSION") == spec("image")["version"]
    for i in range(6):
        assert await tb.read(f"CONFIG{i}") == getattr(tb.cfg, f"config{i}"), f"CONFIG{i}"
    assert await tb.read("STATUS") == 0


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def back_to_back(dut) -> None:  # type: ignore[no-untyped-def]
    """Random networks one after the other, without a reset in between."""
    tb = TB(dut)
    await tb.reset()
    for _ in range(int(os.environ["LOAS_JOBS"])):
        tb.weather()
        await tb.good(tb.job(size=64))


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def soft_reset(dut) -> None:  # type: ignore[no-untyped-def]
    """Soft reset at a random point, then a correct run with nothing left over."""
    tb = TB(dut)
    await tb.reset()
    for _ in range(int(os.environ["LOAS_JOBS"])):
        tb.weather()
        await tb.load(tb.job(size=64).image)
        await tb.start()
        await ClockCycles(dut.clk, tb.rng.choice([1, tb.rng.randint(1, 200), tb.rng.randint(1, 3000)]))
        await tb.write("CTRL", 2)
        await tb.idle()
        assert await tb.read("STATUS") & 1 == 0
        await tb.write("IRQ_STATUS", 3)
        await tb.good(tb.job(size=48, rows=2))


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def bad_images(dut) -> None:  # type: ignore[no-untyped-def]
    """Every field of header and descriptor out of range: code and address, and the next run is right."""
    tb = TB(dut)
    await tb.reset()
    good, job = tb.job(size=24, rows=2, layers=1), tb.job(size=40, rows=3, layers=2)
    image, line = job.image, tb.cfg.line_bytes
    for word in ("magic", "version"):
        await tb.bad(poke(image, 4 * HEAD[word], 1234), "BAD_IMAGE", 4 * HEAD[word], word)
    for size in (0, len(image) + 1, len(image) + line):
        await tb.bad(poke(image, 4 * HEAD["size"], size), "BAD_IMAGE", 4 * HEAD["size"], f"size {size}")
    await tb.good(good)
    for i in range(4):
        at = 4 * HEAD[f"config{i}"]
        word = struct.unpack_from("<I", image, at)[0]
        await tb.bad(poke(image, at, word ^ 1 << tb.rng.randrange(32)), "BAD_CONFIG", at, f"config{i}")
    await tb.good(good)
    table = descriptors(image)
    base = struct.unpack_from("<I", image, 4 * HEAD["desc_offset"])[0]
    await tb.bad(poke(image, base + 4 * DESC["checksum"], table[0]["checksum"] + 1), "BAD_DESC", None, "checksum")
    cfg = tb.cfg
    cases: list[tuple[str, int]] = [
        ("control", table[0]["control"] ^ 1), ("control", table[0]["control"] ^ 1 << 30), ("control", table[0]["control"] | 1 << 12),
        ("m", 0), ("m", 1 << 24), ("k", 0), ("k", cfg.K_MAX + 1), ("n", 0), ("n", cfg.K_MAX + 1),
        ("a_base", table[0]["a_base"] + 4), ("a_base", 1 << 31), ("a_stride", table[0]["a_stride"] + 8),
        ("block_table", table[0]["block_table"] + 4), ("b_base", table[0]["b_base"] + 4), ("b_end", table[0]["b_end"] + 4),
        ("out_base", table[0]["out_base"] + 4), ("out_stride", table[0]["out_stride"] + 4), ("perf_ptr", table[0]["perf_ptr"] + 4),
        ("neuron", table[0]["neuron"] & ~0x1FF | 257), ("neuron", table[0]["neuron"] & 0xFFFF),
        ("neuron", (table[0]["neuron"] & 0x1FF) | (cfg.SLICE_W + 1) << 16), ("neuron", (table[0]["neuron"] & 0x1FF) | 2048 << 16),
        ("tile_rows", 0), ("tile_rows", cfg.NUM_SLOTS), ("reserved", 1),
    ]  # fmt: skip
    for number, (field, value) in enumerate(cases):
        changed, at = poke_desc(image, 0, field, value)
        await tb.bad(changed, "BAD_DESC", at, f"{field} = {value:#x}")
        if number % 8 == 7:
            await tb.good(good)
    await tb.good(good)
    for field in ("a_base", "block_table", "out_base", "perf_ptr"):
        tb.weather()
        await tb.bad(poke_desc(image, 0, field, 0x40000000)[0], "POINTER", None, f"{field} outside the window")
        await tb.good(good)


def dense_job(tb: TB) -> Job:
    """A job whose first row and first weight block are certain to be read as a whole."""
    while True:
        job = tb.job(size=40, rows=2, layers=1)
        if job.network.layers[0].weights.any(axis=0).all() and job.spikes.any(axis=(1, 2)).all():
            return job


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def bad_fibers(dut) -> None:  # type: ignore[no-untyped-def]
    """Counts that do not agree with the bitmasks."""
    tb = TB(dut)
    await tb.reset()
    for _ in range(2):
        tb.weather()
        job = dense_job(tb)
        desc = descriptors(job.image)[0]
        row = desc["a_base"] + tb.rng.randrange(desc["m"]) * desc["a_stride"]
        count = struct.unpack_from("<I", job.image, row)[0]
        for value in (count + 1, count - 1, 0x7FFFFFFF):
            await tb.bad(poke(job.image, row, value), "FIBER_A", row, f"{job}: row of {count} words says {value}")
        await tb.good(job)
        params = struct.unpack_from("<I", job.image, desc["block_table"])[0]
        nnz = struct.unpack_from("<I", job.image, desc["block_table"] + 12)[0]
        for value in (nnz + 1, nnz - 1):
            await tb.bad(poke(job.image, desc["block_table"] + 12, value), "FIBER_B", params, f"{job}: nnz {nnz} says {value}")
        await tb.good(job)


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def bus_errors(dut) -> None:  # type: ignore[no-untyped-def]
    """SLVERR and DECERR on reads and writes: code and address, no later request, and the next run is right."""
    tb = TB(dut)
    await tb.reset()
    job = dense_job(tb)
    desc = descriptors(job.image)[0]
    line = tb.cfg.line_bytes
    places = [("BUS_READ", 0), *(("BUS_READ", desc[field]) for field in ("a_base", "b_base", "block_table")),
              *(("BUS_WRITE", desc[field]) for field in ("out_base", "perf_ptr"))]  # fmt: skip
    for code, at in places:
        for response in (2, 3):
            tb.weather()
            await tb.load(job.image)
            dut.err_en.value, dut.err_resp.value, dut.err_addr.value = 1, response, BASE + at
            await tb.start()
            await tb.wait()
            expected = at // line * line if code == "BUS_READ" else at
            await tb.check_error(code, expected, f"{code} response {response} at {at:#x}")
            dut.err_en.value = 0
            await tb.good(job)


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def hangs(dut) -> None:  # type: ignore[no-untyped-def]
    """A bus that stops answering: watchdog, not busy any more, and the next start works once the bus is alive."""
    tb = TB(dut)
    await tb.reset()
    await tb.write("WATCHDOG", 500)
    for _ in range(4):
        tb.weather()
        dut.latency.value = tb.rng.choice([0, 20])
        job = tb.job(size=48, rows=4, layers=2)
        await tb.load(job.image)
        await tb.start()
        await ClockCycles(dut.clk, tb.rng.randint(1, 300))
        dut.hang.value = 1
        await tb.wait()
        status, code = await tb.read("STATUS"), await tb.read("ERR_CODE")
        if status & 4:
            assert code == ERR["WATCHDOG"], f"error {code}"
            assert not status & 1, f"busy after the watchdog: STATUS {status:#x}"
        dut.hang.value = 0
        await tb.idle()
        await tb.good(tb.job(size=48, rows=2))


VARIANTS: dict[str, dict[str, int]] = {
    "tiny": {},
    "fast": {"LAGGY": 0},
    "T1": {"T": 1, "NUM_TPPES": 1},
    "T16": {"T": 16, "CHUNK_W": 64, "AXI_W": 64, "WEIGHT_W": 4},
}


def launch(sim: str, variant: str, seed: int, testcase: str | None = None) -> None:
    cfg: Config = load("tiny").override(**VARIANTS[variant])
    make: Callable[[str], Path] = lambda name: ROOT / "verif" / "rtl" / f"{name}.v"  # noqa: E731
    jobs = "40" if sim == "verilator" else "3"
    with tempfile.TemporaryDirectory(prefix="loas-") as folder:
        run("loas_system", "test_system", sim, {**cfg.verilog_parameters(), "MEM_BYTES": 1 << 18}, seed=seed, testcase=testcase,
            sources=[make(n) for n in ("loas_system", "loas_sim_mem", "loas_axi_checker")],
            waves=os.environ.get("LOAS_WAVES") == "1", plusargs=[f"+dir={folder}"],
            env={"LOAS_OVERRIDE": json.dumps(VARIANTS[variant]), "LOAS_DIR": folder, "LOAS_RUN_SEED": str(seed),
                 "LOAS_JOBS": os.environ.get("LOAS_JOBS", jobs)})  # fmt: skip


SEEDS = max(1, int(os.environ.get("LOAS_SEEDS", "40")) // 40)
FIRST = int(os.environ.get("LOAS_SEED", "1"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
@pytest.mark.parametrize("variant", VARIANTS)
def test_system(variant: str, seed: int) -> None:
    launch("verilator", variant, seed)


@pytest.mark.parametrize("testcase", ["registers", "back_to_back", "bus_errors"])
def test_system_icarus(testcase: str) -> None:
    launch("icarus", "tiny", FIRST, testcase)
