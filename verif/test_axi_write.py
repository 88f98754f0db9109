"""loas_axi_write: every burst length and border, stalls, bus errors, the window, hangs and flushes, and its rate."""
from __future__ import annotations

import random

import cocotb
import pytest
from cocotb.triggers import FallingEdge

from verif.lib.axi_masters import BASE, BYTES, CONFIGS, MANNERS, STALLS, WINDOW, MastersTB, WriteClient

SOURCES = ("loas_axi_checker.v", "loas_sim_mem.v", "tb_loas_axi.v")


async def bench(dut, idle: int = 0, **settings):  # type: ignore[no-untyped-def]
    tb = MastersTB(dut)
    await tb.start(**settings)
    image = bytearray(random.randbytes(WINDOW))
    tb.write_mem(0, bytes(image))
    client = WriteClient(tb, image, idle)
    tb.agents.append(client)
    return tb, client


def compare(tb: MastersTB, client: WriteClient) -> None:
    got = tb.read_mem(0, WINDOW)
    if got != bytes(client.image):
        wrong = [i for i in range(WINDOW) if got[i] != client.image[i]]
        raise AssertionError(f"{len(wrong)} bytes differ, first at {wrong[0]:#x}")


def add_random(tb: MastersTB, client: WriteClient, chunks: int, *, expect: bool = True) -> tuple[int, int]:
    """A command of `chunks` chunks at a random line, often near a 4 KB border."""
    size = chunks * tb.chunk_b
    top = (WINDOW - size) // tb.line_b
    line = random.randrange(top + 1)
    if random.random() < 0.6:
        line = random.choice([b + d for b in range(0, top + 1, 4096 // tb.line_b) for d in (-2, -1, 0, 1) if 0 <= b + d <= top])
    client.add(line * tb.line_b, random.randbytes(size), expect=expect)
    return line * tb.line_b, size


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(stall=STALLS, ext=[False, True])
async def random_rows(dut, stall: int, ext: bool) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut, stall=stall, ext=ext, latency=random.choice([0, 3, 30]))
    total = 0
    for manner in MANNERS:
        client.idle = random.choice([0, 50])
        tb.set(manner=manner)
        for _ in range(2 if stall == 90 else 4):
            chunks = random.choice([1, 1, 2, 3, random.randrange(1, 40)])
            total += chunks * tb.chunk_b
            add_random(tb, client, chunks)
        await tb.until(client.done)
    await tb.step(3)
    assert client.bytes == total and not client.errors and not client.pointer_errors
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=8, timeout_unit="ms")
async def every_length(dut) -> None:  # type: ignore[no-untyped-def]
    """Bursts of every length, commands longer than 4 KB, all distances to the border; a sample of them on Icarus."""
    tb, client = await bench(dut)
    per_beat = max(1, tb.axi_b // tb.chunk_b)
    longest = min(256, 4096 // tb.axi_b) * tb.axi_b // tb.chunk_b  # chunks in the longest burst
    lengths = list(range(1, longest + 1, per_beat))
    if cocotb.SIM_NAME.lower().startswith("icarus"):
        lengths = random.sample(lengths, min(12, len(lengths)))
    lengths += [longest, longest + 1, 4096 // tb.chunk_b - 1, 4096 // tb.chunk_b + 3]
    for n in lengths:
        add_random(tb, client, n)
    await tb.until(client.done)
    await tb.step(3)
    assert client.bytes == sum(lengths) * tb.chunk_b
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def full_rate(dut) -> None:  # type: ignore[no-untyped-def]
    """One beat a cycle over bursts and commands, or one chunk a cycle where beats are wider."""
    tb, client = await bench(dut)
    for _ in range(4):
        add_random(tb, client, 4096 // tb.chunk_b + 5)
    await tb.until(client.done)
    if tb.chunk_b >= tb.axi_b:
        took, count, what = client.beats[-1] - client.beats[0] + 1, len(client.beats), "beats"
    else:
        took, count, what = client.chunk_cycles[-1] - client.chunk_cycles[0] + 1, len(client.chunk_cycles), "chunks"
    dut._log.warning("write: %d %s in %d cycles, first beat in cycle %d", count, what, took, client.beats[0])
    assert took == count, f"{count} {what} took {took} cycles"
    compare(tb, client)
    # short commands of one line each: a command every two cycles
    client.beats.clear()
    for _ in range(20):
        add_random(tb, client, tb.line_b // tb.chunk_b)
    await tb.until(client.done)
    took, beats = client.beats[-1] - client.beats[0] + 1, 20 * tb.line_b // tb.axi_b
    dut._log.warning("write: 20 lines (%d beats) in %d cycles", beats, took)
    assert took <= max(beats, 60, len(client.beats) * tb.axi_b // tb.chunk_b)
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def outstanding_limit(dut) -> None:  # type: ignore[no-untyped-def]
    tb, client = await bench(dut, latency=200)
    for _ in range(12):
        add_random(tb, client, 1)
    await tb.until(client.done)
    assert tb.get("peak_writes") == 4
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def window(dut) -> None:  # type: ignore[no-untyped-def]
    """A command that ends at the window passes; one chunk more is refused and nothing of it is written."""
    tb, client = await bench(dut)
    step = max(tb.chunk_b, tb.line_b)
    for size in (WINDOW, 4096, 3 * step):
        tb.set(image_size=size)
        chunks = 3 * step // tb.chunk_b
        client.add(size - 3 * step, random.randbytes(3 * step))
        await tb.until(client.done)
        for addr, count in ((size - 3 * step, chunks + 1), (size, 1), (0x7FFFFF00, 1), (0, 0x1FFFF)):
            pulses, bursts = client.pointer_errors, client.bursts
            client.add(addr, bytes(tb.chunk_b), expect=False)
            client.commands[-1] = (addr, count)
            client.add(0, bytes(tb.chunk_b), expect=False)  # never begins
            await tb.step(30)
            assert client.pointer_errors == pulses + 1 and client.pointer_addr == addr and client.bursts == bursts
            await tb.flush([client])
            add_random(tb, client, 1) if size == WINDOW else client.add(0, random.randbytes(tb.chunk_b))
            await tb.until(client.done)
    assert not client.errors
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=4, timeout_unit="ms")
@cocotb.parametrize(resp=[2, 3])
async def bus_error(dut, resp: int) -> None:  # type: ignore[no-untyped-def]
    """An error on the first, a middle and the last beat: one pulse with the burst's address, no new burst, then exact traffic."""
    tb, client = await bench(dut)
    per_beat = max(1, tb.axi_b // tb.chunk_b)
    beats = 8
    size = beats * per_beat * tb.chunk_b
    manners = iter(random.sample(MANNERS, 6))
    for beat in (0, beats // 2, beats - 1):
        for stall in (0, 50):
            tb.set(stall_percent=stall, manner=next(manners))
            client.errors = []
            bad = random.randrange(1, 7) * 2048  # 8 beats from a 2 KB border are one burst in all configurations
            tb.set(err_at=int(dut.image_base.value) + bad + beat * max(tb.axi_b, size // beats) + random.randrange(tb.axi_b))
            tb.set(err_resp=resp)
            tb.set(err_en=1)
            client.add(bad, random.randbytes(size), expect=False)
            for _ in range(12):
                client.add(0, random.randbytes(2 * size), expect=False)
            await tb.until(lambda: bool(client.errors))
            await tb.step(2)
            bursts = client.bursts + (tb.get("awvalid") and not tb.get("awready"))
            await tb.step(300)
            assert client.errors == [bad], [hex(e) for e in client.errors]
            assert client.bursts == bursts, "bursts after an error"
            tb.set(err_en=0)
            await tb.flush([client])
            for addr, length in ((0, 2 * size), (bad, size)):
                client.image[addr : addr + length] = tb.read_mem(addr, length)
            for _ in range(4):
                add_random(tb, client, random.randrange(1, 10))
            await tb.until(client.done)
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=12, timeout_unit="ms")
@cocotb.parametrize(ext=[False, True])
async def flush_anywhere(dut, ext: bool) -> None:  # type: ignore[no-untyped-def]
    """Flush at random points: promises kept with empty strobes, nothing else written, the next command exact."""
    tb, client = await bench(dut, ext=ext, stall=30, latency=5)
    for _ in range(20 if ext else 30):
        if not ext:
            tb.set(stall_percent=random.choice(STALLS))
            tb.set(latency=random.choice([0, 1, 20]), manner=random.choice(MANNERS))
        client.idle = random.choice([0, 50])
        places = []
        for _ in range(3):
            chunks = random.randrange(1, 40)
            addr = random.randrange((WINDOW - chunks * tb.chunk_b) // tb.line_b + 1) * tb.line_b
            data = random.randbytes(chunks * tb.chunk_b)
            client.add(addr, data, expect=False)
            places.append((addr, data))
        await tb.step(random.randrange(1, 90))
        bursts, beats, empty = client.bursts, len(client.beats), client.empty_beats
        oldest = tb.get("wm_oldest_addr") if tb.get("wm_outstanding") else 0
        tb.set(err_en=1, err_resp=3, err_at=BASE + oldest + random.randrange(8) * tb.axi_b)  # late errors are nobody's
        await tb.flush([client], hold=random.choice([None, 1, 2, 5]))
        await tb.until(lambda: tb.get("wm_idle") and not tb.get("check_busy"))
        tb.set(err_en=0)
        await tb.step(2)
        assert not client.errors, "an error from before the flush"
        assert client.bursts - bursts <= 1, "bursts under flush"
        written, dry = len(client.beats) - beats, client.empty_beats - empty
        assert written - dry <= 1, "data under flush"  # the beat that was up
        old = bytes(client.image)
        for addr, data in places:
            client.image[addr : addr + len(data)] = tb.read_mem(addr, len(data))
        for i in {a + j for a, d in places for j in range(len(d))}:
            byte = client.image[i]
            assert byte == old[i] or any(a <= i < a + len(d) and d[i - a] == byte for a, d in places), f"{i:#x} from nowhere"
        add_random(tb, client, random.randrange(1, 10))
        await tb.until(client.done)
    compare(tb, client)
    tb.check()


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def hang_and_flush(dut) -> None:  # type: ignore[no-untyped-def]
    """The bus stops: oldest_addr stays, no progress; flush waits for the bus; then all is as new."""
    tb, client = await bench(dut)
    for number in range(5):
        tb.set(manner=number)
        addr, size = add_random(tb, client, 4096 // tb.chunk_b, expect=False)
        await tb.step(random.randrange(8, 30))
        tb.set(hang=1)
        await tb.step(6)
        oldest = tb.get("wm_oldest_addr")
        assert tb.get("wm_outstanding") and not tb.get("wm_idle") and addr <= oldest < addr + 4096
        for _ in range(20):
            await tb.step()
            assert not tb.get("wm_progress") and tb.get("wm_oldest_addr") == oldest

        async def release() -> None:
            for _ in range(40):
                await FallingEdge(dut.clk)
            tb.put("hang", 0)

        cocotb.start_soon(release())
        await tb.flush([client])
        client.image[addr : addr + size] = tb.read_mem(addr, size)
        add_random(tb, client, random.randrange(1, 10))
        await tb.until(client.done)
    compare(tb, client)
    tb.check()


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"axi{c['AXI_W']}")
def test_axi_write(sim: str, config: dict[str, int]) -> None:
    from verif.lib.sim import ROOT, run

    run("tb_loas_axi", "test_axi_write", sim, {**config, "BYTES": BYTES}, sources=[ROOT / "verif" / "rtl" / f for f in SOURCES])
