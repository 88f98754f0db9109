"""Counting, encoding, prefix sums, compaction and arbitration against plain Python; and that illegal parameters stop a build."""
from __future__ import annotations

import random
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ReadOnly, Timer

from verif.lib.sim import ROOT
from verif.lib.streams import TB, random_bits


def below(mask: int, pos: int) -> int:
    """Ones of `mask` below bit `pos`."""
    return (mask & ((1 << pos) - 1)).bit_count()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def combinational(dut: Any) -> None:
    width, slice_w = len(dut.mask), len(dut.keep)
    word_w = len(dut.words) // slice_w
    for number in range(1500):
        # walk all single bits first, then edges and random masks
        mask = 1 << number if number < width else random_bits(width)
        pos, words, keep = random.randrange(width), random.getrandbits(slice_w * word_w), random_bits(slice_w)
        dut.mask.value, dut.pos.value, dut.words.value, dut.keep.value = mask, pos, words, keep
        await Timer(1, "ns")
        assert int(dut.count.value) == int(dut.total.value) == mask.bit_count(), f"{mask=:#x}"
        assert int(dut.offset.value) == below(mask, pos), f"{mask=:#x} {pos=}"
        assert bool(dut.any.value) == (mask != 0)
        assert int(dut.onehot.value) == mask & -mask, f"{mask=:#x}"
        if mask:
            assert int(dut.index.value) == (mask & -mask).bit_length() - 1, f"{mask=:#x}"
        chosen = [words >> (k * word_w) & ((1 << word_w) - 1) for k in range(slice_w) if keep >> k & 1]
        assert int(dut.packed_words.value) == sum(w << (j * word_w) for j, w in enumerate(chosen)), f"{words=:#x} {keep=:#x}"
        assert int(dut.kept.value) == len(chosen)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(gaps=[False, True])
async def laggy(dut: Any, gaps: bool) -> None:
    """Results in time and right, at full rate and with gaps; starts while busy are ignored."""
    width, base_w = len(dut.mask), len(dut.base)
    slices = len(dut.slice_base) // base_w
    slice_w = width // slices
    tb = TB(dut)
    dut.start.value = 0
    await tb.reset()
    expected: tuple[int, int, int] | None = None
    due = finished = 0
    for cycle in range(120 * slices):
        await tb.cycles()
        mask, base = random_bits(width), random.randrange((1 << base_w) - width)
        start = not gaps or random.random() < 0.3
        dut.mask.value, dut.base.value, dut.start.value = mask, base, int(start)
        await ReadOnly()
        assert bool(dut.done.value) == (expected is not None and cycle == due), f"done in cycle {cycle}, due in {due}"
        if dut.done.value and expected is not None:
            before, e_mask, e_base = expected
            want = [e_base + below(e_mask, i * slice_w) for i in range(slices)]
            got = [int(dut.slice_base.value) >> (i * base_w) & ((1 << base_w) - 1) for i in range(slices)]
            assert got == want, f"mask {e_mask:#x} base {e_base} of cycle {before}"
            assert int(dut.laggy_total.value) == e_base + e_mask.bit_count()
            finished += 1
            expected = None
        assert bool(dut.busy.value) == (expected is not None)
        if start and not dut.busy.value:
            expected, due = (cycle, mask, base), cycle + slices
    assert finished >= (20 if gaps else 118)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def arbiter(dut: Any) -> None:
    """The grant is the first request behind the last advanced grant."""
    n = len(dut.req)
    tb = TB(dut)
    dut.advance.value = 0
    await tb.reset()
    last = n - 1
    for _ in range(500):
        req, advance = random_bits(n), random.getrandbits(1)
        dut.req.value, dut.advance.value = req, advance
        await ReadOnly()
        turn = next((i for i in (*range(last + 1, n), *range(last + 1)) if req >> i & 1), None)
        assert int(dut.grant.value) == (0 if turn is None else 1 << turn), f"{req=:b} last={last}"
        if advance and turn is not None:
            last = turn
        await tb.cycles()


def build_and_run(sim: str, parameters: dict[str, int]) -> None:
    from verif.lib.sim import run

    run("loas_prim_tb", "test_prim_logic", sim, parameters, sources=[ROOT / "verif" / "rtl" / "loas_prim_tb.v"])


PAPER = {"W": 128, "SLICE_W": 16, "WORD_W": 4, "BASE_W": 14, "N": 5}
SMALL = {"W": 32, "SLICE_W": 8, "WORD_W": 1, "BASE_W": 10, "N": 2}


@pytest.mark.parametrize("parameters", [PAPER, SMALL], ids=["paper", "small"])
def test_logic(sim: str, parameters: dict[str, int]) -> None:
    build_and_run(sim, parameters)


@pytest.mark.parametrize(
    "width,slice_w,n",
    [(1, 1, 1), (2, 1, 3), (2, 2, 4), (3, 3, 3), (4, 2, 8), (5, 5, 16), (7, 1, 2), (12, 4, 2), (48, 12, 2), (512, 64, 17)],
)
def test_logic_icarus(width: int, slice_w: int, n: int) -> None:
    """Edges of the parameters: width 1, one slice, no powers of two."""
    build_and_run("icarus", {"W": width, "SLICE_W": slice_w, "WORD_W": 3, "BASE_W": 12, "N": n})
