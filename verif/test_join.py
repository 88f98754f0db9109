# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The inner join alone (loas_join with loas_join_laggy or loas_join_fast, or loas_sparten): streams with gaps of their own, rows that
come late."""
from __future__ import annotations

import itertools
import os
import random
from dataclasses import dataclass, field
from typing import Any

import cocotb
import pytest

from verif.lib.lockstep import STALLS, Loop, Sink, Source, param

STATES = ("match", "empty", "stall_a", "stall_b", "stall_weight", "blocked", "idle")


@dataclass(frozen=True)
class Sizes:
    """The parameters of the top module."""

    T: int
    CHUNK_W: int
    WINDOW: int
    SLICE_W: int
    WEIGHT_W: int
    ACC_W: int
    K_MAX: int
    LAGGY: int
    SEQUENTIAL: int
    DEEP: int
    FIFO_DEPTH: int
    LINE_W: int

    @classmethod
    def of(cls, dut: Any) -> Sizes:
        return cls(**{name: param(dut, name) for name in cls.__dataclass_fields__})

    def windows(self, chunks: int) -> int:
        """Windows of a column."""
        return -(-chunks // self.WINDOW)

    @property
    def steps(self) -> int:
        """How often a window is walked."""
        return self.T if self.SEQUENTIAL else 1

    @property
    def places(self) -> int:
        """Where entries can stand: F2, F3, F4, the finished sum and the stage in front; LAGGY: FIFO and C1; SEQUENTIAL: F5; DEEP: two
        between F3 and F4, LAGGY one behind C1."""
        return 5 + 2 * self.DEEP + (self.FIFO_DEPTH + 1 + self.DEEP if self.LAGGY else self.SEQUENTIAL)

    @property
    def slots(self) -> int:
        """Weights of a line."""
        return self.LINE_W // (4 if self.WEIGHT_W <= 4 else 8)


@dataclass
class Task:
    """A row and a block of columns, as streams, with what must come out."""

    words: list[int]                 # by neuron, 0: silent
    columns: list[dict[int, int]]    # of each column its weights that are not zero, by neuron
    start: int = 0                   # place of the first weight
    cut: bool = False                # the lines in front of it are not sent (no match may count on them)
    wrong: int = 0                   # added to the number of weights that the join is told
    masks: list[dict[str, int]] = field(default_factory=list)
    lines: list[dict[str, int]] = field(default_factory=list)
    sums: list[dict[str, int]] = field(default_factory=list)
    spikes: list[int] = field(default_factory=list)   # SEQUENTIAL: of each match its place among the spikes of window and timestep
    matches: int = 0
    corrections: int = 0
    empty: int = 0

    def build(self, sizes: Sizes, chunks: int) -> Task:
        size, full = sizes.CHUNK_W * sizes.WINDOW, (1 << sizes.T) - 1
        windows = sizes.windows(chunks)
        slot_w = sizes.LINE_W // sizes.slots
        front = self.start % sizes.slots if self.cut else self.start
        weights: list[int] = [0] * front
        for number, column in enumerate(self.columns):
            last = number == len(self.columns) - 1
            for window in range(windows):
                inside = range(window * size, (window + 1) * size)
                mask = sum(1 << (k - window * size) for k in inside if k in column)
                self.masks.append({"data": mask, "last": int(last and window == windows - 1)})
                for seen in self.steps(sizes):
                    spikes = [k for k in inside if k < len(self.words) and self.words[k] & seen]
                    found = [place for place, k in enumerate(spikes) if k in column]
                    self.empty += not found
                    self.spikes += found
            hit = [k for k in sorted(column) if self.words[k]]
            self.matches += sum(bool(self.words[k] & seen) for k in hit for seen in self.steps(sizes))
            self.corrections += sum(self.words[k] != full for k in hit) if sizes.LAGGY else 0
            data = 0
            for t in range(sizes.T):
                total = sum(column[k] for k in hit if self.words[k] >> t & 1)
                data |= (total & ((1 << sizes.ACC_W) - 1)) << (t * sizes.ACC_W)
            self.sums.append({"sum": data, "last": int(last)})
            # what is stored beyond WEIGHT_W bits is of no account
            weights += [(column[k] & ((1 << sizes.WEIGHT_W) - 1)) | random.getrandbits(slot_w) >> sizes.WEIGHT_W << sizes.WEIGHT_W
                        for k in sorted(column)]
        if len(weights) > front:
            for first in range(0, len(weights), sizes.slots):
                line = weights[first : first + sizes.slots]
                line += [random.getrandbits(slot_w) for _ in range(sizes.slots - len(line))]
                self.lines.append({"data": sum(w << (i * slot_w) for i, w in enumerate(line)),
                                   "last": int(first + sizes.slots >= len(weights))})
        return self

    @staticmethod
    def steps(sizes: Sizes) -> list[int]:
        """The bits of a word that each walk over a window looks at."""
        return [1 << t for t in range(sizes.T)] if sizes.SEQUENTIAL else [(1 << sizes.T) - 1]

    @property
    def nnz(self) -> int:
        return sum(map(len, self.columns))

    @property
    def end(self) -> int:
        """What the join is told of the place behind the last weight."""
        return self.start + self.nnz + self.wrong

    @property
    def error(self) -> int:
        """The first window with which `end` cannot be right."""
        place = self.start
        for number, mask in enumerate(self.masks):
            place += mask["data"].bit_count()
            if place > self.end or (number == len(self.masks) - 1 and place != self.end):
                return number
        raise AssertionError("the end is right")


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
        self.allowed = chunks          # mask chunks of a row that are written
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
        if not self.busy and self.begun < min(len(self.tasks), finished + 2) and random.random() >= self.slow:
            self.bank, self.busy, self.masks = self.begun % 2, True, 0
            self.todo = list(enumerate(w for w in self.tasks[self.begun].words if w))
            random.shuffle(self.todo)
            self.begun += 1
        dut.ld_valid.value = int(self.busy)
        # these mean nothing while no row is written
        dut.ld_bank.value = self.bank if self.busy else random.getrandbits(1)
        dut.ld_masks.value = self.masks if self.busy else random.randint(0, self.chunks)
        if self.busy:
            if random.random() >= self.slow:
                self.write()
        dut.complete.value = self.complete[0] | self.complete[1] << 1

    def write(self) -> None:
        """One mask chunk with its sums, or some words."""
        dut, sizes, words = self.dut, self.sizes, self.tasks[self.begun - 1].words
        if self.masks < self.allowed:
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
    """Gives a task to the join when a bank is free for its row, which need not have begun; the one before may still be written."""

    def __init__(self, source: Source, rows: Rows, tasks: list[Task]) -> None:
        self.source, self.rows, self.tasks = source, rows, tasks
        self.sent = 0

    def drive(self) -> None:
        while self.sent < min(len(self.tasks), self.rows.done + 2):
            task = self.tasks[self.sent]
            self.source.queue.append({"cols": len(task.columns), "start": task.start, "end": task.end})
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
        self.errors: list[tuple[int, int]] = []   # cycle, bank
        self.spikes: list[int] = []   # places in A

    def drive(self) -> None:
        """Drives nothing."""

    def sample(self, cycle: int) -> None:
        high = [name for name, signal in self.signals.items() if signal.value == 1]
        states = [name for name in high if name in STATES]
        assert len(states) == 1, f"events {high} in cycle {cycle}"
        self.trace.append(states[0])
        assert "wait" not in high or self.dut.complete.value != 3, f"ev_wait in cycle {cycle}, and both rows are complete"
        for name in high:
            self.count[name] += 1
        if self.dut.spike_valid.value == 1:
            self.spikes.append(int(self.dut.spike.value))
        assert self.dut.err.value.is_resolvable, f"err is unknown in cycle {cycle}"
        if self.dut.err.value == 1:
            self.errors.append((cycle, int(self.dut.err_bank.value)))


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


async def run_tasks(dut: Any, loop: Loop, sizes: Sizes, tasks: list[Task], chunks: int, rows_first: bool = False,
                    **rates: float) -> Events:
    """Runs tasks from bank 0 on (after a reset), checks sums, counts and that every stream was used up."""
    sink, events, rows = agents(dut, loop, sizes, tasks, chunks, **rates)
    if rows_first:
        others = [a for a in loop.agents if a is not rows]
        loop.agents = [rows]
        await loop.until(lambda: sum(rows.complete) == min(2, len(tasks)), 8 * sizes.K_MAX)
        loop.agents += others
    expected = [s for task in tasks for s in task.sums]
    sources = [a for a in loop.agents if isinstance(a, Source)]
    work = sum(t.matches + t.empty + 40 + 4 * len(t.masks) + 8 * len(t.lines) + len(t.words) for t in tasks)
    last: tuple[int, ...] = ()
    since = loop.cycle

    def finished() -> bool:
        """All sums, or an error; without anything that moves for a long time it is a hang."""
        nonlocal last, since
        now = (events.count["match"], events.count["empty"], len(sink.items), len(rows.todo), rows.masks, *(len(s.queue) for s in sources))
        if now != last:
            last, since = now, loop.cycle
        assert loop.cycle - since < (600 if any(rates.values()) else 150), "nothing moves any more"
        return len(sink.items) >= len(expected) or bool(events.errors)

    await loop.until(finished, 400 + (40 if any(rates.values()) else 4) * work)
    assert not events.errors, "error in good tasks"
    for i, (want, got) in enumerate(zip(expected, sink.items, strict=False)):
        assert got == want, f"column {i}: got {got}, expected {want}"
    assert not any(s.queue for s in sources), "something of a stream is left after the last sum"
    waits = events.count["wait"]
    for _ in range(6):
        await loop.step()
    assert len(sink.items) == len(expected) and events.count["wait"] == waits
    want_work = [sum(getattr(t, name) for t in tasks) for name in ("matches", "corrections", "empty")]
    assert [events.count[name] for name in ("match", "correction", "empty")] == want_work
    assert not sizes.SEQUENTIAL or events.spikes == [place for t in tasks for place in t.spikes], "prefix sum over A"
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
async def early(dut: Any) -> None:
    """LAGGY takes each window as soon as its chunks are written, and its entries wait for the row; FAST waits for the row."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    chunks = sizes.K_MAX // sizes.CHUNK_W
    await loop.reset()
    task = Task([1] * sizes.K_MAX, [{chunk * sizes.CHUNK_W: 1 for chunk in range(chunks)}]).build(sizes, chunks)
    sink, events, rows = agents(dut, loop, sizes, [task], chunks)
    masks = next(a for a in loop.agents if isinstance(a, Source) and a.valid is dut.b_valid)
    for rows.allowed in range(chunks):
        # the row itself takes a cycle for each word
        for _ in range(sizes.K_MAX + 20):
            await loop.step()
        waits = events.count["wait"]
        await loop.step()
        assert events.trace[-1] == "stall_a"
        whole = rows.allowed // sizes.WINDOW
        assert len(masks.taken) == (whole if sizes.LAGGY else 0), f"{rows.allowed} chunks are written"
        assert events.count["wait"] - waits == int(bool(sizes.LAGGY and whole))
    at = loop.cycle
    rows.allowed = chunks
    await loop.until(lambda: bool(sink.items), 20 + 4 * sizes.K_MAX * sizes.SEQUENTIAL)
    assert sink.items == task.sums and not events.errors
    # written in cycle `at`, the window is there for LAGGY and the row for FAST in the next one, in which it is read; each chunk has a match
    last = chunks - (sizes.windows(chunks) - 1) * sizes.WINDOW
    if sizes.SEQUENTIAL:   # turned into planes, two cycles and then a group a cycle, and walked a timestep a cycle behind that
        group = min(sizes.SLICE_W, sizes.CHUNK_W >> (sizes.T - 1).bit_length())
        turned, walked = sizes.CHUNK_W * sizes.WINDOW // group, sizes.T - 1 + sizes.WINDOW
        assert masks.taken[-1] == at + 2 + turned + sizes.T + last + (sizes.windows(chunks) - 1) * max(turned, walked)
    else:
        assert masks.taken[-1] == at + 2 + (0 if sizes.LAGGY else chunks - last)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(pace=[1, 12])
