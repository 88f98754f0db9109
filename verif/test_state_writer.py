# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_state_writer: tasks of random lengths, addresses before and behind their neurons, stalls everywhere, reset at any moment."""
from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Sink, Source, param


class Idle:
    """idle is high exactly while no neuron and no address is inside."""

    def __init__(self, dut: Any, addresses: Source, neurons: Source, commands: Sink, chunks: Sink, lengths: list[int]) -> None:
        self.dut, self.lengths = dut, lengths
        self.addresses, self.neurons, self.commands, self.chunks = addresses, neurons, commands, chunks
        self.seen = [0, 0]

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        def before(taken: list[int]) -> int:
            return len(taken) - (bool(taken) and taken[-1] == cycle)

        parts = param(self.dut, "CHUNK_W") // 32
        tasks = before(self.commands.taken)
        chunks = sum(-(-n // parts) for n in self.lengths[:tasks])
        empty = (before(self.addresses.taken) == tasks and before(self.neurons.taken) == sum(self.lengths[:tasks])
                 and before(self.chunks.taken) == chunks)
        assert int(self.dut.idle.value) == int(empty), f"idle is {self.dut.idle.value} in cycle {cycle}, {tasks} tasks"
        self.seen[empty] += 1


def lengths(dut: Any, count: int) -> list[int]:
    """Neurons of tasks: one, parts of a chunk, whole chunks, all that there is room for."""
    cols, parts = param(dut, "COLS"), param(dut, "CHUNK_W") // 32
    edges = [1, parts, cols, cols - 1, min(cols, parts + 1)]
    return [n for n in edges if n] + [random.randint(1, cols) for _ in range(count)]


async def check(dut: Any, loop: Loop, tasks: list[int], idle: float, late: float, stall: float) -> tuple[Source, Sink]:
    """Sends tasks; addresses come by themselves, as early or late as they like."""
    parts = param(dut, "CHUNK_W") // 32
    random.shuffle(tasks)
    neurons, addresses = Source(dut, "s", ["state", "last"], idle), Source(dut, "a", ["addr"], late)
    commands, chunks = Sink(dut, "cmd", ["addr", "chunks"], stall), Sink(dut, "wr", ["data"], stall)
    # chunks come after their command
    want_commands, want_chunks = [], []
    for n in tasks:
        states = [random.getrandbits(32) for _ in range(n)]
        neurons.queue.extend({"state": v, "last": int(i == n - 1)} for i, v in enumerate(states))
        addresses.queue.append({"addr": random.getrandbits(32)})
        want_commands.append({"addr": addresses.queue[-1]["addr"], "chunks": -(-n // parts)})
        want_chunks += [states[i : i + parts] for i in range(0, n, parts)]
    watch = Idle(dut, addresses, neurons, commands, chunks, tasks)
    # sources first: their handshake belongs to the cycle that the watch looks at
    loop.agents = [neurons, addresses, commands, chunks, watch]
    await loop.until(lambda: len(chunks.items) >= len(want_chunks) and len(commands.items) >= len(tasks), 2000 + 80 * sum(tasks))
    for _ in range(5):
        await loop.step()
    assert commands.items == want_commands
    assert len(chunks.items) == len(want_chunks)
    for i, (states, got) in enumerate(zip(want_chunks, chunks.items, strict=True)):
        value = sum(v << (32 * j) for j, v in enumerate(states))
        assert got["data"] == value, f"chunk {i}: {got['data']:#x}, expected {value:#x}"
    behind = 0   # chunks of earlier tasks
    for n, cycle in zip(tasks, commands.taken, strict=True):
        assert chunks.taken[behind] > cycle, "a chunk before its command"
        behind += -(-n // parts)
    assert watch.seen[0] and watch.seen[1] and int(dut.idle.value) == 1
    return neurons, chunks


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], late=["none", "most"], stall=["none", "half", "most"])
async def random_tasks(dut: Any, idle: str, late: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    await check(dut, loop, lengths(dut, 8), STALLS[idle], STALLS[late], STALLS[stall])


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def full_rate(dut: Any) -> None:
    """A neuron a cycle, then a command, then a chunk a cycle, and the next task at once."""
    loop = Loop(dut)
    await loop.reset()
    cols, parts = param(dut, "COLS"), param(dut, "CHUNK_W") // 32
    source, sink = await check(dut, loop, [cols] * 3, 0.0, 0.0, 0.0)
    turn = cols + 1 + cols // parts
    assert source.taken == [source.taken[0] + turn * task + i for task in range(3) for i in range(cols)]
    assert sink.taken == [source.taken[0] + turn * task + cols + 1 + i for task in range(3) for i in range(cols // parts)]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def no_address(dut: Any) -> None:
    """Without an address nothing leaves; four addresses may wait."""
    loop = Loop(dut)
    await loop.reset()
    neurons, addresses = Source(dut, "s", ["state", "last"]), Source(dut, "a", ["addr"])
    commands, chunks = Sink(dut, "cmd", ["addr", "chunks"]), Sink(dut, "wr", ["data"])
    neurons.queue.extend({"state": i, "last": 1} for i in range(3))
    loop.agents = [neurons, addresses, commands, chunks]
    for _ in range(20):
        await loop.step()
    assert len(neurons.taken) == 1 and not commands.items and not chunks.items and int(dut.idle.value) == 0
    addresses.queue.extend({"addr": i} for i in range(20))
    for _ in range(60):
        await loop.step()
    assert [c["addr"] for c in commands.items] == [0, 1, 2] and len(chunks.items) == 3
    assert len(addresses.taken) == 3 + 4 and int(dut.idle.value) == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_in_task(dut: Any) -> None:
    """rst forgets neurons, addresses and chunks, wherever they are."""
    loop = Loop(dut)
    await loop.reset()
    for _ in range(25):
        neurons, addresses = Source(dut, "s", ["state", "last"]), Source(dut, "a", ["addr"], random.choice([0.0, 0.9, 1.0]))
        n = random.choice([1, param(dut, "COLS"), random.randint(1, param(dut, "COLS"))])
        neurons.queue.extend({"state": 0, "last": int(i % n == n - 1)} for i in range(500))
        addresses.queue.extend({"addr": 0} for _ in range(500))
        loop.agents = [neurons, addresses, Sink(dut, "cmd", ["addr", "chunks"], random.choice([0.0, 0.5, 1.0])),
                       Sink(dut, "wr", ["data"], random.choice([0.0, 0.5, 1.0]))]
        for _ in range(random.randint(1, 3 * n + 9)):
            await loop.step()
        dut.s_valid.value = dut.a_valid.value = 0
        await loop.reset()
        assert int(dut.s_ready.value) == 1
        await check(dut, loop, lengths(dut, 0), 0.0, 0.0, 0.5)


@pytest.mark.parametrize("chunk_w,cols", [(128, 64), (32, 8), (64, 2), (512, 16)])
def test_state_writer(sim: str, chunk_w: int, cols: int) -> None:
    from verif.lib.sim import run

    run("loas_state_writer", "test_state_writer", sim, {"CHUNK_W": chunk_w, "COLS": cols})
