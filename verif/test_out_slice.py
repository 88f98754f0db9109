"""loas_out_slice: tasks of random lengths, once-firing neurons, readout, all stall patterns."""
from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest

from lib.lockstep import STALLS, Loop, Sink, Source, param

FIELDS = ["slot", "addr", "data", "count"]


async def check_tasks(dut: Any, loop: Loop, tasks: list[list[tuple[int, int]]], read: bool, drop: bool,
                      idle: float, stall: float) -> tuple[list[int], list[int]]:
    """Sends tasks of (word, value) neurons, checks all entries; returns the cycles of both handshakes."""
    t, slice_w = param(dut, "T"), param(dut, "SLICE_W")
    dut.cfg_readout.value, dut.cfg_drop_once.value = int(read), int(drop)
    source = Source(dut, "s", ["word", "value", "last", "slot", "out_addr"], idle)
    sink = Sink(dut, "ent", FIELDS, stall)
    expected: list[dict[str, int]] = []
    for task in tasks:
        slot, addr = random.getrandbits(len(dut.s_slot)), random.getrandbits(len(dut.s_out_addr))
        for i, (word, value) in enumerate(task):
            source.queue.append({"word": word, "value": value, "last": int(i == len(task) - 1), "slot": slot, "out_addr": addr})
        if read:
            groups = [(value, 0) for _, value in task]
        else:
            words = [0 if drop and w.bit_count() == 1 else w for w, _ in task]
            groups = [(sum(w << (j * t) for j, w in enumerate(words[i : i + slice_w])), sum(map(bool, words[i : i + slice_w])))
                      for i in range(0, len(words), slice_w)]
        expected += [{"slot": slot, "addr": (addr + i) % (1 << len(dut.s_out_addr)), "data": data, "count": count}
                     for i, (data, count) in enumerate(groups)]
    loop.agents = [source, sink]
    await loop.until(lambda: not source.queue and len(sink.items) >= len(expected), 1000 + 60 * sum(map(len, tasks)))
    for _ in range(3):
        await loop.step()
    for i, (want, got) in enumerate(zip(expected, sink.items, strict=False)):
        assert got == want, f"entry {i}, readout {read}, drop {drop}: got {got}, expected {want}"
    assert len(sink.items) == len(expected)
    return source.taken, sink.taken


def random_tasks(dut: Any, number: int) -> list[list[tuple[int, int]]]:
    t, slice_w = param(dut, "T"), param(dut, "SLICE_W")
    lengths = [1, slice_w - 1, slice_w, slice_w + 1, 2 * slice_w] + [random.randint(1, 4 * slice_w) for _ in range(number)]
    random.shuffle(lengths)

    def word() -> int:
        return random.choice([0, 1 << random.randrange(t), random.getrandbits(t), (1 << t) - 1])

    return [[(word(), random.getrandbits(32)) for _ in range(n)] for n in lengths]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"])
async def random_layers(dut: Any, idle: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    for read, drop in [(False, False), (False, True), (True, False), (False, True), (True, True), (False, False)]:
        await check_tasks(dut, loop, random_tasks(dut, 4), read, drop, STALLS[idle], STALLS[stall])


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
    source, sink = Source(dut, "s", ["word", "value", "last", "slot", "out_addr"]), Sink(dut, "ent", FIELDS, 1.0)
    source.queue.extend({"word": 1, "value": 0, "last": 0, "slot": 1, "out_addr": 2} for _ in range(200))
    dut.cfg_readout.value, dut.cfg_drop_once.value = 0, 0
    loop.agents = [source, sink]
    slice_w = param(dut, "SLICE_W")
    for _ in range(3 * slice_w):
        await loop.step()
    assert source.taken == list(range(2 * slice_w - 1)) and not sink.items
    assert sink.waiting is not None and sink.waiting["count"] == slice_w


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_task(dut: Any) -> None:
    """rst forgets a begun entry and the place in the task."""
    loop = Loop(dut)
    await loop.reset()
    for cycles in range(1, 2 * param(dut, "SLICE_W") + 3):
        source = Source(dut, "s", ["word", "value", "last", "slot", "out_addr"])
        source.queue.extend({"word": 1, "value": 0, "last": 0, "slot": 0, "out_addr": 0} for _ in range(200))
        dut.cfg_readout.value, dut.cfg_drop_once.value = 0, 0
        loop.agents = [source, Sink(dut, "ent", FIELDS, random.choice([0.0, 1.0]))]
        for _ in range(cycles):
            await loop.step()
        dut.s_valid.value = 0
        await loop.reset()
        await check_tasks(dut, loop, random_tasks(dut, 0)[:2], False, False, 0.0, 0.0)


@pytest.mark.parametrize("t,slice_w", [(4, 8), (1, 16), (16, 4)])
def test_out_slice(sim: str, t: int, slice_w: int) -> None:
    from lib.sim import run

    run("loas_out_slice", "test_out_slice", sim, {"T": t, "SLICE_W": slice_w, "OUT_ENTRIES": 64, "NUM_SLOTS": 8})
