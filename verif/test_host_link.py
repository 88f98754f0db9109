"""loas_host_link over its serial line: commands, bus errors, repeated and damaged requests, rates that are off by 2 %."""
from __future__ import annotations

import os
import random
import struct
import zlib
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, Event, FallingEdge, First, Timer

from host.protocol import COMMANDS, CRC_BYTES, HEAD_BYTES, IDENTITY, MAGIC, STATUS, VERSION, Decoder, Frame
from verif.lib.sim import ROOT, SIMULATORS, run

MEM = 0x40000000
WORDS = 64
CYCLE = 1000  # ps
CODES = {name: code for code, name in STATUS.items()}


class TB:
    """Clock, reset, and the host's end of the serial line at a rate that is `off` by a fraction."""

    def __init__(self, dut: Any, off: float = 0.0) -> None:
        self.dut = dut
        self.ratio = int(dut.CLK_HZ.value) / int(dut.BAUD.value)
        self.words = int(dut.BUFFER_WORDS.value)
        self.gap = int(dut.GAP_CYCLES.value)
        self.bus_cycles = int(dut.BUS_CYCLES.value)
        self.bit = self.ratio * CYCLE * (1 + off)  # ps
        self.decoder = Decoder()
        self.frames: list[Frame] = []
        self.arrived = Event()
        self.model = bytearray(4 * WORDS)
        self.before = 0  # writes when the test began
        self.seq = random.randrange(256)
        Clock(dut.clk, CYCLE, unit="ps").start()

    async def start(self) -> None:
        self.dut.rst.value = 1
        self.dut.hang.value = 0
        self.dut.manner.value = random.randrange(8)
        self.dut.uart_rxd.value = 1
        await ClockCycles(self.dut.clk, 5)
        self.dut.rst.value = 0
        await ClockCycles(self.dut.clk, 3)
        cocotb.start_soon(self._listen())
        await self.ask("FILL", MEM, WORDS, 0)  # what the test before left there
        self.before = int(self.dut.writes.value)

    async def _listen(self) -> None:
        """Takes bytes from the board, each with a stop bit."""
        while True:
            await FallingEdge(self.dut.uart_txd)
            await Timer(round(1.5 * self.bit), unit="ps")
            value = 0
            for i in range(8):
                value |= int(self.dut.uart_txd.value) << i
                await Timer(round(self.bit), unit="ps")
            assert int(self.dut.uart_txd.value) == 1, "no stop bit"
            self.frames += self.decoder.feed(bytes([value]))
            self.arrived.set()

    async def send(self, data: bytes, pause: float = 0.0) -> None:
        """Puts bytes on the line; `pause`: chance of up to 20 bits of silence behind each."""
        for byte in data:
            for bit in (0, *(byte >> i & 1 for i in range(8)), 1):
                self.dut.uart_rxd.value = bit
                await Timer(round(self.bit), unit="ps")
            if random.random() < pause:
                await Timer(round(self.bit * random.randint(1, 20)), unit="ps")

    async def answer(self, cycles: int) -> Frame | None:
        """The next answer, or None if there is none within so many cycles."""
        end = Timer(cycles * CYCLE, unit="ps")
        while not self.frames:
            self.arrived.clear()
            if await First(self.arrived.wait(), end) is end:
                return None
        return self.frames.pop(0)

    def frame(self, command: str | int, payload: bytes = b"", seq: int | None = None) -> Frame:
        if seq is None:
            self.seq = (self.seq + 1) % 256
            seq = self.seq
        return Frame(seq, COMMANDS[command] if isinstance(command, str) else command, payload)

    async def ask(self, command: str | int, *words: int, data: bytes = b"", seq: int | None = None, status: str = "OK") -> bytes:
        """A request and its answer, which must have this status."""
        self.dut.manner.value = random.randrange(8)
        frame = self.frame(command, struct.pack(f"<{len(words)}I", *words) + data, seq)
        await self.send(frame.encode(), 0.05)
        got = await self.answer(20000 + 40 * WORDS + round(12 * self.ratio * 4 * self.words))
        assert got is not None, f"no answer to {frame}"
        assert got.seq == frame.seq
        assert STATUS[got.code] == status, frame
        await Timer(round(self.bit), unit="ps")
        return got.payload

    async def write(self, word: int, data: bytes) -> None:
        await self.ask("WRITE", MEM + 4 * word, data=data)
        self.model[4 * word : 4 * word + len(data)] = data

    async def check(self) -> None:
        """All of the memory is what the model says, by CRC and a piece of it by READ; the bus' protocol was kept."""
        assert not int(self.dut.axi_error.value), "AXI4-Lite protocol broken, see the log"
        crc = struct.unpack("<I", await self.ask("CRC", MEM, WORDS))[0]
        assert crc == zlib.crc32(self.model), "memory is not what was written"
        word, count = self.piece()
        assert await self.ask("READ", MEM + 4 * word, count) == self.model[4 * word : 4 * (word + count)]

    def piece(self) -> tuple[int, int]:
        count = random.choice([1, self.words, random.randint(1, self.words)])
        return random.choice([0, WORDS - count, random.randint(0, WORDS - count)]), count


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(off=[-0.02, 0.0, 0.02])
async def commands(dut: Any, off: float) -> None:
    """Everything that a host asks for, at this rate."""
    tb = TB(dut, off)
    await tb.start()
    assert await tb.ask("PING") == b""
    words = struct.unpack(f"<{len(IDENTITY)}I", await tb.ask("IDENTIFY"))
    who = {name: words[word] for name, word in IDENTITY.items()}
    rates = {"clock_hz": int(dut.CLK_HZ.value), "baud": int(dut.BAUD.value)}
    assert who == {"magic": MAGIC, "version": VERSION, "board": 0x54534554, "bitstream": 0x12345678, **rates, "mem_base": MEM,
                   "mem_bytes": 4 * WORDS, "buffer_words": tb.words, "dropped": 0}  # fmt: skip
    for _ in range(int(os.environ["LOAS_JOBS"])):
        word, count = tb.piece()
        await tb.write(word, random.randbytes(4 * count))
        word, count = tb.piece()
        value = random.getrandbits(32)
        await tb.ask("FILL", MEM + 4 * word, count, value)
        tb.model[4 * word : 4 * (word + count)] = struct.pack("<I", value) * count
        word = random.randrange(WORDS)
        count = random.randint(1, WORDS - word)
        crc = struct.unpack("<I", await tb.ask("CRC", MEM + 4 * word, count))[0]
        assert crc == zlib.crc32(tb.model[4 * word : 4 * (word + count)])
        await tb.check()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def refused(dut: Any) -> None:
    """Requests that came whole but cannot be done: a status, nothing written."""
    tb = TB(dut)
    await tb.start()
    known = set(COMMANDS.values())
    await tb.ask(random.choice([code for code in range(256) if code not in known]), status="BAD_COMMAND")
    for command, sizes in (("PING", (1, 2)), ("IDENTIFY", (1,)), ("RESET", (1, 3)), ("READ", (0, 1, 3)), ("CRC", (0, 1, 3)),
                           ("FILL", (0, 2, 4)), ("WRITE", (0, 1))):  # fmt: skip
        for size in sizes:
            await tb.ask(command, *[MEM, 1, 1, 1][:size], status="BAD_LENGTH")
    one: tuple[tuple[str, tuple[int, ...]], ...] = (("READ", (1,)), ("CRC", (1,)), ("FILL", (1, 5)), ("WRITE", (5,)))
    for command, more in one:
        await tb.ask(command, MEM + random.randint(1, 3), *more, status="BAD_ADDRESS")
    for command, counts in (("READ", (0, tb.words + 1, 1 << 31)), ("CRC", (0, 1 << 24)), ("FILL", (0, 1 << 24, 1 << 31))):
        for count in counts:
            await tb.ask(command, MEM, count, *([7] if command == "FILL" else []), status="BAD_COUNT")
    assert int(dut.writes.value) == tb.before
    await tb.check()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def bus_errors(dut: Any) -> None:
    """SLVERR and DECERR come with the address, a bus that hangs times out, RESET frees it."""
    tb = TB(dut)
    await tb.start()
    for _ in range(3):
        for base, status in ((4 * random.randint(1, 1000), "SLVERR"), (0x80000000 + 4 * random.randrange(1 << 20), "DECERR")):
            each: tuple[tuple[str, tuple[int, ...]], ...] = (("READ", (3,)), ("CRC", (3,)), ("FILL", (3, 9)), ("WRITE", (1, 2, 3)))
            for command, more in each:
                assert struct.unpack("<I", await tb.ask(command, base, *more, status=status)) == (base,), command
        last = random.randint(1, min(4, tb.words - 1))  # an error behind some good words: these are done
        data = random.randbytes(4 * (last + 1))
        got = await tb.ask("WRITE", MEM + 4 * (WORDS - last), data=data, status="DECERR")
        tb.model[4 * (WORDS - last) :] = data[: 4 * last]
        assert struct.unpack("<I", got) == (MEM + 4 * WORDS,)
        await tb.check()
        dut.hang.value = 1
        address = MEM + 4 * random.randrange(WORDS)
        hung: list[tuple[str, tuple[int, ...]]] = [("READ", (1,)), ("CRC", (1,)), ("FILL", (1, 9)), ("WRITE", (1,))]
        command, more = random.choice(hung)
        for _ in range(2):
            got = await tb.ask(command, address, *more, status="BUS_TIMEOUT")
            assert struct.unpack("<I", got) == (address,)
        await tb.ask("PING")
        dut.hang.value = random.getrandbits(1)  # the reset is done whether the slave comes back or not
        await tb.ask("RESET")
        dut.hang.value = 0
        await tb.check()
    rises = 0

    async def count() -> None:
        nonlocal rises
        while True:
            await ClockCycles(dut.clk, 1)
            rises += int(dut.board_rst.value)

    watch = cocotb.start_soon(count())
    await tb.ask("RESET")
    watch.cancel()
    assert rises == 16, rises


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def repeated(dut: Any) -> None:
    """The same request again is answered again, and what writes is done once."""
    tb = TB(dut)
    await tb.start()
    for command, more in (("WRITE", (1,)), ("WRITE", (1, 2)), ("FILL", (1, 3)), ("WRITE", (5,))):
        before = int(dut.writes.value)
        good = len(more) == 1 or command == "FILL"
        status = "OK" if good else "SLVERR"  # the second word has no register
        first = await tb.ask(command, 0, *more, status=status)
        assert int(dut.writes.value) == before + 1
        for _ in range(random.randint(1, 3)):
            assert await tb.ask(command, 0, *more, seq=tb.seq, status=status) == first
        assert int(dut.writes.value) == before + 1, "done twice"
        await tb.ask(command, 0, *more, status=status)
        assert int(dut.writes.value) == before + 2, "another number is another request"
    # the answer to a read is that of now
    await tb.ask("WRITE", MEM, 77)
    assert struct.unpack("<I", await tb.ask("READ", MEM, 1)) == (77,)
    await tb.ask("PING", seq=tb.seq)
    await tb.ask("WRITE", MEM, 78, seq=tb.seq)  # another command with the number of the last one is no repetition
    assert struct.unpack("<I", await tb.ask("READ", MEM, 1)) == (78,)


