# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""From what a user calls a port to a bus."""

from __future__ import annotations

from pathlib import Path

from serial.tools import list_ports

from golden.errors import LoasError
from host.bus import Bus
from host.link import BAUD, Link
from host.zynq import ZynqBus

PYNQ = "pynq:"


def only_port() -> str:
    """The serial port of the board, if there is only one; those on USB go before others, which many computers have without a plug.

    Raises:
        LoasError: There is none, or there are several: lists them.
    """
    found = sorted(list_ports.comports(), key=lambda port: port.device)
    found = [port for port in found if port.vid is not None] or found
    if len(found) == 1:
        return str(found[0].device)
    if not found:
        raise LoasError("--port is missing, and this computer has no serial port: connect the board; on a Zynq itself give pynq:loas.bit")
    ports = ", ".join(port.device + (f" ({port.description})" if port.description not in (None, "n/a") else "") for port in found)
    raise LoasError(f"--port is missing: must be one of {ports}")


def open_bus(port: str, baud: int = BAUD, *, timeout: float = 1.0, attempts: int = 5) -> Bus:
    """Opens a serial port (``/dev/ttyUSB0``), or with ``pynq:loas.bit`` the machine beside the processor that this runs on.

    Raises:
        LinkError: Nothing is there.
        WrongBoardError: Something else is there.
    """
    if port.startswith(PYNQ):
        return ZynqBus.open(Path(port.removeprefix(PYNQ)))
    return Link.open(port, baud, timeout=timeout, attempts=attempts)
