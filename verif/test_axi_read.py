"""loas_axi_read: exact lines under stalls, bus errors, hangs and flushes, and its rate."""
from __future__ import annotations

import random

import cocotb
import pytest

from verif.lib.axi_masters import BASE, CONFIGS, MANNERS, STALLS, WINDOW, FillClient, MastersTB

SOURCES = ("loas_axi_checker.v", "loas_sim_mem.v", "tb_loas_axi.v")


async def bench(dut, idle: int = 0, **settings):  # type: ignore[no-untyped-def]
    tb = MastersTB(dut)
    await tb.start(**settings)
    image = random.randbytes(WINDOW)
    tb.write_mem(0, image)
    client = FillClient(tb, image, idle)
    tb.agents.append(client)
    return tb, client


def addresses(tb: MastersTB, count: int) -> list[int]:
    """Random line addresses, half of them near a 4 KB border; bits below the line are noise."""
    lines = WINDOW // tb.line_b
    near = [b + d for b in range(0, lines, 4096 // tb.line_b) for d in (-2, -1, 0, 1) if 0 <= b + d < lines]
    picks = [random.choice(near) if random.random() < 0.5 else random.randrange(lines) for _ in range(count)]
    return [p * tb.line_b + random.randrange(tb.line_b) for p in picks]


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS, ext=[False, True])
async def random_lines(dut, stall: int, ext: bool) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut, stall=stall, ext=ext, latency=random.choice([0, 3, 30]))
    for idle, manner in ((0, 0), (50, 0), (0, 1), (50, 1)):
        client.idle = idle
        tb.set(manner=manner)
        client.todo.extend(addresses(tb, 10 if stall == 90 else 30))
        await tb.until(client.done)
    await tb.step(5)
    assert tb.get("rd_idle") and client.bytes == client.lines * tb.line_b
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def full_rate(dut) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut)
    client.todo.extend(addresses(tb, 200))
    await tb.until(client.done)
    beats = tb.line_b // tb.axi_b
    took = client.arrivals[-1] - client.arrivals[0]
    dut._log.warning("read: %d lines of %d beats in %d cycles, first after %d", 200, beats, took + beats, client.arrivals[0])
    assert took == 199 * beats, f"{took} cycles between the first and last of 200 lines of {beats} beats"
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def outstanding_limit(dut) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut, latency=150)
    client.todo.extend(addresses(tb, 4 * tb.outstanding))
    await tb.until(client.done)
    assert tb.get("peak_reads") == tb.outstanding
    tb.check()


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(resp=[2, 3])
async def bus_error(dut, resp: int) -> None:  # type: ignore[no-untyped-def]
    """An error on every beat position: one pulse, no new request, and exact traffic after the flush."""
    tb, client = await bench(dut)
    beats = tb.line_b // tb.axi_b
    for beat in sorted({0, beats // 2, beats - 1}):
        for stall, manner in ((0, 0), (0, 1), (50, 1)):
            tb.set(stall_percent=stall, manner=manner)
            bad = random.randrange(WINDOW // tb.line_b) * tb.line_b
            tb.set(err_at=int(dut.image_base.value) + bad + beat * tb.axi_b + random.randrange(tb.axi_b))
            tb.set(err_resp=resp)
            tb.set(err_en=1)
            client.bad, client.errors = {bad}, []
            client.todo.extend(a for a in addresses(tb, 10) if a // tb.line_b != bad // tb.line_b)
            client.todo.append(bad)
            client.todo.extend(a for a in addresses(tb, 100) if a // tb.line_b != bad // tb.line_b)
            await tb.until(lambda: bool(client.errors))
            await tb.step(2)
            accepted = len(client.todo)
            await tb.step(30 + 10 * tb.outstanding)
            assert client.errors == [bad] and len(client.todo) == accepted, "requests after an error"
            tb.set(err_en=0)
            await tb.flush([client])
            client.bad = set()
            client.todo.extend([bad, *addresses(tb, 10)])
            await tb.until(client.done)
    tb.check()


@cocotb.test(timeout_time=4, timeout_unit="ms")
async def outside_memory(dut) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut)
    client.bad = {WINDOW, WINDOW + 4 * tb.line_b}
    client.todo.extend([0, WINDOW, WINDOW + 4 * tb.line_b])
    await tb.until(client.done)
    assert client.errors and set(client.errors) <= client.bad, "DECERR beyond the memory"
    tb.check()


@cocotb.test(timeout_time=8, timeout_unit="ms")
@cocotb.parametrize(ext=[False, True])
async def flush_anywhere(dut, ext: bool) -> None:  # type: ignore[no-untyped-def]
    """Flush at random points: nothing old is delivered, at most the AR that was up goes out, new lines are exact."""
    tb, client = await bench(dut, ext=ext, stall=30, latency=5)
    for _ in range(20 if ext else 40):
        if not ext:
            tb.set(stall_percent=random.choice(STALLS))
            tb.set(latency=random.choice([0, 1, 20]), manner=random.choice(MANNERS))
        client.idle = random.choice([0, 50])
        client.todo.extend(addresses(tb, 100))
        await tb.step(random.randrange(1, 60))
        before = client.requests
        if client.expected:  # late errors are nobody's
            tb.set(err_en=1, err_resp=2, err_at=BASE + random.choice(client.expected))
        await tb.flush([client], hold=random.choice([None, 1, 2, 5]))
        if random.random() < 0.5:  # else new requests wait at the door while old lines still arrive
            await tb.until(lambda: tb.get("rd_idle"))
            assert client.requests <= before + 1, "requests during flush"
            await tb.step(2)
        tb.set(err_en=0)
        client.todo.extend(addresses(tb, 5))
        await tb.until(client.done)
    tb.check()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def hang_and_flush(dut) -> None:  # type: ignore[no-untyped-def]
    """The bus stops: oldest_addr stays, no progress; flush waits; the late answers are swallowed."""
    tb, client = await bench(dut)
    for number in range(5):
        tb.set(manner=number % 2)
        client.todo.extend(addresses(tb, 50))
        await tb.step(random.randrange(3, 30))
        tb.set(hang=1)
        await tb.step(6)
        oldest = tb.get("rd_oldest_addr")
        assert tb.get("rd_outstanding") and not tb.get("rd_idle")
        assert oldest == client.expected[0] // tb.line_b * tb.line_b
        for _ in range(20):
            await tb.step()
            assert not tb.get("rd_progress") and tb.get("rd_oldest_addr") == oldest
        cocotb.start_soon(release(tb))
        await tb.flush([client])
        client.todo.extend(addresses(tb, 5))
        await tb.until(client.done)
    tb.check()


async def release(tb: MastersTB) -> None:
    from cocotb.triggers import FallingEdge

    for _ in range(40):
        await FallingEdge(tb.dut.clk)
    tb.put("hang", 0)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"axi{c['AXI_W']}")
def test_axi_read(sim: str, config: dict[str, int]) -> None:
    from verif.lib.axi_masters import BYTES
    from verif.lib.sim import ROOT, run

    run("tb_loas_axi", "test_axi_read", sim, {**config, "BYTES": BYTES}, sources=[ROOT / "verif" / "rtl" / f for f in SOURCES])
