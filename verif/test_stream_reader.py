# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_stream_reader: random ranges from a memory that answers late, all stalls; what is asked for, and that nothing is left."""
from __future__ import annotations

import random
from collections import deque
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Pause, Sink, Source, needs, param

LINES = 64   # of the memory


class Memory:
    """Takes requests and hints, answers after a random time, in order."""

    def __init__(self, dut: Any, line_bytes: int, stall: float, late: int) -> None:
        self.dut, self.line_bytes, self.late, self.stall = dut, line_bytes, late, Pause(stall)
        self.lines = [random.getrandbits(8 * line_bytes) for _ in range(LINES)]
        self.asked: list[int] = []
        self.hints: list[int] = []
        self.waiting: deque[tuple[int, int]] = deque()   # cycle, line
        self.cycle = 0

    def drive(self) -> None:
        answer = bool(self.waiting) and self.waiting[0][0] <= self.cycle
        self.dut.rsp_valid.value = int(answer)
        self.dut.rsp_data.value = self.lines[self.waiting.popleft()[1]] if answer else random.getrandbits(8 * self.line_bytes)
        self.dut.req_ready.value = int(not self.stall.now())
        self.dut.fetch_ready.value = int(not self.stall.now())

    def sample(self, cycle: int) -> None:
        self.cycle = cycle + 1
        if self.dut.req_valid.value == 1 and self.dut.req_ready.value == 1:
            addr = int(self.dut.req_addr.value)
            assert addr % self.line_bytes == 0
            self.asked.append(addr // self.line_bytes)
            self.waiting.append((cycle + random.randint(1, 1 + self.late), self.asked[-1]))
        if self.dut.fetch_valid.value == 1 and self.dut.fetch_ready.value == 1:
            self.hints.append(int(self.dut.fetch_addr.value) // self.line_bytes)


def random_range(size: int, item: int) -> tuple[int, int]:
    """Empty, one byte, a part of a line, or long; any alignment."""
    start = random.randrange(size)
    length = random.choice([0, 1, random.randint(1, item), random.randint(1, 4 * item), random.randint(1, size)])
    return start, min(size, start + length)


async def check(dut: Any, loop: Loop, ranges: list[tuple[int, int]], idle: float, stall: float, read: float, late: int) -> Memory:
    """Runs the ranges, checks every item, each line asked for once and in order, and hints."""
    item, line = param(dut, "ITEM_W") // 8, param(dut, "LINE_W") // 8
    memory = Memory(dut, line, read, late)
    source, sink = Source(dut, "s", ["addr", "end"], idle), Sink(dut, "m", ["data", "last"], stall)
    items: list[dict[str, int]] = []
    asked: list[int] = []
    for start, end in ranges:
        source.queue.append({"addr": start, "end": end})
        if start < end:
            asked += range(start // line, (end - 1) // line + 1)
            numbers = range(start // item, (end - 1) // item + 1)
            mask = (1 << 8 * item) - 1
            items += [{"data": memory.lines[i * item // line] >> (8 * (i * item % line)) & mask, "last": int(i == numbers[-1])}
                      for i in numbers]
    loop.agents = [memory, source, sink]
    await loop.until(lambda: not source.queue and len(sink.items) >= len(items), 2000 + 40 * len(items) + 100 * len(asked))
    for _ in range(2 * late + 8):
        await loop.step()
    assert sink.items == items
    assert memory.asked == asked, "lines asked for"
    ahead = param(dut, "AHEAD")
    assert set(memory.hints) <= set(asked) and bool(memory.hints) <= bool(ahead)
    return memory


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"], read=["none", "half"], late=[0, 9])
async def random_ranges(dut: Any, idle: str, stall: str, read: str, late: int) -> None:
    loop = Loop(dut)
    await loop.reset()
    size = LINES * param(dut, "LINE_W") // 8
    ranges = [random_range(size if n % 4 == 0 else size // 8, param(dut, "ITEM_W") // 8) for n in range(12)]
    await check(dut, loop, ranges, STALLS[idle], STALLS[stall], STALLS[read], late)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@needs(lambda dut: param(dut, "LINES") == 2 and param(dut, "LINE_W") >= 4 * param(dut, "ITEM_W"),
       "one line buffer, or one of few items, does not hide a read")
async def rate(dut: Any) -> None:
    """With two buffers and a memory of one cycle, an item a cycle where a line has four or more, also from range to range."""
    loop = Loop(dut)
    await loop.reset()
    line, item = param(dut, "LINE_W") // 8, param(dut, "ITEM_W") // 8
    memory = Memory(dut, line, 0.0, 0)
    source, sink = Source(dut, "s", ["addr", "end"]), Sink(dut, "m", ["data", "last"])
    source.queue.extend({"addr": n * 16 * line, "end": (n + 1) * 16 * line} for n in range(4))
    loop.agents = [memory, source, sink]
    count = 64 * line // item
    await loop.until(lambda: len(sink.items) == count, 4 * count)
    assert sink.taken == list(range(sink.taken[0], sink.taken[0] + count))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def hints_run_ahead(dut: Any) -> None:
    """While nobody takes items, AHEAD lines in front of the next one are hinted at, no more."""
    loop = Loop(dut)
    await loop.reset()
    line, ahead, lines = param(dut, "LINE_W") // 8, param(dut, "AHEAD"), param(dut, "LINES")
    memory = Memory(dut, line, 0.0, 2)
    source = Source(dut, "s", ["addr", "end"])
    source.queue.append({"addr": 0, "end": LINES * line})
    loop.agents = [memory, source, Sink(dut, "m", ["data", "last"], 1.0)]
    for _ in range(60):
        await loop.step()
    assert memory.asked == list(range(lines))
    assert sorted(set(memory.hints) - set(memory.asked)) == list(range(lines, lines + ahead))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reset_in_range(dut: Any) -> None:
    loop = Loop(dut)
    size = LINES * param(dut, "LINE_W") // 8
    for _ in range(10):
        await loop.reset()
        memory, source = Memory(dut, param(dut, "LINE_W") // 8, 0.3, 3), Source(dut, "s", ["addr", "end"])
        for _ in range(4):
            start, end = random_range(size, param(dut, "ITEM_W") // 8)
            source.queue.append({"addr": start, "end": end})
        loop.agents = [memory, source, Sink(dut, "m", ["data", "last"], 0.5)]
        for _ in range(random.randint(1, 60)):
            await loop.step()
        dut.s_valid.value, dut.rsp_valid.value = 0, 0
        await loop.reset()
        await check(dut, loop, [random_range(size, 8) for _ in range(4)], 0.0, 0.0, 0.0, 2)


@pytest.mark.parametrize("item,lines,ahead", [(64, 1, 0), (32, 2, 4), (128, 2, 15), (8, 2, 1)])
def test_stream_reader(sim: str, item: int, lines: int, ahead: int) -> None:
    from verif.lib.sim import run

    run("loas_stream_reader", "test_stream_reader", sim, {"LINE_W": 128, "ITEM_W": item, "LINES": lines, "AHEAD": ahead})
