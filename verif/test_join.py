# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The inner join alone (loas_join with loas_join_laggy or loas_join_fast): streams with gaps of their own, rows that come late."""
from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest

from lib.lockstep import STALLS, Loop, Sink, Source, param

STATES = ("match", "empty", "stall_a", "stall_b", "stall_weight", "blocked", "idle")


@dataclass(frozen=True)
class Sizes:
    """The parameters of the top module."""

    T: int
    CHUNK_W: int
    SLICE_W: int
    WEIGHT_W: int
    ACC_W: int
    K_MAX: int
    LAGGY: int
    FIFO_DEPTH: int
    LINE_W: int

    @classmethod
    def of(cls, dut: Any) -> Sizes:
        return cls(**{name: param(dut, name) for name in cls.__dataclass_fields__})

    @property
    def slots(self) -> int:
        """Weights of a line."""
        return self.LINE_W // (4 if self.WEIGHT_W <= 4 else 8)


@dataclass
class Task:
    """A row and a block of columns, as streams, with what must come out."""

    words: list[int]                 # by neuron, 0: silent
    columns: list[dict[int, int]]    # of each column its weights that are not zero, by neuron
    start: int = 0                   # place of the first weight in its line
    wrong: int = 0                   # added to the number of weights that the join is told
    masks: list[dict[str, int]] = field(default_factory=list)
    lines: list[dict[str, int]] = field(default_factory=list)
    sums: list[dict[str, int]] = field(default_factory=list)
    matches: int = 0
    corrections: int = 0
    empty: int = 0

    def build(self, sizes: Sizes, chunks: int) -> Task:
        size, full = sizes.CHUNK_W, (1 << sizes.T) - 1
        slot_w = sizes.LINE_W // sizes.slots
        weights: list[int] = [0] * self.start
        for number, column in enumerate(self.columns):
            last = number == len(self.columns) - 1
            for chunk in range(chunks):
                inside = range(chunk * size, (chunk + 1) * size)
                mask = sum(1 << (k - chunk * size) for k in inside if k in column)
                self.masks.append({"data": mask, "last": int(last and chunk == chunks - 1)})
                self.empty += not any(k in column and self.words[k] for k in inside)
            hit = [k for k in sorted(column) if self.words[k]]
            self.matches += len(hit)
            self.corrections += sum(self.words[k] != full for k in hit) if sizes.LAGGY else 0
            data = 0
            for t in range(sizes.T):
                total = sum(column[k] for k in hit if self.words[k] >> t & 1)
                data |= (total & ((1 << sizes.ACC_W) - 1)) << (t * sizes.ACC_W)
            self.sums.append({"sum": data, "last": int(last)})
            # what is stored beyond WEIGHT_W bits is of no account
            weights += [(column[k] & ((1 << sizes.WEIGHT_W) - 1)) | random.getrandbits(slot_w) >> sizes.WEIGHT_W << sizes.WEIGHT_W
                        for k in sorted(column)]
        if len(weights) > self.start:
            for first in range(0, len(weights), sizes.slots):
                line = weights[first : first + sizes.slots]
                line += [random.getrandbits(slot_w) for _ in range(sizes.slots - len(line))]
                self.lines.append({"data": sum(w << (i * slot_w) for i, w in enumerate(line)),
                                   "last": int(first + sizes.slots >= len(weights))})
        return self

    @property
    def nnz(self) -> int:
        return sum(map(len, self.columns))


def random_task(sizes: Sizes, chunks: int, most_cols: int, density: float | None = None) -> Task:
    k = chunks * sizes.CHUNK_W
    low, high = -(1 << (sizes.WEIGHT_W - 1)), (1 << (sizes.WEIGHT_W - 1)) - 1

    def some() -> float:
        return random.choice([0.0, 0.03, 0.1, 0.3, 0.7, 1.0]) if density is None else density

    full = random.choice([0.0, 0.3, 1.0])
    part = some()
    words = [((1 << sizes.T) - 1 if random.random() < full else random.randrange(1, 1 << sizes.T)) if random.random() < part else 0
             for _ in range(k)]
    columns = []
    for _ in range(random.randint(1, most_cols)):
        part, edge = some(), random.random() < 0.2
        columns.append({i: random.choice([low, high]) if edge else random.choice([-1, 1]) * random.randint(1, high)
                        for i in range(k) if random.random() < part})
    start = random.choice([0, 0, sizes.slots - 1, random.randrange(sizes.slots)])
    return Task(words, columns, start).build(sizes, chunks)


