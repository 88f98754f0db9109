"""loas_out_slice: tasks of random lengths, pooled tasks, once-firing neurons, readout, all stall patterns."""
from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Sink, Source, param

FIELDS = ["slot", "addr", "data", "count"]
INPUT = ["word", "value", "last", "pool_first", "pool_last", "slot", "out_addr"]
Task = list[tuple[list[int], int]]   # neurons: the words of the pooled pixels, and the value of the last one


async def check_tasks(dut: Any, loop: Loop, tasks: list[Task], read: bool, drop: bool, idle: float,
                      stall: float) -> tuple[list[int], list[int]]:
    """Sends tasks, pixel after pixel, checks all entries; returns the cycles of both handshakes."""
    t, slice_w = param(dut, "T"), param(dut, "SLICE_W")
    dut.cfg_readout.value, dut.cfg_drop_once.value = int(read), int(drop)
    source, sink = Source(dut, "s", INPUT, idle), Sink(dut, "ent", FIELDS, stall)
    expected: list[dict[str, int]] = []
    for task in tasks:
        slot, addr = random.getrandbits(len(dut.s_slot)), random.getrandbits(len(dut.s_out_addr))
        pixels = len(task[0][0])
        for pixel in range(pixels):
            for i, (words, value) in enumerate(task):
                source.queue.append({
                    "word": words[pixel], "value": value if pixel == pixels - 1 else random.getrandbits(32),
                    "last": int(i == len(task) - 1), "pool_first": int(pixel == 0), "pool_last": int(pixel == pixels - 1),
                    "slot": slot, "out_addr": addr})  # fmt: skip
        if read:
            groups = [(value, 0) for _, value in task]
        else:
            ored = [0] * len(task)
            for i, (words, _) in enumerate(task):
                for word in words:
                    ored[i] |= word
            ored = [0 if drop and w.bit_count() == 1 else w for w in ored]
            groups = [(sum(w << (j * t) for j, w in enumerate(ored[i : i + slice_w])), sum(map(bool, ored[i : i + slice_w])))
                      for i in range(0, len(ored), slice_w)]
        expected += [{"slot": slot, "addr": (addr + i) % (1 << len(dut.s_out_addr)), "data": data, "count": count}
                     for i, (data, count) in enumerate(groups)]
    loop.agents = [source, sink]
    total = len(source.queue)
    await loop.until(lambda: not source.queue and len(sink.items) >= len(expected), 1000 + 60 * total)
    for _ in range(3):
        await loop.step()
    for i, (want, got) in enumerate(zip(expected, sink.items, strict=False)):
        assert got == want, f"entry {i}, readout {read}, drop {drop}: got {got}, expected {want}"
    assert len(sink.items) == len(expected)
    return source.taken, sink.taken


def random_tasks(dut: Any, number: int, pixels: int = 1) -> list[Task]:
    """Tasks of random lengths; with more than one pixel, of any number up to it, and as many columns as can be kept."""
    t, slice_w, most = param(dut, "T"), param(dut, "SLICE_W"), param(dut, "POOL_COLS")
    lengths = [1, slice_w - 1, slice_w, slice_w + 1, 2 * slice_w] + [random.randint(1, 4 * slice_w) for _ in range(number)]
    random.shuffle(lengths)

    def word() -> int:
        return random.choice([0, 0, 1 << random.randrange(t), random.getrandbits(t), (1 << t) - 1])

    tasks = []
    for n in lengths:
        count = random.randint(1, pixels)
        tasks.append([([word() for _ in range(count)], random.getrandbits(32)) for _ in range(n if count == 1 else min(n, most))])
    if pixels > 1:   # every place of the memory
        tasks.append([([word() for _ in range(pixels)], 0) for _ in range(most)])
    return tasks


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"])
async def random_layers(dut: Any, idle: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    for read, drop in [(False, False), (False, True), (True, False), (False, True), (True, True), (False, False)]:
        await check_tasks(dut, loop, random_tasks(dut, 4), read, drop, STALLS[idle], STALLS[stall])


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "most"])
async def pooled_layers(dut: Any, idle: str, stall: str) -> None:
    """Words of 1 to 5 pixels ORed, tasks alone between them; what fires once is found behind the pooling."""
    loop = Loop(dut)
    await loop.reset()
    for drop in (False, True):
        await check_tasks(dut, loop, random_tasks(dut, 4, 5), False, drop, STALLS[idle], STALLS[stall])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def full_rate(dut: Any) -> None:
    """A neuron a cycle, in readout as well; an entry leaves the cycle after its last neuron."""
    loop = Loop(dut)
    await loop.reset()
    for read in (False, True):
        sent, got = await check_tasks(dut, loop, random_tasks(dut, 4), read, False, 0.0, 0.0)
        assert sent == list(range(sent[0], sent[0] + len(sent)))
        assert got[0] == sent[0 if read else min(len(sent), got[0] - sent[0]) - 1] + 1
        assert got[-1] == sent[-1] + 1


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fills_up(dut: Any) -> None:
    """Without a taker: one entry waits, and the next is gathered but for its last neuron."""
    loop = Loop(dut)
    await loop.reset()
    source, sink = Source(dut, "s", INPUT), Sink(dut, "ent", FIELDS, 1.0)
    source.queue.extend({"word": 1, "value": 0, "last": 0, "pool_first": 1, "pool_last": 1, "slot": 1, "out_addr": 2} for _ in range(200))
    dut.cfg_readout.value, dut.cfg_drop_once.value = 0, 0
    loop.agents = [source, sink]
    slice_w = param(dut, "SLICE_W")
    for _ in range(3 * slice_w):
        await loop.step()
    assert source.taken == list(range(2 * slice_w - 1)) and not sink.items
    assert sink.waiting is not None and sink.waiting["count"] == slice_w


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_task(dut: Any) -> None:
    """rst forgets a begun entry, the place in the task, and that in a pooled one."""
    loop = Loop(dut)
    await loop.reset()
    for cycles in range(1, 2 * param(dut, "SLICE_W") + 3):
        source = Source(dut, "s", INPUT)
        begun = {"word": 1, "value": 0, "last": 0, "pool_first": 1, "pool_last": random.randrange(2), "slot": 0, "out_addr": 0}
        source.queue.extend(begun for _ in range(200))
        dut.cfg_readout.value, dut.cfg_drop_once.value = 0, 0
        loop.agents = [source, Sink(dut, "ent", FIELDS, random.choice([0.0, 1.0]))]
        for _ in range(cycles):
            await loop.step()
        dut.s_valid.value = 0
        await loop.reset()
        await check_tasks(dut, loop, random_tasks(dut, 0, 3)[:3], False, False, 0.0, 0.0)


@pytest.mark.parametrize("t,slice_w,pool_cols", [(4, 8, 16), (1, 16, 64), (16, 4, 8)])
def test_out_slice(sim: str, t: int, slice_w: int, pool_cols: int) -> None:
    from verif.lib.sim import run

    run("loas_out_slice", "test_out_slice", sim,
        {"T": t, "SLICE_W": slice_w, "OUT_ENTRIES": 64, "NUM_SLOTS": 8, "POOL_COLS": pool_cols})
