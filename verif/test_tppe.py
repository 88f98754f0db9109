# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_tppe: inner joins of random rows and blocks against the definition of the sum, rates, events, every error."""
from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest

from golden.config import Config, load
from golden.fiber import block_bytes, compress_blocks, compress_rows, fiber_bytes, row_stride
from lib.lockstep import STALLS, Loop, Pause, Sink, Source, param

PARAMETERS = ("T", "CHUNK_W", "SLICE_W", "WEIGHT_W", "ACC_W", "MEM_W", "K_MAX", "LAGGY", "FIFO_DEPTH", "LINE_W", "OUT_ENTRIES",
              "NUM_SLOTS")  # fmt: skip
TASK = ("a_addr", "y", "x", "params", "masks", "weights", "nnz", "cols", "slot", "out_addr")
SUM = ("data", "bias", "threshold", "last", "slot", "out_addr")
STATES = ("match", "empty", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle")
DENSITIES = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)


def config(dut: Any) -> Config:
    """The configuration that the parameters of the top module belong to."""
    return load("tiny").override(**{name: param(dut, name) for name in PARAMETERS})


@dataclass
class Layer:
    """Tasks over one memory, all with the same number of chunks."""

    chunks: int
    slices: int
    memory: bytearray
    tasks: list[dict[str, int]]
    sums: list[dict[str, int]]
    lines: list[int]       # every line that has to be read, once for each reading
    matches: int
    corrections: int
    empty: int


