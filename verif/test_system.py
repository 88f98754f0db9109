"""Whole machine under cocotb: random networks back to back, soft reset in the middle, every error and the run after it."""
from __future__ import annotations

import os
import struct

import cocotb
import pytest
from cocotb.triggers import ClockCycles

from golden.compare import descriptors, spec
from golden.random_networks import Job
from verif.lib.model import CACHE
from verif.lib.system import BASE, CONTROL, DESC, ERR, HEAD, TB, launch, poke, poke_desc


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
    while job.network.T > tb.cfg.T:   # no membranes are carried: `state` has to be zero
        job = tb.job(size=40, rows=3, layers=2)
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
        ("control", table[0]["control"] ^ 1), ("control", table[0]["control"] ^ 1 << 30), ("control", table[0]["control"] | 1 << 15),
        ("rows", table[0]["rows"] & 0xFF << 24), ("rows", table[0]["rows"] & 0xFFFFFF), ("rows", table[0]["rows"] | cfg.NUM_SLOTS << 24),
        ("k", 0), ("k", cfg.K_MAX + 1), ("n", 0), ("n", cfg.K_MAX + 1),
        ("a_base", table[0]["a_base"] + 4), ("a_base", 1 << 31), ("a_stride", table[0]["a_stride"] + 8),
        ("block_table", table[0]["block_table"] + 4), ("b_base", table[0]["b_base"] + 4), ("b_end", table[0]["b_end"] + 4),
        ("out_base", table[0]["out_base"] + 4), ("out_stride", table[0]["out_stride"] + 4), ("perf_ptr", table[0]["perf_ptr"] + 4),
        ("neuron", table[0]["neuron"] & ~0x1FF | 257), ("neuron", table[0]["neuron"] & 0xFFFF),
        ("neuron", (table[0]["neuron"] & 0xFFFF) | (cfg.SLICE_W + 1) << 16), ("neuron", (table[0]["neuron"] & 0xFFFF) | 2048 << 16),
        ("neuron", table[0]["neuron"] & ~0x3E00), ("neuron", table[0]["neuron"] & ~0x3E00 | cfg.T + 1 << 9), ("state", 4), ("walk", 1),
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
    """A job whose first row and first weight block are certain to be read as a whole; weights as bitmasks, all of T at once."""
    while True:
        job = tb.job(size=40, rows=2, layers=1)
        table = descriptors(job.image)
        bitmasks = len(table) == 1 and not table[0]["control"] & CONTROL["index"]
        if bitmasks and job.network.layers[0].weights.any(axis=0).all() and job.spikes.any(axis=(1, 2)).all():
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
        row = desc["a_base"] + tb.rng.randrange(desc["rows"] & 0xFFFFFF) * desc["a_stride"]
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
    "fast": {"LAGGY": 0, "DEEP": 1},
    "T1": {"T": 1, "NUM_TPPES": 1, "CARRY": 0, "INDEX_RATE": 0, "DEEP": 1},   # as on boards
    "T16": {"T": 16, "CHUNK_W": 64, "AXI_W": 64, "WEIGHT_W": 4, **CACHE},
}


SEEDS = max(1, int(os.environ.get("LOAS_SEEDS", "40")) // 40)
FIRST = int(os.environ.get("LOAS_SEED", "1"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
@pytest.mark.parametrize("variant", VARIANTS)
def test_system(variant: str, seed: int) -> None:
    launch("test_system", "verilator", VARIANTS[variant], seed)


@pytest.mark.parametrize("testcase", ["registers", "back_to_back", "bus_errors"])
def test_system_icarus(testcase: str) -> None:
    launch("test_system", "icarus", VARIANTS["tiny"], FIRST, testcase)
