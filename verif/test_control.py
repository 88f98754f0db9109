"""loas_control with a stub of the datapath: good runs, every bad header, descriptor and walk record field, errors, reset,
watchdog."""
from __future__ import annotations

import random
import tomllib
from pathlib import Path

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge

SPEC = Path(__file__).parents[1] / "spec"
IMAGE = tomllib.loads((SPEC / "image.toml").read_text())
ERRORS = {n: r["code"] for n, r in tomllib.loads((SPEC / "registers.toml").read_text())["errors"].items()}
CONFIG = [0x1001, 0x2002, 0x3003, 0x4004]
DESC = 0x1000
SIZE = 1 << 20
PULSES = (
    "start", "soft_reset", "err_bus_read", "err_bus_write", "err_write_pointer", "err_cache_pointer", "err_sched",
    "err_fiber_a", "err_fiber_b", "rd_progress", "wr_progress", "rd_outstanding", "wr_outstanding",
)  # fmt: skip


CONTROL = {name: 1 << f["lsb"] for name, f in IMAGE["control"].items() if f["width"] == 1}


def control(*flags: str, kind: int = 1) -> int:
    """Descriptor word 0."""
    return 0x10A50000 | kind | sum(CONTROL[name] for name in flags)


def neuron(leak: int = 64, steps: int = 4, cols: int = 32) -> int:
    """Descriptor word 11."""
    return leak | steps << 9 | cols << 16


def rows(m: int = 5, tile: int = 4) -> int:
    """Descriptor word 1."""
    return m | tile << 24


def descriptor(**change: int) -> list[int]:
    """A legal descriptor (K_MAX 512, OUT_ENTRIES 256, NUM_SLOTS 8, SLICE_W 8) with some words changed."""
    word = {
        "control": control(), "rows": rows(), "k": 100, "n": 64, "a_base": 0x2000, "a_stride": 0x80, "block_table": 0x3010,
        "b_base": 0x4000, "b_end": 0x5000, "out_base": 0x6000, "out_stride": 0x80, "neuron": neuron(), "state": 0,
        "perf_ptr": 0x7000, "walk": 0,
    }  # fmt: skip
    word.update({k: v for k, v in change.items() if k != "checksum"})
    words = [word[n] for n in list(IMAGE["descriptor"])[:15]]
    return [*words, (-sum(words) + change.get("checksum", 0)) & 0xFFFFFFFF]


WALK, BRANCH = 0x9000, 0xA040


def walk(**change: int) -> list[int]:
    """A legal walk record of 3 x 2 windows over 9 slices a pixel (K = 432) with some words changed."""
    word = {"kernel": 3 | 2 << 8 | 1 << 16 | 2 << 24, "out_size": 5 | 6 << 16, "in_size": 7 | 8 << 16, "pad": 1 | 2 << 8 | 9 << 16,
            "step_x": 0x100, "step_y": 0x400, "row_bytes": 0x380, "image_bytes": 0x2000, "start": 0xFFFFFF80, "pitch": 0x80,
            "pool": 0x0101, "branch": 0, "state_step": 0}  # fmt: skip
    word.update({k: v for k, v in change.items() if not k.startswith(("checksum", "word"))})
    words = [0] * 16
    for name, value in word.items():
        words[IMAGE["walk"][name]["word"]] = value
    for name, value in change.items():
        if name.startswith("word"):
            words[int(name[4:])] = value
    words[15] = (-sum(words) + change.get("checksum", 0)) & 0xFFFFFFFF
    return words


def number(words: list[int]) -> int:
    """A record as it is on a bus."""
    return sum(word << 32 * i for i, word in enumerate(words))