async def fills_up(dut: Any, pace: int) -> None:
    """Sums that nobody takes: the stages and FIFOs fill to the last place, also when columns come one by one; then all go on."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    chunks = 1 if pace == 1 else sizes.K_MAX // sizes.CHUNK_W
    await loop.reset()
    places = sizes.places - (1 + sizes.DEEP if pace != 1 and sizes.LAGGY else 0)   # C1 and what is behind it fill only without gaps
    task = Task([1] * (chunks * sizes.CHUNK_W), [{}] * (places + 4)).build(sizes, chunks)
    sink, events, rows = agents(dut, loop, sizes, [task], chunks)
    masks = next(a for a in loop.agents if isinstance(a, Source) and a.valid is dut.b_valid)
    todo, gate = list(masks.queue), [False]
    masks.queue.clear()
    sink.allow = lambda: gate[0]
    await loop.until(lambda: rows.complete[0], 8 * sizes.K_MAX)
    for _ in range(5 + sizes.K_MAX * sizes.SEQUENTIAL):
        await loop.step()
    assert events.trace[-1] == "stall_b"
    while todo:
        masks.queue.append(todo.pop(0))
        for _ in range(pace):
            await loop.step()
    for _ in range(2 * places * sizes.steps):
        await loop.step()
    assert len(masks.taken) == places * sizes.windows(chunks)
    # the last one is in F2 and has not been issued
    assert events.count["empty"] == places * sizes.windows(chunks) * sizes.steps - 1 and events.trace[-1] == "blocked"
    gate[0] = True
    await loop.until(lambda: len(sink.items) == len(task.sums), 4 * (places + 4) * chunks * sizes.steps + 20)
    assert sink.items == task.sums and not events.errors


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def many_columns(dut: Any) -> None:
    """As many columns as a task may have; and numbers in which every bit is once 0 and once 1."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    await loop.reset()
    words = [random.randrange(1, 1 << sizes.T) for _ in range(sizes.CHUNK_W)]
    tasks = []
    some = random.randrange(1, 1023)
    for number in (1024, some, 1023 - some):
        columns = [{random.randrange(sizes.CHUNK_W): 1} if random.random() < 0.05 else {} for _ in range(number)]
        tasks.append(Task(words, columns).build(sizes, 1))
    await run_tasks(dut, loop, sizes, tasks, 1)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def far(dut: Any) -> None:
    """Weights that start in a later line, and, where no match counts on a line, at the end of what s_end can say."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    most = (1 << len(dut.s_end)) - 1
    for _ in range(6):
        await loop.reset()
        chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
        tasks = []
        for silent in (True, False, True, True):
            task = random_task(sizes, chunks, 3)
            words = [0] * len(task.words) if silent else task.words
            start = random.randint(0, most - task.nnz)
            tasks.append(Task(words, task.columns, start if silent else start % (300 * sizes.slots), silent).build(sizes, chunks))
        await run_tasks(dut, loop, sizes, tasks, chunks)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def rows_first(dut: Any) -> None:
    """When rows and the taker of the sums are ahead, only masks and weights can be missing."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for _ in range(12):
        await loop.reset()
        chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
        tasks = [random_task(sizes, chunks, 2) for _ in range(2)]
        events = await run_tasks(dut, loop, sizes, tasks, chunks, rows_first=True, gaps=random.choice([0.0, 0.5]))
        assert not any(events.count[name] for name in ("blocked", "wait")), f"{events.count}"


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(gaps=["none", "half"], stall=["none", "half"])
async def short_tasks(dut: Any, gaps: str, stall: str) -> None:
    """Tasks of few matches, the last one with the last neuron, so that several tasks are in the pipeline at once."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    await loop.reset()
    tasks = []
    for _ in range(12):
        words = [random.randrange(1 << sizes.T) for _ in range(sizes.CHUNK_W - 1)] + [random.randrange(1, 1 << sizes.T)]
        places = range(sizes.CHUNK_W - 1)
        columns = [{k: random.choice([-1, 1]) for k in [*sorted(random.sample(places, random.randint(0, 3))), sizes.CHUNK_W - 1]}
                   for _ in range(random.randint(1, 3))]
        tasks.append(Task(words, columns, random.randrange(sizes.slots)).build(sizes, 1))
    await run_tasks(dut, loop, sizes, tasks, 1, gaps=STALLS[gaps], stall=STALLS[stall])


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def no_weights(dut: Any) -> None:
    """A match without its weight: stall_weight, until it comes; also where only the end of the lines is missing."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    words = [1] + [0] * (sizes.CHUNK_W - 1)
    first = sizes.slots - 1   # the second weight is in another line
    more = 2 * sizes.DEEP   # entries that find room in front of the one that waits
    for columns, sums in (([[{0: 1}] * (5 + more)], 1), ([[{0: 1, 1: 1}], [{0: 1}] * (3 + more)], 0)):
        await loop.reset()
        tasks = [Task(words, c, first).build(sizes, 1) for c in columns]
        sink, events, _ = agents(dut, loop, sizes, tasks, 1)
        lines = next(a for a in loop.agents if isinstance(a, Source) and a.valid is dut.w_valid)
        todo = list(lines.queue)
        lines.queue.clear()
        for number in (0, 1):
            for _ in range(6 * sizes.CHUNK_W):
                await loop.step()
            assert events.trace[-1] == "stall_weight" and len(sink.items) == number * sums, f"{number} lines were given"
            lines.queue.extend(todo[number:] if number else todo[:1])
        await loop.until(lambda: len(sink.items) == sum(len(t.sums) for t in tasks), 100)   # noqa: B023
        assert sink.items == [s for t in tasks for s in t.sums] and not events.errors


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def column_a_cycle(dut: Any) -> None:
    """Columns of one window, each with one match or none, follow each other without a gap, and so do their sums."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    some: tuple[list[dict[int, int]], ...] = ([{}] * 40, [{0: 1}] * 40)
    for columns in some:
        await loop.reset()
        task = Task([1] * sizes.CHUNK_W, columns).build(sizes, 1)
        events = await run_tasks(dut, loop, sizes, [task], 1, rows_first=True)
        busy = [i for i, state in enumerate(events.trace) if state in ("match", "empty")]
        assert busy[-1] - busy[0] + 1 == len(columns) * sizes.steps, f"{events.trace}"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def full_with_lines_behind(dut: Any) -> None:
    """The task's last match stands in any stage, and nobody takes it: the lines behind it must not come before it has gone."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    size = sizes.WINDOW * sizes.CHUNK_W
    # the last timestep, so that SEQUENTIAL too has one entry for a column
    words = [1 << (sizes.T - 1)] + [0] * (size - 1)
    for number in range(sizes.places + 3):
        await loop.reset()
        columns = [{0: random.choice([-1, 1, 2, 3])} for _ in range(number)]
        columns.append(dict.fromkeys(range(size), 1))
        task = Task(words, columns, random.randrange(sizes.slots)).build(sizes, sizes.WINDOW)
        sink, events, _ = agents(dut, loop, sizes, [task], sizes.WINDOW)
        gate = [False]
        sink.allow = lambda: gate[0]   # noqa: B023
        for _ in range(40 + size * (1 + sizes.SEQUENTIAL) + 4 * sizes.steps * sizes.places):
            await loop.step()
        assert events.trace[-1] == ("blocked" if number + 1 >= sizes.places else "idle"), f"{number + 1} columns"
        gate[0] = True
        await loop.until(lambda: len(sink.items) == len(task.sums), 40 + 4 * (number + size) * sizes.steps)   # noqa: B023
        assert sink.items == task.sums and not events.errors
        assert not any(a.queue for a in loop.agents if isinstance(a, Source)), "a line is left"


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def full_without_weight(dut: Any) -> None:
    """Where entries are not taken and the match at hand has no weight either, it is the weight that is missing."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    words = [1 << (sizes.T - 1)] + [0] * (sizes.CHUNK_W - 1)
    back = sizes.places - 3 - 2 * sizes.DEEP - sizes.SEQUENTIAL   # all but F2, F3, F4, and F5, not taken before F4 needs its weight
    for first in (back - 1, back, back + 1):   # matches in the first line
        await loop.reset()
        columns = [{0: random.choice([-1, 1, 2, 3])} for _ in range(first + 6)]
        task = Task(words, columns, sizes.slots - first).build(sizes, 1)
        sink, events, _ = agents(dut, loop, sizes, [task], 1)
        lines = next(a for a in loop.agents if isinstance(a, Source) and a.valid is dut.w_valid)
        withheld = [lines.queue.pop() for _ in range(len(lines.queue) - 1)]
        gate = [False]
        sink.allow = lambda: gate[0]   # noqa: B023
        for _ in range(40 + sizes.CHUNK_W * (1 + sizes.SEQUENTIAL) + 4 * sizes.steps * sizes.places):
            await loop.step()
        assert events.trace[-1] == ("blocked" if first > back else "stall_weight"), f"{first} matches in the first line"
        lines.queue.extend(reversed(withheld))
        for _ in range(4 * sizes.steps):
            await loop.step()
        assert events.trace[-1] == "blocked"
        gate[0] = True
        await loop.until(lambda: len(sink.items) == len(task.sums), 40 + 4 * len(columns) * sizes.steps)   # noqa: B023
        assert sink.items == task.sums and not events.errors


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def far_apart(dut: Any) -> None:
    """Columns of one match each, in any chunk, and sums that are taken late: what was read of a chunk must wait for its match."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    chunks = sizes.K_MAX // sizes.CHUNK_W
    for some in (1, chunks):
        await loop.reset()
        words = [random.randrange(1, 1 << sizes.T) for _ in range(sizes.CHUNK_W * some)]
        columns = [{random.randrange(len(words)): random.choice([-1, 1, 2, 3])} for _ in range(60)]
        await run_tasks(dut, loop, sizes, [Task(words, columns).build(sizes, some)], some, rows_first=True, stall=0.5)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def pairs(dut: Any) -> None:
    """Two matches anywhere in a window: the one behind the first is the last. All pairs of a small window, some of a wide one."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    size = sizes.WINDOW * sizes.CHUNK_W
    both = list(itertools.combinations(range(size), 2))
    columns = [dict.fromkeys(pair, 1) for pair in random.sample(both, min(len(both), 120))]
    task = Task([(1 << sizes.T) - 1] * size, columns).build(sizes, sizes.WINDOW)
    await loop.reset()
    await run_tasks(dut, loop, sizes, [task], sizes.WINDOW, rows_first=True)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def far_behind_nothing(dut: Any) -> None:
    """Behind a task without weights comes one whose first weight is in a later line."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for number in (1, 2, 5):
        await loop.reset()
        words = [random.randrange(1, 1 << sizes.T) for _ in range(sizes.CHUNK_W)]
        columns = [{k: random.choice([-1, 1, 2, 3]) for k in range(4)}]
        tasks = [Task(words, [{}] * number).build(sizes, 1), Task(words, columns, 2 * sizes.slots + 1).build(sizes, 1)]
        await run_tasks(dut, loop, sizes, tasks, 1, rows_first=True)


