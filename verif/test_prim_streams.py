"""The stream primitives: FIFOs, skid buffer, width adapter; order, contents, protocol, throughput, reset."""
from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import cocotb
import pytest
from cocotb.triggers import ReadOnly

from verif.lib.lockstep import needs
from verif.lib.streams import TB, random_bits


def adapt(words: list[int], s_w: int, m_w: int) -> list[dict[str, int]]:
    """One packet through a width adapter, stated plainly: as a string of bytes."""
    data = b"".join(word.to_bytes(s_w // 8, "little") for word in words)
    step = m_w // 8
    parts = [data[i : i + step] for i in range(0, len(data), step)]
    return [
        {"data": int.from_bytes(p, "little"), "strb": (1 << len(p)) - 1, "last": int(i == len(parts) - 1)}
        for i, p in enumerate(parts)
    ]


@cocotb.test(timeout_time=2, timeout_unit="ms")
@needs(lambda dut: not hasattr(dut, "s_last"), "the width adapter has packets")
@cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
async def order(dut: Any, idle: bool, back_pressure: bool) -> None:
    """FIFOs and skid: what goes in comes out, in order; `level` is the difference."""
    tb = TB(dut)
    source, sink = tb.source("s", idle=idle), tb.sink("m", back_pressure=back_pressure)
    await tb.reset()
    for _ in range(300):
        word = random_bits(len(dut.s_data))
        source.append(word)
        sink.expect(word)
    if hasattr(dut, "level"):
        seen, held = set(), 0
        while sink.expected:
            await tb.cycles()
            await ReadOnly()
            level = int(dut.level.value)
            assert level == held, f"level {level}, but {held} words are inside"
            seen.add(level)
            held += int(dut.s_valid.value & dut.s_ready.value) - int(dut.m_valid.value & dut.m_ready.value)
        if back_pressure and not idle:
            assert int(dut.DEPTH.value) in seen and 0 in seen, f"levels seen: {sorted(seen)}"
        await tb.cycles()
    await tb.drain()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def throughput(dut: Any) -> None:
    """A word a cycle, except for a FIFO of one word (every other cycle) and a width adapter (its narrower side)."""
    tb = TB(dut)
    fields = ("data", "last") if hasattr(dut, "s_last") else ("data",)
    out = (*fields, "strb") if hasattr(dut, "s_last") else fields
    source, sink = tb.source("s", fields), tb.sink("m", out)
    await tb.reset()
    count = 64
    narrow = wide = 1
    if hasattr(dut, "s_last"):
        s_w, m_w = len(dut.s_data), len(dut.m_data)
        narrow, wide = max(1, s_w // m_w), max(1, m_w // s_w)
        words = [random.getrandbits(s_w) for _ in range(count)]
        for i, word in enumerate(words):
            source.append({"data": word, "last": int(i == count - 1)})
        sink.expected.extend(adapt(words, s_w, m_w))
    else:
        for _ in range(count):
            word = random.getrandbits(len(dut.s_data))
            source.append(word)
            sink.expect(word)
    cost = narrow * (2 if hasattr(dut, "level") and int(dut.DEPTH.value) == 1 else 1)
    start = cocotb.utils.get_sim_time("ns")
    while sink.expected:
        await tb.cycles()
    took = (cocotb.utils.get_sim_time("ns") - start) / 10
    assert took <= count * cost + 5, f"{count} words took {took} cycles ({narrow=}, {wide=})"
    await tb.drain()


@cocotb.test(timeout_time=2, timeout_unit="ms")
@needs(lambda dut: hasattr(dut, "s_last"), "only the width adapter has packets")
@cocotb.parametrize(idle=[False, True], back_pressure=[False, True])
async def packets(dut: Any, idle: bool, back_pressure: bool) -> None:
    """Width adapter: packets of any length, back to back."""
    tb = TB(dut)
    source = tb.source("s", ("data", "last"), idle)
    sink = tb.sink("m", ("data", "strb", "last"), back_pressure)
    await tb.reset()
    s_w, m_w = len(dut.s_data), len(dut.m_data)
    for _ in range(40):
        words = [random_bits(s_w) for _ in range(random.choice((1, 1, 2, 3, 4, 5, 8, random.randint(1, 20))))]
        for i, word in enumerate(words):
            source.append({"data": word, "last": int(i == len(words) - 1)})
        sink.expected.extend(adapt(words, s_w, m_w))
    await tb.drain()


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_anywhere(dut: Any) -> None:
    """One cycle of rst empties it, whatever it held; afterwards it works as new."""
    tb = TB(dut)
    packet = hasattr(dut, "s_last")
    await tb.reset()
    for _ in range(20):
        dut.m_ready.value = 0
        for _ in range(random.randint(0, 6)):
            dut.s_valid.value, dut.s_data.value = 1, random.getrandbits(len(dut.s_data))
            if packet:
                dut.s_last.value = random.getrandbits(1)
            dut.m_ready.value = random.getrandbits(1)
            await tb.cycles()
        dut.rst.value = 1
        dut.s_valid.value = 0
        await tb.cycles()
        dut.rst.value = 0
        await ReadOnly()
        assert not dut.m_valid.value, "m_valid after reset"
        await tb.cycles()
    source = tb.source("s", ("data", "last") if packet else ("data",))
    sink = tb.sink("m", ("data", "strb", "last") if packet else ("data",))
    for _ in range(10):
        word = random.getrandbits(len(dut.s_data))
        source.append({"data": word, "last": 1} if packet else word)
        if packet:
            sink.expected.extend(adapt([word], len(dut.s_data), len(dut.m_data)))
        else:
            sink.expect(word)
    await tb.drain()


CASES = [
    ("loas_fifo", {"W": 1, "DEPTH": 1}),
    ("loas_fifo", {"W": 9, "DEPTH": 5}),
    ("loas_fifo_ram", {"W": 33, "DEPTH": 4}),
    ("loas_skid", {"W": 1}),
    ("loas_cut", {"W": 12, "CUT": 0}),
    ("loas_cut", {"W": 12, "CUT": 1}),
    ("loas_cut", {"W": 12, "CUT": 2}),
    ("loas_width_adapter", {"S_W": 128, "M_W": 32}),
    ("loas_width_adapter", {"S_W": 8, "M_W": 64}),
]
MORE = [  # cheap builds only
    ("loas_fifo", {"W": 130, "DEPTH": 2}),
    ("loas_fifo", {"W": 8, "DEPTH": 8}),
    ("loas_fifo_ram", {"W": 1, "DEPTH": 16}),
    ("loas_width_adapter", {"S_W": 32, "M_W": 32}),
    ("loas_width_adapter", {"S_W": 64, "M_W": 32}),
    ("loas_width_adapter", {"S_W": 32, "M_W": 64}),
]


def build_and_run(sim: str, top: str, parameters: dict[str, int]) -> None:
    from verif.lib.sim import run

    run(top, "test_prim_streams", sim, parameters)


def ident(value: object) -> str:
    return "-".join(f"{k}{v}" for k, v in value.items()) if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("top,parameters", CASES, ids=ident)
def test_streams(sim: str, top: str, parameters: dict[str, int]) -> None:
    build_and_run(sim, top, parameters)


@pytest.mark.parametrize("top,parameters", MORE, ids=ident)
def test_streams_icarus(top: str, parameters: dict[str, int]) -> None:
    build_and_run("icarus", top, parameters)


def test_skipped_tests_say_why(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    async def some(dut: Any) -> None:
        """Never run."""

    assert not needs(lambda dut: False, "anything")(some).skip   # pytest only imports the module
    monkeypatch.setattr("cocotb.top", SimpleNamespace(W=1), raising=False)
    assert not needs(lambda dut: dut.W == 1, "one")(some).skip and not caplog.messages
    assert needs(lambda dut: dut.W == 2, "two are needed")(some).skip
    assert caplog.messages == ["some is skipped: two are needed"]
