# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""loas_row_walk and loas_window: every pixel of every window of random convolutions, with branches, with tiles walked again and
again; pooled walks against plain counting."""
from __future__ import annotations

import random
from typing import Any

import cocotb

from verif.lib.lockstep import STALLS, Loop, Sink, Source


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
            found.append({"inside": int(inside), "addr": address if inside else -1, "slices": g["slices"],
                          "last": int((ky, kx) == (g["kh"] - 1, g["kw"] - 1))})
    return found


def geometry(out: tuple[int, int] | None = None) -> tuple[dict[str, int], int]:
    """A random convolution, often with windows that lie outside altogether, and the address of its first pixel."""
    g = {n: random.randint(1, 5) for n in ("kh", "kw", "in_h", "in_w", "out_h", "out_w", "stride_y", "stride_x")}
    g |= {n: random.choice([0, 0, 1, 2, 255]) for n in ("pad_top", "pad_left")}
    if random.random() < 0.1:
        g |= {"in_h": 65535, "stride_y": 255, "out_h": 300}
    if out:
        g["out_h"], g["out_w"] = out
    g["slices"] = random.randrange(1, 1 << 10)
    g["a_stride"] = 128 * random.randint(1, 9)
    g["row_bytes"] = g["in_w"] * g["a_stride"]
    g["image_bytes"] = g["in_h"] * g["row_bytes"]
    base = 128 * random.randrange(1 << 10)
    g["step_x"], g["step_y"] = g["stride_x"] * g["a_stride"], g["stride_y"] * g["row_bytes"]
    g["start"] = (base - g["pad_top"] * g["row_bytes"] - g["pad_left"] * g["a_stride"]) % (1 << 32)
    return g, base


async def move(dut: Any, loop: Loop, *names: str) -> None:
    """One cycle with these moves of the walks."""
    for name in names:
        getattr(dut, name).value = 1
    await loop.step()
    for name in names:
        getattr(dut, name).value = 0


async def begin(dut: Any) -> Loop:
    """Clock, reset, and nobody moves."""
    loop = Loop(dut)
    dut.s_valid.value = dut.m_ready.value = 0
    for name in ("start", "step", "mark", "back"):
        getattr(dut, name).value = 0
    await loop.reset()
    return loop


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(stall=["none", "half"])
async def random_convolutions(dut: Any, stall: str) -> None:
    loop = await begin(dut)
    dut.cfg_pool_h.value = dut.cfg_pool_w.value = 1
    for number in range(16):
        g, base = geometry()
        g2, base2 = geometry((g["out_h"], g["out_w"]))
        branch = number % 2
        dut.cfg_branch.value = branch
        for name, value in g.items():
            getattr(dut, f"cfg_{name}").value = value
        for name, value in g2.items():
            if not name.startswith("out_"):
                getattr(dut, f"cfg2_{name}").value = value
        source, sink = Source(dut, "s", []), Sink(dut, "m", ["addr", "inside", "slices", "last"], STALLS[stall])
        loop.agents = [source, sink]
        await move(dut, loop, "start", "mark")
        row, expected = 0, []
        for _ in range(4):                                  # tiles
            rows, again = random.randint(1, 9), random.randint(1, 3)
            for turn in range(again):
                for i in range(rows):
                    found = pixels(g, base, row + i)
                    if branch:
                        found[-1]["last"] = 0
                        found += pixels(g2, base2, row + i)
                    expected += found
                    assert int(dut.ready.value) and int(dut.ready2.value)
                    source.queue.append({})
                    await loop.until(lambda: not source.queue, 2000)   # noqa: B023  used within the turn
                    if i < rows - 1:
                        await move(dut, loop, "step")
                if turn < again - 1:
                    await move(dut, loop, "back")
            await move(dut, loop, "step", "mark")
            row += rows
        await loop.until(lambda: len(sink.items) >= len(expected), 5000)   # noqa: B023
        got = [item | ({} if item["inside"] else {"addr": -1}) for item in sink.items]
        assert got == expected, (g, g2)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def pooled_walk(dut: Any) -> None:
    """Rows are pooling windows, line by line, map by map; tiles of one row, a start in the middle of a step."""
    loop = await begin(dut)
    for _ in range(40):
        pool_h, pool_w = random.choice([(1, 1), (2, 2), (random.randint(1, 4), random.randint(1, 4))])
        g, _ = geometry((pool_h * random.randint(1, 4), pool_w * random.randint(1, 4)))
        g |= {"pool_h": pool_h, "pool_w": pool_w, "start": random.getrandbits(32), "image_bytes": random.getrandbits(32),
              "step_x": random.getrandbits(32), "step_y": random.getrandbits(32)}  # fmt: skip
        for name, value in g.items():
            getattr(dut, f"cfg_{name}").value = value
        places = [(image, y, x) for image in range(9) for y in range(0, g["out_h"], pool_h) for x in range(0, g["out_w"], pool_w)]

        async def here(row: int, places: list[tuple[int, int, int]] = places, g: dict[str, int] = g) -> None:
            for _ in range(400):
                if int(dut.ready.value):
                    break
                await loop.step()
            image, y, x = places[row]
            address = g["start"] + image * g["image_bytes"] + y * g["step_y"] + x * g["step_x"]
            want = (address % (1 << 32), (y * g["stride_y"] - g["pad_top"]) % (1 << 18), (x * g["stride_x"] - g["pad_left"]) % (1 << 18))
            got = tuple(int(getattr(dut, n).value) for n in ("addr", "y", "x"))
            assert got == want, f"row {row}: {got}, expected {want}, {g}"

        if random.random() < 0.3:   # a layer that was left in the middle
            await move(dut, loop, "start", "mark")
            await move(dut, loop, "step")
        await move(dut, loop, "start", "mark")
        row = 0
        for _ in range(5):
            rows, again = random.choice([1, 1, random.randint(1, 5)]), random.randint(1, 3)
            if row + rows >= len(places):
                break
            for turn in range(again):
                for i in range(rows):
                    await here(row + i)
                    for _ in range(random.choice([0, 0, 3])):
                        await loop.step()
                        await here(row + i)
                    if i < rows - 1:
                        await move(dut, loop, "step")
                if turn < again - 1:
                    await move(dut, loop, "back")
            await move(dut, loop, "step", "mark")
            row += rows


def test_window(sim: str) -> None:
    from verif.lib.sim import ROOT, run

    run("tb_window", "test_window", sim, sources=[ROOT / "verif" / "rtl" / "tb_window.v"])
