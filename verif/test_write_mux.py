# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_write_mux: sources with random commands and chunks, in order, chunks of a command together, none left out, reset at any
moment."""
from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Pause, Sink, param


@dataclass
class Writers:
    """The sources since rst: commands, and their chunks, which come after the command was taken or before it is."""

    dut: Any
    number: int
    idle: Pause
    early: bool
    commands: list[deque[tuple[int, int]]] = field(default_factory=list)
    chunks: list[deque[int]] = field(default_factory=list)
    owed: list[int] = field(default_factory=list)      # chunks whose command was taken
    granted: list[tuple[int, tuple[int, int]]] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    held: list[list[bool]] = field(default_factory=list)
    last: int = -1                                     # source of the last command

    def add(self, most: int, length: int) -> None:
        """Random commands for every source."""
        for _ in range(self.number):
            commands = [(random.getrandbits(32), random.randint(1, length)) for _ in range(random.randint(0, most))]
            self.commands.append(deque(commands))
            self.chunks.append(deque(random.getrandbits(param(self.dut, "CHUNK_W")) for _, n in commands for _ in range(n)))
            self.owed.append(0)
            self.held.append([False, False])

    def drive(self) -> None:
        dut, chunk_w = self.dut, param(self.dut, "CHUNK_W")
        valid = [0, 0]
        addr = chunks = data = 0
        for i in range(self.number):
            for kind, there in enumerate((bool(self.commands[i]), bool(self.chunks[i]) and (self.early or self.owed[i] > 0))):
                # what is offered stays
                self.held[i][kind] = self.held[i][kind] or (there and not self.idle.now())
                valid[kind] |= self.held[i][kind] << i
            command = self.commands[i][0] if self.held[i][0] else (random.getrandbits(32), random.getrandbits(17))
            addr |= command[0] << 32 * i
            chunks |= command[1] << 17 * i
            data |= (self.chunks[i][0] if self.held[i][1] else random.getrandbits(chunk_w)) << chunk_w * i
        dut.s_cmd_valid.value, dut.s_wr_valid.value = valid
        dut.s_cmd_addr.value, dut.s_cmd_chunks.value, dut.s_wr_data.value = addr, chunks, data

    def sample(self, cycle: int) -> None:
        commands, chunks = int(self.dut.s_cmd_ready.value), int(self.dut.s_wr_ready.value)
        assert commands & (commands - 1) == 0 and chunks & (chunks - 1) == 0, f"two sources in cycle {cycle}"
        for i in range(self.number):
            if commands >> i & 1 and self.held[i][0]:
                asking = [j for j in range(self.number) if self.held[j][0]]
                assert i == min(asking, key=lambda j: (j <= self.last, j)), f"source {i} of {asking} after {self.last}, cycle {cycle}"
                self.last = i
                command = self.commands[i].popleft()
                self.granted.append((i, command))
                self.cycles.append(cycle)
                self.owed[i] += command[1]
                self.held[i][0] = False
            if chunks >> i & 1 and self.held[i][1]:
                self.chunks[i].popleft()
                self.owed[i] -= 1
                self.held[i][1] = False


@dataclass
class Idle:
    """idle is high exactly while no command waits and no chunks are owed; it samples before the others."""

    dut: Any
    writers: Writers
    commands: Sink
    seen: set[int] = field(default_factory=set)

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        want = int(len(self.writers.granted) == len(self.commands.items) and not sum(self.writers.owed))
        assert int(self.dut.idle.value) == want, f"idle is {self.dut.idle.value} in cycle {cycle}"
        self.seen.add(want)


async def check(dut: Any, loop: Loop, idle: float, stall: float, early: bool, most: int = 12, length: int = 9) -> Writers:
    """Sends random commands of all sources; all arrive, in the order in which they were taken, each with its own chunks."""
    writers = Writers(dut, param(dut, "N"), Pause(idle), early)
    writers.add(most, length)
    chunks = [list(c) for c in writers.chunks]
    total, words = sum(map(len, writers.commands)), sum(map(len, chunks))
    commands, data = Sink(dut, "cmd", ["addr", "chunks"], stall), Sink(dut, "wr", ["data"], stall)
    loop.agents = [Idle(dut, writers, commands), writers, commands, data]
    await loop.until(lambda: len(commands.items) >= total and len(data.items) >= words, 2000 + 60 * (total + words))
    for _ in range(5):
        await loop.step()
    assert [(c["addr"], c["chunks"]) for c in commands.items] == [command for _, command in writers.granted]
    want: list[int] = []
    for source, (_, count) in writers.granted:
        want += chunks[source][:count]
        del chunks[source][:count]
    assert [d["data"] for d in data.items] == want
    assert int(dut.idle.value) == 1
    return writers


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half", "most"], stall=["none", "half", "most"], early=[False, True])
async def random_sources(dut: Any, idle: str, stall: str, early: bool) -> None:
    loop = Loop(dut)
    await loop.reset()
    await check(dut, loop, STALLS[idle], STALLS[stall], early)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def round_robin_and_rate(dut: Any) -> None:
    """A command in two cycles, nobody twice while others wait; chunks without a gap."""
    loop = Loop(dut)
    await loop.reset()
    number = param(dut, "N")
    writers = Writers(dut, number, Pause(0.0), True)
    writers.add(0, 1)
    for i in range(number):
        writers.commands[i].extend((i, 2) for _ in range(6))
        writers.chunks[i].extend(range(12))
    commands, data = Sink(dut, "cmd", ["addr", "chunks"]), Sink(dut, "wr", ["data"])
    loop.agents = [writers, commands, data]
    await loop.until(lambda: len(data.items) >= 12 * number, 500 + 100 * number)
    order = [source for source, _ in writers.granted]
    assert all(sorted(order[i : i + number]) == list(range(number)) for i in range(0, len(order), number))
    first = data.taken[0]
    assert data.taken == list(range(first, first + 12 * number))
    assert writers.cycles[:4] == [writers.cycles[0] + 2 * i for i in range(4)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def long_commands(dut: Any) -> None:
    """Commands of up to 1100 chunks, and the fields of any."""
    loop = Loop(dut)
    for _ in range(20):
        await loop.reset()
        writers = Writers(dut, param(dut, "N"), Pause(0.0), False)
        writers.add(0, 1)
        for i in range(writers.number):
            writers.commands[i].extend((random.getrandbits(32), random.getrandbits(17) | 1) for _ in range(4))
        commands = Sink(dut, "cmd", ["addr", "chunks"], 0.5)
        loop.agents = [writers, commands, Sink(dut, "wr", ["data"])]
        await loop.until(lambda: len(commands.items) == 4, 200)   # noqa: B023  used within the turn
        assert [(c["addr"], c["chunks"]) for c in commands.items] == [command for _, command in writers.granted]
        dut.s_cmd_valid.value = dut.s_wr_valid.value = 0
    await loop.reset()
    await check(dut, loop, 0.0, 0.0, True, most=2, length=1100)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def holds_up(dut: Any) -> None:
    """Chunks of others wait for those that are owed; four commands may be under way beside the one that waits."""
    loop = Loop(dut)
    await loop.reset()
    number = param(dut, "N")
    writers = Writers(dut, number, Pause(0.0), False)
    writers.add(0, 1)
    for i in range(number):
        writers.commands[i].extend((i, 1) for _ in range(8))
    commands, data = Sink(dut, "cmd", ["addr", "chunks"]), Sink(dut, "wr", ["data"])
    loop.agents = [writers, commands, data]
    for _ in range(40):
        await loop.step()
    assert len(writers.granted) == 4 and len(commands.items) == 4 and not data.items and int(dut.idle.value) == 0
    head = writers.granted[0][0]
    for i in range(number):
        if i != head:
            writers.chunks[i].append(0)
    for _ in range(10):
        await loop.step()
    assert not data.items, "chunks of another source went first"
    writers.chunks[head].append(7)
    for _ in range(10):
        await loop.step()
    assert data.items and data.items[0]["data"] == 7


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_in_command(dut: Any) -> None:
    """rst forgets commands and what is owed."""
    loop = Loop(dut)
    await loop.reset()
    for _ in range(25):
        await loop.reset()
        writers = Writers(dut, param(dut, "N"), Pause(random.choice([0.0, 0.5])), bool(random.getrandbits(1)))
        writers.add(30, 9)
        loop.agents = [writers, Sink(dut, "cmd", ["addr", "chunks"], random.choice([0.0, 0.5, 1.0])),
                       Sink(dut, "wr", ["data"], random.choice([0.0, 0.5, 1.0]))]
        for _ in range(random.randint(1, 40)):
            await loop.step()
        dut.s_cmd_valid.value = dut.s_wr_valid.value = 0
        await loop.reset()
        assert int(dut.idle.value) == 1 and int(dut.cmd_valid.value) == 0 and int(dut.wr_valid.value) == 0
        await check(dut, loop, 0.0, 0.5, True, most=3)


@pytest.mark.parametrize("n,chunk_w", [(1, 32), (2, 128), (5, 64)])
def test_write_mux(sim: str, n: int, chunk_w: int) -> None:
    from verif.lib.sim import run

    run("loas_write_mux", "test_write_mux", sim, {"N": n, "CHUNK_W": chunk_w})