async def dropped(tb: TB) -> int:
    words = struct.unpack(f"<{len(IDENTITY)}I", await tb.ask("IDENTIFY"))
    return words[IDENTITY["dropped"]]


@cocotb.test(timeout_time=500, timeout_unit="ms")
@cocotb.parametrize(off=[-0.02, 0.02])
async def damaged(dut: Any, off: float) -> None:
    """Bytes lost, added, changed, frames cut off: no answer, no effect, and the next request works after padding or silence."""
    tb = TB(dut, off)
    await tb.start()
    await tb.write(0, random.randbytes(4 * tb.words))
    longest = HEAD_BYTES + 4 + 4 * tb.words + CRC_BYTES
    for number in range(7 * int(os.environ["LOAS_JOBS"]) // 2):
        count = random.randint(1, tb.words)
        whole = tb.frame("WRITE", struct.pack("<I", MEM) + random.randbytes(4 * count)).encode()
        at, how = random.randrange(len(whole)), number % 7
        before = await dropped(tb)
        writes = int(dut.writes.value)
        if how == 0:
            bad = whole[:at] + whole[at + 1 :]
        elif how == 1:
            bad = whole[:at] + bytes([whole[at] ^ 1 << random.randrange(8)]) + whole[at + 1 :]
        elif how == 2:
            bad = whole[: at + 1]
            bad = bad if len(bad) < len(whole) else bad[:-1]
        elif how == 3:
            bad = whole[: at + 1] + bytes([random.randrange(256)]) + whole[at + 1 :]
            if at + 1 == len(whole) or bad[: len(whole)] == whole:
                bad = whole[:-1]
        elif how == 4:  # longer than the buffer, or no whole words
            size = random.choice([4 * tb.words + 8, 4 * tb.words + 5, 6, 0xFFFF, 0x1000])
            bad = struct.pack("<BHBB", 0xA5, size, 1, 3) + bytes(9)
        elif how == 5:
            bad = bytes(random.choice([b for b in range(256) if b != 0xA5]) for _ in range(20))
        else:  # a break in the middle
            bad = b""
            await tb.send(whole[:at])
            tb.dut.uart_rxd.value = 0
            await Timer(round(tb.bit * random.randint(10, 30)), unit="ps")
            tb.dut.uart_rxd.value = 1
            await Timer(round(tb.bit * 2), unit="ps")
        await tb.send(bad)
        if random.getrandbits(1):  # what the driver does: zeros end any frame, whatever its length
            await tb.send(bytes(longest))
            assert await tb.answer(200) is None, f"answered {bad.hex()}"
        else:
            assert await tb.answer(tb.gap + 200) is None, f"answered {bad.hex()}"
        assert int(dut.writes.value) == writes, f"written by {bad.hex()}"
        now = await dropped(tb)
        assert now - before <= 2  # a sync byte in the rest of a frame may begin another one
        if how == 4 or (how == 2):
            assert now > before
        if how == 5:
            assert now == before
        await tb.check()


@cocotb.test(timeout_time=500, timeout_unit="ms")
async def garbage(dut: Any) -> None:
    """Random bytes, rich in sync bytes and short lengths: never written, never answered but with a whole frame."""
    tb = TB(dut)
    await tb.start()
    for _ in range(int(os.environ["LOAS_JOBS"])):
        await tb.send(bytes(random.choice([0xA5, 0, 4, 8, 3, 0x40, random.randrange(256)]) for _ in range(random.randint(1, 60))), 0.1)
        await tb.send(bytes(HEAD_BYTES + 4 + 4 * tb.words + CRC_BYTES))
        assert await tb.answer(200) is None
        assert int(dut.writes.value) == tb.before
        await tb.check()


FOUR = {"CLK_HZ": 12000000, "BAUD": 3000000, "BUFFER_WORDS": 8, "GAP_CYCLES": 400}    # 4 cycles a bit
EIGHT = {"CLK_HZ": 25000000, "BAUD": 3000000, "BUFFER_WORDS": 16, "GAP_CYCLES": 800}  # 8.3 cycles a bit
LONG = bool(os.environ.get("LOAS_LONG"))
CASES = [(sim, parameters) for sim in SIMULATORS for parameters in (FOUR, EIGHT)] if LONG else [("icarus", FOUR), ("verilator", EIGHT)]


@pytest.mark.parametrize(("simulator", "parameters"), CASES)
def test_host_link(simulator: str, parameters: dict[str, int]) -> None:
    benches = (ROOT / "verif" / "rtl" / f"{name}.v" for name in ("tb_host_link", "loas_axil_checker"))
    sources = [*benches, *sorted((ROOT / "fpga" / "rtl").glob("loas_[chu]*.v"))]
    env = {"LOAS_JOBS": "20" if LONG else "2"}
    run("tb_host_link", "test_host_link", simulator, {**parameters, "WORDS": WORDS}, sources=sources, env=env)
