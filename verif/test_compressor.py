"""loas_out_buffer with loas_compressor: rows whose entries arrive in any order, against fibers made bit by bit."""
from __future__ import annotations

import os
import random
from collections import deque
from pathlib import Path
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ClockCycles, FallingEdge

from verif.lib.lockstep import STALLS, Loop, Pause, Sink, needs, param
from verif.lib.out_ref import fiber_chunks, integer_chunks, random_row

KINDS = ("empty", "full", "one", "last", "dense", "sparse", "mixed")


class Rows:
    """Scheduler and TPPEs in one: allocates slots, and sends the entries of the allocated rows in random order."""

    def __init__(self, dut: Any, rows: list[list[int]], read: bool, slots: int, idle: float, order: str) -> None:
        self.dut, self.slots, self.order = dut, slots, order
        t, slice_w = param(dut, "T"), param(dut, "SLICE_W")
        self.ports = param(dut, "NUM_TPPES")
        self.widths = {f: len(getattr(dut, f"ent_{f}")) // self.ports for f in ("slot", "addr", "data", "count")}
        if read:
            self.entries = [[(v, 0) for v in row] for row in rows]
        else:
            self.entries = [[(sum(w << (j * t) for j, w in enumerate(row[i : i + slice_w])), sum(map(bool, row[i : i + slice_w])))
                             for i in range(0, len(row), slice_w)] for row in rows]
        self.pauses = [Pause(idle) for _ in range(self.ports)]
        self.alloc_pause = Pause(idle)
        self.turn: int | None = None   # port served last, when known
        self.next_row = 0
        self.free = [True] * slots
        self.freed = 0
        self.sent = [0] * len(rows)
        self.pool: list[tuple[int, dict[str, int]]] = []
        self.fresh: list[tuple[int, dict[str, int]]] = []
        self.now: list[tuple[int, dict[str, int]] | None] = [None] * self.ports
        dut.alloc_valid.value = 0
        dut.ent_valid.value = 0

    def drive(self) -> None:
        dut = self.dut
        # entries may be sent from the cycle after the alloc on
        self.pool += self.fresh
        self.fresh = []
        slot = self.next_row % self.slots
        alloc = self.next_row < len(self.entries) and self.free[slot] and not self.alloc_pause.now()
        dut.alloc_valid.value = int(alloc)
        dut.alloc_slot.value = slot if alloc else random.getrandbits(len(dut.alloc_slot))
        if alloc:
            row = self.entries[self.next_row]
            self.free[slot] = False
            self.fresh = [(self.next_row, {"slot": slot, "addr": slot * len(row) + i, "data": d, "count": c})
                          for i, (d, c) in enumerate(row)]
            self.next_row += 1
        for p in range(self.ports):
            if self.now[p] is None and self.pool and not self.pauses[p].now():
                index = {"random": random.randrange(len(self.pool)), "reverse": len(self.pool) - 1, "in order": 0}[self.order]
                self.now[p] = self.pool.pop(index)
        self.valid = sum(1 << p for p in range(self.ports) if self.now[p])
        dut.ent_valid.value = self.valid
        for f, width in self.widths.items():
            getattr(dut, f"ent_{f}").value = sum(
                (now[1][f] if now else random.getrandbits(width)) << (p * width) for p, now in enumerate(self.now))

    def sample(self, cycle: int) -> None:
        ready = int(self.dut.ent_ready.value)
        assert (ready & self.valid).bit_count() == (1 if self.valid else 0), "the buffer takes exactly one entry a cycle"
        if self.valid:
            served = (ready & self.valid).bit_length() - 1
            if self.turn is not None:
                turn = next(p for p in [*range(self.turn + 1, self.ports), *range(self.ports)] if self.valid >> p & 1)
                assert served == turn, f"port {served} is served out of turn, {turn} is next"
            self.turn = served
        for p in range(self.ports):
            now = self.now[p]
            if now and ready >> p & 1:
                self.sent[now[0]] += 1
                self.now[p] = None
        if self.dut.slot_free_valid.value == 1:
            slot, row = int(self.dut.slot_free.value), self.freed
            assert slot == row % self.slots, f"slot {slot} freed, expected {row % self.slots} (row {row})"
            assert self.sent[row] == len(self.entries[row]), f"row {row} freed with {self.sent[row]} entries"
            self.free[slot] = True
            self.freed += 1


class Writer:
    """The write master's side. polite: chunks only of commands it has taken; serial: next command after the last chunk;
    eager: both as they come; late: commands only when no chunk is to be had; shy: ready only when it sees valid; blocked: no
    chunks until `released` is set."""

    def __init__(self, dut: Any, stall: float, mode: str) -> None:
        self.dut, self.mode = dut, mode
        self.cmds = Sink(dut, "cmd", ["addr", "chunks"], stall, lambda: self.may_command())
        self.chunks = Sink(dut, "wr", ["data"], stall, lambda: self.may_take())
        self.released = mode != "blocked"
        self.rows = 0
        self.quiet = 0
        self.row_ends: list[int] = []

    def may_command(self) -> bool:
        if self.mode == "late":
            self.quiet = 0 if self.dut.wr_valid.value == 1 else self.quiet + 1
            return self.quiet > 40
        if self.mode == "shy":
            return bool(self.dut.cmd_valid.value == 1)
        return self.mode != "serial" or self.owed() == 0

    def may_take(self) -> bool:
        if self.mode == "shy":
            return bool(self.dut.wr_valid.value == 1)
        return self.released and (self.mode in ("eager", "late", "blocked") or self.owed() > 0)

    def owed(self) -> int:
        return sum(c["chunks"] for c in self.cmds.items) - len(self.chunks.items)

    def drive(self) -> None:
        self.cmds.drive()
        self.chunks.drive()

    def sample(self, cycle: int) -> None:
        offered = self.owed() + (int(self.dut.cmd_chunks.value) if self.dut.cmd_valid.value == 1 else 0)
        self.cmds.sample(cycle)
        self.chunks.sample(cycle)
        assert self.dut.wr_valid.value == 0 or offered > 0, f"chunk before its command in cycle {cycle}"
        if self.dut.ev_row.value == 1:
            self.rows += 1
            self.row_ends.append(cycle)


async def check_layer(dut: Any, loop: Loop, rows: list[list[int]], read: bool, slots: int, *, idle: float = 0.0,
                      stall: float = 0.0, order: str = "random", mode: str = "polite", cfg_m: int | None = None) -> Writer:
    """Runs one layer of rows (words, or integers) through buffer and compressor and checks everything that leaves.

    cfg_m below the number of rows: the others may not leave. cfg_m above: the layer may not end (reset it afterwards).
    """
    cfg_m = len(rows) if cfg_m is None else cfg_m
    t, chunk_w = param(dut, "T"), param(dut, "CHUNK_W")
    feed, writer = Rows(dut, rows, read, slots, idle, order), Writer(dut, stall, mode)
    chunks = [integer_chunks(r, chunk_w) if read else fiber_chunks(r, t, chunk_w) for r in rows[:cfg_m]]
    base, stride = random.getrandbits(32), random.getrandbits(random.choice([16, 32]))
    dut.cfg_m.value, dut.cfg_entries.value, dut.cfg_slots.value = cfg_m, len(feed.entries[0]), slots
    dut.cfg_readout.value, dut.cfg_out_base.value, dut.cfg_out_stride.value = int(read), base, stride
    assert dut.done.value == 1
    dut.layer_start.value = 1
    loop.agents = [writer]
    await loop.step()
    dut.layer_start.value = 0
    loop.agents = [feed, writer]
    total = sum(map(len, chunks))
    limit = 2000 + 60 * (total + sum(map(len, feed.entries)) + len(rows))
    assert dut.done.value == 0, "done after layer_start"
    start = loop.cycle
    while dut.done.value == 0:
        assert loop.cycle - start < limit, f"no end after {limit} cycles"
        if len(writer.chunks.items) >= total and len(writer.cmds.items) >= len(chunks):
            assert cfg_m > len(rows), "all is sent, but not done"
            break
        await loop.step()
    for _ in range(6 if cfg_m == len(rows) else 100):
        await loop.step()
    assert dut.done.value == (cfg_m <= len(rows)), "done"
    where = f"readout {read}, {slots} slots, {len(rows)} rows of {len(rows[0])}"
    want_cmds = [{"addr": (base + i * stride) % (1 << 32), "chunks": len(c)} for i, c in enumerate(chunks)]
    assert writer.cmds.items == want_cmds, f"{where}: commands {writer.cmds.items}, expected {want_cmds}"
    got = deque(c["data"] for c in writer.chunks.items)
    for m, row in enumerate(chunks):
        for i, want in enumerate(row):
            assert got, f"{where}: row {m} chunk {i} is missing"
            assert (have := got.popleft()) == want, f"{where}: row {m} chunk {i} of {len(row)}: {have:#x}, expected {want:#x}"
    assert not got, f"{where}: {len(got)} chunks too many"
    assert writer.rows == feed.freed == len(chunks)
    return writer


def layer(dut: Any, rng: random.Random, read: bool, n: int, m: int) -> tuple[list[list[int]], bool, int]:
    """Rows, readout, and a legal number of slots for them."""
    t, slice_w = param(dut, "T"), param(dut, "SLICE_W")
    n = min(n, param(dut, "OUT_ENTRIES") // 2) if read else min(n, param(dut, "K_MAX"))
    entries = n if read else -(-n // slice_w)
    most = min(param(dut, "NUM_SLOTS"), param(dut, "OUT_ENTRIES") // entries)
    rows = [[rng.getrandbits(32) for _ in range(n)] if read else random_row(rng, n, t, rng.choice(KINDS)) for _ in range(m)]
    return rows, read, rng.choice([1, min(2, most), most, rng.randint(1, most)])


def shapes(dut: Any, rng: random.Random, count: int) -> list[tuple[bool, int, int]]:
    """(readout, N, M): edges of slice and chunk, single neurons, the longest row, then anything."""
    slice_w, chunk_w, k_max = param(dut, "SLICE_W"), param(dut, "CHUNK_W"), param(dut, "K_MAX")
    ints = chunk_w // 32
    edges = [(False, n, 4) for n in (1, slice_w - 1, slice_w, slice_w + 1, chunk_w - 1, chunk_w, chunk_w + 1)]
    edges += [(False, k_max, 2), (True, 1, 5), (True, ints, 3), (True, ints + 1, 3), (True, 3 * ints - 1, 3),
              (True, param(dut, "OUT_ENTRIES") // 2, 2)]
    rest = [(rng.random() < 0.25, rng.randint(1, min(k_max, 5 * chunk_w)), rng.randint(1, 12)) for _ in range(count)]
    rest = [(read, min(n, 40) if read else n, m) for read, n, m in rest]
    result = edges + rest
    rng.shuffle(result)
    return result


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize((("idle", "stall", "mode"), [("none", "none", "eager"), ("half", "none", "polite"), ("none", "half", "polite"),
                                                 ("half", "half", "eager"), ("none", "most", "serial"), ("some", "some", "serial")]))
async def random_layers(dut: Any, idle: str, stall: str, mode: str) -> None:
    """Layers back to back, without reset, in all stall patterns."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    rows = 0
    for read, n, m in shapes(dut, rng, int(os.environ["LOAS_LAYERS"])):
        await check_layer(dut, loop, *layer(dut, rng, read, n, m), idle=STALLS[idle], stall=STALLS[stall], mode=mode,
                          order=rng.choice(["random", "reverse", "in order"]))
        rows += m
    dut._log.info("%d rows checked", rows)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def full_and_empty_rows(dut: Any) -> None:
    """Every pair of extreme rows after one another, longest rows: FIFOs full, flushes of nothing."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    n = min(param(dut, "K_MAX"), 6 * param(dut, "CHUNK_W")) - 1
    kinds = [k for a in ("empty", "full", "one") for b in ("empty", "full", "last") for k in (a, b)]
    rows = [random_row(rng, n, param(dut, "T"), kind) for kind in kinds]
    for stall in (0.0, 0.5):
        await check_layer(dut, loop, rows, False, 2, stall=stall)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def more_or_fewer_rows(dut: Any) -> None:
    """Rows beyond cfg_m stay in the buffer; a layer of 2^i + 2^j rows begins, and goes on after a row."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    rows = [random_row(rng, 7, param(dut, "T"), "mixed") for _ in range(6)]
    for cfg_m in range(1, 6):
        await loop.reset()
        await check_layer(dut, loop, rows, False, 2, cfg_m=cfg_m)
    for cfg_m in (1 << i | 1 << j for i in range(1, 24) for j in range(i + 1)):
        await loop.reset()
        feed, writer = Rows(dut, [[0]], False, 2, 0.0, "in order"), Writer(dut, 0.0, "eager")
        dut.cfg_m.value, dut.cfg_entries.value, dut.cfg_slots.value, dut.cfg_readout.value = cfg_m, 1, 2, 0
        loop.cycle = 0
        dut.layer_start.value = 1
        await loop.step()
        dut.layer_start.value = 0
        loop.agents = [feed, writer]
        while writer.rows == 0:
            assert loop.cycle < 30, "no end after 30 cycles"
            await loop.step()
        assert dut.done.value == 0, f"done after the first of {cfg_m} rows"
    await loop.reset()


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def long_layer(dut: Any) -> None:
    """Many rows of one integer: slot 0 is filled again in every cycle, so there is always a row; exactly cfg_m are begun."""
    loop = Loop(dut)
    dut.layer_start.value = 0
    await loop.reset()
    rows = int(os.environ.get("LOAS_ROWS", "300"))
    dut.cfg_m.value, dut.cfg_entries.value, dut.cfg_slots.value, dut.cfg_readout.value = rows, 1, 1, 1
    dut.alloc_valid.value, dut.alloc_slot.value = 1, 0
    dut.ent_valid.value, dut.ent_slot.value, dut.ent_addr.value, dut.ent_data.value, dut.ent_count.value = 1, 0, 0, 7, 0
    dut.cmd_ready.value = dut.wr_ready.value = 1
    dut.layer_start.value = 1
    await FallingEdge(dut.clk)
    dut.layer_start.value = 0
    await ClockCycles(dut.clk, rows, rising=False)
    assert dut.done.value == 0, f"{rows} rows in {rows} cycles"
    for _ in range(100):
        await ClockCycles(dut.clk, 1 + rows // 20, rising=False)
        if dut.done.value == 1:
            break
    assert dut.done.value == 1, "no end"
    for _ in range(100):
        await FallingEdge(dut.clk)
        assert dut.done.value == 1 and dut.cmd_valid.value == 0, "more rows than cfg_m"
    dut.alloc_valid.value = dut.ent_valid.value = 0
    await loop.reset()


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def ready_after_valid(dut: Any) -> None:
    """Neither command nor chunk may wait for ready."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    for read in (False, True):
        await check_layer(dut, loop, *layer(dut, rng, read, 30, 6), mode="shy")


class Counter:
    """Rows read from the buffer, with the cycle of each."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.freed: list[int] = []

    def drive(self) -> None:
        pass

    def sample(self, cycle: int) -> None:
        if self.dut.slot_free_valid.value == 1:
            self.freed.append(cycle)


async def block(dut: Any, loop: Loop, rows: list[list[int]], read: bool, take: int) -> tuple[Writer, Counter]:
    """Begins a layer of which only `take` chunks are taken, and waits until nothing moves."""
    dut.layer_start.value = 0
    await loop.reset()
    per_entry = 1 if read else param(dut, "SLICE_W")
    entries = -(-len(rows[0]) // per_entry)
    slots = min(param(dut, "NUM_SLOTS"), param(dut, "OUT_ENTRIES") // entries)
    feed, writer, counter = Rows(dut, rows, read, slots, 0.0, "in order"), Writer(dut, 0.0, "blocked"), Counter(dut)
    dut.cfg_m.value, dut.cfg_entries.value, dut.cfg_slots.value = len(rows), entries, slots
    dut.cfg_readout.value, dut.cfg_out_base.value, dut.cfg_out_stride.value = int(read), 0, 128
    dut.layer_start.value = 1
    await loop.step()
    dut.layer_start.value = 0
    loop.agents = [feed, writer, counter]
    for _ in range(60 + 2 * sum(map(len, feed.entries))):
        writer.released = len(writer.chunks.items) < take
        await loop.step()
    assert len(writer.chunks.items) == take
    return writer, counter


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reads_on_while_blocked(dut: Any) -> None:
    """The writer takes one header: row 0 and four records are inside, and all five rows are read, head FIFO full or not."""
    loop = Loop(dut)
    n = param(dut, "CHUNK_W")
    writer, counter = await block(dut, loop, [[0] * n for _ in range(8)], False, 1)
    assert len(counter.freed) == 5, f"{len(counter.freed)} rows read"
    assert len(writer.cmds.items) == 5, f"{len(writer.cmds.items)} rows begun"
    await loop.reset()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@needs(lambda dut: param(dut, "CHUNK_W") == 32, "the row is made for the head FIFO of 32-bit chunks")
async def reads_ahead_of_blocked_row(dut: Any) -> None:
    """The last integer of row 0 waits for the full head FIFO, the first of row 1 behind it: so row 1 is read by a cycle earlier."""
    loop = Loop(dut)
    chunks = param(dut, "K_MAX") // 32
    depth = max(4, 1 << (chunks - 1).bit_length())
    writer, counter = await block(dut, loop, [list(range(depth + 1))] * 4, True, 0)
    assert len(counter.freed) == 1
    start = loop.cycle
    writer.released = True
    while len(counter.freed) < 2:
        assert loop.cycle - start < 100
        await loop.step()
    assert counter.freed[1] - start == depth - param(dut, "DEEP")      # DEEP reads one more
    await loop.reset()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def late_command(dut: Any) -> None:
    """done waits for the last command, even if all chunks have been taken long ago."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    for kind in ("full", "empty"):
        await check_layer(dut, loop, [random_row(rng, 20, param(dut, "T"), kind)], False, 1, mode="late")


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def longest_rows(dut: Any) -> None:
    """Rows that fill the word FIFO, and a writer so slow that the next row's words always wait behind them."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    k_max, t = param(dut, "K_MAX"), param(dut, "T")
    for missing in (0, 1, 3):
        rows = [random_row(rng, k_max - missing, t, kind) for kind in ("full", "full", "full", "sparse", "full")]
        await check_layer(dut, loop, rows, False, 2, stall=STALLS["most"], mode="eager")


@cocotb.test(timeout_time=5, timeout_unit="ms")
@needs(lambda dut: param(dut, "NUM_SLOTS") >= 4, "fewer rows have no steady state")
async def row_rate(dut: Any) -> None:
    """A row in the steady state: max(entries + 1, chunks, words at SLICE_W a cycle) cycles, and little more."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    t, chunk_w, slice_w = param(dut, "T"), param(dut, "CHUNK_W"), param(dut, "SLICE_W")
    dut.layer_start.value = 0
    await loop.reset()
    slots = param(dut, "NUM_SLOTS")
    n = min(param(dut, "K_MAX"), param(dut, "OUT_ENTRIES") * slice_w // slots)
    for kind in ("empty", "sparse", "dense", "full"):
        rows = [random_row(rng, n, t, kind) for _ in range(slots)]
        writer = await check_layer(dut, loop, rows, False, slots, order="in order")
        ends = writer.row_ends
        chunks = [len(fiber_chunks(r, t, chunk_w)) for r in rows]
        best = [max(-(-n // slice_w) + 1, c) for c in chunks[2:-1]]
        took = ends[-2] - ends[1]
        dut._log.info("row rate, %s rows of %d: %.1f cycles a row, bound %.1f", kind, n, took / len(best), sum(best) / len(best))
        assert took <= sum(best) + 2 * len(best), f"{kind}: {took} cycles for {len(best)} rows, bound {sum(best)}"


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_in_layer(dut: Any) -> None:
    """rst at any time; the next layer is exact."""
    loop, rng = Loop(dut), random.Random(random.getrandbits(32))
    dut.layer_start.value = 0
    await loop.reset()
    for _ in range(int(os.environ["LOAS_LAYERS"])):
        rows, read, slots = layer(dut, rng, rng.random() < 0.3, rng.randint(1, 40), 6)
        feed = Rows(dut, rows, read, slots, 0.0, "random")
        dut.cfg_m.value, dut.cfg_entries.value, dut.cfg_slots.value = len(rows), len(feed.entries[0]), slots
        dut.cfg_readout.value = int(read)
        dut.layer_start.value = 1
        loop.agents = [Writer(dut, rng.choice([0.0, 0.5, 1.0]), "eager")]
        await loop.step()
        dut.layer_start.value = 0
        loop.agents += [feed]
        for _ in range(rng.randint(1, 80)):
            await loop.step()
        dut.ent_valid.value = dut.alloc_valid.value = 0
        await loop.reset()
        await check_layer(dut, loop, *layer(dut, rng, rng.random() < 0.3, rng.randint(1, 40), 3))


SHAPES = {
    "tiny": {"T": 4, "CHUNK_W": 32, "SLICE_W": 8, "K_MAX": 512, "OUT_ENTRIES": 256, "NUM_SLOTS": 8},
    "paper": {"T": 4, "CHUNK_W": 128, "SLICE_W": 16, "K_MAX": 1024, "OUT_ENTRIES": 256, "NUM_SLOTS": 16},
    "one_step": {"T": 1, "CHUNK_W": 128, "SLICE_W": 16, "K_MAX": 384, "OUT_ENTRIES": 64, "NUM_SLOTS": 4},
    "16_steps": {"T": 16, "CHUNK_W": 32, "SLICE_W": 8, "K_MAX": 96, "OUT_ENTRIES": 64, "NUM_SLOTS": 8},
    "deep": {"T": 4, "CHUNK_W": 32, "SLICE_W": 8, "K_MAX": 512, "OUT_ENTRIES": 256, "NUM_SLOTS": 8, "DEEP": 1},
    "odd_t": {"T": 5, "CHUNK_W": 64, "SLICE_W": 4, "K_MAX": 192, "OUT_ENTRIES": 128, "NUM_SLOTS": 2},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_compressor(sim: str, shape: str) -> None:
    from verif.lib.sim import run

    layers = os.environ.get("LOAS_LAYERS", "12" if sim == "verilator" else "2")
    run("tb_out_rows", "test_compressor", sim, {**SHAPES[shape], "NUM_TPPES": 3}, env={"LOAS_LAYERS": layers},
        sources=[Path(__file__).parent / "rtl" / "tb_out_rows.v"])
