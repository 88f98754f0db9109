# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_row_walk and loas_window: every pixel of every window of random convolutions, with tiles walked again and again."""
from __future__ import annotations

import random
from typing import Any

import cocotb

from lib.lockstep import STALLS, Loop, Sink, Source


def pixels(g: dict[str, int], base: int, row: int) -> list[dict[str, int]]:
    """The pixels of a row's window from the geometry alone; the address of one outside is of no account."""
    image, pixel = divmod(row, g["out_h"] * g["out_w"])
    oy, ox = divmod(pixel, g["out_w"])
    found = []
    for ky in range(g["kh"]):
        for kx in range(g["kw"]):
            y, x = oy * g["stride_y"] - g["pad_top"] + ky, ox * g["stride_x"] - g["pad_left"] + kx
            inside = 0 <= y < g["in_h"] and 0 <= x < g["in_w"]
            address = base + image * g["image_bytes"] + y * g["row_bytes"] + x * g["a_stride"]
            found.append({"inside": int(inside), "addr": address if inside else -1,
                          "last": int((ky, kx) == (g["kh"] - 1, g["kw"] - 1))})
    return found


def geometry() -> tuple[dict[str, int], int]:
    """A random convolution, often with windows that lie outside altogether, and the address of its first pixel."""
    g = {n: random.randint(1, 5) for n in ("kh", "kw", "in_h", "in_w", "out_h", "out_w", "stride_y", "stride_x")}
    g |= {n: random.choice([0, 0, 1, 2, 255]) for n in ("pad_top", "pad_left")}
    if random.random() < 0.1:
        g |= {"in_h": 65535, "stride_y": 255, "out_h": 300}
    g["a_stride"] = 128 * random.randint(1, 9)
    g["row_bytes"] = g["in_w"] * g["a_stride"]
    g["image_bytes"] = g["in_h"] * g["row_bytes"]
    base = 128 * random.randrange(1 << 10)
    g["step_x"], g["step_y"] = g["stride_x"] * g["a_stride"], g["stride_y"] * g["row_bytes"]
    g["start"] = (base - g["pad_top"] * g["row_bytes"] - g["pad_left"] * g["a_stride"]) % (1 << 32)
    return g, base


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stall=["none", "half"])
async def random_convolutions(dut: Any, stall: str) -> None:
    loop = Loop(dut)
    for name in ("start", "step", "mark", "back"):
        getattr(dut, name).value = 0
    await loop.reset()
    for _ in range(12):
        g, base = geometry()
        for name, value in g.items():
            getattr(dut, f"cfg_{name}").value = value
        source, sink = Source(dut, "s", []), Sink(dut, "m", ["addr", "inside", "last"], STALLS[stall])
        loop.agents = [source, sink]

        async def move(*names: str) -> None:
            for name in names:
                getattr(dut, name).value = 1
            await loop.step()
            for name in names:
                getattr(dut, name).value = 0

        await move("start", "mark")
        row, expected = 0, []
        for _ in range(4):                                  # tiles
            rows, again = random.randint(1, 9), random.randint(1, 3)
            for turn in range(again):
                for i in range(rows):
                    expected += pixels(g, base, row + i)
                    source.queue.append({})
                    await loop.until(lambda: not source.queue, 2000)   # noqa: B023  used within the turn
                    if i < rows - 1:
                        await move("step")
                if turn < again - 1:
                    await move("back")
            await move("step", "mark")
            row += rows
        await loop.until(lambda: len(sink.items) >= len(expected), 5000)   # noqa: B023
        got = [item | ({} if item["inside"] else {"addr": -1}) for item in sink.items]
        assert got == expected, g


def test_window(sim: str) -> None:
    from lib.sim import ROOT, run

    run("tb_window", "test_window", sim, sources=[ROOT / "verif" / "rtl" / "tb_window.v"])
