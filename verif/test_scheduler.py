"""loas_scheduler against a walk in Python: every task, field and order, pooled rows, branches, membranes, slots, fetches, and
broken block tables."""
from __future__ import annotations

import random
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

WALK = {name: f["word"] for name, f in tomllib.loads((Path(__file__).parents[1] / "spec" / "image.toml").read_text())["walk"].items()}


@dataclass
class Conv:
    """Where the windows of the rows are; a fully connected layer has maps of one pixel."""

    out_h: int
    out_w: int
    stride_y: int
    stride_x: int
    pad_top: int
    pad_left: int
    start: int
    step_x: int
    step_y: int
    image_bytes: int
    pool_h: int = 1
    pool_w: int = 1
    state_step: int = 0

    @classmethod
    def make(cls, line: int) -> Conv:
        if random.getrandbits(1):
            return cls(1, 1, 1, 1, 0, 0, line * random.randrange(100), 0, 0, line * random.randrange(100),
                       state_step=random.choice([0, line * random.randrange(100)]))
        values = [*(random.randint(1, 4) for _ in range(4)), random.choice([0, 3, 255]), random.choice([0, 2, 255])]
        values += [line * random.randrange(1 << 20) for _ in range(4)]
        conv = cls(*values)
        conv.state_step = random.choice([0, line * random.randrange(1 << 20)])
        if random.getrandbits(1):
            conv.pool_h, conv.pool_w = random.choice([(2, 2), (random.randint(1, 3), random.randint(1, 3))])
            conv.out_h, conv.out_w = conv.out_h * conv.pool_h, conv.out_w * conv.pool_w
        return conv

    def branch(self, line: int) -> Conv:
        """Windows of another map that has as many output pixels."""
        other = Conv.make(line)
        return replace(other, out_h=self.out_h, out_w=self.out_w, pool_h=1, pool_w=1, state_step=0)

    def window(self, row: int) -> tuple[int, int, int]:
        """Address modulo 2^32, y and x modulo 2^18 of the first pixel of a row's (first) window."""
        across = self.out_w // self.pool_w
        image, pixel = divmod(row, self.out_h // self.pool_h * across)
        y, x = pixel // across * self.pool_h, pixel % across * self.pool_w
        address = self.start + image * self.image_bytes + y * self.step_y + x * self.step_x
        return address % (1 << 32), (y * self.stride_y - self.pad_top) % (1 << 18), (x * self.stride_x - self.pad_left) % (1 << 18)

    def record(self) -> int:
        """The words of the walk record; those that the scheduler does not need are anything."""
        words = [random.getrandbits(32) for _ in range(16)]
        for name, value in {
            "kernel": random.getrandbits(16) | self.stride_y << 16 | self.stride_x << 24, "out_size": self.out_h | self.out_w << 16,
            "pad": self.pad_top | self.pad_left << 8 | random.getrandbits(16) << 16, "start": self.start, "step_x": self.step_x,
            "step_y": self.step_y, "image_bytes": self.image_bytes, "pool": self.pool_h | self.pool_w << 8,
            "state_step": self.state_step,
        }.items():  # fmt: skip
            words[WALK[name]] = value
        return sum(word << 32 * i for i, word in enumerate(words))


TASK = ("a_addr", "y", "x", "a_addr2", "y2", "x2", "state", "params", "masks", "weights", "nnz", "cols", "slot", "out_addr")
PARAMS, SLOT = TASK.index("params"), TASK.index("slot")


@dataclass
class Layer:
    """A random layer and what the scheduler has to make of it."""

    m: int
    n: int
    cols: int
    tile: int
    readout: int
    conv: Conv
    second: Conv | None
    state: int
    table: int
    b_base: int
    b_end: int = 0
    entries: int = 0
    blocks: list[tuple[int, int, int, int]] = field(default_factory=list)

    def tasks(self, slice_w: int) -> list[tuple[int, ...]]:
        """The tasks in order, with the fields of TASK."""
        found: list[tuple[int, ...]] = []
        for first in range(0, self.m, self.tile):
            for b, block in enumerate(self.blocks):
                for row in range(first, min(first + self.tile, self.m)):
                    slot = row % (2 * self.tile)
                    out = slot * self.entries + b * (self.cols if self.readout else self.cols // slice_w)
                    cols = min(self.cols, self.n - b * self.cols)
                    second = self.second.window(row) if self.second else (0, 0, 0)
                    state = (self.state + row * self.conv.state_step + 4 * b * self.cols) % (1 << 32)
                    found.append((*self.conv.window(row), *second, state, *block, cols, slot, out))
        return found


def random_layer(dut, small: bool = False) -> Layer:  # type: ignore[no-untyped-def]
    chunk, slice_w, line = (int(getattr(dut, p).value) // d for p, d in (("CHUNK_W", 8), ("SLICE_W", 1), ("LINE_W", 8)))
    entries_max, slots = int(dut.OUT_ENTRIES.value), int(dut.NUM_SLOTS.value)
    readout = random.getrandbits(1)
    tile = random.randint(1, slots // 2)
    limit = entries_max // (2 * tile)
    n = random.choice([1, random.randint(1, limit if readout else limit * slice_w)])
    cols = random.choice([slice_w, slice_w * random.randint(1, 6), slice_w * 8])
    conv = Conv.make(line)
    layer = Layer(
        m=random.choice([1, 2, random.randint(1, 30)]),
        n=n,
        cols=cols,
        tile=tile,
        readout=readout,
        conv=conv,
        second=conv.branch(line) if conv.pool_h == conv.pool_w == 1 and random.getrandbits(1) else None,
        state=random.choice([0, line * random.randrange(1 << 20)]),
        table=(1 << 20) + 16 * random.randrange(64),
        b_base=(1 << 22) + line * random.randrange(64),
        entries=n if readout else -(-n // slice_w),
    )
    here, align = layer.b_base, max(8, chunk)
    for first in range(0, n, cols):
        width = min(cols, n - first)
        params = here
        masks = params + -(-8 * width // chunk) * chunk
        weights = masks + width * chunk * random.randint(1, 3)
        nnz = random.choice([0, random.randrange(200)])
        layer.blocks.append((params, masks, weights, nnz))
        here = -(-(weights + nnz) // align) * align
    layer.b_end = -(-here // line) * line
    return layer


class TB:
    """Clock, reset, the cache port, the TPPEs and the compressor around the scheduler."""

    def __init__(self, dut) -> None:  # type: ignore[no-untyped-def]
        self.dut = dut
        self.memory: dict[int, int] = {}
        self.tasks: list[tuple[int, ...]] = []
        self.allocs: list[int] = []
        self.fetches: list[int] = []
        self.fetched: list[int] = []   # fetches before each task was taken
        self.given: list[int] = []
        self.busy_slots: set[int] = set()
        self.pending: dict[int, int] = {}
        self.entries_per_slot = 0
        self.ready_rate = self.port_rate = self.free_rate = 1.0
        self.calm = 0   # TPPEs get ready only when the port has been silent for so many cycles
        self.latency = 5
        Clock(dut.clk, 10, unit="ns").start()

    async def reset(self) -> None:
        dut = self.dut
        self.busy_slots.clear()
        for name in ("layer_start", "rd_ready", "rsp_valid", "rsp_data", "slot_free_valid", "slot_free", "task_ready"):
            getattr(dut, name).value = 0
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        await FallingEdge(dut.clk)
        dut.rst.value = 0

    def load(self, layer: Layer) -> None:
        dut = self.dut
        for name, value in (
            ("m", layer.m), ("n", layer.n), ("walk", layer.conv.record()), ("branch", layer.second.record() if layer.second else 0),
            ("state", layer.state),
            ("block_table", layer.table), ("b_base", layer.b_base), ("b_end", layer.b_end), ("block_cols", layer.cols),
            ("tile_rows", layer.tile), ("entries", layer.entries), ("readout", layer.readout),
        ):  # fmt: skip
            getattr(dut, f"cfg_{name}").value = value
        self.memory.clear()
        for i, block in enumerate(layer.blocks):
            for w, word in enumerate(block):
                self.memory[layer.table + 16 * i + 4 * w] = word

    async def run(self, layer: Layer, limit: int = 20000) -> bool:
        """Runs one layer; False when the scheduler raised its error."""
        dut = self.dut
        line = int(dut.LINE_W.value) // 8
        blocks, tppes = len(layer.blocks), int(dut.NUM_TPPES.value)
        self.load(layer)
        self.tasks, self.allocs, self.fetches, self.given, self.fetched = [], [], [], [], []
        silent = 0
        work: dict[int, int] = {}  # tasks of the row in a slot
        finished: list[int] = []   # slots whose rows are complete, in order
        answer: list[tuple[int, int]] = []
        ready = 0
        request: tuple[int, int] | None = None
        offered: tuple[int, tuple[int, ...]] | None = None
        order: list[int] = []
        dut.layer_start.value = 1
        await FallingEdge(dut.clk)
        dut.layer_start.value = 0
        for cycle in range(limit):
            # what the design shows in this cycle; inputs of the cycle were set at the falling edge before
            for i in range(tppes):  # a TPPE that is ready stays so until it gets a task
                if not ready >> i & 1 and silent >= self.calm and random.random() < self.ready_rate / tppes:
                    ready |= 1 << i
                    silent = 0 if self.calm else silent
            take = random.random() < self.port_rate
            free = finished[0] if finished and order and order[0] == finished[0] and random.random() < self.free_rate else None
            dut.task_ready.value = ready
            dut.rd_ready.value = 0
            dut.slot_free_valid.value, dut.slot_free.value = free is not None, free or 0
            due = answer and answer[0][0] <= cycle
            dut.rsp_valid.value = int(bool(due))
            if due:
                address = answer.pop(0)[1]
                data = b"".join(self.memory.get(address + o, 0xDEADBEEF).to_bytes(4, "little") for o in range(0, line, 4))
                dut.rsp_data.value = int.from_bytes(data, "little")
            await cocotb.triggers.Timer(1, unit="ns")
            if int(dut.err.value):
                return False
            silent = 0 if int(dut.rd_valid.value) or answer else silent + 1
            if int(dut.rd_valid.value):
                now = (int(dut.rd_fetch.value), int(dut.rd_addr.value))
                assert request is None or request == now, "a request changed before it was taken"
                request = now
                if take:
                    dut.rd_ready.value = 1
                    request = None
                    if now[0]:
                        assert layer.b_base <= now[1] < layer.b_end and now[1] % line == 0
                        here = self.tasks[-1][PARAMS] if self.tasks else layer.b_base
                        self.fetches.append(now[1])
                        last = max(layer.b_base, *(b[0] for b in layer.blocks))   # a broken entry may lie in front of all
                        assert now[1] <= last + int(dut.CACHE_LINES.value) * line // 2, hex(here)
                    else:
                        answer.append((cycle + random.randint(1, self.latency), now[1] // line * line))
            else:
                assert request is None, "a request was withdrawn"
            if int(dut.alloc_valid.value):
                slot = int(dut.alloc_slot.value)
                assert slot not in self.busy_slots, f"slot {slot} taken twice"
                self.busy_slots.add(slot)
                self.allocs.append(slot)
                order.append(slot)
                work[slot] = blocks
            valid = int(dut.task_valid.value)
            assert valid & (valid - 1) == 0
            fields = tuple(
                0 if n[-1] == "2" and layer.second is None else int(getattr(dut, f"task_{n}").value) for n in TASK
            ) if valid else ()
            if offered is not None:
                assert offered == (valid, fields), "a task changed before it was taken"
            offered = (valid, fields) if valid and not valid & ready else None
            if valid & ready:
                self.tasks.append(fields)
                self.fetched.append(len(self.fetches))
                self.given.append(valid.bit_length() - 1)
                ready &= ~valid
                work[fields[SLOT]] -= 1
                if not work[fields[SLOT]]:
                    finished.append(fields[SLOT])
            if free is not None:
                finished.remove(free)
                order.pop(0)
                self.busy_slots.discard(free)
                finished.sort(key=order.index)
            else:
                finished.sort(key=order.index)
            finish = int(dut.done.value) and not valid
            await FallingEdge(dut.clk)
            if finish:
                break
        else:
            raise AssertionError(f"hung: {len(self.tasks)} tasks of {len(layer.tasks(1))}, {layer}")
        dut.slot_free_valid.value = 0
        dut.task_ready.value = 0
        self.busy_slots.clear()
        assert not answer, "done while a read is under way"
        return True


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(speed=["fast", "slow_tppes", "slow_port", "slow_rows", "random"])
async def random_layers(dut, speed: str) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    for index in range(16):
        rates = [1.0, 0.5, 0.1]
        tb.ready_rate = {"slow_tppes": 0.2, "random": random.choice(rates)}.get(speed, 9.0)
        tb.port_rate = {"slow_port": 0.1, "random": random.choice(rates)}.get(speed, 1.0)
        tb.free_rate = {"slow_rows": 0.03, "random": random.choice(rates)}.get(speed, 1.0)
        layer = random_layer(dut)
        assert await tb.run(layer), f"layer {index}: error at {int(dut.err_addr.value):#x}, {layer}"
        expected = layer.tasks(int(dut.SLICE_W.value))
        for i, (got, want) in enumerate(zip(tb.tasks, expected, strict=False)):
            assert got == want, f"layer {index}, task {i}: expected {want}, got {got}, {layer}"
        assert len(tb.tasks) == len(expected)
        assert tb.allocs == [row % (2 * layer.tile) for row in range(layer.m)]
        if speed == "fast" and len(expected) > 3 * int(dut.NUM_TPPES.value):
            assert set(tb.given) == set(range(int(dut.NUM_TPPES.value))), "round robin left a TPPE out"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def broken_entries(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    for kind in range(11):
        for _ in range(2):
            await tb.reset()
            layer = random_layer(dut)
            which = random.randrange(len(layer.blocks))
            params, masks, weights, nnz = layer.blocks[which]
            cols = min(layer.cols, layer.n - which * layer.cols)
            bad = [
                (params | 1 << 31, masks, weights, nnz),
                (params, masks | 1 << 31, weights, nnz),
                (params, masks, weights | 1 << 31, nnz),
                (params | 1 << random.randrange(2), masks, weights, nnz),
                (params, masks | 1 << random.randrange(2), weights, nnz),
                (params, masks, weights | 1 << random.randrange(2), nnz),
                (params, masks, weights, (1 << 27) + 1),
                (params, masks, weights, layer.b_end - weights + 2),
                (params, params + (8 * cols - 1) // 64 * 64, weights, nnz),
                (params, weights + 64, weights, nnz),
                (layer.b_base - 64, masks, weights, nnz),
            ][kind]
            layer.blocks[which] = bad
            assert not await tb.run(layer), f"kind {kind}: no error for {bad}, {layer}"
            assert int(dut.err_addr.value) == bad[0]
            assert all(t[PARAMS : PARAMS + 4] != bad for t in tb.tasks), "a task of a broken block left"


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def blocks_are_fetched_ahead(dut) -> None:  # type: ignore[no-untyped-def]
    """With a port that is free and TPPEs that are slow, half a cache from the beginning of every block is fetched before the block's
    first task leaves: in order, each line once a tile. Where the walk leaves lines behind, at most one of them is fetched."""
    tb = TB(dut)
    await tb.reset()
    tb.calm = 16
    line, far = int(dut.LINE_W.value) // 8, int(dut.CACHE_LINES.value) // 2
    longest, layers = 0, 0
    while layers < 8 or longest <= far:   # one at least is longer than what is fetched ahead
        layer, layers = random_layer(dut), layers + 1
        assert layers < 100
        assert await tb.run(layer)
        wanted = [set(range(params // line * line, min(params // line * line + far * line, layer.b_end), line))
                  for params, *_ in layer.blocks]
        lines = set().union(*wanted)
        seen, task = 0, 0
        for first in range(0, layer.m, layer.tile):
            begin = seen
            while seen < len(tb.fetches) and (seen == begin or tb.fetches[seen] > tb.fetches[seen - 1]):
                seen += 1
            tile = tb.fetches[begin:seen]
            assert lines <= set(tile) and len(tile) < len(lines) + len(wanted), f"tile of row {first} fetched {tile}: {layer}"
            for block in wanted:
                assert block <= set(tb.fetches[begin : tb.fetched[task]]), f"task {task} left before its block was fetched: {layer}"
                task += min(layer.tile, layer.m - first)
        assert seen == len(tb.fetches), f"fetched once more: {layer}"
        longest = max(longest, (layer.b_end - layer.b_base) // line)


@pytest.mark.parametrize("shape", [
    {"NUM_TPPES": 1, "CHUNK_W": 32, "LINE_W": 128, "CACHE_LINES": 16},
    {"NUM_TPPES": 5, "CHUNK_W": 64, "LINE_W": 512, "CACHE_LINES": 64},
    {"NUM_TPPES": 4, "CHUNK_W": 32, "LINE_W": 128, "CACHE_LINES": 32, "DEEP": 1},
])  # fmt: skip
def test_scheduler(sim: str, shape: dict[str, int]) -> None:
    from verif.lib.sim import run

    run("loas_scheduler", "test_scheduler", sim, {"SLICE_W": 8, "OUT_ENTRIES": 256, "NUM_SLOTS": 8, **shape})
