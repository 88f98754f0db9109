# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""A board whose processor drives the machine: a Zynq-7000 with PYNQ, registers over AXI, image memory a piece of the processor's own.

Not run on a board yet (docs/driver.md, fpga/pynq_z2): tested with objects in place of PYNQ's.
"""

from __future__ import annotations

import time
import zlib
from pathlib import Path
from typing import Any, Protocol

from golden.layout import MAGIC
from host.bus import REGISTERS, Identity
from host.errors import LinkError, RefusedError, WrongBoardError

MEM = 0x4000_0000  # where this driver says that image memory begins, as on boards with a serial line
REGISTER_BYTES = 0x1000
IRQ_STATUS = 0x02C
CTRL = 0x020
SOFT_RESET = 2
IP = "loas_0"  # its name in the block design of fpga/pynq_z2/build.tcl


class Registers(Protocol):
    """``pynq.MMIO``: words of the register port."""

    def read(self, offset: int) -> int:
        """Reads a word."""

    def write(self, offset: int, value: int) -> None:
        """Writes a word."""


class Memory(Protocol):
    """``pynq.buffer.PynqBuffer`` of bytes: contiguous, at one physical address."""

    physical_address: int
    nbytes: int

    def __getitem__(self, where: slice) -> Any:
        """Reads bytes."""

    def __setitem__(self, where: slice, data: Any) -> None:
        """Writes bytes."""

    def flush(self) -> None:
        """Writes the processor's cache back."""

    def invalidate(self) -> None:
        """Forgets the processor's cache."""


class ZynqBus:
    """A :class:`host.bus.Bus` of registers and a buffer in the same address map as on a serial line."""

    def __init__(self, registers: Registers, memory: Memory, *, clock_hz: int, name: str = "pynq", bitstream: int = 0,
                 interrupt: Any = None, board: str = "PYNQ") -> None:  # fmt: skip
        """Takes what PYNQ offers.

        Args:
            registers: The machine's register port.
            memory: Image memory, its physical address a multiple of 4 KB.
            clock_hz: Of the machine.
            name: For messages.
            bitstream: Number of the bitstream.
            interrupt: With ``wait(seconds)``, if the interrupt is connected.
            board: Its name.

        Raises:
            WrongBoardError: No machine behind the registers, or the buffer is not aligned.
        """
        self._registers, self._memory, self._interrupt, self.name = registers, memory, interrupt, name
        if memory.physical_address % 4096:
            raise WrongBoardError(f"{name}: buffer at 0x{memory.physical_address:x} is not legal: must begin at a multiple of 4096")
        if registers.read(0) != MAGIC:
            raise WrongBoardError(f"{name}: register ID = {registers.read(0):#010x} is not legal: must be {MAGIC:#010x}: load the overlay")
        self._identity = Identity(board, bitstream, clock_hz, MEM, memory.nbytes, image_base=memory.physical_address)

    @classmethod
    def open(cls, overlay: Path, size: int = 32 << 20) -> ZynqBus:
        """Loads an overlay on the board that this runs on.

        Args:
            overlay: The ``.bit`` file, with its ``.hwh`` beside it.
            size: Bytes of image memory.

        Raises:
            LinkError: PYNQ is not there, or the overlay cannot be loaded.
        """
        try:
            import pynq
        except ImportError as err:
            raise LinkError(f"pynq:{overlay}: package pynq is not there: this runs on the board's own processor") from err
        try:
            loaded = pynq.Overlay(str(overlay))
            memory = pynq.allocate(shape=(size,), dtype="u1")
            clock_hz = round(1e6 * pynq.Clocks.fclk0_mhz)
            number = zlib.crc32(overlay.read_bytes())
            return cls(getattr(loaded, IP).mmio, memory, clock_hz=clock_hz, name=f"pynq:{overlay}", bitstream=number)
        except (OSError, RuntimeError, AttributeError, ValueError) as err:
            if isinstance(err, LinkError | WrongBoardError):
                raise
            raise LinkError(f"pynq:{overlay}: cannot be loaded: {err}") from err

    def identify(self) -> Identity:
        """Who is there."""
        return self._identity

    def _where(self, address: int, size: int) -> int | None:
        """Offset in memory; None for registers.

        Raises:
            RefusedError: Neither, or no whole words.
        """
        if address % 4 or size % 4:
            raise RefusedError(f"{self.name}: 0x{address:08x}, {size} bytes: refused with BAD_ADDRESS", "BAD_ADDRESS")
        if REGISTERS <= address and address + size <= REGISTERS + REGISTER_BYTES:
            return None
        if MEM <= address and address + size <= MEM + self._memory.nbytes:
            return address - MEM
        raise RefusedError(f"{self.name}: 0x{address:08x}, {size} bytes: refused with DECERR", "DECERR", address)

    def read(self, address: int, size: int) -> bytes:
        """Reads bytes."""
        at = self._where(address, size)
        if at is None:
            return b"".join(self._registers.read(address - REGISTERS + i).to_bytes(4, "little") for i in range(0, size, 4))
        self._memory.invalidate()
        return bytes(self._memory[at : at + size])

    def write(self, address: int, data: bytes) -> None:
        """Writes bytes."""
        at = self._where(address, len(data))
        if at is None:
            for i in range(0, len(data), 4):
                self._registers.write(address - REGISTERS + i, int.from_bytes(data[i : i + 4], "little"))
            return
        self._memory[at : at + len(data)] = memoryview(data)
        self._memory.flush()

    def fill(self, address: int, size: int, value: int = 0) -> None:
        """Writes the same word everywhere."""
        self.write(address, value.to_bytes(4, "little") * (size // 4))

    def crc(self, address: int, size: int) -> int:
        """CRC-32 of bytes."""
        return zlib.crc32(self.read(address, size))

    def reset(self) -> None:
        """Soft reset: there is no other way to reset the fabric from here but to load the overlay again."""
        self._registers.write(CTRL, SOFT_RESET)

    def wait_interrupt(self, seconds: float) -> None:
        """Waits for the interrupt, or sleeps a little."""
        if self._interrupt is not None and not self._registers.read(IRQ_STATUS):
            self._interrupt.wait(seconds)
        else:
            time.sleep(min(seconds, 0.001))

    def close(self) -> None:
        """Gives the buffer back, if it can be."""
        free = getattr(self._memory, "freebuffer", None)
        if free is not None:
            free()
