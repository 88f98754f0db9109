"""loas_perf: every cycle against a model, clear and run at any time, carries into the upper word."""
from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import Loop, param

COUNTERS = tomllib.loads((Path(__file__).parents[1] / "spec" / "registers.toml").read_text())["counters"]
INDEX: dict[str, int] = {name: entry["index"] for name, entry in COUNTERS.items()}
# port of each counter; the first nine have a bit for each TPPE, the others are the count itself
PORTS = {"matches": "match", "empty_chunks": "empty", "stall_a": "stall_a", "stall_b": "stall_b", "stall_weight": "stall_weight",
         "stall_laggy": "stall_laggy", "stall_out": "stall_out", "idle": "idle", "corrections": "correction", "cache_hits": "hits",
         "cache_misses": "misses", "fetches": "fetches", "bytes_read": "bytes_read", "bytes_written": "bytes_written",
         "rows": "row"}
TPPE = list(PORTS)[:9]


@dataclass
class Model:
    """Drives random events, and says what every counter holds: events are added up, then accumulated, a cycle each; with DEEP they
    wait a cycle before."""

    dut: Any
    run: float = 0.9
    clear: float = 0.0
    density: float = 0.5
    counts: list[int] = field(default_factory=lambda: [0] * 16)
    pending: list[int] | None = None
    waiting: list[int] | None = None
    driven: tuple[bool, bool, list[int]] = (False, False, [])
    seen: int = 0

    def drive(self) -> None:
        dut, running, clear = self.dut, random.random() < self.run, random.random() < self.clear
        dut.run.value, dut.clear.value = int(running), int(clear)
        events = [0] * 16
        events[INDEX["cycles"]] = 1
        for name, port in PORTS.items():
            signal = getattr(dut, f"ev_{port}")
            most = (1 << len(signal)) - 1
            value = random.choice([random.getrandbits(len(signal)), most]) if random.random() < self.density else 0
            signal.value = value
            events[INDEX[name]] = value.bit_count() if name in TPPE else value
        self.driven = (running, clear, events)

    def sample(self, cycle: int) -> None:
        self.compare(cycle)
        running, clear, events = self.driven
        if clear:
            self.counts = [0] * 16
        elif self.pending:
            self.counts = [a + b for a, b in zip(self.counts, self.pending, strict=True)]
        came = events if running and not clear else None
        self.pending = (self.waiting if param(self.dut, "DEEP") else came) if not clear else None
        self.waiting = came

    def compare(self, cycle: int) -> None:
        packed = int(self.dut.counters.value)
        for name, index in INDEX.items():
            got = packed >> 64 * index & (1 << 64) - 1
            assert got == self.counts[index], f"cycle {cycle}, counter {name}: got {got}, expected {self.counts[index]}"
        self.seen += 1


async def start(dut: Any, **settings: Any) -> tuple[Loop, Model]:
    """Clock, one cycle of rst, and a model as the only agent."""
    loop, model = Loop(dut), Model(dut, **settings)
    dut.run.value = dut.clear.value = 0
    await loop.reset()
    loop.agents = [model]
    return loop, model


def test_names_are_those_of_the_register_map() -> None:
    assert sorted(INDEX.values()) == list(range(16)) and set(INDEX) == {"cycles", *PORTS}


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(run=[1.0, 0.9, 0.2], clear=[0.0, 0.02, 0.5], density=[0.1, 1.0])
async def random_events(dut: Any, run: float, clear: float, density: float) -> None:
    loop, model = await start(dut, run=run, clear=clear, density=density)
    for _ in range(300):
        await loop.step()
    assert model.seen == 300


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def categories_sum_up(dut: Any) -> None:
    """One kind a TPPE and cycle: their sum is cycles times TPPEs."""
    loop, model = await start(dut, run=0.0)
    tppes = param(dut, "NUM_TPPES")
    loop.agents = []
    dut.run.value = 1
    for _ in range(100):
        kinds = [random.randrange(8) for _ in range(tppes)]
        for kind, name in enumerate(TPPE[:8]):
            getattr(dut, f"ev_{PORTS[name]}").value = sum(1 << p for p, k in enumerate(kinds) if k == kind)
        await loop.step()
    dut.run.value = 0
    for _ in range(1 + param(dut, "DEEP")):
        await loop.step()
    packed = int(dut.counters.value)
    counts = {name: packed >> 64 * index & (1 << 64) - 1 for name, index in INDEX.items()}
    assert counts["cycles"] == 100
    assert sum(counts[name] for name in TPPE[:8]) == 100 * tppes


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def final_after_run(dut: Any) -> None:
    """Two cycles after run fell (DEEP: three) nothing moves any more, whatever events come; rst zeroes."""
    loop, model = await start(dut, run=1.0, density=1.0)
    for _ in range(20):
        await loop.step()
    model.run = 0.0
    for _ in range(2 + param(dut, "DEEP")):
        await loop.step()
    final = int(dut.counters.value)
    for _ in range(50):
        await loop.step()
    assert int(dut.counters.value) == final and model.counts[INDEX["cycles"]] == 20
    await loop.reset()
    assert int(dut.counters.value) == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_while_running(dut: Any) -> None:
    """rst also stops the events that are on their way."""
    loop, model = await start(dut, run=1.0, density=1.0)
    for cycles in range(1, 20):
        for _ in range(cycles):
            await loop.step()
        await loop.reset()
        model.counts, model.pending, model.waiting = [0] * 16, None, None
    await loop.step()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(bit=[32, 48])
async def carries(dut: Any, bit: int) -> None:
    """Past 2^32 (and further): counters are put just below it, as no simulation counts so far."""
    loop, model = await start(dut, run=1.0, density=1.0)
    for index in range(16):
        near = (1 << bit) - 1 - random.randrange(64)
        dut.gen_counter[index].count_reg.value = near
        model.counts[index] = near
    for _ in range(200):
        await loop.step()
    assert all(count >> bit for count in model.counts)


@pytest.mark.parametrize("tppes,cache_w,bytes_w,deep", [(16, 5, 8, 0), (1, 2, 3, 0), (64, 7, 12, 0), (4, 3, 4, 1)])
def test_perf(sim: str, tppes: int, cache_w: int, bytes_w: int, deep: int) -> None:
    from verif.lib.sim import run

    run("loas_perf", "test_perf", sim, {"NUM_TPPES": tppes, "CACHE_W": cache_w, "BYTES_W": bytes_w, "DEEP": deep})
