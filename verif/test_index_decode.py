# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_index_decode: blocks of every density against the golden code, all stalls; cycles a chunk; broken strings; reset."""
from __future__ import annotations

import random
from typing import Any

import cocotb
import numpy as np
import pytest

from golden.index_code import IndexCodeError, decode, encode, used
from verif.lib.lockstep import STALLS, Loop, Sink, Source, param

DENSITIES = [0.0, 0.002, 0.018, 0.03, 0.1, 0.5, 0.97, 1.0]


class Block:
    """A block: its mask, its string, and what goes in and out."""

    def __init__(self, dut: Any, chunks: int, cols: int, mask: np.ndarray[Any, Any]) -> None:
        self.chunk_w, self.rate, self.item = param(dut, "CHUNK_W"), param(dut, "RATE"), param(dut, "ITEM_W") // 8
        self.chunks, self.cols, self.mask = chunks, cols, mask
        self.nnz = int(mask.sum())
        self.string = encode(mask)
        self.rubbish = random.random() < 0.5     # what the string is padded with is of no account
        self.count = -(-len(self.string) // self.item)

    @classmethod
    def random(cls, dut: Any, chunks: int, cols: int, density: float | None = None) -> Block:
        """Weights all over, in clusters, or a few far from each other, whose gaps are around the escape."""
        positions = chunks * cols * param(dut, "CHUNK_W")
        kind = random.randrange(4) if density is None else 0
        density = random.choice(DENSITIES) if density is None else density
        mask = np.array([random.random() < density for _ in range(positions)])
        if kind == 1:                            # whole stretches without any, up to the end now and then
            for _ in range(3):
                first = random.randrange(positions)
                mask[first : first + random.choice([255, 256, 700, positions])] = False
        elif kind == 2:
            mask[:] = False
            at = -1
            while (at := at + 1 + random.choice([0, 1, 253, 254, 255, 256, 509, 510, 511])) < positions:
                mask[at] = True
        elif kind == 3:                          # one: the first, the last, anywhere
            mask[:] = False
            mask[random.choice([0, positions - 1, random.randrange(positions)])] = True
        return cls(dut, chunks, cols, mask)

    def head(self) -> dict[str, int]:
        return {"cols": self.cols, "nnz": self.nnz, "empty": int(self.count == 0)}

    def items(self) -> list[dict[str, int]]:
        """The string as items."""
        data = self.string[: self.count * self.item]
        size = self.count * self.item - len(data)
        data += random.randbytes(size) if self.rubbish else bytes(size)
        return [{"data": int.from_bytes(data[i * self.item : (i + 1) * self.item], "little"), "last": int(i == self.count - 1)}
                for i in range(self.count)]

    def out(self) -> list[dict[str, int]]:
        """The chunks."""
        total = self.chunks * self.cols
        packed = np.packbits(self.mask.reshape(total, -1), axis=1, bitorder="little")
        return [{"data": int.from_bytes(packed[i].tobytes(), "little"), "last": int(i == total - 1)} for i in range(total)]

    def cycles(self) -> list[int]:
        """Of each chunk, by the contract: max(1, bytes that end in it / RATE)."""
        steps = np.frombuffer(self.string, np.uint8).astype(np.int64)
        ends = np.cumsum(steps + (steps != 255)) - 1
        count = np.bincount(ends // self.chunk_w, minlength=self.chunks * self.cols)
        return np.maximum(1, -(-count // self.rate)).tolist()


class Errors:
    """Watches err: unknown never, high only where expected."""

    def __init__(self, dut: Any, expected: bool = False) -> None:
        self.err, self.expected = dut.err, expected
        self.cycles: list[int] = []

    def drive(self) -> None:
        pass

    def sample(self, cycle: int) -> None:
        assert self.err.value in (0, 1), f"err is unknown in cycle {cycle}"
        if self.err.value == 1:
            assert self.expected, f"err in cycle {cycle}"
            self.cycles.append(cycle)


def set_up(dut: Any, loop: Loop, blocks: list[Block], idle: float = 0.0, read: float = 0.0, stall: float = 0.0,
           broken: bool = False) -> tuple[Source, Source, Sink, Errors]:
    """Agents that send the blocks; all have the same chunks a column."""
    dut.cfg_chunks.value = blocks[0].chunks
    source, items = Source(dut, "s", ["cols", "nnz", "empty"], idle), Source(dut, "in", ["data", "last"], read)
    sink, errors = Sink(dut, "m", ["data", "last"], stall), Errors(dut, broken)
    for block in blocks:
        source.queue.append(block.head())
        items.queue.extend(block.items())
    loop.agents = [source, items, sink, errors]
    return source, items, sink, errors


async def check(dut: Any, loop: Loop, blocks: list[Block], idle: float = 0.0, read: float = 0.0, stall: float = 0.0) -> Sink:
    """Runs the blocks; all that goes in is taken, and exactly the chunks come out."""
    source, items, sink, _ = set_up(dut, loop, blocks, idle, read, stall)
    expected = [chunk for block in blocks for chunk in block.out()]
    limit = 500 + 40 * sum(sum(block.cycles()) + len(block.items()) + 20 for block in blocks)
    await loop.until(lambda: len(sink.items) >= len(expected) and not source.queue and not items.queue, limit)
    for _ in range(12):
        await loop.step()
    at = next((i for i, pair in enumerate(zip(sink.items, expected, strict=False)) if pair[0] != pair[1]), None)
    assert at is None, f"chunk {at}: expected {expected[at]}, got {sink.items[at]}"
    assert len(sink.items) == len(expected)
    return sink


def random_blocks(dut: Any, count: int, positions: int = 4096) -> list[Block]:
    """Blocks of at most so many positions, with the same chunks a column."""
    most = max(1, min(param(dut, "K_MAX"), positions) // param(dut, "CHUNK_W"))
    chunks = random.choice([1, most, random.randint(1, most)])
    return [Block.random(dut, chunks, random.randint(1, max(1, positions // (chunks * param(dut, "CHUNK_W"))))) for _ in range(count)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(idle=["none", "half"], read=["none", "half"], stall=["none", "half"])
async def blocks_in_a_row(dut: Any, idle: str, read: str, stall: str) -> None:
    loop = Loop(dut)
    await loop.reset()
    for count, positions in ((3, 4096), (8, 512)):
        await check(dut, loop, random_blocks(dut, count, positions), STALLS[idle], STALLS[read], STALLS[stall])


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(density=[0.002, 0.018, 0.1, 0.97])
async def cycles_a_chunk(dut: Any, density: float) -> None:
    """Nobody stalls: every chunk comes after the cycles of the contract, a block's first at most three later."""
    loop = Loop(dut)
    await loop.reset()
    chunks = min(8, param(dut, "K_MAX") // param(dut, "CHUNK_W"))
    blocks = [Block.random(dut, chunks, 16 // chunks, density) for _ in range(3)]
    rate, width = param(dut, "RATE"), param(dut, "CHUNK_W")
    mask = np.zeros((16, width), bool)           # as many as are decoded in a cycle in every chunk, at its ends
    mask[:, : (rate + 1) // 2] = mask[:, width - rate // 2 :] = True
    if width <= 255:
        blocks.insert(1, Block(dut, chunks, 16 // chunks, mask[: chunks * (16 // chunks)].reshape(-1)))
        assert max(blocks[1].cycles()) == 1
    sink = await check(dut, loop, blocks)
    taken = iter(sink.taken)
    now = next(taken)
    for n, block in enumerate(blocks):
        for i, cycles in enumerate(block.cycles()):
            if n + i == 0:
                continue
            before, now = now, next(taken)
            slack = now - before - cycles
            assert 0 <= slack <= (0 if i else 3), f"block {n}, chunk {i} took {now - before} cycles, should {cycles}"


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def silent_blocks_need_no_items(dut: Any) -> None:
    """They go at a chunk a cycle, also between others."""
    loop = Loop(dut)
    await loop.reset()
    chunks = param(dut, "K_MAX") // param(dut, "CHUNK_W")
    blocks = [Block.random(dut, chunks, 8, 0.0) for _ in range(3)]
    sink = await check(dut, loop, blocks)
    assert sink.taken[-1] - sink.taken[0] <= len(sink.taken) + 2
    await check(dut, loop, [Block.random(dut, chunks, 2, density) for density in (0.1, 0.0, 0.0, 1.0, 0.0, 0.02)])


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def silence_longer_than_all_that_is_held(dut: Any) -> None:
    """Positions are compared modulo a lap: as many 255s as A and B hold, from every lane on and every place near a chunk's end."""
    loop = Loop(dut)
    await loop.reset()
    rate, width = param(dut, "RATE"), param(dut, "CHUNK_W")
    length = 4 * rate * 255 + 2 * width
    for lane in range(rate):
        blocks = []
        for back in (1, 4, 16):
            mask = np.zeros(-(-length // width) * width, bool)
            mask[width - back - lane : width - back + 1] = True
            mask[width - back + (3 * rate + 1) * 255 + lane] = True
            blocks.append(Block(dut, 1, mask.size // width, mask))
        await check(dut, loop, blocks)


async def fails(dut: Any, loop: Loop, blocks: list[Block], stall: float = 0.0) -> None:
    """The last of the blocks raises err, and after rst nothing of it is left."""
    _, _, _, errors = set_up(dut, loop, blocks, stall=stall, broken=True)
    limit = 100 + 20 * sum(block.chunks * block.cols + len(block.string) for block in blocks)
    await loop.until(lambda: bool(errors.cycles), limit)
    await clear(dut, loop)


async def clear(dut: Any, loop: Loop) -> None:
    dut.s_valid.value, dut.in_valid.value = 0, 0
    await loop.reset()


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stall=["none", "half"])
async def broken_strings(dut: Any, stall: str) -> None:
    """Each rule of the contract on its own, in the first block and behind a good one."""
    loop = Loop(dut)
    await loop.reset()
    chunks = param(dut, "K_MAX") // param(dut, "CHUNK_W")
    for turn in range(2):
        good = [Block.random(dut, chunks, 2)] if turn % 2 else []
        for what in ("items missing", "no items", "item left", "items of none", "weights missing", "behind the end", "far behind the end"):
            bad = Block.random(dut, chunks, 2, 0.1)
            if what == "items missing":
                bad.count = random.randint(1, bad.count - 1)
            elif what == "no items":
                bad.count = 0
            elif what == "item left":
                bad.count += random.randint(1, 3)
            elif what == "items of none":
                bad = Block.random(dut, chunks, 2, 0.0)
                bad.count = random.randint(1, 3)
            elif what == "weights missing":      # more than the padding could be taken for
                bad.nnz += bad.item
                bad.rubbish = False
            elif what == "behind the end":       # the last weight by one position
                last = bad.mask.size - 1 - int(np.argmax(bad.mask[::-1]))
                mask = np.append(bad.mask, True)
                mask[last] = False
                bad.string = encode(mask)
                bad.count = -(-len(bad.string) // bad.item)
            else:
                bad.string = bad.string[:-1] + bytes([255] * random.randint(20, 400) + [7])
                bad.count = -(-len(bad.string) // bad.item)
            await fails(dut, loop, [*good, bad], STALLS[stall])
    await check(dut, loop, random_blocks(dut, 4))


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def any_bytes(dut: Any) -> None:
    """Rubbish as string, number of weights and of items: what the golden model makes of it, or err; never a hang."""
    loop = Loop(dut)
    await loop.reset()
    good, most = 0, param(dut, "K_MAX") // param(dut, "CHUNK_W")
    for _ in range(60):
        block = Block.random(dut, random.randint(1, min(2, most)), random.randint(1, 3), 0.0)
        block.count = random.randint(0, 3)
        block.string = bytes(random.choices([0, 1, 9, 30, 254, 255, random.randrange(256)], k=block.count * block.item))
        block.nnz = random.choice([0, 1, random.randint(0, len(block.string)), len(block.string), random.getrandbits(32)])
        try:
            size = used(block.string, block.nnz)
            block.mask = decode(block.string[:size], block.nnz, block.mask.size)
            legal = -(-size // block.item) == block.count
        except IndexCodeError:
            legal = False
        if not legal:
            await fails(dut, loop, [block])
            continue
        good += 1
        await check(dut, loop, [block])
    assert good > 5


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def reset_in_block(dut: Any) -> None:
    loop = Loop(dut)
    for _ in range(15):
        await loop.reset()
        set_up(dut, loop, random_blocks(dut, 3, 1024), 0.1, 0.3, random.choice([0.0, 0.5, 0.9]))
        for _ in range(random.randint(1, 60)):
            await loop.step()
        await clear(dut, loop)
        await check(dut, loop, random_blocks(dut, 2, 512))


def build_and_run(sim: str, chunk: int, rate: int, item: int, k_max: int) -> None:
    from verif.lib.sim import run

    run("loas_index_decode", "test_index_decode", sim, {"CHUNK_W": chunk, "RATE": rate, "ITEM_W": item, "K_MAX": k_max})


@pytest.mark.parametrize("chunk,rate,item,k_max", [(32, 1, 32, 256), (32, 4, 32, 96), (128, 4, 128, 1024), (128, 8, 64, 128),
                                                   (64, 2, 64, 512), (512, 1, 128, 1024)])  # fmt: skip
def test_index_decode(sim: str, chunk: int, rate: int, item: int, k_max: int) -> None:
    build_and_run(sim, chunk, rate, item, k_max)


def test_widest_index_decode() -> None:
    """The largest decoder, which takes Icarus a minute."""
    build_and_run("verilator", 512, 8, 512, 1024)
