# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_row_buffer: random rows into both banks, of pixels of any numbers of slices; masks, prefix sums and words read back; when
they are said to be there; errors."""
from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.config import Config, load
from golden.fiber import compress_rows, row_stride
from verif.lib.lockstep import STALLS, Loop, Pause, Source, param


def config(dut: Any) -> Config:
    return load("tiny").override(**{n: param(dut, n) for n in ("T", "CHUNK_W", "WINDOW", "SLICE_W", "K_MAX", "LAGGY", "LINE_W")})


PIXEL = ["addr", "inside", "slices", "last"]


@dataclass
class Row:
    """The pixels of a row in memory, and what the buffer must say of it."""

    words: list[int]                 # by neuron of the padded row, 0: silent
    pixels: list[bytes | None]       # fibers; None: outside of the map
    slices: list[int]                # of each pixel

    @classmethod
    def make(cls, cfg: Config, slices: list[int]) -> Row:
        words: list[int] = []
        fibers: list[bytes | None] = []
        for number in slices:
            density, outside = random.choice([0.0, 0.05, 0.5, 1.0]), len(slices) > 1 and random.random() < 0.3
            size = number * cfg.SLICE_W
            cin = size if random.random() < 0.5 else size - random.randrange(cfg.SLICE_W)
            some = [random.randrange(1, 1 << cfg.T) if random.random() < density and not outside else 0 for _ in range(cin)]
            spikes = ((np.array(some)[None, :, None] >> np.arange(cfg.T)) & 1).astype(np.uint8)
            fibers.append(None if outside else compress_rows(spikes, cfg, row_stride(cin, cfg))[0].tobytes())
            words += some + [0] * (size - cin)
        return cls(words, fibers, slices)

    def put(self, memory: Memory) -> list[dict[str, int]]:
        """Appends the fibers to the memory; the pixels as items of a stream."""
        items = []
        for i, pixel in enumerate(self.pixels):
            items.append({"addr": len(memory.data) if pixel is not None else random.getrandbits(32), "inside": int(pixel is not None),
                          "slices": self.slices[i], "last": int(i == len(self.pixels) - 1)})
            memory.data += pixel or b""
        return items

    def lines(self, cfg: Config) -> int:
        """Lines that have to be read."""
        first = total = 0
        for pixel, slices in zip(self.pixels, self.slices, strict=True):
            size = slices * cfg.SLICE_W
            if pixel is not None:
                count = sum(map(bool, self.words[first : first + size]))
                chunks = 1 + -(-size // cfg.CHUNK_W) + -(-count * cfg.word_w // cfg.CHUNK_W)
                total += -(-chunks * cfg.chunk_bytes // cfg.line_bytes)
            first += size
        return total


def split(total: int, parts: int) -> list[int]:
    """Slices of so many pixels: all alike, those of two windows, or any."""
    if random.random() < 0.3:
        return [total // parts] * parts
    if parts > 1 and random.random() < 0.5:
        first = random.randint(1, parts - 1)
        one = random.randint(1, max(1, (total - (parts - first)) // first))
        return [one] * first + [max(1, (total - one * first) // (parts - first))] * (parts - first)
    cuts = sorted(random.sample(range(1, total), parts - 1))
    return [b - a for a, b in zip([0, *cuts], [*cuts, total], strict=True)]


class Memory:
    """Answers each line after a random time."""

    def __init__(self, dut: Any, line_bytes: int, stall: float, late: int) -> None:
        self.dut, self.line_bytes, self.late, self.stall = dut, line_bytes, late, Pause(stall)
        self.data = bytearray()
        self.answer: tuple[int, int] | None = None
        self.reads = 0
        self.cycle = 0

    def drive(self) -> None:
        ready = self.answer is not None and self.answer[0] <= self.cycle
        self.dut.rsp_valid.value = int(ready)
        self.dut.rsp_data.value = random.getrandbits(8 * self.line_bytes)
        if ready and self.answer is not None:
            at = self.answer[1]
            self.dut.rsp_data.value = int.from_bytes(self.data[at : at + self.line_bytes], "little")
            self.answer = None
        self.dut.req_ready.value = int(not self.stall.now())

    def sample(self, cycle: int) -> None:
        self.cycle = cycle + 1
        if self.dut.req_valid.value == 1 and self.dut.req_ready.value == 1:
            assert self.answer is None, "two lines asked for at once"
            self.answer = (cycle + random.randint(1, 1 + self.late), int(self.dut.req_addr.value))
            assert self.answer[1] % self.line_bytes == 0 and self.answer[1] < len(self.data), f"read at {self.answer[1]:#x}"
            self.reads += 1


async def read(dut: Any, loop: Loop, name: str, bank: int, **where: int) -> int:
    """One read through a port of the buffer; the port holds its value afterwards."""
    getattr(dut, f"{name}_rd_en").value = 1
    getattr(dut, f"{name}_rd_bank").value = bank
    for key, value in where.items():
        getattr(dut, f"{name}_rd_{key}").value = value
    await loop.step()
    getattr(dut, f"{name}_rd_en").value = 0
    for key in ("bank", *where):
        signal = getattr(dut, f"{name}_rd_{key}")
        signal.value = random.getrandbits(len(signal))
    await loop.step()
    data = getattr(dut, f"{name}_rd_data").value
    return int("".join(bit if bit in "01" else "0" for bit in str(data)), 2)   # chunks behind the row's last are unknown


async def mask_is(dut: Any, loop: Loop, cfg: Config, row: Row, bank: int, chunk: int) -> None:
    part = row.words[chunk * cfg.CHUNK_W : (chunk + 1) * cfg.CHUNK_W]
    window = param(dut, "WINDOW")
    got = await read(dut, loop, "mask", bank, window=chunk // window) >> (chunk % window * cfg.CHUNK_W) & ((1 << cfg.CHUNK_W) - 1)
    assert got == sum(1 << i for i, w in enumerate(part) if w), f"mask chunk {chunk}"


async def row_is(dut: Any, loop: Loop, cfg: Config, row: Row, bank: int, chunks: int) -> None:
    """Everything that a complete row must give."""
    base_w, step = (cfg.K_MAX).bit_length(), cfg.SLICE_W if cfg.LAGGY else cfg.CHUNK_W
    for chunk in range(chunks):
        await mask_is(dut, loop, cfg, row, bank, chunk)
        bases = await read(dut, loop, "base", bank, chunk=chunk)
        if not cfg.LAGGY:   # those of the window
            bases >>= chunk % param(dut, "WINDOW") * base_w
        for i in range(cfg.CHUNK_W // step):
            below = sum(map(bool, row.words[: chunk * cfg.CHUNK_W + i * step]))
            assert bases >> (i * base_w) & ((1 << base_w) - 1) == below, f"sum of chunk {chunk}, slice {i}"
    kept = [w for w in row.words if w]
    for index in random.sample(range(len(kept)), min(len(kept), 12)) + [len(kept) - 1] * bool(kept):
        assert await read(dut, loop, "word", bank, index=index) == kept[index], f"word {index}"


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(stall=["none", "half"], late=[0, 9])
async def random_rows(dut: Any, stall: str, late: int) -> None:
    """Both banks filled, the older one given back; mask chunks are there as soon as they are said to be."""
    cfg, loop = config(dut), Loop(dut)
    await loop.reset()
    dut.free.value = 0
    for name in ("mask", "base", "word"):
        getattr(dut, f"{name}_rd_en").value = 0
    most = cfg.K_MAX // cfg.SLICE_W
    for pixels in sorted({1, min(2, most), min(random.randint(2, 9), most)}):
        slices = split(random.choice([most, random.randint(pixels, most)]), pixels)
        chunks = -(-sum(slices) * cfg.SLICE_W // cfg.CHUNK_W)
        dut.cfg_chunks.value = chunks
        rows = [Row.make(cfg, slices) for _ in range(5)]
        memory, source = Memory(dut, cfg.line_bytes, STALLS[stall], late), Source(dut, "s", PIXEL)
        for row in rows:
            source.queue.extend(row.put(memory))
        loop.agents = [memory, source]
        bank = int(dut.ld_bank.value)
        for number, row in enumerate(rows):
            row.words += [0] * (chunks * cfg.CHUNK_W - len(row.words))
            while not int(dut.complete.value) >> bank & 1:
                if dut.ld_valid.value == 1 and int(dut.ld_bank.value) == bank and int(dut.ld_masks.value):
                    await mask_is(dut, loop, cfg, row, bank, random.randrange(int(dut.ld_masks.value)))
                else:
                    await loop.step()
                assert loop.cycle < 200_000 and dut.err.value == 0
            await row_is(dut, loop, cfg, row, bank, chunks)
            # the third row waits until the first one's bank is free
            assert len(source.taken) <= pixels * (number + 2)
            dut.free.value = 1
            await loop.step()
            dut.free.value = 0
            assert not int(dut.complete.value) >> bank & 1
            bank ^= 1
        assert memory.reads == sum(r.lines(cfg) for r in rows)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def wrong_counts(dut: Any) -> None:
    """A header unlike its masks, or pixels that do not make cfg_chunks: err with the fiber's address, never complete; after rst
    the next row is right."""
    cfg, loop = config(dut), Loop(dut)
    dut.free.value = 0
    most = cfg.K_MAX // cfg.SLICE_W
    slices = split(most, min(2, most))
    chunks = -(-sum(slices) * cfg.SLICE_W // cfg.CHUNK_W)
    for change in (-1, 1, slices[-1] * cfg.SLICE_W, 1 << 20, 1 << 31, "chunks"):
        for good in (False, True):
            await loop.reset()
            row = Row.make(cfg, slices)
            while row.pixels[-1] is None:
                row = Row.make(cfg, slices)
            wrong = change == "chunks" and not good
            dut.cfg_chunks.value = chunks ^ 1 if wrong else chunks
            memory, source = Memory(dut, cfg.line_bytes, 0.0, 0), Source(dut, "s", PIXEL)
            memory.data += random.randbytes(cfg.line_bytes * random.randrange(3))
            items = row.put(memory)
            at = items[-1]["addr"]
            count = int.from_bytes(memory.data[at : at + 4], "little")
            header = count if good or wrong else count + int(change)
            if header < 0:
                continue
            memory.data[at : at + 4] = header.to_bytes(4, "little")
            memory.data += bytes(8 * cfg.line_bytes)
            source.queue.extend(items)
            loop.agents = [memory, source]
            for _ in range(200 + 12 * len(memory.data) // cfg.line_bytes + 4 * chunks * (cfg.CHUNK_W // cfg.SLICE_W + cfg.word_w)):
                await loop.step()
                if dut.err.value == 1:
                    break
            assert int(dut.err.value) == (not good), f"count {count}, header {header}"
            assert int(dut.complete.value) == int(good)
            assert good or int(dut.err_addr.value) == at


@pytest.mark.parametrize("t,chunk_w,window,slice_w,k_max,laggy,line_w", [
    (4, 32, 1, 8, 96, 1, 128), (4, 32, 2, 8, 128, 0, 128), (16, 64, 2, 64, 128, 1, 256), (1, 128, 1, 16, 128, 1, 128),
    (3, 128, 1, 32, 384, 0, 128), (2, 32, 4, 8, 256, 1, 128)])
def test_row_buffer(sim: str, t: int, chunk_w: int, window: int, slice_w: int, k_max: int, laggy: int, line_w: int) -> None:
    from verif.lib.sim import run

    run("loas_row_buffer", "test_row_buffer", sim,
        {"T": t, "CHUNK_W": chunk_w, "WINDOW": window, "SLICE_W": slice_w, "K_MAX": k_max, "LAGGY": laggy, "LINE_W": line_w})
