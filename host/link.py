# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""The host's end of the host link: requests, answers, repetitions. Source: docs/host-link.md."""

from __future__ import annotations

import random
import struct
import time
from typing import NoReturn

from host import protocol
from host.bus import Identity
from host.errors import LinkError, RefusedError, WrongBoardError
from host.protocol import COMMANDS, IDENTITY, MOST_FRAME, STATUS, Decoder, Frame
from host.transport import SerialTransport, Transport

BAUD = 3_000_000  # of the boards here, if nobody says otherwise
CYCLES_A_WORD = 64  # of FILL and CRC, more than any memory here needs


class Link:
    """A board at the end of a line that may lose or change bytes: a :class:`host.bus.Bus`.

    Attributes:
        name: Of the line.
        retries: Requests that had to be sent again.
        skipped: Answers that nobody waited for any more.
    """

    def __init__(self, transport: Transport, *, timeout: float = 1.0, attempts: int = 5) -> None:
        """Takes a line; nothing is sent yet.

        Args:
            transport: The line.
            timeout: Seconds to wait for an answer, beside the time that its bytes and the board's work take.
            attempts: How often a request is sent before it is given up.
        """
        self._line, self.timeout, self.attempts = transport, timeout, max(1, attempts)
        self.name = transport.name
        self.retries = self.skipped = 0
        self._decoder = Decoder()
        self._seq = random.randrange(256)  # unlike the number of the session before, but for one time in 256, where a PING does not mind
        self._identity: Identity | None = None

    @classmethod
    def open(cls, port: str, baud: int = BAUD, *, timeout: float = 1.0, attempts: int = 5) -> Link:
        """Opens a serial port and asks who is there.

        Raises:
            LinkError: No such port, or nobody answers.
            WrongBoardError: Somebody else answers.
        """
        link = cls(SerialTransport(port, baud), timeout=timeout, attempts=attempts)
        try:
            link.identify()
        except BaseException:
            link.close()
            raise
        return link

    # ---- one request ---------------------------------------------------------------------------------
    def request(self, command: str, payload: bytes = b"", *, work: float = 0.0) -> bytes:
        """Sends a request until it is answered.

        Args:
            command: Name in ``spec/host_link.toml``.
            payload: Whole words.
            work: Seconds that the board needs.

        Returns:
            The payload of the answer.

        Raises:
            LinkError: No answer that is whole.
            RefusedError: The board cannot do it.
        """
        self._seq = (self._seq + 1) % 256
        frame = Frame(self._seq, COMMANDS[command], payload)
        baud = self._identity.baud if self._identity else BAUD // 26  # 115 200: slow enough for any
        line = 10 * (len(payload) + 2 * MOST_FRAME) / max(baud, 1)
        heard = 0
        for attempt in range(self.attempts):
            if attempt:
                self.retries += 1
                self._line.clear()
                self._decoder.clear()
                self._line.write(bytes(MOST_FRAME))  # ends whatever the board takes for a frame
            self._line.write(frame.encode())
            until = time.monotonic() + self.timeout + line + work
            while (left := until - time.monotonic()) > 0:
                data = self._line.read(left)
                heard += len(data)
                for answer in self._decoder.feed(data):
                    if answer.seq == frame.seq:
                        return self._take(command, payload, answer)
                    self.skipped += 1
        if heard:
            raise LinkError(f"{self.name}: {command}: no whole answer in {self.attempts} attempts, {heard} bytes came, "
                            f"{self._decoder.damaged} damaged frames: is the rate right, is this a LoAS board?")  # fmt: skip
        raise LinkError(f"{self.name}: {command}: no answer in {self.attempts} attempts of {self.timeout:g} s: "
                        "is the board powered and configured, is it this port?")  # fmt: skip

    def _take(self, command: str, payload: bytes, answer: Frame) -> bytes:
        """The payload of an answer, or what it complains about."""
        status = STATUS.get(answer.code, str(answer.code))
        if status == "OK":
            return answer.payload
        where = struct.unpack("<I", answer.payload)[0] if len(answer.payload) == 4 else None
        asked = f" at 0x{struct.unpack_from('<I', payload)[0]:08x}" if len(payload) >= 4 else ""
        about = f": 0x{where:08x}" if where is not None else ""
        meaning = protocol.SPEC["status"].get(status, {"doc": "a status this driver does not know"})["doc"]
        raise RefusedError(f"{self.name}: {command}{asked}: refused with {status}{about} ({meaning})", status, where)

    # ---- the bus -------------------------------------------------------------------------------------
    def identify(self) -> Identity:
        """Asks who is there, with a PING first, which begins the session.

        Raises:
            WrongBoardError: It is no LoAS, or speaks another protocol.
        """
        self.request("PING")
        answer = self.request("IDENTIFY")
        if len(answer) < 8:
            self._stranger(f"its identity has {len(answer)} bytes")
        words = struct.unpack(f"<{len(answer) // 4}I", answer)
        if words[IDENTITY["magic"]] != protocol.MAGIC:
            self._stranger(f"its magic is {words[IDENTITY['magic']]:#010x}, not {protocol.MAGIC:#010x}")
        if words[IDENTITY["version"]] != protocol.VERSION:
            self._stranger(f"it speaks version {words[IDENTITY['version']]} of the host link, this driver {protocol.VERSION}")
        if len(words) < len(IDENTITY):
            self._stranger(f"its identity has {len(words)} words, not {len(IDENTITY)}")
        who = {name: words[word] for name, word in IDENTITY.items()}
        name = struct.pack("<I", who["board"]).decode("ascii", "replace")
        self._identity = Identity(
            name, who["bitstream"], who["clock_hz"], who["mem_base"], who["mem_bytes"], baud=who["baud"],
            buffer_words=who["buffer_words"], dropped=who["dropped"], protocol=who["version"],
        )  # fmt: skip
        return self._identity

    def _stranger(self, why: str) -> NoReturn:
        raise WrongBoardError(f"{self.name}: answers, but is no LoAS board for this driver: {why}: load the bitstream of this version")

    def _known(self) -> Identity:
        return self._identity or self.identify()

    def _work(self, words: int) -> float:
        return words * CYCLES_A_WORD / max(1, self._known().clock_hz)

    def read(self, address: int, size: int) -> bytes:
        """Reads bytes."""
        step, parts = 4 * self._known().buffer_words, []
        for at in range(0, size, step):
            part = min(step, size - at)
            data = self.request("READ", struct.pack("<II", address + at, part // 4))
            if len(data) != part:
                raise LinkError(f"{self.name}: READ of {part} bytes at 0x{address + at:08x} was answered with {len(data)}")
            parts.append(data)
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> None:
        """Writes bytes."""
        step = 4 * self._known().buffer_words
        for at in range(0, len(data), step):
            self.request("WRITE", struct.pack("<I", address + at) + data[at : at + step])

    def fill(self, address: int, size: int, value: int = 0) -> None:
        """Writes the same word everywhere."""
        for at, words in self._pieces(size):
            self.request("FILL", struct.pack("<III", address + at, words, value), work=self._work(words))

    def crc(self, address: int, size: int) -> int:
        """CRC-32 of memory, made by the board; of a large range by pieces, which are put together here."""
        total = 0
        for at, words in self._pieces(size):
            (part,) = struct.unpack("<I", self.request("CRC", struct.pack("<II", address + at, words), work=self._work(words)))
            total = part if at == 0 else combine(total, part, 4 * words)
        return total

    @staticmethod
    def _pieces(size: int) -> list[tuple[int, int]]:
        """(offset, words) of pieces of at most 1 MB, so that a lost answer costs little."""
        return [(at, min(1 << 20, size - at) // 4) for at in range(0, size, 1 << 20)]

    def reset(self) -> None:
        """Resets everything on the board but the link."""
        self.request("RESET")

    def wait_interrupt(self, seconds: float) -> None:
        """There is no interrupt on a line: sleeps a little."""
        time.sleep(min(seconds, 0.005))

    def close(self) -> None:
        """Gives the line back."""
        self._line.close()


def combine(first: int, second: int, size: int) -> int:
    """CRC-32 of two pieces behind each other, from those of the pieces.

    A CRC is linear: as many zero bytes behind the first piece as the second has, then an exclusive or. Squaring the step of one zero
    bit gives the step of many (the method of zlib's crc32_combine).

    Args:
        first: CRC of the first piece.
        second: CRC of the second.
        size: Bytes of the second.
    """
    step = [0xEDB88320] + [1 << i for i in range(31)]  # what a zero bit makes of each bit of the state
    bits = 8 * size
    while bits:
        if bits & 1:
            first = _apply(step, first)
        bits >>= 1
        step = [_apply(step, column) for column in step]
    return first ^ second


def _apply(matrix: list[int], state: int) -> int:
    total = 0
    for i, column in enumerate(matrix):
        if state >> i & 1:
            total ^= column
    return total
