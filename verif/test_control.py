"""loas_control with a stub of the datapath: good runs, every bad header and descriptor field, errors, reset, watchdog."""
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


def descriptor(**change: int) -> list[int]:
    """A legal descriptor (K_MAX 512, OUT_ENTRIES 256, NUM_SLOTS 8, SLICE_W 8) with some words changed."""
    word = {
        "control": 0x10A50001, "m": 5, "k": 100, "n": 64, "a_base": 0x2000, "a_stride": 0x80, "block_table": 0x3010,
        "b_base": 0x4000, "b_end": 0x5000, "out_base": 0x6000, "out_stride": 0x80, "neuron": 64 | 16 << 16,
        "tile_rows": 4, "perf_ptr": 0x7000, "walk": 0,
    }  # fmt: skip
    word.update({k: v for k, v in change.items() if k != "checksum"})
    words = [word[n] for n in list(IMAGE["descriptor"])[:15]]
    return [*words, (-sum(words) + change.get("checksum", 0)) & 0xFFFFFFFF]


WALK = 0x9000


def walk(**change: int) -> list[int]:
    """A legal walk record of 3 x 2 windows over 9 slices a pixel (K = 432) with some words changed."""
    word = {"kernel": 3 | 2 << 8 | 1 << 16 | 2 << 24, "out_size": 5 | 6 << 16, "in_size": 7 | 8 << 16, "pad": 1 | 2 << 8 | 9 << 16,
            "step_x": 0x100, "step_y": 0x400, "row_bytes": 0x380, "image_bytes": 0x2000, "start": 0xFFFFFF80}  # fmt: skip
    word.update({k: v for k, v in change.items() if not k.startswith(("checksum", "word"))})
    words = [0] * 16
    for name, value in word.items():
        words[IMAGE["walk"][name]["word"]] = value
    for name, value in change.items():
        if name.startswith("word"):
            words[int(name[4:])] = value
    words[15] = (-sum(words) + change.get("checksum", 0)) & 0xFFFFFFFF
    return words


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
        for name in ("rd_idle", "wr_idle", "sched_done", "comp_done", "rec_cmd_ready", "rec_wr_ready"):
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
        word = {"magic": IMAGE["magic"], "version": 1, "size": SIZE, "desc_offset": DESC, "num_layers": len(layers)}
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
        tb.image(layers=[descriptor(m=i + 1, perf_ptr=0x7000 + 0x100 * i) for i in range(count)])
        tb.started, tb.record, tb.commands = 0, [], []
        await tb.expect(None, count)
        assert tb.started == count
        assert tb.commands == [(0x7000 + 0x100 * i, 1024) for i in range(count)]
        chunk = int(dut.CHUNK_W.value)
        record = sum(v << chunk * i for i, v in enumerate(tb.record[: 1024 // chunk]))
        assert record == int(dut.counters.value)
        assert int(dut.layer.value) == count - 1
    tb.image(layers=[descriptor(control=0x10A50101, n=128, out_stride=512, tile_rows=1)])
    await tb.expect(None, "readout")
    assert int(dut.cfg_entries.value) == 128 and int(dut.cfg_slots.value) == 2 and int(dut.cfg_readout.value)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def bad_header(dut) -> None:  # type: ignore[no-untyped-def]
    tb = TB(dut)
    await tb.reset()
    cases = [("magic", 0), ("version", 2), ("size", 0), ("size", SIZE + 0x1000), ("size", SIZE - 4), ("desc_offset", 0x1020),
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
        "control": [0x10A50000, 0x10A50003, 0x10A50801, 0x10A58001, 0x10A40001, 1], "m": [0, 1 << 24, top],
        "k": [0, 513, top], "n": [0, 513, top], "a_base": [8, top], "a_stride": [8, top], "block_table": [8, top],
        "b_base": [8, top], "b_end": [8, top, 0x3F80], "out_base": [8, top], "out_stride": [8, top, 0],
        "neuron": [257 | 16 << 16, 512 | 16 << 16, 1 << 15 | 16 << 16, 64, 12 << 16, 1032 << 16], "tile_rows": [0, 5, top],
        "perf_ptr": [8, top], "walk": [64, top], "checksum": [1, 0xFFFFFFFF],
    }  # fmt: skip
    assert set(values) == set(IMAGE["descriptor"])
    for name, bad in values.items():
        for value in bad:
            first = random.randrange(3)
            tb.image(layers=[*(descriptor() for _ in range(first)), descriptor(**{name: value})])
            where = DESC + 64 * first + 4 * IMAGE["descriptor"][name]["word"]
            await tb.expect((ERRORS["BAD_DESC"], where, first), (name, hex(value)))
    # what depends on two fields
    for change, word in (
        ({"n": 512, "out_stride": 512, "tile_rows": 4}, "tile_rows"),
        ({"control": 0x10A50101, "n": 129, "out_stride": 1024, "tile_rows": 1}, "n"),
        ({"control": 0x10A50101, "n": 128, "out_stride": 384, "tile_rows": 1}, "out_stride"),
    ):
        tb.image(layers=[descriptor(**change)])
        await tb.expect((ERRORS["BAD_DESC"], DESC + 4 * IMAGE["descriptor"][word]["word"], 0), change)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def convolution(dut) -> None:  # type: ignore[no-untyped-def]
    """The walk record reaches cfg_*, every bad word of it and a window unlike K are refused, and the next layer is right."""
    tb = TB(dut)
    await tb.reset()
    conv = {"control": 0x10A50002, "k": 432, "walk": WALK}

    def load(first: int, desc: dict[str, int], **change: int) -> None:
        tb.image(layers=[*(descriptor() for _ in range(first)), descriptor(**desc)])
        tb.words |= {WALK + 4 * i: v for i, v in enumerate(walk(**change))}

    load(1, conv)
    await tb.expect(None, "convolution")
    got = {n: int(getattr(dut, f"cfg_{n}").value) for n in (
        "kh", "kw", "stride_y", "stride_x", "out_h", "out_w", "in_h", "in_w", "pad_top", "pad_left", "slices", "step_x", "step_y",
        "row_bytes", "image_bytes", "start", "a_stride", "chunks")}  # fmt: skip
    assert got == {"kh": 3, "kw": 2, "stride_y": 1, "stride_x": 2, "out_h": 5, "out_w": 6, "in_h": 7, "in_w": 8, "pad_top": 1,
                   "pad_left": 2, "slices": 9, "step_x": 0x100, "step_y": 0x400, "row_bytes": 0x380, "image_bytes": 0x2000,
                   "start": 0xFFFFFF80, "a_stride": 0x80, "chunks": -(-432 // int(dut.CHUNK_W.value))}  # fmt: skip
    for pointer in (8, 1 << 31):
        load(0, conv | {"walk": pointer})
        await tb.expect((ERRORS["BAD_DESC"], DESC + 4 * IMAGE["descriptor"]["walk"]["word"], 0), hex(pointer))
    bad = {"kernel": [0x01010100, 0x01010001, 0x01000101, 0x00010101], "out_size": [1, 1 << 16], "in_size": [1, 1 << 16],
           "pad": [1, 65 << 16], "step_x": [8, 1 << 31], "step_y": [8, 1 << 31], "row_bytes": [8, 1 << 31],
           "image_bytes": [8, 1 << 31], "start": [8], "word9": [1], "word14": [1 << 31], "checksum": [1]}  # fmt: skip
    for name, values in bad.items():
        for value in values:
            load(1, conv, **{name: value})
            word = int(name[4:]) if name.startswith("word") else IMAGE["walk"][name]["word"]
            await tb.expect((ERRORS["BAD_DESC"], WALK + 4 * word, 1), (name, hex(value)))
    for k in (424, 440, 8):
        load(2, conv | {"k": k})
        await tb.expect((ERRORS["BAD_DESC"], DESC + 128 + 4 * IMAGE["descriptor"]["k"]["word"], 2), k)
    tb.image(layers=[descriptor(**conv), descriptor()])
    tb.words |= {WALK + 4 * i: v for i, v in enumerate(walk())}
    await tb.expect(None, "fully connected after a convolution")
    assert [int(getattr(dut, f"cfg_{n}").value) for n in ("kh", "kw", "in_h", "in_w", "out_h", "out_w", "slices", "start", "pad_top")] \
        == [1, 1, 1, 1, 1, 1, 13, 0x2000, 0]
    assert int(dut.cfg_image_bytes.value) == 0x80


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


@pytest.mark.parametrize("shape", [{"CHUNK_W": 32, "LINE_W": 128}, {"CHUNK_W": 128, "LINE_W": 1024}])
def test_control(sim: str, shape: dict[str, int]) -> None:
    from lib.sim import run

    parameters = {"NUM_TPPES": 1, "SLICE_W": 8, "K_MAX": 512, "OUT_ENTRIES": 256, "NUM_SLOTS": 8, **shape}
    run("loas_control", "test_control", sim, parameters | {f"CONFIG{i}": v for i, v in enumerate(CONFIG)})
