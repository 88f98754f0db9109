# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Whole machine on damaged images: random words of every part of an image, and faults of the bus.

A run on a damaged image ends in bounded time: done, if the change made another legal network, or with an error whose address fits
its kind. It never leaves the image, never writes outside the outputs, leaves the bus quiet, and the next good image runs right.
"""

from __future__ import annotations

import os
import random
import struct
from collections import Counter
from dataclasses import dataclass

import cocotb
import numpy as np
import pytest
from cocotb.triggers import ClockCycles, First, ReadOnly, RisingEdge, ValueChange

from golden.compare import compare, descriptors, spec
from golden.random_networks import Job, random_conv_job
from verif.lib.system import BASE, CONTROL, DESC, ERR, HEAD, TB, WALK, launch, poke, poke_desc, poke_record, walks

LONG = os.environ.get("LOAS_LONG") == "1"
FAULTS = int(os.environ.get("LOAS_FAULTS", "240" if LONG else "120"))
NAMES = {code: name for name, code in ERR.items()}
PERF_BYTES = 128
POINTERS = {"a_base", "a_stride", "block_table", "b_base", "b_end", "out_base", "out_stride", "state", "perf_ptr"}
GEOMETRY = [name for name in WALK if name not in ("checksum", "pool")]   # of the walk record


@dataclass
class Good:
    """A good image, and the memory it leaves, counters of cycles and traffic apart.

    Attributes:
        job: The job.
        left: Memory after the run.
        same: Bytes that every run leaves alike.
    """

    job: Job
    left: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
    same: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


class Watch:
    """Sees every request of the memory port; an address outside the image, or a request where none may be, is kept."""

    def __init__(self, tb: TB) -> None:
        self.tb = tb
        self.size = 0
        self.count = 0
        self.quiet = False
        self.wrong: list[str] = []
        cocotb.start_soon(self.reads())
        cocotb.start_soon(self.writes())

    def look(self, kind: str, at: int, length: int) -> None:
        self.count += 1
        if self.quiet:
            self.wrong.append(f"{kind} of {length} bytes at {at:#x} after the error")
        if not 0 <= at <= self.size - length:
            self.wrong.append(f"{kind} of {length} bytes at {at:#x}: the image has {self.size:#x}")

    async def reads(self) -> None:
        # the address register moves with a request only
        dut, line = self.tb.dut, self.tb.cfg.line_bytes
        while True:
            await ValueChange(dut.m_axi_araddr)
            await ReadOnly()
            if int(dut.m_axi_arvalid.value) and not int(dut.rst.value):
                self.look("read", int(dut.m_axi_araddr.value) - BASE, line)

    async def writes(self) -> None:
        dut, width = self.tb.dut, self.tb.cfg.AXI_W // 8
        while True:
            await ValueChange(dut.m_axi_awaddr)
            await ReadOnly()
            if int(dut.m_axi_awvalid.value) and not int(dut.rst.value):
                self.look("write", int(dut.m_axi_awaddr.value) - BASE, (int(dut.m_axi_awlen.value) + 1) * width)


class Faults(TB):
    """Machine that runs damaged images between good ones."""

    def __init__(self, dut) -> None:  # type: ignore[no-untyped-def]
        super().__init__(dut)
        self.goods: list[Good] = []
        self.faults = FAULTS // 3 * (1 if self.cfg.DEEP or not self.cfg.LAGGY else 3 if LONG else 2)
        self.watch = Watch(self)
        self.seen: Counter[str] = Counter()
        cocotb.start_soon(self.after_error())

    async def after_error(self) -> None:
        """From the error's interrupt on there may be no new request."""
        while True:
            await RisingEdge(self.dut.irq)
            self.watch.quiet = True

    async def begin(self, image: bytes) -> None:
        """Loads and starts an image."""
        self.watch.quiet = False
        self.watch.size = len(image)
        await self.load(image)
        await self.start()

    async def first(self, job: Job) -> Good:
        """Runs a job for the first time, with every comparison."""
        self.watch.quiet = False
        self.watch.size = len(job.image)
        await self.good(job)
        left = np.frombuffer(await self.dump(), np.uint8)
        same = np.ones(len(left), bool)
        table = spec("registers")["counters"]
        for desc in descriptors(job.image):
            for name, entry in table.items():
                if name not in ("matches", "corrections", "bytes_written", "rows"):
                    same[desc["perf_ptr"] + 8 * entry["index"] :][:8] = False
        return Good(job, left, same)

    async def again(self, good: Good, what: str) -> None:
        """Runs a good job after a fault: the same outputs as ever."""
        await self.begin(good.job.image)
        await self.wait(300_000)
        status, code = await self.read("STATUS"), await self.read("ERR_CODE")
        assert status == 2 and code == 0, f"{good.job} after {what}: STATUS {status:#x}, error {code}"
        left = np.frombuffer(await self.dump(), np.uint8)
        differ = np.flatnonzero((left != good.left) & good.same)
        if differ.size:
            report = compare(left.tobytes(), good.job.network, good.job.spikes, good.job.golden, self.cfg)
            raise AssertionError(f"{good.job} after {what}: {differ.size} bytes differ, first {differ[0]:#x}: {report.first}")
        self.judge(f"{good.job} after {what}")

    def judge(self, what: str) -> None:
        """No breach of AXI, no request outside the image."""
        assert not int(self.dut.axi_error.value), f"{what}: AXI protocol broken"
        assert not self.watch.wrong, f"{what}: " + "; ".join(self.watch.wrong[:3])

    async def silence(self, what: str) -> None:
        """The bus is idle and stays so."""
        await self.idle()
        before = self.watch.count
        for _ in range(2):
            for name in ("m_axi_arvalid", "m_axi_awvalid", "m_axi_wvalid", "axi_busy"):
                assert not int(getattr(self.dut, name).value), f"{what}: {name} after the end"
            await ClockCycles(self.dut.clk, 60)
        assert self.watch.count == before, f"{what}: requests after the end"

    async def damaged(self, image: bytes, what: str) -> str:
        """Runs a damaged image; returns the name of its error, or NONE."""
        await self.begin(image)
        await self.wait(300_000)
        status, code, at = await self.read("STATUS"), await self.read("ERR_CODE"), await self.read("ERR_ADDR")
        assert status & 7 in (2, 4), f"{what}: STATUS {status:#x}"
        assert (status & 7 == 4) == (code != 0), f"{what}: STATUS {status:#x} with error {code}"
        await self.silence(what)
        name = NAMES[code]
        self.judge(what)
        after = await self.dump()
        layer = await self.read("ERR_LAYER")
        self.place(image, after, name, at, layer, f"{what}: {name} at {at:#x}, layer {layer}")
        self.written(image, after, f"{what}: {name} at {at:#x}")
        self.seen[name] += 1
        return name

    def place(self, image: bytes, after: bytes, name: str, at: int, layer: int, what: str) -> None:
        """The error's address belongs to what the error is about."""
        size, line = len(image), self.cfg.line_bytes
        base, count = (struct.unpack_from("<I", image, 4 * HEAD[f])[0] for f in ("desc_offset", "num_layers"))
        if name == "NONE":
            assert at == 0 and layer == 0, what
            return
        if name == "BAD_IMAGE":
            legal = {4 * HEAD[f] for f in ("magic", "version", "size", "desc_offset", "num_layers")}
            assert at in legal and layer == 0, what
            return
        if name == "BAD_CONFIG":
            assert at in {4 * HEAD[f"config{i}"] for i in range(4)} and layer == 0, what
            return
        assert layer < count, what
        here = base + 64 * layer
        tables = [struct.unpack_from("<16I", memory, here) if here + 64 <= size else (0,) * 16 for memory in (image, after)]
        fields = [{field: table[word] for field, word in DESC.items()} for table in tables]
        if name == "BAD_DESC":
            records = [here, *(at for memory, desc in zip((image, after), fields, strict=True) for at in walks(memory, desc))]
            assert any(record <= at < min(size, record + 64) for record in records) and at % 4 == 0, what
            return
        if name == "POINTER":  # a line read, or a row or record written, that ends behind the image
            assert at + max(line, PERF_BYTES, 4 * self.cfg.K_MAX) > size, what
            assert at % line == 0, what
            return
        assert name in ("FIBER_A", "FIBER_B"), f"{what}: not an error that a damaged image can have"
        if name == "FIBER_A":
            for desc in fields:
                if desc["control"] & 255 == 2:   # a pixel: with a damaged walk any line
                    assert at % line == 0 and at + line <= size, what
                    return
                stride = desc["a_stride"]
                far = at - desc["a_base"]
                if far == 0 or (stride and far > 0 and far % stride == 0 and far // stride < desc["rows"] & 0xFFFFFF):
                    return
            raise AssertionError(what)
        for memory, desc in zip((image, after), fields, strict=True):
            for block in range(-(-desc["n"] // max(1, desc["neuron"] >> 16))):
                entry = desc["block_table"] + 16 * block
                if entry + 4 <= size and struct.unpack_from("<I", memory, entry)[0] == at:
                    return
        raise AssertionError(what)

    def written(self, image: bytes, after: bytes, what: str) -> None:
        """Nothing but output rows, membranes and performance records was written."""
        before, now = np.frombuffer(image, np.uint8), np.frombuffer(after, np.uint8)
        free = np.zeros(len(before), bool)
        base, count = (struct.unpack_from("<I", image, 4 * HEAD[f])[0] for f in ("desc_offset", "num_layers"))
        for index in range(min(count, 64)):
            at = base + 64 * index
            if at + 64 > len(image):
                break
            for memory in (image, after):
                desc = dict(zip(DESC, struct.unpack_from("<16I", memory, at), strict=True))
                rows = desc["rows"] & 0xFFFFFF
                free[desc["out_base"] : desc["out_base"] + rows * desc["out_stride"]] = True
                free[desc["perf_ptr"] : desc["perf_ptr"] + PERF_BYTES] = True
                if not desc["control"] & CONTROL["carry_out"]:
                    continue
                pixels = stride = -(-4 * desc["n"] // self.cfg.line_bytes) * self.cfg.line_bytes
                for record in walks(memory, desc)[:1]:
                    words = struct.unpack_from("<16I", memory, record)
                    pool, stride = words[WALK["pool"]], words[WALK["state_step"]]
                    pixels *= (pool & 255) * (pool >> 8 & 255)
                for row in range(min(rows, 4096)):
                    first = (desc["state"] + row * stride) % (1 << 32)
                    free[first : first + pixels] = True
        differ = np.flatnonzero((before != now) & ~free)
        assert not differ.size, f"{what}: wrote {differ.size} bytes outside of outputs and records, first {differ[0]:#x}"


def damage(rng: random.Random, job: Job, line: int) -> tuple[bytes, str]:
    """One random word of an image changed, or many; descriptor checksums repaired half of the time."""
    image, size = job.image, len(job.image)
    count, base = (struct.unpack_from("<I", image, 4 * HEAD[f])[0] for f in ("num_layers", "desc_offset"))
    layer = rng.randrange(count)
    desc = descriptors(image)[layer]
    blocks = -(-desc["n"] // (desc["neuron"] >> 16))
    records = walks(image, desc)
    part = rng.choice(("header", "descriptor", "descriptor", "descriptor", "table", "table", "row", "masks", "block", "any", "noise",
                       *("walk", "walk", "walk") * bool(records)))  # fmt: skip
    field = ""
    if part == "noise":  # many words behind the descriptors
        at, words = rng.randrange(base + 64 * count, size, 4), rng.choice((2, 8, 64))
        changed = bytearray(image)
        noise = rng.choice((rng.randbytes(4 * words), bytes(4 * words), b"\xff" * 4 * words))
        changed[at : at + 4 * words] = noise[: size - at]
        return bytes(changed), f"{job}: {words} words of noise at {at:#x}, first {noise[:4].hex()}"
    if part == "header":
        field = rng.choice([name for name in HEAD if name != "crc"])
        at = 4 * HEAD[field]
    elif part == "descriptor":
        field = rng.choice(list(DESC)[:-1])
        at = base + 64 * layer + 4 * DESC[field]
    elif part == "table":
        at = desc["block_table"] + 4 * rng.randrange(4 * blocks)
    elif part == "row":
        first, number = descriptors(image)[0], struct.unpack_from("<I", image, 4 * HEAD["input_rows"])[0]
        at = first["a_base"] + rng.randrange(number) * first["a_stride"] + 4 * rng.choice((0, 0, 1, 2, 3))
    elif part == "walk":
        record, field = rng.choice(records), rng.choice(GEOMETRY)
        at = record + 4 * WALK[field]
    elif part == "masks":
        entry = struct.unpack_from("<4I", image, desc["block_table"] + 16 * rng.randrange(blocks))
        at = entry[1] + 4 * rng.randrange(max(1, (entry[2] - entry[1]) // 4))
    elif part == "block":
        at = rng.randrange(desc["b_base"], desc["b_end"], 4)
    else:
        at = rng.randrange(64, size, 4)
    old = struct.unpack_from("<I", image, at)[0]
    places = [size - line, size, size + line, desc["a_base"], desc["b_base"], desc["out_base"], desc["perf_ptr"], base, 64]
    value = rng.choice([0, 1, 0xFFFFFFFF, 1 << 31, (1 << 31) - 1, (1 << 31) - line, rng.choice(places), rng.choice(places),
                        old + rng.choice((1, -1, 4, -4, line, -line, 16)), old ^ 1 << rng.randrange(32),
                        rng.randrange(1, 40), rng.getrandbits(32)]) & 0xFFFFFFFF  # fmt: skip
    if field in POINTERS and rng.random() < 0.4:
        value = rng.choice([size, size - line, size + line, 1 << 30, (1 << 31) - line])
    what = f"{job}: {part} {field} layer {layer}: word at {at:#x}: {old:#x} is {value:#x}"
    if part == "descriptor" and rng.random() < 0.6:
        return poke_desc(image, layer, field, value)[0], what + ", checksum repaired"
    if part == "walk" and rng.random() < 0.6:
        return poke_record(image, record, WALK[field], value), what + ", checksum repaired"
    return poke(image, at, value), what


async def faults(dut) -> Faults:  # type: ignore[no-untyped-def]
    """A machine with some good images that have been run once."""
    tb = Faults(dut)
    await tb.reset()
    await tb.write("WATCHDOG", 20_000)
    for index in range(8):
        tb.goods.append(await tb.first(tb.job(size=40, rows=1 + index % 5, layers=1 + index % 3)))
    # convolutions, with what the image says in other words: a branch, pooling, chunks of timesteps, an index code
    for wanted in WANTED:
        tb.goods.append(await tb.first(convolution(tb, wanted)))
    return tb


def kinds(image: bytes) -> set[str]:
    """What layers of an image have."""
    found = set()
    for desc in descriptors(image):
        found |= {name for name, bit in CONTROL.items() if desc["control"] & bit}
        for record in walks(image, desc)[:1]:
            pool, branch = (struct.unpack_from("<I", image, record + 4 * WALK[name])[0] for name in ("pool", "branch"))
            found |= {name for name, there in (("pool", pool != 0x0101), ("branch", branch != 0)) if there}
    return found


WANTED = ({"pool", "carry_in"}, {"branch", "index"}, {"pool", "index"}, {"branch", "carry_in", "late"})


def convolution(tb: TB, wanted: set[str]) -> Job:
    """The next random job of convolutions that has all of this and is small."""
    while True:
        tb.next_job += 1
        job = random_conv_job(tb.next_job, tb.cfg, side=3, layers=1 + tb.next_job % 2, images=1)
        if len(job.image) < 40_000 and wanted <= kinds(job.image):
            return job


@cocotb.test(timeout_time=4000, timeout_unit="ms")
async def random_words(dut) -> None:  # type: ignore[no-untyped-def]
    """Hundreds of damaged images, a good one after each."""
    tb = await faults(dut)
    for number in range(tb.faults):
        dut.latency.value = tb.rng.choice([0, 1, 5, 20])
        dut.stall_percent.value = tb.rng.choice([0, 0, 0, 30])
        dut.manner.value = tb.rng.randrange(8)
        good = tb.rng.choice(tb.goods)
        image, what = damage(tb.rng, good.job, tb.cfg.line_bytes)
        what = f"fault {number}, {what}"
        await tb.damaged(image, what)
        await tb.again(tb.rng.choice(tb.goods), what)
    dut._log.info(f"{tb.faults} faults ended: {dict(tb.seen)}")
    expected = {"NONE", "BAD_IMAGE", "BAD_CONFIG", "BAD_DESC", "POINTER", "FIBER_A", "FIBER_B"}
    assert tb.faults < 100 or expected <= set(tb.seen), f"these errors never came: {expected - set(tb.seen)}"


async def error_of(tb: Faults, what: str) -> tuple[str, int]:
    """Waits for the end of a run that must be an error, and for the silence after it."""
    await tb.wait(300_000)
    status, code, at = await tb.read("STATUS"), await tb.read("ERR_CODE"), await tb.read("ERR_ADDR")
    assert status & 7 == 4 and code, f"{what}: STATUS {status:#x}, error {code}"
    await tb.silence(what)
    tb.judge(what)
    return NAMES[code], at


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def table_of_layers(dut) -> None:  # type: ignore[no-untyped-def]
    """desc_offset and num_layers out of range, and in range but wrong."""
    tb = await faults(dut)
    good = next(g for g in tb.goods if len(descriptors(g.job.image)) == 2)
    image, size = good.job.image, len(good.job.image)
    place, number = 4 * HEAD["desc_offset"], 4 * HEAD["num_layers"]
    base = struct.unpack_from("<I", image, place)[0]
    cases: list[tuple[int, int, str, int | None, int]] = [
        *((place, value, "BAD_IMAGE", place, 0) for value in (base + 4, base + 32, 1 << 31, 0xFFFFFFC0, 0xFFFFFFFF)),
        *((place, value, "POINTER", value, 0) for value in (-(-size // 64) * 64, 1 << 30, 0x7FFFFFC0)),
        (place, 0, "BAD_DESC", None, 0),            # the header is no descriptor
        (place, base + 64, "BAD_DESC", None, 1),    # runs the second layer as the first
        *((number, value, "BAD_IMAGE", number, 0) for value in (0, 65536, 1 << 31, 0xFFFFFFFF)),
        *((number, value, "BAD_DESC", None, 2) for value in (3, 65535)),
    ]  # fmt: skip
    for offset, value, name, at, layer in cases:
        what = f"word at {offset:#x} = {value:#x}"
        if value % (1 << 32) == base + 64:
            assert await tb.damaged(poke(image, offset, value), what) in ("BAD_DESC", "FIBER_A", "FIBER_B", "POINTER"), what
        else:
            got = await tb.damaged(poke(image, offset, value), what)
            assert got == name, f"{what}: {got}, expected {name}"
            assert at is None or await tb.read("ERR_ADDR") == at, what
            assert await tb.read("ERR_LAYER") == layer, what
        await tb.again(good, what)


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def blocks_outside_their_region(dut) -> None:  # type: ignore[no-untyped-def]
    """A descriptor whose b_base or b_end leaves the first or the last block outside: FIBER_B at that block."""
    tb = await faults(dut)
    line = tb.cfg.line_bytes
    for good in tb.goods[:6]:
        image = good.job.image
        layer = tb.rng.randrange(len(descriptors(image)))
        desc = descriptors(image)[layer]
        blocks = -(-desc["n"] // (desc["neuron"] >> 16))
        table = [struct.unpack_from("<4I", image, desc["block_table"] + 16 * block) for block in range(blocks)]
        # the last one, or one in front of it when that is empty
        last = next(params for params, _, weights, nnz in table
                    if weights + -(-nnz * tb.cfg.wslot_w // 8) > desc["b_end"] - line or params == table[-1][0])
        for field, value, at in (("b_base", desc["b_base"] + line, desc["b_base"]), ("b_end", desc["b_end"] - line, last)):
            what = f"{good.job}: layer {layer}: {field} = {value:#x}"
            name = await tb.damaged(poke_desc(image, layer, field, value)[0], what)
            got = name, await tb.read("ERR_ADDR"), await tb.read("ERR_LAYER")
            assert got == ("FIBER_B", at, layer), f"{what}: {got}, expected FIBER_B, {(at, layer)}"
        await tb.again(good, "blocks outside")


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def new_pointers(dut) -> None:  # type: ignore[no-untyped-def]
    """Membranes, walk record, branch and its record outside of the image, a broken index string: code and address, then a good run."""
    tb = await faults(dut)
    line, done = tb.cfg.line_bytes, Counter[str]()

    async def ends(image: bytes, code: str, at: int | None, layer: int, what: str) -> None:
        assert await tb.damaged(image, what) == code, what
        got = await tb.read("ERR_ADDR"), await tb.read("ERR_LAYER")
        assert got[1] == layer and at in (None, got[0]), f"{what}: at {got[0]:#x}, layer {got[1]}, expected {at}, {layer}"
        await tb.again(good, what)
        done[what.split(":")[0]] += 1

    for good in tb.goods:
        image, size = good.job.image, len(good.job.image)
        far = -(-size // line) * line
        for layer, desc in enumerate(descriptors(image)):
            records = walks(image, desc)
            for place in (far, 1 << 30, (1 << 31) - line):
                to = place // 64 * 64       # records lie at multiples of 64: else BAD_DESC
                if desc["control"] & (CONTROL["carry_in"] | CONTROL["carry_out"]):
                    await ends(poke_desc(image, layer, "state", place)[0], "POINTER", None, layer, f"state: {good.job}, {place:#x}")
                if records:
                    await ends(poke_desc(image, layer, "walk", to)[0], "POINTER", None, layer, f"walk: {good.job}, {to:#x}")
                if len(records) > 1:
                    await ends(poke_record(image, records[0], WALK["branch"], to), "POINTER", None, layer,
                               f"branch: {good.job}, {to:#x}")
                    first = poke_record(image, records[1], WALK["start"], place)
                    await ends(first, "POINTER", None, layer, f"map of the branch: {good.job}, {place:#x}")
                if tb.rng.random() < 0.5:
                    break
            if len(records) > 1:   # the record of another layer, of no layer; no record
                for place in (0, records[0]):
                    await ends(poke_record(image, records[0], WALK["branch"], place), "BAD_DESC", None, layer,
                               f"branch: {good.job}, {place:#x}")
                word = records[1] + 4 * WALK["pad"]
                changed = poke(image, word, struct.unpack_from("<I", image, word)[0] ^ 1 << 16)
                await ends(changed, "BAD_DESC", records[1] + 60, layer, f"checksum of the branch: {good.job}")
            # the chunks of timesteps share their blocks: the first one fails
            if desc["control"] & CONTROL["index"] and desc["block_table"] not in [d["block_table"] for d in descriptors(image)[:layer]]:
                params, masks, weights, nnz = struct.unpack_from("<4I", image, desc["block_table"])
                if masks < weights:
                    await ends(poke(image, desc["block_table"] + 4, weights), "FIBER_B", params, layer, f"no string: {good.job}")
                    await ends(poke(image, desc["block_table"] + 12, 0), "FIBER_B", params, layer, f"no weights: {good.job}")
                    changed = image[:masks] + b"\xff" * (weights - masks) + image[weights:]
                    await ends(changed, "FIBER_B", params, layer, f"escapes only: {good.job}")
            if sum(done.values()) > 12 * len(WANTED):
                break
    dut._log.info(f"ended: {dict(done)}")
    assert {"state", "walk", "branch", "map of the branch", "no string", "no weights", "escapes only"} <= set(done), done


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def small_windows(dut) -> None:  # type: ignore[no-untyped-def]
    """IMAGE_SIZE below and above what the image says, and an image far from IMAGE_BASE."""
    tb = await faults(dut)
    good = tb.goods[0]
    size, line = len(good.job.image), tb.cfg.line_bytes
    word = 4 * HEAD["size"]
    for value, name, at in [
        (0, "POINTER", 0), (1, "POINTER", 0), (line - 1, "POINTER", 0), (line, "POINTER", line), (63, "POINTER", 64 - line),
        (64, "BAD_IMAGE", word), (size - line, "BAD_IMAGE", word), (size - 1, "BAD_IMAGE", word),
        (size + 1, "NONE", 0), (0xFFFFFFFF, "NONE", 0),
    ]:  # fmt: skip
        what = f"IMAGE_SIZE {value:#x}"
        await tb.load(good.job.image)
        tb.watch.quiet, tb.watch.size = False, min(value, size)
        await tb.write("IMAGE_SIZE", value)
        await tb.start()
        if name == "NONE":
            await tb.wait(300_000)
            assert await tb.read("STATUS") == 2, what
            tb.judge(what)
        else:
            assert await error_of(tb, what) == (name, at), what
    await tb.write("IMAGE_BASE", BASE + (1 << 18))  # no memory there
    tb.watch.size = 1 << 19
    tb.watch.quiet = False
    await tb.start()
    assert await error_of(tb, "IMAGE_BASE outside the memory") == ("BUS_READ", 0)
    await tb.write("IMAGE_BASE", BASE)
    await tb.again(good, "small windows")


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def late_beats(dut) -> None:  # type: ignore[no-untyped-def]
    """SLVERR and DECERR on any beat of a read burst: the address is the line's."""
    tb = await faults(dut)
    line, width = tb.cfg.line_bytes, tb.cfg.AXI_W // 8
    for good in tb.goods[:4]:
        desc = descriptors(good.job.image)[-1]
        for place in (0, struct.unpack_from("<I", good.job.image, 4 * HEAD["desc_offset"])[0], desc["block_table"], desc["b_base"]):
            beat = tb.rng.randrange(1, line // width)
            what = f"beat {beat} of the line at {place:#x}"
            tb.weather()
            dut.err_resp.value, dut.err_addr.value = tb.rng.choice([2, 3]), BASE + place // line * line + beat * width
            dut.err_en.value = 1
            await tb.begin(good.job.image)
            assert await error_of(tb, what) == ("BUS_READ", place // line * line), what
            dut.err_en.value = 0
            await tb.again(good, what)


@cocotb.test(timeout_time=2000, timeout_unit="ms")
async def random_bus_faults(dut) -> None:  # type: ignore[no-untyped-def]
    """A word of the memory that answers with an error: an error at its line or burst, or nobody touched it."""
    tb = await faults(dut)
    line, seen = tb.cfg.line_bytes, Counter[str]()
    for number in range(tb.faults // 4):
        good = tb.rng.choice(tb.goods)
        at = tb.rng.randrange(0, len(good.job.image), 4)
        what = f"bus fault {number}, {good.job}, {at:#x}"
        dut.latency.value = tb.rng.choice([0, 1, 5, 20])
        dut.stall_percent.value = tb.rng.choice([0, 0, 30])
        dut.manner.value = tb.rng.randrange(8)
        dut.err_resp.value, dut.err_addr.value, dut.err_en.value = tb.rng.choice([2, 3]), BASE + at, 1
        await tb.begin(good.job.image)
        await tb.wait(300_000)
        status, code, place = await tb.read("STATUS"), await tb.read("ERR_CODE"), await tb.read("ERR_ADDR")
        name = NAMES[code]
        seen[name] += 1
        if name == "NONE":
            assert status == 2, what
        elif name == "BUS_READ":
            assert place == at // line * line, f"{what}: {name} at {place:#x}"
        else:
            assert name == "BUS_WRITE" and place <= at < place + 1024, f"{what}: {name} at {place:#x}"
        await tb.silence(what)
        tb.judge(what)
        dut.err_en.value = 0
        await tb.again(tb.rng.choice(tb.goods), what)
    dut._log.info(f"bus faults ended: {dict(seen)}")


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def reset_while_draining(dut) -> None:  # type: ignore[no-untyped-def]
    """Soft resets and starts while the bus still owes answers: nothing of it is seen later."""
    tb = await faults(dut)
    drained = 0
    for number in range(24):
        what = f"reset {number}"
        good, other = tb.rng.choice(tb.goods), tb.rng.choice(tb.goods)
        dut.latency.value = tb.rng.choice([100, 300])
        dut.stall_percent.value = tb.rng.choice([0, 50])
        dut.manner.value = tb.rng.randrange(8)
        await tb.begin(good.job.image)
        await ClockCycles(dut.clk, tb.rng.randint(20, 1500))
        error = number % 3 == 0 and not int(dut.irq.value)
        if error:  # a bus error first, then soft resets in its drain
            dut.err_resp.value, dut.err_addr.value, dut.err_en.value = 2, int(dut.m_axi_araddr.value), 1
            await First(RisingEdge(dut.irq), ClockCycles(dut.clk, 3000))
        else:
            await tb.write("CTRL", 2)
        tb.watch.quiet = not await tb.read("STATUS") & 1
        drained += await tb.read("STATUS") >> 3 & 1
        for _ in range(tb.rng.randint(1, 3)):
            await tb.write("CTRL", 2)
            assert await tb.read("STATUS") & 7 == 0, what
        tb.watch.quiet = True
        dut.err_en.value = 0
        await tb.write("IRQ_STATUS", 3)
        if number % 2:
            await tb.silence(what)
            dut.latency.value = 5
            await tb.again(other, what)
        else:  # the next image starts at once: its requests come when the old answers have
            tb.watch.quiet = False
            tb.watch.size = max(len(good.job.image), len(other.job.image))
            dut.latency.value = 5
            await tb.load(other.job.image)
            await tb.write("CTRL", tb.rng.choice([1, 3]))
            await tb.wait(300_000)
            assert await tb.read("STATUS") == 2, what
            left = np.frombuffer(await tb.dump(), np.uint8)
            assert not ((left != other.left) & other.same).any(), what
        tb.judge(what)
    assert drained >= 8, f"only {drained} of 24 runs were met while draining"


@cocotb.test(timeout_time=1000, timeout_unit="ms")
async def hang_while_draining(dut) -> None:  # type: ignore[no-untyped-def]
    """The bus stops while the machine drains: not busy, a start meanwhile times out, and works once the bus answers."""
    tb = await faults(dut)
    await tb.write("WATCHDOG", 400)
    for number in range(8):
        what = f"hang {number}"
        good = tb.rng.choice(tb.goods)
        dut.latency.value, dut.manner.value = 50, number
        await tb.begin(good.job.image)
        while not int(dut.axi_busy.value):
            await ClockCycles(dut.clk, 1)
        await ClockCycles(dut.clk, tb.rng.randint(1, 40))
        dut.hang.value = 1
        await tb.write("CTRL", 2)
        tb.watch.quiet = True
        assert await tb.read("STATUS") & 1 == 0, what
        if not await tb.read("STATUS") & 8:  # nothing was on its way
            dut.hang.value = 0
            continue
        await tb.write("CTRL", 1)
        assert await tb.read("STATUS") & 1, what
        await tb.wait(3000)
        assert await tb.read("ERR_CODE") == ERR["WATCHDOG"], what
        assert await tb.read("ERR_ADDR") < len(good.job.image), what
        assert await tb.read("STATUS") & 0xD == 0xC, f"{what}: not busy, error, draining"
        dut.hang.value = 0
        await tb.silence(what)
        tb.judge(what)
        await tb.again(good, what)


# the back ends differ behind all checks: one of them by default, and the stages that boards have, in what happens at any time
VARIANTS: dict[str, dict[str, int]] = {"tiny": {}, "deep": {"DEEP": 1}}
AT_ANY_TIME = "random_words,late_beats,random_bus_faults,reset_while_draining,hang_while_draining"
if LONG:
    VARIANTS |= {"fast": {"LAGGY": 0}, "sparten": {"LAGGY": 0, "SEQUENTIAL": 1}}
SEEDS = max(1, int(os.environ.get("LOAS_SEEDS", "40")) // 40)
FIRST = int(os.environ.get("LOAS_SEED", "1"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
@pytest.mark.parametrize("variant", VARIANTS)
def test_machine_faults(variant: str, seed: int) -> None:
    some = AT_ANY_TIME if variant == "deep" and not LONG else None
    launch("test_machine_faults", "verilator", VARIANTS[variant], seed, some)
