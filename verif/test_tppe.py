# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_tppe: inner joins of random rows and blocks against the definition of the sum: rows and windows, branches, pooling, carried
membranes, bitmasks and index code; rates, events, every error."""
from __future__ import annotations

import os
import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
import pytest

from golden.config import Config, load
from golden.fiber import compress_blocks, compress_rows, fiber_bytes, row_stride
from verif.lib.lockstep import STALLS, Loop, Pause, Sink, Source, needs, param

PARAMETERS = ("T", "CHUNK_W", "WINDOW", "SLICE_W", "WEIGHT_W", "ACC_W", "MEM_W", "K_MAX", "LAGGY", "SEQUENTIAL", "FIFO_DEPTH", "LINE_W",
              "OUT_ENTRIES", "NUM_SLOTS", "INDEX_RATE", "CARRY")  # fmt: skip
TASK = ("a_addr", "y", "x", "a_addr2", "y2", "x2", "state", "params", "masks", "weights", "nnz", "cols", "slot", "out_addr")
SUM = ("data", "bias", "threshold", "state", "state_addr", "last", "pool_first", "pool_last", "slot", "out_addr")
STATES = ("match", "empty", "stall_a", "stall_b", "stall_weight", "stall_laggy", "stall_out", "idle")
DENSITIES = (0.0, 0.02, 0.1, 0.3, 0.7, 1.0)
WALK = {name: f["word"] for name, f in tomllib.loads((Path(__file__).parents[1] / "spec" / "image.toml").read_text())["walk"].items()}
Words = npt.NDArray[np.int64]


def config(dut: Any) -> Config:
    """The configuration that the parameters of the top module belong to."""
    return load("tiny").override(**{name: param(dut, name) for name in PARAMETERS})


@dataclass
class Map:
    """Fibers of pixels in memory, and the window over them; a row of a fully connected layer is a map of one pixel."""

    words: Words            # (images, in_h, in_w, columns in whole slices)
    size: npt.NDArray[np.int64]      # bytes of each fiber
    base: int
    pitch: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)

    @property
    def slices(self) -> int:
        """Columns that a window has."""
        return self.words.shape[3] * self.kernel[0] * self.kernel[1]

    def address(self, image: int, y: int, x: int) -> int:
        """Of a pixel, or where one outside would be, modulo 2^32."""
        _, h, w, _ = self.words.shape
        return (self.base + ((image * h + y) * w + x) * self.pitch) % (1 << 32)

    def gather(self, image: int, y: int, x: int) -> tuple[list[int], list[tuple[int, int]]]:
        """Words of the window whose first pixel is (y, x), and address and length of all fibers that have to be read."""
        found: list[int] = []
        reads: list[tuple[int, int]] = []
        _, h, w, columns = self.words.shape
        for py in range(y, y + self.kernel[0]):
            for px in range(x, x + self.kernel[1]):
                inside = 0 <= py < h and 0 <= px < w
                found += self.words[image, py, px].tolist() if inside else [0] * columns
                if inside:
                    reads.append((self.address(image, py, px), int(self.size[image, py, px])))
        return found, reads

    def record(self, cfg: Config, pool: tuple[int, int], branch: int) -> int:
        """The words of the walk record; those that a TPPE does not need are anything."""
        _, h, w, columns = self.words.shape
        words = [random.getrandbits(32) for _ in range(16)]
        for name, value in {
            "kernel": self.kernel[0] | self.kernel[1] << 8 | self.stride[0] << 16 | self.stride[1] << 24, "in_size": h | w << 16,
            "pad": random.getrandbits(16) | columns // cfg.SLICE_W << 16, "step_x": self.stride[1] * self.pitch,
            "step_y": self.stride[0] * w * self.pitch, "row_bytes": w * self.pitch, "pitch": self.pitch,
            "pool": pool[0] | pool[1] << 8, "branch": branch,
        }.items():  # fmt: skip
            words[WALK[name]] = value
        return sum(word << 32 * i for i, word in enumerate(words))


@dataclass
class Layer:
    """Tasks over one memory, all with the same number of chunks."""

    chunks: int
    walk: int
    branch: int
    index: bool
    carry: bool
    state_stride: int
    memory: bytearray
    tasks: list[dict[str, int]]
    sums: list[dict[str, int]]
    lines: list[int]       # every line that has to be read, once for each reading
    pixels: list[int]      # lines with which the fibers of the pixels begin
    matches: int = 0
    corrections: int = 0
    empty: int = 0


class Maker:
    """Makes a layer: random numbers of one density, or of another one for each chunk."""

    def __init__(self, cfg: Config, density: float | None) -> None:
        self.cfg, self.density = cfg, density
        self.rng = np.random.default_rng(random.getrandbits(32))

    def spread(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """A mask."""
        some, k = self.density, shape[-1]
        if some is None and random.random() < 0.5:
            some = random.choice(DENSITIES)
        if some is None:
            local = np.repeat(self.rng.choice(DENSITIES, -(-k // self.cfg.CHUNK_W)), self.cfg.CHUNK_W)[:k]
            return self.rng.random(shape) < local
        return self.rng.random(shape) < some

    def map(self, memory: bytearray, shape: tuple[int, int, int], columns: int, kernel: tuple[int, int] = (1, 1),
            stride: tuple[int, int] = (1, 1)) -> Map:
        """A map behind what is in the memory."""
        cfg, pixels = self.cfg, shape[0] * shape[1] * shape[2]
        rows = []
        for _ in range(pixels):
            some = self.rng.integers(1, 1 << cfg.T, columns)
            some[self.rng.random(columns) < random.choice([0.0, 0.3, 1.0])] = (1 << cfg.T) - 1
            rows.append(some * self.spread((columns,)))
        words = np.array(rows)
        fibers = compress_rows(((words[:, :, None] >> np.arange(cfg.T)) & 1).astype(np.uint8), cfg)
        base = len(memory)
        memory += fibers.tobytes()
        whole = np.zeros((pixels, -(-columns // cfg.SLICE_W) * cfg.SLICE_W), np.int64)
        whole[:, :columns] = words
        return Map(whole.reshape(*shape, -1), fiber_bytes(fibers, columns, cfg).reshape(shape), base, row_stride(columns, cfg), kernel,
                   stride)


def random_layer(cfg: Config, chunks: int, tasks: int, most_cols: int, *, density: float | None = None,
                 base: int = 0, plain: bool = True, index: bool = False) -> Layer:
    """Random rows and blocks; the expected sums come straight from the definition, modulo 2^ACC_W.

    Args:
        cfg: Parameters of the machine.
        chunks: Mask chunks of a row; with windows, at most.
        tasks: Number.
        most_cols: Columns of a block, at most.
        density: Of spikes and weights; random by default.
        base: Bytes in front of everything.
        plain: Rows of a fully connected layer; else windows, with pooling or a branch, and membranes too.
        index: Places of weights as an index code.
    """
    make, rng = Maker(cfg, density), np.random.default_rng(random.getrandbits(32))
    memory = bytearray(random.randbytes(base))
    most = chunks * cfg.CHUNK_W // cfg.SLICE_W     # slices of a row
    pool, other = (1, 1), None
    if plain or most < 2:
        k = chunks * cfg.CHUNK_W - random.choice([0, 0, random.randrange(cfg.CHUNK_W)])
        first = make.map(memory, (random.randint(1, tasks), 1, 1), k)
    else:
        two = random.random() < 0.4
        area = [[(h, w) for h in (1, 2, 3) for w in (1, 2, 3) if h * w <= most // (1 + two)] for _ in range(2)]
        kernels = [random.choice(area[0]), random.choice(area[1])]
        room = most - two * kernels[1][0] * kernels[1][1]
        one = random.randint(1, room // (kernels[0][0] * kernels[0][1]))
        slices = [one, random.randint(1, max(1, (most - one * kernels[0][0] * kernels[0][1]) // (kernels[1][0] * kernels[1][1])))]
        images, maps = random.randint(1, 2), []
        for i in range(1 + two):
            columns = slices[i] * cfg.SLICE_W - random.choice([0, random.randrange(cfg.SLICE_W)])
            stride = random.randint(1, 2), random.randint(1, 3)
            maps.append(make.map(memory, (images, random.randint(1, 3), random.randint(1, 3)), columns, kernels[i], stride))
        first, other = maps[0], maps[1] if two else None
        k = sum(one.slices for one in maps)
        if not two:
            pool = random.choice([(1, 1), (2, 2), (random.randint(1, 3), random.randint(1, 3))])
    chunks = -(-k // cfg.CHUNK_W)
    carry = not plain and bool(cfg.CARRY) and random.random() < 0.5
    state_stride = -(-4 * 3 * most_cols // cfg.line_bytes) * cfg.line_bytes
    layer = Layer(chunks, first.record(cfg, pool, random.choice([64, 1 << 30]) if other else 0),
                  other.record(cfg, (1, 1), 0) if other else random.getrandbits(512), index, carry, state_stride, memory, [], [], [], [])

    def touch(start: int, size: int) -> None:
        if size:
            layer.lines.extend(range(start // cfg.line_bytes, (start + size - 1) // cfg.line_bytes + 1))

    def corner(window: Map) -> tuple[int, int]:
        """First pixel of a window, which may lie outside altogether."""
        _, h, w, _ = window.words.shape
        return (0, 0) if plain else (random.randint(-window.kernel[0], h), random.randint(-window.kernel[1], w))

    part, mem = (1 << cfg.ACC_W) - 1, (1 << cfg.MEM_W) - 1
    for _ in range(tasks):
        n = random.choice([1, 2, random.randint(1, most_cols), most_cols])
        weights = rng.integers(cfg.weight_min, cfg.weight_max + 1, (k, n))
        if random.random() < 0.2:
            weights = rng.choice([cfg.weight_min, cfg.weight_max], (k, n))
        weights *= make.spread((n, k)).T
        edge = 1 << (cfg.MEM_W - 1)
        bias, threshold = rng.choice([-edge, edge - 1, 0, -1, int(rng.integers(-edge, edge))], (2, n)).astype(np.int32)
        start = len(memory)
        block, ((*_, to_masks, to_weights, nnz),), _ = compress_blocks(weights.astype(np.int8), bias, threshold, n, cfg, index)
        memory += block.tobytes()
        slot, out = random.randrange(cfg.NUM_SLOTS), random.randrange(cfg.OUT_ENTRIES)
        image, (y, x) = random.randrange(first.words.shape[0]), corner(first)
        y2, x2 = corner(other) if other else (random.randrange(9), random.randrange(9))
        state = random.getrandbits(20) * 4
        if carry:
            memory += bytes(-len(memory) % cfg.line_bytes)
            state = len(memory) + random.randrange(4) * most_cols // 2 * 4
            memory += random.randbytes(pool[0] * pool[1] * state_stride)
        layer.tasks.append(dict(zip(TASK, (
            first.address(image, y, x), y % (1 << 18), x % (1 << 18), other.address(image, y2, x2) if other else 0, y2 % (1 << 18),
            x2 % (1 << 18), state, start, start + to_masks, start + to_weights, nnz, n, slot, out), strict=True)))  # fmt: skip
        for place in range(pool[0] * pool[1]):
            py, px = divmod(place, pool[1])
            row, reads = first.gather(image, y + py * first.stride[0], x + px * first.stride[1])
            if other:
                more, others = other.gather(image, y2, x2)
                row, reads = row + more, reads + others
            layer.pixels.extend(where // cfg.line_bytes for where, _ in reads)
            words = np.array(row[:k])
            state_at = (state + place * state_stride) % (1 << 32)
            for where, size in [*reads, (start, 8 * n), (start + to_masks, to_weights - to_masks),
                                (start + to_weights, -(-nnz * cfg.wslot_w // 8)), (state_at, 4 * n * carry)]:
                touch(where, size)
            spikes = (words[:, None] >> np.arange(cfg.T)) & 1
            total = spikes.T @ weights          # (T, n)
            for j in range(n):
                data = sum((int(total[t, j]) & part) << (t * cfg.ACC_W) for t in range(cfg.T))
                at = state_at + 4 * j
                membrane = int.from_bytes(memory[at : at + 4], "little") if carry else 0
                layer.sums.append(dict(zip(SUM, (
                    data, int(bias[j]) & mem, int(threshold[j]) & mem, membrane, state_at, int(j == n - 1), int(place == 0),
                    int(place == pool[0] * pool[1] - 1), slot, out), strict=True)))  # fmt: skip
            windows = -(-chunks // cfg.WINDOW)
            # with timesteps in sequence a match is a spike that meets a weight
            for live in spikes.T != 0 if cfg.SEQUENTIAL else [words != 0]:
                both = np.zeros((windows * cfg.window_w, n), np.bool_)
                both[:k] = live[:, None] & (weights != 0)
                layer.matches += int(both.sum())
                layer.corrections += int(both[:k][words != (1 << cfg.T) - 1].sum()) if cfg.LAGGY else 0
                layer.empty += int((~both.reshape(windows, cfg.window_w, n).any(axis=1)).sum())
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
    known: list[bool] = field(default_factory=list)   # of each read, whether its line was fetched or read before
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
            self.known.append(number in self.fetches or number in self.reads)
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


async def configure(dut: Any, loop: Loop, layer: Layer, source: Source) -> None:
    """Layer constants, and a cycle later the first of the tasks; the loop has its agents."""
    dut.cfg_chunks.value, dut.cfg_walk.value, dut.cfg_branch.value = layer.chunks, layer.walk, layer.branch
    dut.cfg_index.value, dut.cfg_carry_in.value, dut.cfg_state_stride.value = int(layer.index), int(layer.carry), layer.state_stride
    await loop.step()
    source.queue.extend(layer.tasks)


async def join(dut: Any, loop: Loop, cfg: Config, layer: Layer, *, idle: float = 0.0, read: float = 0.0, stall: float = 0.0,
               events: bool = True) -> tuple[Events | None, list[int]]:
    """Runs all tasks of a layer and checks sums, reads, counts, and that nothing moves afterwards."""
    memory = Memory(dut, cfg.line_bytes, Pause(read), layer.memory)
    source, sink, errors = Source(dut, "task", TASK, idle), Sink(dut, "sum", SUM, stall), Errors(dut)
    watch = Events(dut) if events else None
    loop.agents = [memory, source, sink, errors, *([watch] if watch else [])]
    await configure(dut, loop, layer, source)
    limit = 4000 + 60 * (layer.matches + layer.empty + 40 * len(layer.sums) + 4 * len(layer.lines) + 8 * layer.chunks)
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
@cocotb.parametrize(idle=["none", "half"], stall=["none", "most"], read=["none", "half"])
async def windows(dut: Any, idle: str, stall: str, read: str) -> None:
    """Windows with padding, branches, pooling and carried membranes, weights in either code, layer after layer."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    most = cfg.K_MAX // cfg.CHUNK_W
    for _ in range(6):
        chunks = random.randint(1, min(most, 4))
        layer = random_layer(cfg, chunks, random.randint(1, 4), max(2, 12 // chunks), plain=random.random() < 0.1,
                             index=bool(cfg.INDEX_RATE) and random.random() < 0.5)
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
    """A match a cycle, a cycle for a window without one; no gap between windows, columns and tasks once a row is there. Bitmasks come
    a chunk a cycle."""
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
        gathered = (min(cfg.WINDOW, layer.chunks) - 1) * (layer.empty + layer.matches)   # a window begins with its second chunk
        allowed = {"stall_weight": len(layer.lines), "stall_b": 4 * len(layer.tasks) + gathered}
        for state in set(lost):
            number = lost.count(state)
            assert number <= allowed.get(state, 0), f"density {density}: {number} cycles of {state} in {len(busy)} busy ones"


async def unknown_lines(dut: Any, loop: Loop, cfg: Config, layer: Layer, places: set[int]) -> int:
    """Runs a layer; returns how many of these lines were read for the first time without having been fetched."""
    memory = Memory(dut, cfg.line_bytes, Pause(0.0), layer.memory)
    source, sink = Source(dut, "task", TASK, 0.0), Sink(dut, "sum", SUM, 0.0)
    loop.agents = [memory, source, sink]
    await configure(dut, loop, layer, source)
    await loop.until(lambda: len(sink.items) >= len(layer.sums), 4000 + 200 * (layer.matches + layer.empty + len(layer.sums)))
    for _ in range(12):
        await loop.step()
    return sum(number in places and not known for number, known in zip(memory.reads, memory.known, strict=True))


@cocotb.test(timeout_time=200, timeout_unit="ms")
@needs(lambda dut: param(dut, "K_MAX") > param(dut, "CHUNK_W"), "a row of one chunk needs few lines of masks")
async def masks_are_fetched_ahead(dut: Any) -> None:
    """Of the lines of masks of a block all but the first few are known to the cache when they are read."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    for _ in range(3):
        chunks = min(4, cfg.K_MAX // cfg.CHUNK_W)
        columns = 16 * cfg.line_bytes // (chunks * cfg.chunk_bytes)
        layer = random_layer(cfg, chunks, 1, columns, density=0.5)
        while layer.tasks[0]["cols"] < columns:
            layer = random_layer(cfg, chunks, 1, columns, density=0.5)
        first, end = (layer.tasks[0][name] for name in ("masks", "weights"))
        lines = set(range(first // cfg.line_bytes, (end - 1) // cfg.line_bytes + 1))
        unknown = await unknown_lines(dut, loop, cfg, layer, lines)
        assert len(lines) >= 8 and unknown <= 3, f"{unknown} of {len(lines)} lines of masks were read without a fetch"


@cocotb.test(timeout_time=200, timeout_unit="ms")
@needs(lambda dut: param(dut, "K_MAX") // param(dut, "SLICE_W") >= 4, "a row of few slices has small windows")
async def pixels_are_fetched_ahead(dut: Any) -> None:
    """The scout has said where the pixels of a window begin before the row buffer reads them, but for the first."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    pixels = unknown = tasks = 0
    while pixels < 60:
        layer = random_layer(cfg, min(cfg.K_MAX // cfg.CHUNK_W, 4), 1, 8, plain=False, density=0.5)
        begins = set(layer.pixels)
        if len(begins) < 4:
            continue
        unknown += await unknown_lines(dut, loop, cfg, layer, begins)
        pixels, tasks = pixels + len(begins), tasks + len(layer.tasks)
    assert unknown <= tasks + pixels // 4, f"{unknown} of {pixels} pixels in {tasks} tasks were read without a fetch"
    dut._log.info("%d of %d pixels in %d tasks were read without a fetch", unknown, pixels, tasks)


@cocotb.test(timeout_time=200, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """Fibers and blocks that contradict themselves, with and without good tasks behind them: code and address, and after a reset
    the next layer is right."""
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

    def gaps(layer: Layer, value: int) -> None:
        at, end = layer.tasks[0]["masks"], layer.tasks[0]["weights"]
        layer.memory[at:end] = bytes([value]) * (end - at)

    strings: Mapping[str, tuple[str, Any]] = {
        "index: an item too few": ("B", lambda x: task(x, weights=-chunk)),
        "index: an item too many": ("B", lambda x: task(x, weights=chunk)),
        "index: gaps of 254": ("B", lambda x: gaps(x, 254)),
        "index: nothing but escapes": ("B", lambda x: gaps(x, 255)),
        "index: a string, but no weights": ("B", lambda x: x.tasks[0].update(nnz=0)),
        "index: weights, but no string": ("B", lambda x: x.tasks[0].update(masks=x.tasks[0]["weights"])),
        "index: string begins behind its end": ("B", lambda x: x.tasks[0].update(masks=x.tasks[0]["weights"] + chunk)),
        "index: 2^31 weights": ("B", lambda x: task(x, nnz=1 << 31)),
    }
    faults = {**faults, **(strings if cfg.INDEX_RATE else {})}
    for name, (kind, fault) in faults.items():
        if cfg.MEM_W == 32 and name.endswith("too wide"):
            continue
        index = name.startswith("index")
        for turn in range(4 if index else 2):
            await loop.reset()
            behind = turn % 2 * 2   # good tasks behind the bad one
            while True:
                layer = random_layer(cfg, random.randint(1, min(3, most)), 1 + behind, 6, density=0.4, base=2 * cfg.line_bytes,
                                     index=index)
                first = layer.tasks[0]
                places = first["cols"] * -(-layer.chunks // cfg.WINDOW) * cfg.window_w
                # a chunk of no weights at the end of the last window may be left out, and nothing is wrong
                unseen = name == "a mask chunk too few" and not any(layer.memory[first["weights"] - chunk : first["weights"]])
                if first["cols"] > 1 and places / 255 < first["nnz"] > 1 and layer.memory[first["a_addr"]] and not unseen:
                    break
            layer.memory += bytes(8 * cfg.line_bytes)
            fault(layer)
            memory = Memory(dut, cfg.line_bytes, Pause(random.choice([0.0, 0.5])), layer.memory)
            memory.data = bytearray(layer.memory) if "2^31" not in name else Endless(layer.memory)
            source, sink, seen = Source(dut, "task", TASK), Sink(dut, "sum", SUM, random.choice([0.0, 0.5])), Errors(dut)
            loop.agents = [memory, source, sink, seen]
            await configure(dut, loop, layer, source)
            await loop.until(lambda: seen.first is not None, 3000 + 200 * layer.matches)  # noqa: B023  used within the turn
            want = (kind, layer.tasks[0]["a_addr" if kind == "A" else "params"])
            assert seen.first == want, f"{name}, {behind} tasks behind: got {seen.first}, expected {want}"
            dut.task_valid.value = 0
            await loop.reset()
            await join(dut, loop, cfg, random_layer(cfg, random.randint(1, min(3, most)), 2, 4, plain=False,
                                                    index=bool(cfg.INDEX_RATE)))


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
        layer = random_layer(cfg, random.randint(1, min(3, cfg.K_MAX // cfg.CHUNK_W)), 4, 8, plain=random.random() < 0.4,
                             index=bool(cfg.INDEX_RATE) and random.random() < 0.5)
        source = Source(dut, "task", TASK)
        loop.agents = [Memory(dut, cfg.line_bytes, Pause(random.choice([0.0, 0.5])), layer.memory), source,
                       Sink(dut, "sum", SUM, random.choice([0.0, 0.9]))]
        await configure(dut, loop, layer, source)
        for _ in range(random.randint(1, 250)):
            await loop.step()
        dut.task_valid.value = 0
        dut.rsp_valid.value = 0
        await loop.reset()
        await join(dut, loop, cfg, random_layer(cfg, random.randint(1, min(3, cfg.K_MAX // cfg.CHUNK_W)), 2, 4, plain=False))


@cocotb.test(timeout_time=100_000, timeout_unit="ms")
async def random_joins(dut: Any) -> None:
    """LOAS_JOINS inner joins (a row with a column), most of them short, under changing stalls."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    wanted, done, wrong_free = int(os.environ.get("LOAS_JOINS", "200")), 0, 0
    most = cfg.K_MAX // cfg.CHUNK_W
    while done < wanted or (wrong_free <= done // 20 and done < 20 * wanted):      # a few layers may have next to no sums
        chunks = random.choice([1, 1, 1, min(2, most), random.randint(1, min(4, most))])
        plain = random.random() < 0.7
        layer = random_layer(cfg, chunks, random.randint(1, 8) if plain else random.randint(1, 3), 96 if plain else 24,
                             density=random.choice([None, 0.02, 0.05, 0.1, 0.3] if plain and most > 1 else [None, 0.3, 0.7]), plain=plain,
                             index=bool(cfg.INDEX_RATE) and random.random() < 0.3)
        await join(dut, loop, cfg, layer, idle=random.choice([0.0, 0.0, 0.3]), read=random.choice([0.0, 0.0, 0.3]),
                   stall=random.choice([0.0, 0.0, 0.3]), events=False)
        done += len(layer.sums)
        wrong_free += sum(s["data"] != 0 for s in layer.sums)
    assert wrong_free > done // 20, "hardly any join had a sum: the test says nothing"
    dut._log.info("%d inner joins, %d with a sum other than zero, in %d cycles", done, wrong_free, loop.cycle)


LONG = os.environ.get("LOAS_LONG") == "1"
TINY = {"T": 4, "CHUNK_W": 32, "WINDOW": 2, "SLICE_W": 8, "WEIGHT_W": 8, "ACC_W": 16, "MEM_W": 24, "K_MAX": 512, "LAGGY": 1,
        "SEQUENTIAL": 0, "DEEP": 0, "FIFO_DEPTH": 8, "LINE_W": 256, "OUT_ENTRIES": 256, "NUM_SLOTS": 8, "INDEX_RATE": 4,
        "CARRY": 1}  # fmt: skip
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "chunk": {"WINDOW": 1},
    "fast": {"LAGGY": 0, "WINDOW": 4, "LINE_W": 128, "INDEX_RATE": 1, "DEEP": 1},
    "T16": {"T": 16, "CHUNK_W": 64, "WINDOW": 1, "SLICE_W": 4, "K_MAX": 192, "WEIGHT_W": 4, "MEM_W": 32, "OUT_ENTRIES": 128,
            "FIFO_DEPTH": 2, "INDEX_RATE": 8},
    "T1": {"T": 1, "WINDOW": 1, "SLICE_W": 32, "K_MAX": 32, "WEIGHT_W": 5, "ACC_W": 9, "MEM_W": 10, "OUT_ENTRIES": 64, "NUM_SLOTS": 2,
           "CARRY": 0, "INDEX_RATE": 0, "DEEP": 1},
    "T3 fast": {"T": 3, "CHUNK_W": 128, "WINDOW": 1, "SLICE_W": 64, "K_MAX": 640, "LAGGY": 0, "ACC_W": 15, "OUT_ENTRIES": 64},
    "sparten": {"LAGGY": 0, "SEQUENTIAL": 1, "LINE_W": 128},
    "sparten T1": {"T": 1, "LAGGY": 0, "SEQUENTIAL": 1, "WINDOW": 1, "SLICE_W": 32, "K_MAX": 32, "WEIGHT_W": 4, "ACC_W": 9,
                   "OUT_ENTRIES": 64, "CARRY": 0, "INDEX_RATE": 0},
    "sparten T5": {"T": 5, "LAGGY": 0, "SEQUENTIAL": 1, "CHUNK_W": 64, "WINDOW": 4, "SLICE_W": 16, "K_MAX": 768, "OUT_ENTRIES": 128},
}


# the larger ones take a minute under Icarus; those of the rival are in the join's test and in the whole machine's
RUNS = [("verilator", v) for v in VARIANTS] + [("icarus", v) for v in ("laggy", "fast", "T1", "sparten")]


@pytest.mark.parametrize("sim, variant", [run for run in RUNS if LONG or not run[1].startswith("sparten")])
def test_tppe(sim: str, variant: str) -> None:
    from verif.lib.sim import run

    joins = {"verilator": 110_000 if variant == "laggy" else 4_000, "icarus": 500}[sim] * (10 if LONG else 1)
    run("loas_tppe", "test_tppe", sim, {**TINY, **VARIANTS[variant]}, env={"LOAS_JOINS": str(joins)})