async def check_error(dut: Any, loop: Loop, sizes: Sizes, tasks: list[Task], chunks: int, bad: int, chunk: int, after: int) -> None:
    """err comes with the bank of task `bad`, `after` cycles behind its mask chunk, and not before."""
    await loop.reset()
    _, events, _ = agents(dut, loop, sizes, tasks, chunks)
    masks = next(a for a in loop.agents if isinstance(a, Source) and a.valid is dut.b_valid)
    await loop.until(lambda: bool(events.errors), 4000)
    number = chunk + sum(len(t.masks) for t in tasks[:bad])
    if sizes.SEQUENTIAL and after > 1:   # seen at the first timestep that shows it, and the window is taken with the last one
        assert events.errors[0][1] == bad and number <= len(masks.taken) <= number + after, f"errors {events.errors}, expected of {bad}"
    else:
        at = masks.taken[number] + after
        assert events.errors == [(at, bad)], f"errors {events.errors}, expected {at, bad}"
    for name in ("s", "b", "w"):
        getattr(dut, f"{name}_valid").value = 0
    dut.ld_valid.value = 0


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def errors(dut: Any) -> None:
    """Too many or too few weights or mask chunks: err with the task's bank, as soon as it is seen."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for wrong in ("many weights", "few weights", "early", "late", "none at all", "beyond"):
        for bad in (0, 1):
            chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
            tasks = [random_task(sizes, chunks, 3, 0.3) for _ in range(2)]
            while tasks[bad].nnz == 0 or len(tasks[bad].masks) < 2:
                tasks[bad] = random_task(sizes, chunks, 3, 0.3)
            task = tasks[bad]
            task.wrong = {"many weights": -1, "few weights": 1, "none at all": -task.nnz,
                          "beyond": (1 << len(dut.s_end)) - 1 - task.start - task.nnz}.get(wrong, 0)
            if wrong in ("early", "late"):
                chunk = {"early": -2, "late": -1}[wrong] + len(task.masks)
                task.masks[chunk]["last"] ^= 1
                await check_error(dut, loop, sizes, tasks, chunks, bad, chunk, 1)
            else:
                await check_error(dut, loop, sizes, tasks, chunks, bad, task.error, 2)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def wrong_bits(dut: Any) -> None:
    """One wrong bit of s_end, with weights that start anywhere (and none is used, so no line is waited for)."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    width = len(dut.s_end)
    for bit in range(width):
        chunks = random.randint(1, sizes.K_MAX // sizes.CHUNK_W)
        some = random_task(sizes, chunks, 3, 0.3)
        while len(some.masks) < 2:
            some = random_task(sizes, chunks, 3, 0.3)
        start = random.randint(0, (1 << width) - 1 - some.nnz)
        task = Task([0] * len(some.words), some.columns, start, cut=True).build(sizes, chunks)
        task.wrong = (task.end ^ 1 << bit) - task.end
        await check_error(dut, loop, sizes, [task], chunks, 0, task.error, 2)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def beyond_by_one(dut: Any) -> None:
    """A weight behind s_end, where one bit alone says so; it is seen in its window, not at the task's end."""
    loop, sizes = Loop(dut), Sizes.of(dut)
    for bit in range(1, len(dut.s_end)):
        columns = [{0: 1}, {}, {}]
        task = Task([0] * sizes.CHUNK_W, columns, (1 << bit) - 1, cut=True, wrong=-1).build(sizes, 1)
        await check_error(dut, loop, sizes, [task], 1, 0, 0, 2)


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


LONG = os.environ.get("LOAS_LONG") == "1"
SMALL = {
    "T": 4, "CHUNK_W": 32, "WINDOW": 2, "SLICE_W": 8, "WEIGHT_W": 8, "ACC_W": 16, "K_MAX": 128, "LAGGY": 1, "SEQUENTIAL": 0,
    "DEEP": 0, "FIFO_DEPTH": 4, "LINE_W": 128,
}  # fmt: skip
VARIANTS: dict[str, dict[str, int]] = {
    "laggy": {},
    "fast": {"LAGGY": 0},
    "chunk": {"WINDOW": 1, "K_MAX": 96},
    "wide": {"WINDOW": 4, "DEEP": 1},
    "sparten": {"LAGGY": 0, "SEQUENTIAL": 1, "T": 3, "WINDOW": 1, "K_MAX": 64},
    "sparten wide": {"LAGGY": 0, "SEQUENTIAL": 1},
    "sparten narrow": {"T": 3, "LAGGY": 0, "SEQUENTIAL": 1, "WINDOW": 1, "SLICE_W": 32, "WEIGHT_W": 4, "ACC_W": 12, "K_MAX": 96},
    "narrow": {"T": 2, "WINDOW": 1, "SLICE_W": 32, "WEIGHT_W": 4, "ACC_W": 12, "K_MAX": 32, "FIFO_DEPTH": 2, "DEEP": 1},
}


# the rival runs on Verilator in the whole machine
RUNS = [(sim, v) for sim in ("icarus", "verilator") for v in VARIANTS
        if LONG or not v.startswith("sparten") or (sim, v) == ("icarus", "sparten")]


@pytest.mark.parametrize("sim, variant", RUNS)
def test_join(sim: str, variant: str) -> None:
    from verif.lib.sim import ROOT, run

    run("tb_join", "test_join", sim, {**SMALL, **VARIANTS[variant]}, sources=[ROOT / "verif" / "rtl" / "tb_join.v"])
