# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""From what a user calls a port to a bus."""

from __future__ import annotations

from pathlib import Path

from host.bus import Bus
from host.link import BAUD, Link
from host.zynq import ZynqBus

PYNQ = "pynq:"


def open_bus(port: str, baud: int = BAUD, *, timeout: float = 1.0, attempts: int = 5) -> Bus:
    """Opens a serial port (``/dev/ttyUSB0``), or with ``pynq:loas.bit`` the machine beside the processor that this runs on.

    Raises:
        LinkError: Nothing is there.
        WrongBoardError: Something else is there.
    """
    if port.startswith(PYNQ):
        return ZynqBus.open(Path(port.removeprefix(PYNQ)))
    return Link.open(port, baud, timeout=timeout, attempts=attempts)
