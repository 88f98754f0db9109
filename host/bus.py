# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""What the driver needs of a way to a board: words of registers and memory. A serial link and Zynq's processor both offer it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

REGISTERS = 0x0000_0000  # bus address of the machine's registers, as the host sees it


@dataclass(frozen=True)
class Identity:
    """Who answers.

    Attributes:
        board: Name, four characters on a serial link.
        bitstream: Number of the bitstream, 32 bits; 0 if it has none.
        clock_hz: Clock of the machine.
        mem_base: Where the host sees image memory.
        mem_bytes: Its size.
        image_base: Where the machine sees it: IMAGE_BASE of an image at ``mem_base``.
        baud: Bits a second of the line; 0 without a line.
        buffer_words: Most words of one access.
        dropped: Damaged requests since power-up.
        protocol: Version of the host link; 0 without one.
    """

    board: str
    bitstream: int
    clock_hz: int
    mem_base: int
    mem_bytes: int
    image_base: int = 0
    baud: int = 0
    buffer_words: int = 1 << 20
    dropped: int = 0
    protocol: int = 0


class Bus(Protocol):
    """A way to registers and memory. Addresses are bytes, multiples of 4; sizes of data are too. All methods raise BoardError."""

    name: str

    def identify(self) -> Identity:
        """Asks who is there."""

    def read(self, address: int, size: int) -> bytes:
        """Reads bytes."""

    def write(self, address: int, data: bytes) -> None:
        """Writes bytes."""

    def fill(self, address: int, size: int, value: int = 0) -> None:
        """Writes the same word everywhere."""

    def crc(self, address: int, size: int) -> int:
        """CRC-32 (zlib) of bytes, made at the board's end."""

    def reset(self) -> None:
        """Resets the machine and what is around it; memory keeps what it holds."""

    def wait_interrupt(self, seconds: float) -> None:
        """Returns when the machine's interrupt is up, or later: sleeps where there is none. At most so many seconds."""

    def close(self) -> None:
        """Ends the session."""