class TB:
    """Clock, reset, memory behind the cache port, a datapath that is done at once."""

    def __init__(self, dut) -> None:  # type: ignore[no-untyped-def]
        self.dut = dut
        self.words: dict[int, int] = {}
        self.started = 0
        self.record: list[int] = []
        self.commands: list[tuple[int, int]] = []
        Clock(dut.clk, 10, unit="ns").start()

    async def reset(self) -> None:
        dut = self.dut
        for name in (*PULSES, "rd_ready", "rsp_valid", "rsp_data", "rd_oldest_addr", "wr_oldest_addr", "err_fiber_addr",
                     "err_bus_read_addr", "err_bus_write_addr", "err_cache_addr", "err_sched_addr", "image_base_in"):  # fmt: skip
            getattr(dut, name).value = 0
        for name in ("rd_idle", "wr_idle", "sched_done", "comp_done", "state_idle", "rec_cmd_ready", "rec_wr_ready"):
            getattr(dut, name).value = 1
        dut.watchdog.value = 100
        dut.image_size_in.value = SIZE
        dut.counters.value = sum((i << 40 | 7 * i) << 64 * i for i in range(16))
        dut.rst.value = 1
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        cocotb.start_soon(self.memory())
        cocotb.start_soon(self.watch())

    async def memory(self) -> None:
        dut, line = self.dut, int(self.dut.LINE_W.value) // 8
        while True:
            await FallingEdge(dut.clk)
            if int(dut.rd_valid.value):
                address = int(dut.rd_addr.value) // line * line
                dut.rd_ready.value = 1
                await FallingEdge(dut.clk)
                dut.rd_ready.value = 0
                for _ in range(random.randrange(4)):
                    await FallingEdge(dut.clk)
                data = [self.words.get(address + i, 0) << 8 * i for i in range(0, line, 4)]
                dut.rsp_valid.value, dut.rsp_data.value = 1, sum(data)
                await FallingEdge(dut.clk)
                dut.rsp_valid.value = 0

    async def watch(self) -> None:
        dut = self.dut
        chunk = int(dut.CHUNK_W.value)
        while True:
            await FallingEdge(dut.clk)
            self.started += int(dut.layer_start.value)
            if int(dut.rec_cmd_valid.value):
                self.commands.append((int(dut.rec_cmd_addr.value), int(dut.rec_cmd_chunks.value) * chunk))
            if int(dut.rec_wr_valid.value):
                self.record.append(int(dut.rec_wr_data.value))

    def image(self, header: dict[str, int] | None = None, layers: list[list[int]] | None = None) -> None:
        layers = [descriptor()] if layers is None else layers
        word = {"magic": IMAGE["magic"], "version": IMAGE["version"], "size": SIZE, "desc_offset": DESC, "num_layers": len(layers)}
        word |= {f"config{i}": v for i, v in enumerate(CONFIG)} | (header or {})
        self.words = {4 * IMAGE["header"][n]["word"]: v for n, v in word.items()}
        for i, layer in enumerate(layers):
            self.words |= {DESC + 64 * i + 4 * w: v for w, v in enumerate(layer)}

    async def pulse(self, *names: str) -> None:
        for name in names:
            getattr(self.dut, name).value = 1
        await FallingEdge(self.dut.clk)
        for name in names:
            getattr(self.dut, name).value = 0

    async def finish(self, limit: int = 3000) -> tuple[int, int, int] | None:
        """Waits for the end of the run; None when it went well, else code, address, layer."""
        for _ in range(limit):
            await FallingEdge(self.dut.clk)
            if not int(self.dut.busy.value):
                break
        else:
            raise AssertionError("still busy")
        assert int(self.dut.done.value) != int(self.dut.error.value)
        result = tuple(int(getattr(self.dut, n).value) for n in ("err_code", "err_addr", "err_layer"))
        return result if int(self.dut.error.value) else None  # type: ignore[return-value]

    async def expect(self, want: tuple[int, int, int] | None, what: object) -> None:
        await self.pulse("start")
        got = await self.finish()
        assert got == want, f"{what}: expected {want}, got {got}"


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def good_runs(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    for count in (1, 2, 8):
        tb.image(layers=[descriptor(rows=rows(m=i + 1), perf_ptr=0x7000 + 0x100 * i) for i in range(count)])
        tb.started, tb.record, tb.commands = 0, [], []
        await tb.expect(None, count)
        assert tb.started == count
        assert tb.commands == [(0x7000 + 0x100 * i, 1024) for i in range(count)]
        chunk = int(dut.CHUNK_W.value)
        record = sum(v << chunk * i for i, v in enumerate(tb.record[: 1024 // chunk]))
        assert record == int(dut.counters.value)
        assert int(dut.layer.value) == count - 1
    tb.image(layers=[descriptor(control=control("readout"), n=128, out_stride=512, rows=rows(tile=1))])
    await tb.expect(None, "readout")
    assert int(dut.cfg_entries.value) == 128 and int(dut.cfg_slots.value) == 2 and int(dut.cfg_readout.value)


FLAGS = ("readout", "soft", "drop_once", "late", "carry_in", "carry_out", "index")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def configuration(dut) -> None:  # type: ignore[no-untyped-def]
    """Every field of a random legal descriptor reaches its cfg_* output; a fully connected layer is a walk over one pixel."""
    tb = TB(dut)
    await tb.reset()
    line = int(dut.LINE_W.value) // 8
    for _ in range(40):
        flags = [name for name in FLAGS if random.getrandbits(1)]
        carries = "carry_in" in flags or "carry_out" in flags
        read = "readout" in flags
        n, m, tile = random.randint(1, 128), random.randint(1, (1 << 24) - 1), 1 if read else random.randint(1, 4)
        k, leak, steps = random.randint(1, 512), random.randint(0, 256), random.randint(1, 4)
        cols = random.choice([32, 64] if carries else [32, 8, 1024])
        at = {name: 0x400 * random.randrange(1 << 20) for name in (
            "a_base", "a_stride", "block_table", "b_base", "out_base", "perf_ptr")}  # fmt: skip
        at["b_end"] = at["b_base"] + 0x400 * random.randrange(100)
        state = 0x400 * random.randrange(1 << 20) if carries else 0
        tb.image(layers=[descriptor(control=control(*flags), rows=rows(m, tile), k=k, n=n, out_stride=0x800, **at,
                                    neuron=neuron(leak, steps, cols), state=state)])  # fmt: skip
        await tb.expect(None, flags)
        stride = -(-4 * n // line) * line
        want = {"m": m, "n": n, "tile_rows": tile, "slots": 2 * tile, "entries": n if read else -(-n // 8), "leak": leak,
                "steps": steps, "block_cols": cols, "state": state, "state_stride": stride, "out_stride": 0x800, "branch": 0,
                "chunks": -(-k // int(dut.CHUNK_W.value)), **{name: int(name in flags) for name in FLAGS}}  # fmt: skip
        want |= {name: at[name] for name in ("block_table", "b_base", "b_end", "out_base")}
        got = {name: int(getattr(dut, f"cfg_{name}").value) for name in want}
        assert got == want
        words = {"kernel": 0x01010101, "out_size": 0x10001, "in_size": 0x10001, "pad": -(-k // 8) << 16, "pool": 0x0101,
                 "image_bytes": at["a_stride"], "start": at["a_base"], "state_step": stride if carries else 0}  # fmt: skip
        for name, field in IMAGE["walk"].items():
            got_word = int(dut.cfg_walk.value) >> 32 * field["word"] & 0xFFFFFFFF
            # steps, bytes of a row and pitch are of no account in maps of one pixel
            if name not in ("step_x", "step_y", "row_bytes", "pitch", "checksum"):
                assert got_word == words.get(name, 0), f"{name}: {got_word:#x}"


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def membranes_are_awaited(dut) -> None:  # type: ignore[no-untyped-def]
    """A layer is not over while membranes are on their way."""
    tb = TB(dut)
    await tb.reset()
    tb.image()
    for name in ("sched_done", "comp_done", "state_idle", "wr_idle"):
        getattr(dut, name).value = 0
        if name == "wr_idle":
            dut.wr_idle.value = 1   # the start waits for it
        await tb.pulse("start")
        while not int(dut.perf_run.value):
            await FallingEdge(dut.clk)
        getattr(dut, name).value = 0
        for _ in range(60):
            await FallingEdge(dut.clk)
            assert int(dut.perf_run.value), name
        getattr(dut, name).value = 1
        assert await tb.finish() is None


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def refused_bits(dut) -> None:  # type: ignore[no-untyped-def]
    """A machine without index decoder, or without carried membranes, refuses the bits that ask for them."""
    tb = TB(dut)
    await tb.reset()
    for flag in ("carry_in", "carry_out", "index"):
        tb.image(layers=[descriptor(control=control(flag))])
        legal = int(dut.INDEX_RATE.value) if flag == "index" else int(dut.CARRY.value)
        await tb.expect(None if legal else (ERRORS["BAD_DESC"], DESC, 0), flag)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def bad_header(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    cases = [("magic", 0), ("version", 1), ("size", 0), ("size", SIZE + 0x1000), ("size", SIZE - 4), ("desc_offset", 0x1020),
             ("desc_offset", 0x80001000), ("num_layers", 0), ("num_layers", 0x10000)]  # fmt: skip
    for name, value in [*cases, *((f"config{i}", v ^ 1 << random.randrange(32)) for i, v in enumerate(CONFIG))]:
        code = ERRORS["BAD_CONFIG" if name.startswith("config") else "BAD_IMAGE"]
        tb.image({name: value})
        await tb.expect((code, 4 * IMAGE["header"][name]["word"], 0), (name, hex(value)))
        tb.image()
        await tb.expect(None, "the next start")


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def window(dut) -> None:  # type: ignore[no-untyped-def]
    """The window is as large as asked for, but for 2^31 bytes and the end of the bus addresses."""
    tb = TB(dut)
    await tb.reset()
    top = 1 << 32
    for base, size in [(0, top - 1), (0, top >> 1), (0, 0), (top >> 1, top - 1), ((top >> 1) + 4096, top >> 1), (top - 4096, SIZE),
                       (top - SIZE, SIZE), (top - SIZE - 4096, SIZE), (top - SIZE + 4096, SIZE), (0x40000000, SIZE)]:  # fmt: skip
        dut.image_base_in.value, dut.image_size_in.value = base, size
        tb.image({"size": min(SIZE, top - base)})
        want = min(size, top >> 1, top - base)
        good = want >= min(SIZE, top - base)
        await tb.expect(None if good else (ERRORS["BAD_IMAGE"], 4 * IMAGE["header"]["size"]["word"], 0), (hex(base), hex(size)))
        assert int(dut.image_base.value) == base and int(dut.image_size.value) == want, f"base {base:#x}, size {size:#x}"


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def bad_descriptor(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    top = 1 << 31
    values: dict[str, list[int]] = {
        "control": [control(kind=0), control(kind=3), control() | 1 << 15, 0x10A40001, 1],
        "rows": [rows(m=0), rows(tile=0), rows(tile=5), rows(tile=128), 0],
        "k": [0, 513, top], "n": [0, 513, top], "a_base": [8, top], "a_stride": [8, top], "block_table": [8, top],
        "b_base": [8, top], "b_end": [8, top, 0x3F80], "out_base": [8, top], "out_stride": [8, top, 0],
        "neuron": [neuron(leak=257), neuron(leak=511), neuron(steps=0), neuron(steps=5), neuron(steps=31), neuron() | 1 << 14,
                   neuron() | 1 << 15, neuron(cols=0), neuron(cols=12), neuron(cols=1032), neuron(cols=2048)],
        "state": [8, top, 0x400], "perf_ptr": [8, top], "walk": [64, top], "checksum": [1, 0xFFFFFFFF],
    }  # fmt: skip
    assert set(values) == set(IMAGE["descriptor"])
    for name, bad in values.items():
        for value in bad:
            first = random.randrange(3)
            tb.image(layers=[*(descriptor() for _ in range(first)), descriptor(**{name: value})])
            where = DESC + 64 * first + 4 * IMAGE["descriptor"][name]["word"]
            await tb.expect((ERRORS["BAD_DESC"], where, first), (name, hex(value)))
    # what depends on two fields
    read = control("readout")
    line = int(dut.LINE_W.value) // 8
    cases: list[tuple[dict[str, int], str]] = [
        ({"n": 512, "out_stride": 512, "rows": rows(tile=4)}, "rows"),
        ({"control": read, "n": 129, "out_stride": 1024, "rows": rows(tile=1)}, "n"),
        ({"control": read, "n": 128, "out_stride": 384, "rows": rows(tile=1)}, "out_stride"),
    ]
    for flag in ("carry_in", "carry_out"):
        carry = {"control": control(flag), "state": 0x800}
        cases += [
            (carry | {"state": 0x800 + line // 2}, "state"),
            (carry | {"state": top}, "state"),
            (carry | {"neuron": neuron(cols=128)}, "neuron"),        # more than can be kept
            (carry | {"neuron": neuron(cols=line // 8)}, "neuron"),  # half a line of membranes
        ]
    for change, word in cases:
        if change.get("neuron") == neuron(cols=line // 8) and line // 8 % 8:
            continue   # refused anyway
        tb.image(layers=[descriptor(**change)])
        await tb.expect((ERRORS["BAD_DESC"], DESC + 4 * IMAGE["descriptor"][word]["word"], 0), change)
    # the lowest bad word counts, and a wrong checksum before all
    tb.image(layers=[descriptor(n=0, control=control(kind=3), k=0)])
    await tb.expect((ERRORS["BAD_DESC"], DESC, 0), "three bad words")
    tb.image(layers=[descriptor(n=0, k=0, checksum=1)])
    await tb.expect((ERRORS["BAD_DESC"], DESC + 60, 0), "bad words and a wrong checksum")


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def convolution(dut) -> None:  # type: ignore[no-untyped-def]
    """The walk record reaches cfg_*, every bad word of it and a window unlike K are refused, and the next layer is right."""
    tb = TB(dut)
    await tb.reset()
    conv = {"control": control(kind=2), "k": 432, "walk": WALK}

    def load(first: int, desc: dict[str, int], **change: int) -> None:
        tb.image(layers=[*(descriptor() for _ in range(first)), descriptor(**desc)])
        tb.words |= {WALK + 4 * i: v for i, v in enumerate(walk(**change))}

    load(1, conv)
    await tb.expect(None, "convolution")
    assert int(dut.cfg_walk.value) == number(walk()) and int(dut.cfg_branch.value) == 0
    assert int(dut.cfg_chunks.value) == -(-432 // int(dut.CHUNK_W.value))
    for pool in (0x0202, 0x01FF, 0xFF01):
        load(1, conv | {"neuron": neuron(cols=64)}, pool=pool, state_step=0x800)
        await tb.expect(None, f"pool {pool:#x}")
        assert int(dut.cfg_walk.value) == number(walk(pool=pool, state_step=0x800))
    for pointer in (8, 1 << 31):
        load(0, conv | {"walk": pointer})
        await tb.expect((ERRORS["BAD_DESC"], DESC + 4 * IMAGE["descriptor"]["walk"]["word"], 0), hex(pointer))
    bad = {"kernel": [0x01010100, 0x01010001, 0x01000101, 0x00010101], "out_size": [1, 1 << 16], "in_size": [1, 1 << 16],
           "pad": [1, 65 << 16], "step_x": [8, 1 << 31], "step_y": [8, 1 << 31], "row_bytes": [8, 1 << 31],
           "image_bytes": [8, 1 << 31], "start": [8], "pitch": [8, 1 << 31], "pool": [0, 1, 0x0100, 0x10101, 1 << 31],
           "branch": [8, 32, 1 << 31], "state_step": [8, 1 << 31], "word13": [1, 1 << 31], "word14": [1, 1 << 31],
           "checksum": [1]}  # fmt: skip
    assert {IMAGE["walk"][n]["word"] if n in IMAGE["walk"] else int(n[4:]) for n in bad} == set(range(16))
    for name, values in bad.items():
        for value in values:
            load(1, conv, **{name: value})
            word = int(name[4:]) if name.startswith("word") else IMAGE["walk"][name]["word"]
            await tb.expect((ERRORS["BAD_DESC"], WALK + 4 * word, 1), (name, hex(value)))
    pool_at = WALK + 4 * IMAGE["walk"]["pool"]["word"]
    for desc in ({"control": control("readout", kind=2), "n": 16}, {"neuron": neuron(cols=72)}, {"neuron": neuron(cols=1024)}):
        load(0, conv | desc)
        await tb.expect(None, "no pooling")
        load(0, conv | desc, pool=0x0102)
        await tb.expect((ERRORS["BAD_DESC"], pool_at, 0), ("pooling", desc))
    load(0, conv, pool=0x0102, branch=BRANCH)
    await tb.expect((ERRORS["BAD_DESC"], WALK + 4 * IMAGE["walk"]["branch"]["word"], 0), "pooling with a branch")
    for k in (424, 440, 8):
        load(2, conv | {"k": k})
        await tb.expect((ERRORS["BAD_DESC"], DESC + 128 + 4 * IMAGE["descriptor"]["k"]["word"], 2), k)
    tb.image(layers=[descriptor(**conv), descriptor()])
    tb.words |= {WALK + 4 * i: v for i, v in enumerate(walk())}
    await tb.expect(None, "fully connected after a convolution")
    words = [int(dut.cfg_walk.value) >> 32 * i & 0xFFFFFFFF for i in range(16)]
    got = [words[IMAGE["walk"][n]["word"]] for n in ("kernel", "out_size", "in_size", "pad", "image_bytes", "start", "pool", "branch")]
    assert got == [0x01010101, 0x10001, 0x10001, 13 << 16, 0x80, 0x2000, 0x0101, 0]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def branch(dut) -> None:  # type: ignore[no-untyped-def]
    """A second walk record is read and judged like the first, with its own checksum and address; it may not pool nor branch."""
    tb = TB(dut)
    await tb.reset()
    other = {"kernel": 1 | 2 << 8 | 2 << 16 | 1 << 24, "in_size": 9 | 9 << 16, "pad": 5 << 16, "pitch": 0x100, "start": 0x8000}
    conv = {"control": control(kind=2), "k": 432 + 80, "walk": WALK}

    def load(first: int, desc: dict[str, int], **change: int) -> None:
        tb.image(layers=[*(descriptor() for _ in range(first)), descriptor(**desc), descriptor()])
        tb.words |= {WALK + 4 * i: v for i, v in enumerate(walk(branch=BRANCH))}
        tb.words |= {BRANCH + 4 * i: v for i, v in enumerate(walk(**other | change))}

    starts = 0
    for first in (0, 1):
        load(first, conv)
        dut.sched_done.value = 0
        await tb.pulse("start")
        for index in range(first + 1):
            if index == first:
                break
            dut.sched_done.value = 1
            while int(dut.layer.value) == index:
                await FallingEdge(dut.clk)
            dut.sched_done.value = 0
        while not int(dut.perf_run.value):
            await FallingEdge(dut.clk)
        assert int(dut.cfg_walk.value) == number(walk(branch=BRANCH)) and int(dut.cfg_branch.value) == number(walk(**other))
        assert int(dut.cfg_chunks.value) == -(-512 // int(dut.CHUNK_W.value))
        starts += 1
        dut.sched_done.value = 1
        assert await tb.finish() is None
        assert int(dut.cfg_branch.value) == 0, "the next layer has no branch"
    bad = {"kernel": [0x01010100, 0x00010101], "out_size": [1, 1 << 16], "in_size": [1, 1 << 16], "pad": [1, 65 << 16],
           "step_x": [8], "step_y": [8], "row_bytes": [1 << 31], "image_bytes": [8], "start": [8], "pitch": [8, 1 << 31],
           "pool": [0, 0x0102, 0x0201, 0x10101], "branch": [BRANCH, 8], "state_step": [0x400, 8], "word13": [1], "word14": [1],
           "checksum": [1, 0xFFFFFFFF]}  # fmt: skip
    for name, values in bad.items():
        for value in values:
            load(1, conv, **{name: value})
            word = int(name[4:]) if name.startswith("word") else IMAGE["walk"][name]["word"]
            await tb.expect((ERRORS["BAD_DESC"], BRANCH + 4 * word, 1), (name, hex(value)))
    for k in (432, 80, 504):   # both windows make K together
        load(0, conv | {"k": k})
        await tb.expect((ERRORS["BAD_DESC"], DESC + 4 * IMAGE["descriptor"]["k"]["word"], 0), k)
    load(0, conv)
    await tb.expect(None, "the next start")


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def errors_reset_and_watchdog(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    tb.image()
    sources = [
        ("err_bus_read", "err_bus_read_addr", "BUS_READ"), ("err_bus_write", "err_bus_write_addr", "BUS_WRITE"),
        ("err_cache_pointer", "err_cache_addr", "POINTER"), ("err_write_pointer", "err_bus_write_addr", "POINTER"),
        ("err_sched", "err_sched_addr", "FIBER_B"), ("err_fiber_a", "err_fiber_addr", "FIBER_A"),
        ("err_fiber_b", "err_fiber_addr", "FIBER_B"),
    ]  # fmt: skip
    for number, (pulse, where, name) in enumerate(sources):
        dut.sched_done.value = 0
        await tb.pulse("start")
        while not int(dut.perf_run.value):
            await FallingEdge(dut.clk)
        address = random.getrandbits(31)
        for _, other, _ in sources:
            getattr(dut, other).value = 0x40
        getattr(dut, where).value = address
        dut.rd_idle.value = 0  # the bus drains slowly
        await tb.pulse(*([pulse] + [p for p, w, _ in sources[number + 1 :] if w != where]))  # the first of several wins
        assert not int(dut.busy.value) and int(dut.error.value) and int(dut.draining.value) and int(dut.core_rst.value)
        assert await tb.finish() == (ERRORS[name], address, 0), name
        dut.sched_done.value = 1
        await tb.pulse("start")
        await ClockCycles(dut.clk, 30, RisingEdge)
        await FallingEdge(dut.clk)
        assert int(dut.busy.value) and int(dut.draining.value), "a start waits for the drain"
        dut.rd_idle.value = 1
        await FallingEdge(dut.clk)
        assert await tb.finish() is None
    # soft reset in the middle: no error, and the next run is good
    dut.sched_done.value = 0
    for wait in range(1, 80, 7):
        await tb.pulse("start")
        for _ in range(wait):
            await FallingEdge(dut.clk)
        await tb.pulse("soft_reset")
        assert [int(getattr(dut, n).value) for n in ("busy", "done", "error", "draining")] == [0, 0, 0, 1]
        await ClockCycles(dut.clk, 20, RisingEdge)
        await FallingEdge(dut.clk)
        assert not int(dut.draining.value)
    # watchdog in a run, then with a start that waits
    await tb.pulse("start")
    dut.rd_outstanding.value, dut.rd_oldest_addr.value, dut.rd_idle.value = 1, 0x1234, 0
    assert await tb.finish() == (ERRORS["WATCHDOG"], 0x1234, 0)
    await tb.pulse("start")
    await FallingEdge(dut.clk)
    assert int(dut.busy.value) and not int(dut.error.value)
    assert await tb.finish() == (ERRORS["WATCHDOG"], 0x1234, 0)
    dut.rd_outstanding.value, dut.rd_idle.value, dut.sched_done.value = 0, 1, 1
    await tb.expect(None, "after the watchdog")


SHAPES: list[tuple[dict[str, int], str | None]] = [
    ({"CHUNK_W": 32, "LINE_W": 128}, None), ({"CHUNK_W": 128, "LINE_W": 1024}, None),
    ({"CHUNK_W": 32, "LINE_W": 256, "CARRY": 0}, "refused_bits"), ({"CHUNK_W": 64, "LINE_W": 512, "INDEX_RATE": 0}, "refused_bits"),
]  # fmt: skip


@pytest.mark.parametrize("shape,testcase", SHAPES)
def test_control(sim: str, shape: dict[str, int], testcase: str | None) -> None:
    from verif.lib.sim import run

    parameters = {"NUM_TPPES": 1, "SLICE_W": 8, "K_MAX": 512, "OUT_ENTRIES": 256, "NUM_SLOTS": 8, **shape}
    run("loas_control", "test_control", sim, parameters | {f"CONFIG{i}": v for i, v in enumerate(CONFIG)}, testcase=testcase)
