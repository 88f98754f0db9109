# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Manners that AXI allows: an AXI4-Lite master of our own, one access at a time, and manners for cocotbext-axi's master and memory.

cocotbext-axi's pauses are chance alone: here BREADY and RREADY may wait for VALID (a slave that waits for READY then waits for
ever) or stand before it, and address and data come in each order. Between accesses LiteMaster does nothing, so that long
simulations are not slowed.
"""

from __future__ import annotations

import random
from enum import IntEnum
from typing import Any, NamedTuple

from cocotb.triggers import RisingEdge

LATE = 6   # cycles at most between what comes first and what comes second
LIMIT = 100_000   # cycles until an access counts as lost


class Order(IntEnum):
    """Of a write's address and data."""

    TOGETHER = 0
    ADDRESS_FIRST = 1
    DATA_FIRST = 2


class Answer(NamedTuple):
    """What an access brought: data of a read, and the response (0 OKAY, 2 SLVERR, 3 DECERR)."""

    data: bytes
    resp: int


class LiteMaster:
    """AXI4-Lite master of 32 bits on the signals ``<prefix>_awaddr`` and so on.

    Args:
        dut: Whose signals they are.
        prefix: Of their names.
        clk: The clock.
        seed: Of the manners.
    """

    def __init__(self, dut: Any, prefix: str, clk: Any, seed: int = 1) -> None:
        self.dut, self.prefix, self.clk = dut, prefix, clk
        self.rng = random.Random(seed)
        for name in ("awaddr", "awvalid", "wdata", "wstrb", "wvalid", "bready", "araddr", "arvalid", "rready"):
            self._signal(name).value = 0

    def _signal(self, name: str) -> Any:
        return getattr(self.dut, f"{self.prefix}_{name}")

    async def _transfer(self, sends: list[tuple[str, int, dict[str, int]]], answer: str) -> int:
        """Sends on channels (name, cycles to wait, payload) and returns the response that comes on channel `answer`."""
        late = bool(self.rng.getrandbits(1))   # its READY is low until VALID was seen; else it is there before
        valid, ready = self._signal(f"{answer}valid"), self._signal(f"{answer}ready")
        ready.value = up = int(not late)
        shown = dict.fromkeys((name for name, _, _ in sends), False)   # of what is not yet taken: VALID is up
        for cycle in range(LIMIT):
            for name, wait, payload in sends:
                if cycle == wait:
                    for signal, value in payload.items():
                        self._signal(signal).value = value
                    self._signal(f"{name}valid").value = 1
                    shown[name] = True
            await RisingEdge(self.clk)
            for name in [name for name, up_now in shown.items() if up_now and int(self._signal(f"{name}ready").value)]:
                self._signal(f"{name}valid").value = 0
                del shown[name]
            if int(valid.value):
                if up:
                    ready.value = 0
                    assert not shown, f"{self.prefix}: an answer on {answer.upper()} before {', '.join(shown).upper()} was taken"
                    return int(self._signal(f"{answer}resp").value)
                ready.value = up = 1
        waits = ", ".join(shown).upper() or "nothing"
        raise AssertionError(f"{self.prefix}: no answer on {answer.upper()} within {LIMIT} cycles; not taken: {waits}")

    async def write(self, address: int, data: bytes) -> Answer:
        """Writes bytes, a word at a time; the answer has the worst response."""
        worst = 0
        while data:
            lane = address % 4
            piece, data = data[: 4 - lane], data[4 - lane :]
            order, wait = self.rng.choice(list(Order)), self.rng.randint(1, LATE)
            word, strobes = int.from_bytes(piece, "little") << 8 * lane, (1 << len(piece)) - 1 << lane
            resp = await self._transfer(
                [("aw", wait if order == Order.DATA_FIRST else 0, {"awaddr": address - lane}),
                 ("w", wait if order == Order.ADDRESS_FIRST else 0, {"wdata": word, "wstrb": strobes})], "b")  # fmt: skip
            worst, address = max(worst, resp), address + len(piece)
        return Answer(b"", worst)

    async def read(self, address: int, length: int) -> Answer:
        """Reads bytes, a word at a time; the answer has the worst response."""
        data, worst, start = b"", 0, address % 4
        for word in range(address - start, address + length, 4):
            worst = max(worst, await self._transfer([("ar", 0, {"araddr": word})], "r"))
            # nothing was awaited since: this is the value of the handshake
            data += int(self._signal("rdata").value).to_bytes(4, "little")
        return Answer(data[start : start + length], worst)

    async def write_dword(self, address: int, value: int) -> None:
        """Writes a word that must be answered OKAY."""
        answer = await self.write(address, value.to_bytes(4, "little"))
        assert answer.resp == 0, f"{self.prefix}: response {answer.resp} to a write at {address:#x}"

    async def read_dword(self, address: int) -> int:
        """Reads a word that must be answered OKAY."""
        answer = await self.read(address, 4)
        assert answer.resp == 0, f"{self.prefix}: response {answer.resp} to a read at {address:#x}"
        return int.from_bytes(answer.data, "little")


async def behave(master: Any, dut: Any, prefix: str, clk: Any, rate: float) -> None:
    """Gives a cocotbext-axi AxiMaster manners, for ever: answers' READY late or early, a burst's address or its data first, pauses.

    Args:
        master: The master.
        dut: Whose signals it drives.
        prefix: Of their names.
        clk: The clock.
        rate: Of cycles in which a channel pauses.
    """
    write, read = master.write_if, master.read_if
    signals = {name: getattr(dut, f"{prefix}_{name}") for name in
               ("awvalid", "awready", "wvalid", "wready", "wlast", "bvalid", "bready", "rvalid", "rready")}  # fmt: skip
    late, order, addresses, bursts, inside = True, Order.DATA_FIRST, 0, 0, False
    while True:
        await RisingEdge(clk)
        if not dut.rst.value.is_resolvable or int(dut.rst.value):
            continue
        now = {name: str(signal.value) == "1" for name, signal in signals.items()}   # LAST is unknown without VALID
        addresses += now["awvalid"] and now["awready"]
        if now["wvalid"] and now["wready"]:
            bursts, inside = bursts + (not inside), not now["wlast"]
        if addresses == bursts and not inside and random.random() < 0.1:
            late, order = random.random() < 0.5, random.choice(list(Order))
        pause = [random.random() < rate for _ in range(4)]
        # an address waits for the first beat of its burst to be up, or a beat for its address
        up = now["wvalid"] and not now["wready"] and not inside
        write.aw_channel.pause = pause[0] or (order == Order.DATA_FIRST and addresses >= bursts + up)
        write.w_channel.pause = pause[1] or (order == Order.ADDRESS_FIRST and not inside and bursts >= addresses)
        write.b_channel.pause = pause[2] if not late else not now["bvalid"] or now["bready"]
        read.r_channel.pause = pause[3] if not late else not now["rvalid"] or now["rready"]


async def wait_for_valid(slave: Any, dut: Any, prefix: str, clk: Any) -> None:
    """Keeps READY of a cocotbext-axi AxiRam low on AR, AW and W until the cycle after VALID was seen, for ever."""
    channels = {"ar": slave.read_if.ar_channel, "aw": slave.write_if.aw_channel, "w": slave.write_if.w_channel}
    signals = {name: [getattr(dut, f"{prefix}_{name}{what}") for what in ("valid", "ready")] for name in channels}
    while True:
        for name, channel in channels.items():
            valid, ready = (str(signal.value) == "1" for signal in signals[name])
            channel.pause = not valid or ready
        await RisingEdge(clk)
