# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
"""Bytes to and from a board over a serial port; tests put their own class in its place."""

from __future__ import annotations

import os
from typing import Protocol

import serial

from host.errors import LinkError


class Transport(Protocol):
    """A line of bytes that may lose or change some. All methods raise LinkError when the line itself is gone."""

    name: str

    def write(self, data: bytes) -> None:
        """Sends all bytes."""

    def read(self, seconds: float) -> bytes:
        """What has come, or comes within the time; empty if nothing."""

    def clear(self) -> None:
        """Forgets what has come."""

    def close(self) -> None:
        """Gives the line back."""


class SerialTransport:
    """A serial port, held alone: a second driver on it is refused."""

    def __init__(self, port: str, baud: int) -> None:
        """Opens a port.

        Args:
            port: ``/dev/ttyUSB0``, ``COM3``, or whatever pyserial takes.
            baud: Bits a second, what the board's configuration says.

        Raises:
            LinkError: There is no such port, or it is in use.
        """
        self.name = port
        try:
            self._port = serial.serial_for_url(port, baudrate=baud, timeout=0, write_timeout=10, exclusive=os.name == "posix" or None)
        except (serial.SerialException, ValueError, OSError) as err:
            hint = "is the board connected, may you use the port, is it in use?"
            raise LinkError(f"{port}: cannot be opened: {_reason(err)}; {hint}") from err

    def write(self, data: bytes) -> None:
        """Sends all bytes."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as err:
            raise LinkError(f"{self.name}: the port is gone: {_reason(err)}") from err

    def read(self, seconds: float) -> bytes:
        """What has come, or comes within the time."""
        try:
            self._port.timeout = seconds
            first = self._port.read(1)
            return bytes(first + self._port.read(self._port.in_waiting)) if first else b""
        except (serial.SerialException, OSError, TypeError) as err:  # TypeError: pyserial's own, of a port that was closed
            raise LinkError(f"{self.name}: the port is gone: {_reason(err)}") from err

    def clear(self) -> None:
        """Forgets what has come."""
        try:
            self._port.reset_input_buffer()
        except (serial.SerialException, OSError) as err:
            raise LinkError(f"{self.name}: the port is gone: {_reason(err)}") from err

    def close(self) -> None:
        """Closes the port."""
        self._port.close()


def _reason(err: Exception) -> str:
    return getattr(err, "strerror", None) or str(err)