class Rows:
    """Writes the rows of the tasks into the two banks, like loas_row_buffer, at a pace of its own; lets tasks in."""

    def __init__(self, dut: Any, sizes: Sizes, chunks: int, tasks: list[Task], sink: Sink, slow: float) -> None:
        self.dut, self.sizes, self.chunks, self.tasks, self.sink, self.slow = dut, sizes, chunks, tasks, sink, slow
        self.begun = 0                 # rows that have a bank
        self.busy = False              # one is being written
        self.masks = 0                 # mask chunks of it that were written
        self.todo: list[tuple[int, int]] = []   # words of it that were not
        self.complete = [False, False]
        self.bank, self.done = 0, 0
        dut.ld_valid.value = 0

    def drive(self) -> None:
        dut = self.dut
        finished = sum(item["last"] for item in self.sink.items)
        for number in range(self.done, finished):
            self.complete[number % 2] = False
        self.done = finished
        dut.mask_wr_en.value = dut.word_wr_en.value = 0
        if self.busy and self.masks == self.chunks and not self.todo:
            self.busy, self.complete[self.bank] = False, True   # all is in the RAMs since the last edge
            dut.ld_valid.value = 0
        if not self.busy and self.begun < min(len(self.tasks), finished + 2) and random.random() >= self.slow:
            self.bank, self.busy, self.masks = self.begun % 2, True, 0
            self.todo = list(enumerate(w for w in self.tasks[self.begun].words if w))
            random.shuffle(self.todo)
            self.begun += 1
            dut.ld_valid.value, dut.ld_bank.value = 1, self.bank
        if self.busy:
            dut.ld_masks.value = self.masks
            if random.random() >= self.slow:
                self.write()
        dut.complete.value = self.complete[0] | self.complete[1] << 1

    def write(self) -> None:
        """One mask chunk with its sums, or some words."""
        dut, sizes, words = self.dut, self.sizes, self.tasks[self.begun - 1].words
        if self.masks < self.chunks:
            at = self.masks * sizes.CHUNK_W
            mask = sum(1 << i for i in range(sizes.CHUNK_W) if words[at + i])
            step = sizes.SLICE_W if sizes.LAGGY else sizes.CHUNK_W
            width = sizes.K_MAX.bit_length()
            bases = sum(sum(map(bool, words[: at + i * step])) << (i * width) for i in range(sizes.CHUNK_W // step))
            addr_w = len(dut.mask_wr_addr) - 1
            dut.mask_wr_en.value, dut.mask_wr_addr.value = 1, self.bank << addr_w | self.masks
            dut.mask_wr_data.value, dut.base_wr_data.value = mask, bases
            self.masks += 1
        if self.todo:
            index, word = self.todo.pop()
            dut.word_wr_en.value, dut.word_wr_data.value = 1, word
            dut.word_wr_addr.value = self.bank << (len(dut.word_wr_addr) - 1) | index

    def sample(self, cycle: int) -> None:
        """Samples nothing."""


class Gate:
    """Gives a task to the join when its row has a bank, not before."""

    def __init__(self, source: Source, rows: Rows, tasks: list[Task]) -> None:
        self.source, self.rows, self.tasks = source, rows, tasks
        self.sent = 0

    def drive(self) -> None:
        while self.sent < self.rows.begun:
            task = self.tasks[self.sent]
            self.source.queue.append({"cols": len(task.columns), "start": task.start, "end": task.start + task.nnz + task.wrong})
            self.sent += 1

    def sample(self, cycle: int) -> None:
        """Samples nothing."""


class Events:
    """Exactly one state a cycle; no error."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.signals = {name: getattr(dut, f"ev_{name}") for name in (*STATES, "wait", "correction")}
        self.count = dict.fromkeys(self.signals, 0)
        self.trace: list[str] = []
        self.errors: list[int] = []

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        high = [name for name, signal in self.signals.items() if signal.value == 1]
        states = [name for name in high if name in STATES]
        assert len(states) == 1, f"events {high} in cycle {cycle}"
        self.trace.append(states[0])
        for name in high:
            self.count[name] += 1
        assert self.dut.err.value.is_resolvable, f"err is unknown in cycle {cycle}"
        if self.dut.err.value == 1:
            self.errors.append(int(self.dut.err_bank.value))


def agents(dut: Any, loop: Loop, sizes: Sizes, tasks: list[Task], chunks: int, *, gaps: float = 0.0, stall: float = 0.0,
           slow: float = 0.0) -> tuple[Sink, Events, Rows]:
    """All agents around the join, in `loop`."""
    dut.cfg_chunks.value = chunks
    sink, events = Sink(dut, "m", ["sum", "last"], stall), Events(dut)
    masks, lines = Source(dut, "b", ["data", "last"], gaps), Source(dut, "w", ["data", "last"], gaps)
    given = Source(dut, "s", ["cols", "start", "end"], gaps)
    for task in tasks:
        masks.queue.extend(task.masks)
        lines.queue.extend(task.lines)
    rows = Rows(dut, sizes, chunks, tasks, sink, slow)
    loop.agents = [rows, Gate(given, rows, tasks), given, masks, lines, sink, events]
    return sink, events, rows


async def run_tasks(dut: Any, loop: Loop, sizes: Sizes, tasks: list[Task], chunks: int, **rates: float) -> Events:
    """Runs tasks from bank 0 on (after a reset), checks sums, counts and that every stream was used up."""
    sink, events, rows = agents(dut, loop, sizes, tasks, chunks, **rates)
    expected = [s for task in tasks for s in task.sums]
    sources = [a for a in loop.agents if isinstance(a, Source)]
    work = sum(t.matches + t.empty + 40 + 4 * len(t.masks) + 8 * len(t.lines) + len(t.words) for t in tasks)
    await loop.until(lambda: len(sink.items) >= len(expected) or bool(events.errors), 400 + 40 * work)
    assert not events.errors, "error in good tasks"
    for i, (want, got) in enumerate(zip(expected, sink.items, strict=False)):
        assert got == want, f"column {i}: got {got}, expected {want}"
    assert not any(s.queue for s in sources), "something of a stream is left after the last sum"
    for _ in range(6):
        await loop.step()
    assert len(sink.items) == len(expected)
    want_work = [sum(getattr(t, name) for t in tasks) for name in ("matches", "corrections", "empty")]
    assert [events.count[name] for name in ("match", "correction", "empty")] == want_work
    assert events.trace[-1] == "idle" and not events.errors
    dut.ld_valid.value = 0
    return events


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(gaps=["none", "half", "most"], stall=["none", "half", "most"], slow=["none", "half", "most"])
async def random_tasks(dut: Any, gaps: str, stall: str, slow: str) -> None:
    loop, sizes = Loop(dut), Sizes.of(dut)
    most, waits = sizes.K_MAX // sizes.CHUNK_W, 0
    for chunks in (1, random.randint(1, most)):
        await loop.reset()
        tasks = [random_task(sizes, chunks, 4) for _ in range(4)]
        events = await run_tasks(dut, loop, sizes, tasks, chunks, gaps=STALLS[gaps], stall=STALLS[stall], slow=STALLS[slow])
        waits += events.count["wait"]
    assert bool(sizes.LAGGY) >= bool(waits)
    assert waits or slow != "most" or gaps == "most" or not sizes.LAGGY, "rows came late, and no entry waited"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def extremes(dut: Any) -> None:
    """No weights, no spikes, everything a match; weights of many lines that nobody matches, also at a task's end."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    chunks = sizes.K_MAX // sizes.CHUNK_W
    k = sizes.K_MAX
    high, low = (1 << (sizes.WEIGHT_W - 1)) - 1, -(1 << (sizes.WEIGHT_W - 1))
    full = {i: high for i in range(k)}
    silent, ones, first, last = [0] * k, [(1 << sizes.T) - 1] * k, [1] + [0] * (k - 1), [0] * (k - 1) + [1]
    for words in (silent, ones, first, last):
        some: tuple[list[dict[int, int]], ...] = ([{}], [full, {}, full], [{k - 1: low}], [{0: low}, full], [{}, {}, {0: 1}])
        for columns in some:
            await loop.reset()
            task = Task(words, columns, random.randrange(sizes.slots)).build(sizes, chunks)
            other = random_task(sizes, chunks, 3)
            await run_tasks(dut, loop, sizes, [task, other, task], chunks)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def rate(dut: Any) -> None:
    """With rows and streams at hand a match or an empty chunk every cycle, through chunks, columns, tasks and weight lines."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    chunks = sizes.K_MAX // sizes.CHUNK_W
    for density in (0.0, 0.1, 0.5, 1.0):
        await loop.reset()
        # the next row must be there in time, so the tasks are long
        tasks = [random_task(sizes, chunks, 1, density) for _ in range(4)]
        for task in tasks:
            while sum(max(1, len([k for k in c if task.words[k]])) for c in task.columns) < sizes.K_MAX + 12:
                task.columns += task.columns[:1]
        tasks = [Task(t.words, t.columns, t.start).build(sizes, chunks) for t in tasks]
        events = await run_tasks(dut, loop, sizes, tasks, chunks)
        busy = [i for i, state in enumerate(events.trace) if state in ("match", "empty")]
        lost = [s for s in events.trace[busy[0] + sizes.K_MAX + 12 : busy[-1]] if s not in ("match", "empty")]
        lines = sum(len(t.lines) for t in tasks)
        assert set(lost) <= {"stall_weight"} and len(lost) <= lines, f"density {density}: lost {lost}"
        if density == 1.0:
            assert not lost, "a line of weights in use costs a cycle"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """Too many or too few weights or mask chunks: err with the task's bank, in time."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for wrong in ("many weights", "few weights", "early", "late", "none at all", "beyond"):
        for bad in (0, 1):
            await loop.reset()
            chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
            tasks = [random_task(sizes, chunks, 3, 0.3) for _ in range(2)]
            while tasks[bad].nnz == 0 or len(tasks[bad].masks) < 2:
                tasks[bad] = random_task(sizes, chunks, 3, 0.3)
            task = tasks[bad]
            task.wrong = {"many weights": -1, "few weights": 1, "none at all": -task.nnz,
                          "beyond": (1 << len(dut.s_end)) - 1 - task.start - task.nnz}.get(wrong, 0)
            if wrong == "early":
                task.masks[-2]["last"] = 1
            if wrong == "late":
                task.masks[-1]["last"] = 0
            _, events, rows = agents(dut, loop, sizes, tasks, chunks)
            await loop.until(lambda: bool(events.errors), 4000)   # noqa: B023  used within the turn
            assert events.errors[0] == bad, f"{wrong}: error of bank {events.errors[0]}, expected {bad}"
            assert rows.begun >= 1
            for name in ("s", "b", "w"):
                getattr(dut, f"{name}_valid").value = 0
            dut.ld_valid.value = 0


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def reset_in_task(dut: Any) -> None:
    """rst at any moment leaves nothing behind."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for _ in range(20):
        await loop.reset()
        chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
        agents(dut, loop, sizes, [random_task(sizes, chunks, 4) for _ in range(3)], chunks, stall=random.choice([0.0, 0.9]))
        for _ in range(random.randint(1, 120)):
            await loop.step()
        for name in ("s", "b", "w"):
            getattr(dut, f"{name}_valid").value = 0
        dut.ld_valid.value = 0
        await loop.reset()
        chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
        await run_tasks(dut, loop, sizes, [random_task(sizes, chunks, 3) for _ in range(2)], chunks)


SMALL = {"T": 4, "CHUNK_W": 32, "SLICE_W": 8, "WEIGHT_W": 8, "ACC_W": 16, "K_MAX": 96, "LAGGY": 1, "FIFO_DEPTH": 4, "LINE_W": 128}
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "fast": {"LAGGY": 0},
    "narrow": {"T": 2, "SLICE_W": 32, "WEIGHT_W": 4, "ACC_W": 12, "K_MAX": 32, "FIFO_DEPTH": 2},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_join(sim: str, variant: str) -> None:
    from lib.sim import ROOT, run

    run("tb_join", "test_join", sim, {**SMALL, **VARIANTS[variant]}, sources=[ROOT / "verif" / "rtl" / "tb_join.v"])