def random_layer(cfg: Config, chunks: int, tasks: int, most_cols: int, *, density: float | None = None,
                 base: int = 0) -> Layer:
    """Random rows and blocks; the expected sums come straight from the definition, modulo 2^ACC_W."""
    rng = np.random.default_rng(random.getrandbits(32))
    k = chunks * cfg.CHUNK_W - random.choice([0, 0, random.randrange(cfg.CHUNK_W)])
    t_range = range(cfg.T)

    def spread(shape: tuple[int, ...], some: float | None) -> npt.NDArray[np.bool_]:
        """A mask of one density, or of another one for each chunk."""
        if some is None and random.random() < 0.5:
            some = random.choice(DENSITIES)
        if some is None:
            local = np.repeat(rng.choice(DENSITIES, -(-k // cfg.CHUNK_W)), cfg.CHUNK_W)[:k]
            return rng.random(shape) < local
        return rng.random(shape) < some

    rows = []
    for _ in range(random.randint(1, tasks)):
        words = rng.integers(1, 1 << cfg.T, k)
        words[rng.random(k) < random.choice([0.0, 0.3, 1.0])] = (1 << cfg.T) - 1
        rows.append(words * spread((k,), density))
    words = np.array(rows)
    spikes = ((words[:, :, None] >> np.arange(cfg.T)) & 1).astype(np.uint8)
    stride = row_stride(k, cfg)
    fibers = compress_rows(spikes, cfg)
    memory = bytearray(random.randbytes(base)) + fibers.tobytes()
    row_bytes = fiber_bytes(fibers, k, cfg)
    layer = Layer(chunks, -(-k // cfg.SLICE_W), memory, [], [], [], 0, 0, 0)

    def touch(start: int, size: int) -> None:
        if size:
            layer.lines.extend(range(start // cfg.line_bytes, (start + size - 1) // cfg.line_bytes + 1))

    for _ in range(tasks):
        n = random.choice([1, 2, random.randint(1, most_cols), most_cols])
        weights = rng.integers(cfg.weight_min, cfg.weight_max + 1, (k, n))
        if random.random() < 0.2:
            weights = rng.choice([cfg.weight_min, cfg.weight_max], (k, n))
        weights *= spread((n, k), density).T
        edge = 1 << (cfg.MEM_W - 1)
        bias, threshold = rng.choice([-edge, edge - 1, 0, -1, int(rng.integers(-edge, edge))], (2, n)).astype(np.int32)
        start = len(memory)
        block, ((*_, nnz),), _ = compress_blocks(weights.astype(np.int8), bias, threshold, n, cfg, False)
        memory += block.tobytes()
        to_masks, to_weights, _ = block_bytes(n, k, nnz, cfg)
        row = random.randrange(len(rows))
        slot, out = random.randrange(cfg.NUM_SLOTS), random.randrange(cfg.OUT_ENTRIES)
        layer.tasks.append(dict(zip(TASK, (base + row * stride, 0, 0, start, start + to_masks, start + to_weights, nnz, n, slot, out),
                                    strict=True)))
        touch(base + row * stride, int(row_bytes[row]))
        touch(start, 8 * n)
        touch(start + to_masks, to_weights - to_masks)
        touch(start + to_weights, -(-nnz * cfg.wslot_w // 8))
        total = spikes[row].T.astype(np.int64) @ weights          # (T, n)
        part = (1 << cfg.ACC_W) - 1
        for j in range(n):
            data = sum((int(total[t, j]) & part) << (t * cfg.ACC_W) for t in t_range)
            mem = (1 << cfg.MEM_W) - 1
            layer.sums.append(dict(zip(SUM, (data, int(bias[j]) & mem, int(threshold[j]) & mem, int(j == n - 1), slot, out),
                                       strict=True)))
        live, nonzero = words[row] != 0, weights != 0
        both = np.zeros((chunks * cfg.CHUNK_W, n), np.bool_)
        both[:k] = live[:, None] & nonzero
        layer.matches += int(both.sum())
        layer.corrections += int(both[:k][(words[row] != (1 << cfg.T) - 1)].sum()) if cfg.LAGGY else 0
        layer.empty += int((~both.reshape(chunks, cfg.CHUNK_W, n).any(axis=1)).sum())
    memory += random.randbytes(-len(memory) % cfg.line_bytes)
    return layer


@dataclass
class Memory:
    """The cache behind the port: accepts when it likes, answers in the next cycle."""

    dut: Any
    line_bytes: int
    stall: Pause
    data: bytearray = field(default_factory=bytearray)
    reads: list[int] = field(default_factory=list)
    fetches: list[int] = field(default_factory=list)
    answer: int | None = None
    answered: bool = True
    held: int | None = None
    ready: bool = False

    def drive(self) -> None:
        if self.answer is not None:
            self.dut.rsp_valid.value, self.dut.rsp_data.value = 1, self.answer
            self.answered, self.answer = True, None
        elif self.answered:
            self.dut.rsp_valid.value, self.dut.rsp_data.value = 0, random.getrandbits(8 * self.line_bytes)
            self.answered = False
        self.ready = not self.stall.now()
        # as in the cache: ready only together with a request
        self.dut.rd_ready.value = int(self.ready and self.dut.rd_valid.value == 1)

    def sample(self, cycle: int) -> None:
        if self.dut.rd_valid.value != 1:
            assert self.held is None, f"rd_valid fell before rd_ready in cycle {cycle}"
            return
        addr = int(self.dut.rd_addr.value)
        assert self.held in (None, addr), f"rd_addr changed while it waited in cycle {cycle}"
        self.held = addr
        if self.ready and self.dut.rd_ready.value == 1:
            number = addr // self.line_bytes
            self.held = None
            if self.dut.rd_fetch.value == 1:
                self.fetches.append(number)
                return
            line = self.data[number * self.line_bytes : (number + 1) * self.line_bytes]
            assert len(line) == self.line_bytes, f"read at {addr:#x}, behind the memory, in cycle {cycle}"
            self.reads.append(number)
            self.answer = int.from_bytes(line, "little")


class Events:
    """Exactly one state a cycle; counts all."""

    def __init__(self, dut: Any) -> None:
        self.signals = {name: getattr(dut, f"ev_{name}") for name in (*STATES, "correction")}
        self.count = dict.fromkeys(self.signals, 0)
        self.trace: list[str] = []

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        high = [name for name, signal in self.signals.items() if signal.value == 1]
        states = [name for name in high if name != "correction"]
        assert len(states) == 1, f"events {high} in cycle {cycle}"
        self.trace.append(states[0])
        for name in high:
            self.count[name] += 1


class Errors:
    """Watches the error outputs; keeps the first."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.first: tuple[str, int] | None = None

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        a, b = self.dut.err_fiber_a.value, self.dut.err_fiber_b.value
        assert a.is_resolvable and b.is_resolvable, f"error outputs unknown in cycle {cycle}"
        if self.first is None and (a or b):
            assert not (a and b)
            self.first = ("A" if a else "B", int(self.dut.err_addr.value))


def configure(dut: Any, layer: Layer) -> None:
    """Layer constants: a fully connected row is a window of one pixel."""
    dut.cfg_chunks.value, dut.cfg_slices.value = layer.chunks, layer.slices
    for name in ("kh", "kw", "in_h", "in_w"):
        getattr(dut, f"cfg_{name}").value = 1
    for name in ("a_stride", "row_bytes"):
        getattr(dut, f"cfg_{name}").value = random.getrandbits(32)


async def join(dut: Any, loop: Loop, cfg: Config, layer: Layer, *, idle: float = 0.0, read: float = 0.0, stall: float = 0.0,
               events: bool = True) -> tuple[Events | None, list[int]]:
    """Runs all tasks of a layer and checks sums, reads, counts, and that nothing moves afterwards."""
    configure(dut, layer)
    memory = Memory(dut, cfg.line_bytes, Pause(read), layer.memory)
    source, sink, errors = Source(dut, "task", TASK, idle), Sink(dut, "sum", SUM, stall), Errors(dut)
    source.queue.extend(layer.tasks)
    watch = Events(dut) if events else None
    loop.agents = [memory, source, sink, errors, *([watch] if watch else [])]
    limit = 2000 + 60 * (layer.matches + layer.empty + 40 * len(layer.tasks) + 4 * len(layer.lines) + 8 * layer.chunks)
    await loop.until(lambda: len(sink.items) >= len(layer.sums) or errors.first is not None, limit)
    assert errors.first is None, f"error in a good layer: fiber {errors.first[0]} at {errors.first[1]:#x}"
    for i, (want, got) in enumerate(zip(layer.sums, sink.items, strict=False)):
        assert got == want, f"column {i}: got {got}, expected {want}"
    reads = len(memory.reads) + len(memory.fetches)
    for _ in range(12):
        await loop.step()
    assert len(sink.items) == len(layer.sums), "a sum too many"
    assert len(memory.reads) + len(memory.fetches) == reads, "reads or fetches after the last sum"
    assert sorted(memory.reads) == sorted(layer.lines), "lines not needed were read, or needed ones were not"
    assert set(memory.fetches) <= set(layer.lines), "lines not needed were fetched"
    if watch:
        assert watch.trace[-1] == "idle"
        got_work = [watch.count[name] for name in ("match", "correction", "empty")]
        assert got_work == [layer.matches, layer.corrections, layer.empty], f"match, correction, empty: {got_work}, {layer.matches}, " \
                                                                           f"{layer.corrections}, {layer.empty}"
    return watch, sink.taken


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], stall=["none", "half", "most"], read=["none", "half", "most"])
async def random_tasks(dut: Any, idle: str, stall: str, read: str) -> None:
    """Every size, density and kind of stall, from the first chunk to the longest row."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    most = cfg.K_MAX // cfg.CHUNK_W
    for chunks in random.sample(sorted({1, min(2, most), random.randint(1, most)}), k=min(2, most)):
        layer = random_layer(cfg, chunks, random.randint(1, 5), max(2, 24 // chunks))
        await join(dut, loop, cfg, layer, idle=STALLS[idle], read=STALLS[read], stall=STALLS[stall])


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def extremes(dut: Any) -> None:
    """All and nothing: no weights at all, no spikes at all, only matches, the longest row."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    most = cfg.K_MAX // cfg.CHUNK_W
    for chunks, density in [(1, 0.0), (most, 0.0), (1, 1.0), (min(most, 3), 1.0), (most, 0.05)]:
        await join(dut, loop, cfg, random_layer(cfg, chunks, 3, 4, density=density))


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def rate(dut: Any) -> None:
    """A match a cycle, a cycle for a chunk without one; no gap between chunks, columns and tasks once a row is there."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    chunks = min(3, cfg.K_MAX // cfg.CHUNK_W)
    # tasks are long enough that the next row and block are there in time
    # else the port cannot bring a mask chunk a cycle, and a record a column beside
    wide = cfg.LINE_W >= 8 * cfg.CHUNK_W and chunks > 1
    for density in (0.0, 0.02, 0.3, 1.0) if wide else (1.0,):
        layer = random_layer(cfg, chunks, 1, 1, density=density)
        while len(layer.tasks) < 4 or min(t["cols"] for t in layer.tasks) < 2 * cfg.CHUNK_W // cfg.SLICE_W + 16:
            layer = random_layer(cfg, chunks, 4, 4 * cfg.CHUNK_W // cfg.SLICE_W + 40, density=density)
        watch, _ = await join(dut, loop, cfg, layer)
        assert watch is not None
        busy = [i for i, state in enumerate(watch.trace) if state in ("match", "empty")]
        # the first row has to come before anything can be steady
        first = busy[0] + 2 * chunks * (cfg.CHUNK_W // cfg.SLICE_W + cfg.word_w) + 60
        lost = [state for state in watch.trace[first : busy[-1]] if state not in ("match", "empty")]
        # a line of weights that nobody matches is passed in a cycle; the first line of a task may hold one mask chunk only
        allowed = {"stall_weight": len(layer.lines), "stall_b": 4 * len(layer.tasks)}
        for state in set(lost):
            number = lost.count(state)
            assert number <= allowed.get(state, 0), f"density {density}: {number} cycles of {state} in {len(busy)} busy ones"


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """Fibers and blocks that contradict themselves: code and address, and after a reset the next layer is right."""
    cfg, loop = config(dut), Loop(dut)
    most = cfg.K_MAX // cfg.CHUNK_W

    def header(layer: Layer, change: int) -> None:
        at = layer.tasks[0]["a_addr"]
        count = (int.from_bytes(layer.memory[at : at + 4], "little") + change) & 0xFFFFFFFF
        layer.memory[at : at + 4] = count.to_bytes(4, "little")

    def record(layer: Layer, at: int) -> None:
        start = layer.tasks[0]["params"] + 8 * (layer.tasks[0]["cols"] - 1) + at
        value = int.from_bytes(layer.memory[start : start + 4], "little", signed=True)
        other = value ^ (1 << random.randrange(cfg.MEM_W, 32)) if cfg.MEM_W < 32 else value
        layer.memory[start : start + 4] = (other & 0xFFFFFFFF).to_bytes(4, "little")

    def task(layer: Layer, **change: int) -> None:
        for name, step in change.items():
            layer.tasks[0][name] += step

    chunk = cfg.CHUNK_W // 8
    faults: Mapping[str, tuple[str, Any]] = {
        "one word too few": ("A", lambda x: header(x, -1)),
        "one word too many": ("A", lambda x: header(x, 1)),
        "more words than neurons": ("A", lambda x: header(x, x.chunks * cfg.CHUNK_W + 1)),
        "a huge count": ("A", lambda x: header(x, 1 << 31)),
        "bias too wide": ("B", lambda x: record(x, 0)),
        "threshold too wide": ("B", lambda x: record(x, 4)),
        "a weight too few": ("B", lambda x: task(x, nnz=-1)),
        "a weight too many": ("B", lambda x: task(x, nnz=1)),
        "2^31 weights": ("B", lambda x: task(x, nnz=1 << 31)),
        "a column too few": ("B", lambda x: task(x, cols=-1)),
        "a column too many": ("B", lambda x: task(x, cols=1)),
        "a mask chunk too few": ("B", lambda x: task(x, weights=-chunk)),
        "a mask chunk too many": ("B", lambda x: task(x, masks=-chunk)),
        "no masks": ("B", lambda x: x.tasks[0].update(masks=x.tasks[0]["weights"])),
    }
    for name, (kind, fault) in faults.items():
        if cfg.MEM_W == 32 and name.endswith("too wide"):
            continue
        await loop.reset()
        layer = random_layer(cfg, random.randint(1, min(3, most)), 1, 6, density=0.4, base=2 * cfg.line_bytes)
        while layer.tasks[0]["cols"] < 2 or layer.tasks[0]["nnz"] < 2 or layer.memory[layer.tasks[0]["a_addr"]] == 0:
            layer = random_layer(cfg, random.randint(1, min(3, most)), 1, 6, density=0.4, base=2 * cfg.line_bytes)
        layer.memory += bytes(8 * cfg.line_bytes)
        fault(layer)
        memory = Memory(dut, cfg.line_bytes, Pause(random.choice([0.0, 0.5])), layer.memory)
        memory.data = bytearray(layer.memory) if "2^31" not in name else Endless(layer.memory)
        source, sink, seen = Source(dut, "task", TASK), Sink(dut, "sum", SUM, random.choice([0.0, 0.5])), Errors(dut)
        source.queue.append(layer.tasks[0])
        configure(dut, layer)
        loop.agents = [memory, source, sink, seen]
        await loop.until(lambda: seen.first is not None, 3000 + 200 * layer.matches)  # noqa: B023  used within the turn
        want = (kind, layer.tasks[0]["a_addr" if kind == "A" else "params"])
        assert seen.first == want, f"{name}: got {seen.first}, expected {want}"
        dut.task_valid.value = 0
        await loop.reset()
        await join(dut, loop, cfg, random_layer(cfg, random.randint(1, min(3, most)), 2, 4))


class Endless(bytearray):
    """A memory that has a line at every address."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found if not isinstance(key, slice) or len(found) == key.stop - key.start else bytearray(key.stop - key.start)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def reset_in_task(dut: Any) -> None:
    """rst at any moment leaves nothing behind."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    for _ in range(12):
        layer = random_layer(cfg, random.randint(1, min(3, cfg.K_MAX // cfg.CHUNK_W)), 4, 8)
        configure(dut, layer)
        source = Source(dut, "task", TASK)
        source.queue.extend(layer.tasks)
        loop.agents = [Memory(dut, cfg.line_bytes, Pause(random.choice([0.0, 0.5])), layer.memory), source,
                       Sink(dut, "sum", SUM, random.choice([0.0, 0.9]))]
        for _ in range(random.randint(1, 250)):
            await loop.step()
        dut.task_valid.value = 0
        dut.rsp_valid.value = 0
        await loop.reset()
        await join(dut, loop, cfg, random_layer(cfg, random.randint(1, min(3, cfg.K_MAX // cfg.CHUNK_W)), 2, 4))


@cocotb.test(timeout_time=100_000, timeout_unit="ms")
async def random_joins(dut: Any) -> None:
    """LOAS_JOINS inner joins (a row with a column), most of them short, under changing stalls."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    wanted, done, wrong_free = int(os.environ.get("LOAS_JOINS", "200")), 0, 0
    most = cfg.K_MAX // cfg.CHUNK_W
    while done < wanted:
        chunks = random.choice([1, 1, 1, min(2, most), random.randint(1, min(4, most))])
        layer = random_layer(cfg, chunks, random.randint(1, 8), 96, density=random.choice([None, 0.02, 0.05, 0.1, 0.3]))
        await join(dut, loop, cfg, layer, idle=random.choice([0.0, 0.0, 0.3]), read=random.choice([0.0, 0.0, 0.3]),
                   stall=random.choice([0.0, 0.0, 0.3]), events=False)
        done += len(layer.sums)
        wrong_free += sum(s["data"] != 0 for s in layer.sums)
    assert wrong_free > done // 20, "hardly any join had a sum: the test says nothing"
    dut._log.info("%d inner joins, %d with a sum other than zero, in %d cycles", done, wrong_free, loop.cycle)


LONG = os.environ.get("LOAS_LONG") == "1"
TINY = {"T": 4, "CHUNK_W": 32, "SLICE_W": 8, "WEIGHT_W": 8, "ACC_W": 16, "MEM_W": 24, "K_MAX": 512, "LAGGY": 1,
        "FIFO_DEPTH": 8, "LINE_W": 256, "OUT_ENTRIES": 256, "NUM_SLOTS": 8}  # fmt: skip
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "fast": {"LAGGY": 0, "LINE_W": 128},
    "T16": {"T": 16, "CHUNK_W": 64, "SLICE_W": 4, "K_MAX": 192, "WEIGHT_W": 4, "MEM_W": 32, "OUT_ENTRIES": 128, "FIFO_DEPTH": 2},
    "T1": {"T": 1, "SLICE_W": 32, "K_MAX": 32, "WEIGHT_W": 5, "ACC_W": 9, "MEM_W": 10, "OUT_ENTRIES": 64, "NUM_SLOTS": 2},
    "T3 fast": {"T": 3, "CHUNK_W": 128, "SLICE_W": 64, "K_MAX": 640, "LAGGY": 0, "ACC_W": 15, "OUT_ENTRIES": 64},
}


# the larger ones take a minute under Icarus
@pytest.mark.parametrize("sim, variant", [("verilator", v) for v in VARIANTS] + [("icarus", v) for v in ("laggy", "fast", "T1")])
def test_tppe(sim: str, variant: str) -> None:
    from lib.sim import run

    joins = {"verilator": 110_000 if variant == "laggy" else 10_000, "icarus": 500}[sim] * (10 if LONG else 1)
    run("loas_tppe", "test_tppe", sim, {**TINY, **VARIANTS[variant]}, env={"LOAS_JOINS": str(joins)})
